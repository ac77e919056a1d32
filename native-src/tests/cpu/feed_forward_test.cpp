// rf_feed_forward and its gradient against the operations that they are made of, bit for bit: products, activation,
// rounding; on any number of threads and with any chunks; of floats, and of bfloat16 where the processor multiplies it.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int type, out_type, function;
  int64_t rows, hidden, inner, chunk, gap;
  bool dropout;
};

std::string name(const Case& c) {
  return std::string(c.type == RF_BF16 ? "bf16" : "float") + (c.out_type == RF_BF16 ? " to bf16" : "") +
         " N=" + std::to_string(c.rows) + " D=" + std::to_string(c.hidden) + " F=" + std::to_string(c.inner) +
         " chunk=" + std::to_string(c.chunk) + " function=" + std::to_string(c.function) +
         (c.dropout ? " dropout" : "");
}

const Dropout kDropout = {5, 2, 3 * 256 + 4, 0x40000000u, 1.0f / 0.75f, 7};

struct Results {
  std::vector<float> out, again, dx, dw1, db1, dw2;
};

// The matrices of a case.
struct Problem {
  Device& device;
  const Case c;
  const Dropout dropout;
  Matrix x, w1, b1, w2, d_out, out, dx, dw1, db1, dw2;

  Problem(Device& on, const Case& shape)
      : device(on),
        c(shape),
        dropout(shape.dropout ? kDropout : Dropout{}),
        x(on, c.type, c.rows, c.hidden, c.hidden + c.gap),
        w1(on, c.type, c.inner, c.hidden, c.hidden + c.gap),
        b1(on, RF_F32, 1, c.inner),
        w2(on, c.type, c.hidden, c.inner, c.inner + c.gap),
        d_out(on, c.type, c.rows, c.hidden, c.hidden + c.gap),
        out(on, c.out_type, c.rows, c.hidden, c.hidden + c.gap),
        dx(on, c.out_type, c.rows, c.hidden, c.hidden + c.gap),
        dw1(on, RF_F32, c.inner, c.hidden, c.hidden + c.gap),
        db1(on, RF_F32, 1, c.inner),
        dw2(on, RF_F32, c.hidden, c.inner, c.inner + c.gap) {
    Random random(static_cast<uint64_t>(c.rows * 31 + c.hidden * 7 + c.inner));
    x.put(random.normals(c.rows * c.hidden, c.type)), d_out.put(random.normals(c.rows * c.hidden, c.type));
    w1.put(random.normals(c.inner * c.hidden, c.type, 0.3f)), w2.put(random.normals(c.hidden * c.inner, c.type, 0.3f));
    b1.put(random.normals(c.inner));
  }

  void begin() {
    Random random(3);
    dw1.put(random.normals(c.inner * c.hidden)), dw2.put(random.normals(c.hidden * c.inner));
    db1.put(random.normals(c.inner));
    out.put(std::vector<float>(static_cast<size_t>(c.rows * c.hidden), NAN));
  }

  Results fused(int threads, int64_t chunk) {
    begin();
    ok(rf_context_threads(device.context, threads), "rf_context_threads");
    Block forward(device, rf_feed_forward_workspace(device.context, c.hidden, c.inner, c.type));
    ok(rf_feed_forward(device.context, out.data(), out.stride, c.out_type, x.data(), x.stride, w1.data(), w1.stride,
                       b1.floats(), w2.data(), w2.stride, c.type, c.function, c.rows, c.hidden, c.inner,
                       TEST_DROPOUT(dropout), forward.address),
       "rf_feed_forward");
    Results r = {out.get(), {}, {}, {}, {}, {}};
    Block backward(device, rf_feed_forward_backward_workspace(device.context, chunk, c.hidden, c.inner, c.type));
    ok(rf_feed_forward_backward(device.context, out.data(), out.stride, c.out_type, dx.data(), dx.stride, c.out_type,
                                dw1.floats(), dw1.stride, db1.floats(), dw2.floats(), dw2.stride, d_out.data(),
                                d_out.stride, x.data(), x.stride, w1.data(), w1.stride, b1.floats(), w2.data(),
                                w2.stride, c.type, c.function, c.rows, c.hidden, c.inner, chunk,
                                TEST_DROPOUT(dropout), backward.address),
       "rf_feed_forward_backward");
    r.again = out.get(), r.dx = dx.get(), r.dw1 = dw1.get(), r.db1 = db1.get(), r.dw2 = dw2.get();
    return r;
  }

  void product(const Matrix& to, const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b, float beta,
               int64_t rows, int64_t columns, int64_t terms) {
    ok(rf_gemm(device.context, to.data(), to.stride, to.type, a.data(), a.stride, transpose_a, b.data(), b.stride,
               transpose_b, c.type, 1, beta, rows, columns, terms),
       "rf_gemm");
  }

  Results composed() {
    begin();
    ok(rf_context_threads(device.context, 1), "rf_context_threads");
    Matrix sums(device, RF_F32, c.rows, c.inner), slope(device, RF_F32, c.rows, c.inner);
    Matrix hidden(device, c.type, c.rows, c.inner), gradient(device, c.type, c.rows, c.inner);
    product(sums, x, false, w1, true, 0, c.rows, c.inner, c.hidden);
    ok(rf_activation(device.context, hidden.data(), c.inner, c.type, slope.floats(), c.inner, sums.floats(), c.inner,
                     b1.floats(), c.function, c.rows, c.inner, TEST_DROPOUT(dropout)),
       "rf_activation");
    product(out, hidden, false, w2, true, 0, c.rows, c.hidden, c.inner);
    product(dw2, d_out, true, hidden, false, 1, c.hidden, c.inner, c.rows);
    product(sums, d_out, false, w2, false, 0, c.rows, c.inner, c.hidden);
    std::vector<float> db = db1.get();
    ok(rf_activation_backward(device.context, gradient.data(), c.inner, c.type, db1.floats(), sums.floats(), c.inner,
                              slope.floats(), c.inner, c.rows, c.inner, nullptr),
       "rf_activation_backward");
    product(dw1, gradient, true, x, false, 1, c.inner, c.hidden, c.rows);
    product(dx, gradient, false, w1, false, 0, c.rows, c.hidden, c.inner);
    // Summed after it was rounded.
    const std::vector<float> rounded_gradient = gradient.get();
    for (size_t i = 0; i < rounded_gradient.size(); ++i) db[i % static_cast<size_t>(c.inner)] += rounded_gradient[i];
    return {out.get(), out.get(), dx.get(), dw1.get(), db, dw2.get()};
  }
};

void same(const Results& actual, const Results& expected, const std::string& what) {
  test::same(actual.out, expected.out, "out, " + what);
  test::same(actual.again, expected.again, "out of the gradient, " + what);
  test::same(actual.dx, expected.dx, "dx, " + what);
  test::same(actual.dw1, expected.dw1, "dw1, " + what);
  test::same(actual.db1, expected.db1, "db1, " + what);
  test::same(actual.dw2, expected.dw2, "dw2, " + what);
}

void feed_forward(Device& device, const Case& c) {
  Problem p(device, c);
  const Results expected = p.composed();
  same(p.fused(1, c.rows), expected, name(c));
  for (int threads : {2, 3}) same(p.fused(threads, c.chunk), expected, std::to_string(threads) + " threads, " + name(c));
}

}  // namespace

int main() {
  {
    Device device;
    int turn = 0;
    for (const int type : {RF_F32, RF_BF16}) {
      if (rf_context_computes(device.context, type) == 0) {
        check(rf_feed_forward(device.context, nullptr, 1, type, nullptr, 1, nullptr, 1, nullptr, nullptr, 1, type,
                              RF_RELU, 1, 1, 1, TEST_DROPOUT(Dropout{}), nullptr) == RF_STATUS_UNSUPPORTED,
              "bfloat16 without instructions for it");
        continue;
      }
      for (const int64_t rows : {1, 5, 8, 9, 50, 331}) {
        if (small() && rows > 50) continue;
        for (const auto& [hidden, inner] : {std::pair<int64_t, int64_t>{24, 40}, {33, 71}, {96, 513}}) {
          for (const int64_t chunk : {7, 64}) {
            ++turn;
            feed_forward(device, {type, turn % 2 == 0 ? type : RF_F32, turn % 5, rows, hidden, inner, chunk,
                                  turn % 3 == 0 ? 3 : 0, turn % 4 == 1});
          }
        }
      }
    }
  }
  return finish("feed_forward");
}
