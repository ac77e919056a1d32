// rf_gemm against sums in double, for every transposition, odd sizes, strides and factors; and bit for bit
// against the chain that the ABI promises, in parts and on any number of threads; of floats, and of bfloat16 where the
// processor multiplies it.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int64_t m, n, k, gap;
  bool transpose_a, transpose_b;
  float alpha, beta;
  int type = RF_F32, c_type = RF_F32;

  bool half() const { return type == RF_BF16; }
  // Whether a chain may be put down and taken up again.
  bool divisible() const { return !half() || (c_type == RF_F32 && alpha == 1); }
};

std::string name(const Case& c) {
  return "M=" + std::to_string(c.m) + " N=" + std::to_string(c.n) + " K=" + std::to_string(c.k) +
         " gap=" + std::to_string(c.gap) + (c.transpose_a ? " a^T" : "") + (c.transpose_b ? " b^T" : "") +
         " alpha=" + std::to_string(c.alpha) + " beta=" + std::to_string(c.beta) + (c.half() ? " bf16" : "") +
         (c.c_type == RF_BF16 ? " to bf16" : "");
}

bool is_fused() {
  // The baseline of x86 has no fused multiply-add.
#if defined(__x86_64__)
  const char* const isa = std::getenv("RF_CPU_ISA");
  return isa == nullptr || std::string(isa) != "generic";
#else
  return true;
#endif
}

const bool kFused = is_fused();

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::vector<int64_t> heights = small() ? std::vector<int64_t>{1, 13} : std::vector<int64_t>{1, 5, 12, 23, 193};
  const std::vector<int64_t> widths = small() ? std::vector<int64_t>{33} : std::vector<int64_t>{1, 16, 31, 100};
  const std::vector<int64_t> depths = small() ? std::vector<int64_t>{1, 40} : std::vector<int64_t>{1, 3, 65, 300};
  const float factors[][2] = {{1, 0}, {1, 1}, {0.7f, 0}, {-1.3f, 0.3f}};
  int turn = 0;
  for (int64_t m : heights) {
    for (int64_t n : widths) {
      for (int64_t k : depths) {
        for (int transposed = 0; transposed < 4; ++transposed, ++turn) {
          const float* const f = factors[(turn + turn / 4) % 4];
          all.push_back({m, n, k, turn % 3 == 0 ? 3 : 0, transposed % 2 == 1, transposed / 2 == 1, f[0], f[1]});
        }
      }
    }
  }
  // Few rows, which read b where it lies: in pieces of its rows, and groups of c's.
  for (int64_t m = 1; m <= 9; ++m) {
    for (bool transposed : {false, true}) {
      all.push_back({m, 37 * m, 50, m % 3, m % 2 == 0, transposed, m % 4 == 1 ? 1.0f : 0.7f, m % 4 == 2 ? 1.0f : 0.0f});
      if (!small()) all.push_back({m, 300, 2100 + m, m % 2, m % 3 == 0, transposed, 1, 1});
    }
  }
  if (!small()) {
    // Deeper than the panels of one packing, and wider.
    all.push_back({14, 515, 5000, 1, true, false, 1, 1});
    all.push_back({14, 4500, 600, 0, false, true, 1, 0});
    all.push_back({5, 4500, 600, 0, false, false, 1, 1});
  }
  return all;
}

struct Operands {
  Case c;
  std::vector<float> a, b, start;

  explicit Operands(const Case& shape) : c(shape) {
    Random random(static_cast<uint64_t>(shape.m * 7919 + shape.n * 31 + shape.k));
    a = random.normals(c.m * c.k, c.type), b = random.normals(c.k * c.n, c.type);
    start = random.normals(c.m * c.n, c.c_type);
  }
  float left(int64_t i, int64_t k) const { return a[static_cast<size_t>(c.transpose_a ? k * c.m + i : i * c.k + k)]; }
  float right(int64_t k, int64_t j) const { return b[static_cast<size_t>(c.transpose_b ? j * c.k + k : k * c.n + j)]; }
};

// The matrices on the device, and products of parts of them.
struct Product {
  Device& device;
  const Operands& in;
  Matrix a, b, c;

  Product(Device& on, const Operands& operands)
      : device(on),
        in(operands),
        a(on, in.c.type, in.c.transpose_a ? in.c.k : in.c.m, in.c.transpose_a ? in.c.m : in.c.k,
          (in.c.transpose_a ? in.c.m : in.c.k) + in.c.gap),
        b(on, in.c.type, in.c.transpose_b ? in.c.n : in.c.k, in.c.transpose_b ? in.c.k : in.c.n,
          (in.c.transpose_b ? in.c.k : in.c.n) + in.c.gap),
        c(on, in.c.c_type, in.c.m, in.c.n, in.c.n + in.c.gap) {
    a.put(in.a), b.put(in.b);
  }

  void part(int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t term, int64_t terms, float beta) {
    const auto at = [](const Matrix& m, int64_t i, int64_t j) {
      return static_cast<char*>(m.data()) + (i * m.stride + j) * Matrix::bytes(m.type);
    };
    const void* const from_a = in.c.transpose_a ? at(a, term, row) : at(a, row, term);
    const void* const from_b = in.c.transpose_b ? at(b, column, term) : at(b, term, column);
    ok(rf_gemm(device.context, at(c, row, column), c.stride, c.type, from_a, a.stride, in.c.transpose_a, from_b,
               b.stride, in.c.transpose_b, a.type, in.c.alpha, beta, rows, columns, terms),
       "rf_gemm");
  }

  std::vector<float> whole(int threads) {
    ok(rf_context_threads(device.context, threads), "rf_context_threads");
    c.put(in.start);
    part(0, in.c.m, 0, in.c.n, 0, in.c.k, in.c.beta);
    return c.get();
  }
};

// The chain over k = 1, 0, 3, 2, ... of bfloat16 numbers, exact but for its own roundings.
float chain_of_pairs(const Operands& in, int64_t i, int64_t j) {
  const Case& c = in.c;
  const float start = c.beta == 0 ? 0 : c.beta * in.start[static_cast<size_t>(i * c.n + j)];
  float chain = c.alpha == 1 ? start : 0;
  for (int64_t k = 0; k < c.k; k += 2) {
    if (k + 1 < c.k) chain = std::fma(in.left(i, k + 1), in.right(k + 1, j), chain);
    chain = std::fma(in.left(i, k), in.right(k, j), chain);
  }
  return rounded(c.alpha == 1 ? chain : std::fma(c.alpha, chain, start), c.c_type);
}

void product(Device& device, const Case& shape) {
  const Operands in(shape);
  Product p(device, in);
  const std::vector<float> actual = p.whole(1);
  std::vector<float> chains;
  for (int64_t i = 0; i < shape.m; ++i) {
    for (int64_t j = 0; j < shape.n; ++j) {
      const size_t at = static_cast<size_t>(i * shape.n + j);
      float chain = shape.beta == 0 ? 0 : shape.beta * in.start[at];
      double sum = static_cast<double>(shape.beta) * in.start[at], size = std::fabs(sum);
      for (int64_t k = 0; k < shape.k; ++k) {
        const double term = static_cast<double>(shape.alpha) * in.left(i, k) * in.right(k, j);
        sum += term, size += std::fabs(term);
        if (kFused) {
          chain = std::fma(shape.alpha * in.left(i, k), in.right(k, j), chain);
        } else {
          const float rounded_term = (shape.alpha * in.left(i, k)) * in.right(k, j);
          chain = chain + rounded_term;
        }
      }
      ++checks;
      const double error = std::fabs(static_cast<double>(actual[at]) - sum);
      if (!(error <= (shape.c_type == RF_BF16 ? 0x1p-8 * std::fabs(sum) : 0) + 1e-6 * (1 + size))) {
        fail(name(shape) + ": error " + std::to_string(error) + " at " + std::to_string(at));
        return;
      }
      chains.push_back(shape.half() ? chain_of_pairs(in, i, j) : chain);
    }
  }
  same(actual, chains, "chain " + name(shape));
  for (int threads : {2, 3}) same(p.whole(threads), actual, std::to_string(threads) + " threads " + name(shape));
  // In parts: rows, columns and terms cut anywhere.
  if (!shape.divisible()) {
    return;
  }
  const int64_t row = shape.m / 3, column = shape.n / 2, term = shape.half() ? shape.k / 4 * 2 : shape.k / 2;
  p.c.put(in.start);
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t i = corner % 2 == 0 ? 0 : row, j = corner / 2 == 0 ? 0 : column;
    const int64_t rows = corner % 2 == 0 ? row : shape.m - row, columns = corner / 2 == 0 ? column : shape.n - column;
    p.part(i, rows, j, columns, 0, term, shape.beta);
    p.part(i, rows, j, columns, term, shape.k - term, 1);
  }
  same(p.c.get(), actual, "parts " + name(shape));
}

Case with_type(Case c, int type, int c_type) {
  c.type = type;
  c.c_type = c_type;
  return c;
}

void many_threads(Device& device, const Case& shape) {
  const Operands in(shape);
  Product p(device, in);
  const std::vector<float> expected = p.whole(1);
  for (int threads : {2, 3, 5}) same(p.whole(threads), expected, std::to_string(threads) + " threads " + name(shape));
}

// Large enough for every thread to get its share, by rows and by columns.
const Case kLarge[] = {{700, 130, 300, 0, false, true, 1, 0},
                       {30, 2000, 300, 0, true, false, 1, 1},
                       {1, 6000, 300, 0, false, true, 1, 0},
                       {6, 3500, 200, 0, false, false, 1, 1}};

// What is behind the last number of a matrix is not read, even where it is half of a pair.
void odd_ends(Device& device) {
  const Operands in(with_type({3, 2, 5, 0, false, true, 1, 0}, RF_BF16, RF_F32));
  Matrix a(device, RF_BF16, 3, 6), b(device, RF_BF16, 2, 6), c(device, RF_F32, 3, 2);
  std::vector<float> wide_a(18, NAN), wide_b(12, NAN), expected;
  for (int64_t k = 0; k < 5; ++k) {
    for (int64_t i = 0; i < 3; ++i) wide_a[static_cast<size_t>(i * 6 + k)] = in.left(i, k);
    for (int64_t j = 0; j < 2; ++j) wide_b[static_cast<size_t>(j * 6 + k)] = in.right(k, j);
  }
  for (int64_t i = 0; i < 6; ++i) expected.push_back(chain_of_pairs(in, i / 2, i % 2));
  a.put(wide_a), b.put(wide_b);
  ok(rf_gemm(device.context, c.data(), 2, RF_F32, a.data(), 6, 0, b.data(), 6, 1, RF_BF16, 1, 0, 3, 2, 5), "rf_gemm");
  same(c.get(), expected, "NaN behind rows of odd length");
}

void edges(Device& device) {
  Matrix c(device, RF_F32, 2, 3);
  auto run = [&](float beta, int64_t rows, int64_t terms) {
    ok(rf_gemm(device.context, c.data(), 3, RF_F32, c.data(), 3, 0, c.data(), 3, 0, RF_F32, 1, beta, rows, 3, terms), "rf_gemm");
  };
  const float nan = std::nanf("");
  c.put(std::vector<float>{1, 2, 3, 4, 5, nan});
  run(0.5f, 1, 0);
  same(c.get(), {0.5f, 1, 1.5f, 4, 5, nan}, "no terms, one row");
  run(0, 2, 0);
  same(c.get(), {0, 0, 0, 0, 0, 0}, "no terms, beta 0");
  run(0, 0, 4);
  // With beta 0 what was in c does not matter.
  Matrix x(device, RF_F32, 1, 1);
  x.put(std::vector<float>{2});
  c.put(std::vector<float>{nan, 2, 3, 4, 5, 6});
  ok(rf_gemm(device.context, c.data(), 3, RF_F32, x.data(), 1, 0, x.data(), 1, 0, RF_F32, 1, 0, 1, 1, 1), "rf_gemm");
  same(c.get(), {4, 2, 3, 4, 5, 6}, "NaN in c with beta 0");
  check(rf_context_threads(device.context, 0) == RF_STATUS_UNSUPPORTED, "no threads");
}

}  // namespace

int main() {
  {
    Device device;
    for (const Case& c : cases()) product(device, c);
    for (const Case& c : kLarge) many_threads(device, c);
    if (rf_context_computes(device.context, RF_BF16) != 0) {
      int turn = 0;
      for (const Case& c : cases()) product(device, with_type(c, RF_BF16, turn++ % 3 == 2 ? RF_BF16 : RF_F32));
      for (const Case& c : kLarge) many_threads(device, with_type(c, RF_BF16, turn++ % 2 == 0 ? RF_BF16 : RF_F32));
      odd_ends(device);
    } else {
      Matrix x(device, RF_BF16, 1, 1);
      check(rf_gemm(device.context, x.data(), 1, RF_BF16, x.data(), 1, 0, x.data(), 1, 0, RF_BF16, 1, 0, 1, 1, 1) ==
                RF_STATUS_UNSUPPORTED,
            "bfloat16 without instructions for it");
    }
    edges(device);
  }
  return finish("gemm");
}
