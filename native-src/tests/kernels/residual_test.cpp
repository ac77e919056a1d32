// rf_residual_norm and rf_residual_backward against scalar code: streams and gradients bit for bit.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int64_t rows, columns, gap;
  int stream, y, out;
  bool bias, dropout;
};

std::string name(const Case& c) {
  return "N=" + std::to_string(c.rows) + " D=" + std::to_string(c.columns) +
         " gap=" + std::to_string(c.gap) + " stream=" + std::to_string(c.stream) +
         " y=" + std::to_string(c.y) + " out=" + std::to_string(c.out) +
         (c.bias ? " bias" : "") + (c.dropout ? " dropout" : "");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::vector<int64_t> widths =
      small() ? std::vector<int64_t>{10, 256, 1030}
              : std::vector<int64_t>{1, 3, 10, 127, 128, 132, 256, 300, 512, 1000, 1024, 1030, 2056};
  const std::vector<int64_t> heights =
      small() ? std::vector<int64_t>{2} : std::vector<int64_t>{1, 7, 33};
  int turn = 0;
  for (int64_t columns : widths) {
    for (int64_t rows : heights) {
      for (int stream : {RF_F32, RF_FIXED}) {
        if (small() && (stream == RF_F32) != (columns == 256)) continue;
        // The other properties take turns, so that each meets every width.
        for (int i = 0; i < (small() ? 1 : 3); ++i, ++turn) {
          all.push_back({rows, columns, turn % 4 == 1 ? 4 : turn % 4 == 2 ? 1 : 0, stream,
                         turn % 2 == 0 ? RF_F32 : RF_BF16, turn % 3 == 0 ? RF_BF16 : RF_F32,
                         turn % 5 != 0, turn % 3 != 1});
        }
      }
    }
  }
  return all;
}

// The mask of a chunk of rows that begins at row 5.
const Dropout kDropout = {0x123456789abcdefull, 7, 3 * 256 + 2, 0x40000000u, 1.0f / 0.75f, 5};

int32_t fixed(float x) {
  const double scaled = std::nearbyint(static_cast<double>(x) * (1 << RF_FRACTION_BITS));
  return scaled >= 2147483647.0 ? INT32_MAX : scaled <= -2147483648.0 ? INT32_MIN : static_cast<int32_t>(scaled);
}

float unfixed(int32_t x) { return static_cast<float>(x) / (1 << RF_FRACTION_BITS); }

struct Inputs {
  std::vector<float> stream, y, bias, gain, shift, dacc;
  std::vector<int32_t> cells;

  Inputs(const Case& c, uint64_t seed) {
    Random random(seed);
    const int64_t n = c.rows * c.columns;
    stream = random.normals(n);
    for (float& x : stream) {
      cells.push_back(fixed(x));
      if (c.stream == RF_FIXED) x = unfixed(cells.back());
    }
    y = random.normals(n, c.y);
    bias = random.normals(c.columns);
    gain = random.normals(c.columns);
    shift = random.normals(c.columns);
    dacc = random.normals(n);
  }

  // The stream after the step, as floats, with `cells` brought up to date.
  std::vector<float> step(const Case& c, int sign, std::vector<int32_t>& updated) const {
    std::vector<float> result = stream;
    updated = cells;
    const Dropout dropout = c.dropout ? kDropout : Dropout{};
    for (int64_t i = 0; i < c.rows * c.columns; ++i) {
      const size_t e = static_cast<size_t>(i);
      const float shifted = y[e] + (c.bias ? bias[static_cast<size_t>(i % c.columns)] : 0.0f);
      const float addend = static_cast<float>(sign) * (shifted * dropout.factor(dropout.first_row * c.columns + i));
      if (c.stream == RF_FIXED) {
        updated[e] += fixed(addend);
        result[e] = unfixed(updated[e]);
      } else {
        result[e] += addend;
      }
    }
    return result;
  }
};

void stream_equals(const Matrix& acc, const std::vector<float>& floats,
                   const std::vector<int32_t>& cells, const std::string& what) {
  if (acc.type == RF_FIXED) {
    same(acc.get_ints(), cells, what);
  } else {
    same(acc.get(), floats, what);
  }
}

std::vector<double> normalised(const Case& c, const Inputs& in, const std::vector<float>& x) {
  std::vector<double> out;
  for (int64_t i = 0; i < c.rows; ++i) {
    const float* row = x.data() + i * c.columns;
    double mean = 0, variance = 0;
    for (int64_t j = 0; j < c.columns; ++j) mean += row[j];
    mean /= static_cast<double>(c.columns);
    for (int64_t j = 0; j < c.columns; ++j) variance += (row[j] - mean) * (row[j] - mean);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(c.columns) + 1e-5);
    for (int64_t j = 0; j < c.columns; ++j) {
      const size_t e = static_cast<size_t>(j);
      out.push_back((row[j] - mean) * inverse * in.gain[e] + in.shift[e]);
    }
  }
  return out;
}

void residual_norm(Device& device, const Case& c) {
  const Inputs in(c, 11);
  Matrix acc(device, c.stream, c.rows, c.columns, c.columns + c.gap);
  Matrix y(device, c.y, c.rows, c.columns, c.columns + c.gap);
  Matrix out(device, c.out, c.rows, c.columns, c.columns + c.gap);
  Matrix bias(device, RF_F32, 1, c.columns);
  Matrix gain(device, RF_F32, 1, c.columns);
  Matrix shift(device, RF_F32, 1, c.columns);
  Matrix overflow(device, RF_I32, 1, 1);
  overflow.put(std::vector<int32_t>{0});
  bias.put(in.bias), gain.put(in.gain), shift.put(in.shift), y.put(in.y);
  c.stream == RF_FIXED ? acc.put(in.cells) : acc.put(in.stream);
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
  auto run = [&](void* target, const void* source, int sign) {
    ok(rf_residual_norm(device.context, target, out.stride, c.out, acc.data(), acc.stride, c.stream,
                        source, y.stride, c.y, c.bias ? bias.floats() : nullptr, gain.floats(),
                        shift.floats(), 1e-5f, sign, c.rows, c.columns, TEST_DROPOUT(dropout),
                        overflow.ints()),
       "rf_residual_norm");
  };
  const double tolerance = c.out == RF_BF16 ? 4e-3 : 4e-6;
  std::vector<int32_t> cells;
  const std::vector<float> after = in.step(c, 1, cells);
  run(out.data(), y.data(), 1);
  stream_equals(acc, after, cells, "forward stream " + name(c));
  nearly(out.get(), normalised(c, in, after), tolerance, "forward norm " + name(c));
  if (c.stream == RF_FIXED) {
    // The inverse recomputation restores every bit.
    run(out.data(), y.data(), -1);
    same(acc.get_ints(), in.cells, "inverse stream " + name(c));
    nearly(out.get(), normalised(c, in, in.stream), tolerance, "inverse norm " + name(c));
    check(overflow.get_ints()[0] == 0, "no overflow " + name(c));
  } else {
    run(nullptr, y.data(), -1);
    Inputs later = in;
    later.stream = after;
    stream_equals(acc, later.step(c, -1, cells), cells, "inverse stream " + name(c));
  }
  // A plain layer norm does not touch the stream.
  const std::vector<int32_t> before = acc.get_ints();
  run(out.data(), nullptr, 1);
  same(acc.get_ints(), before, "untouched stream " + name(c));
  if (c.stream == RF_F32 && c.out == RF_F32) {
    const std::vector<float> expected = out.get();
    ok(rf_residual_norm(device.context, acc.data(), acc.stride, RF_F32, acc.data(), acc.stride,
                        RF_F32, nullptr, 0, RF_F32, nullptr, gain.floats(), shift.floats(), 1e-5f, 1,
                        c.rows, c.columns, TEST_DROPOUT(Dropout{}), nullptr),
       "in place");
    same(acc.get(), expected, "in place " + name(c));
  }
}

void residual_backward(Device& device, const Case& c) {
  const Inputs in(c, 12);
  Matrix acc(device, c.stream, c.rows, c.columns, c.columns + c.gap);
  Matrix y(device, c.y, c.rows, c.columns, c.columns + c.gap);
  Matrix dy(device, c.out, c.rows, c.columns, c.columns + c.gap);
  Matrix dacc(device, RF_F32, c.rows, c.columns, c.columns + c.gap);
  Matrix bias(device, RF_F32, 1, c.columns);
  Matrix dbias(device, RF_F32, 1, c.columns);
  Block workspace(device, rf_residual_backward_workspace(c.rows, c.columns));
  bias.put(in.bias), dbias.put(in.gain), y.put(in.y), dacc.put(in.dacc);
  c.stream == RF_FIXED ? acc.put(in.cells) : acc.put(in.stream);
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
  std::vector<float> expected_dy;
  std::vector<double> expected_dbias(in.gain.begin(), in.gain.end());
  for (int64_t i = 0; i < c.rows * c.columns; ++i) {
    const float gradient = in.dacc[static_cast<size_t>(i)] * dropout.factor(dropout.first_row * c.columns + i);
    expected_dy.push_back(rounded(gradient, c.out));
    expected_dbias[static_cast<size_t>(i % c.columns)] += gradient;
  }
  // In place over y where the types allow it: the gradient replaces the branch's output.
  const bool in_place = c.y == c.out;
  void* target = in_place ? y.data() : dy.data();
  auto run = [&](const void* source) {
    ok(rf_residual_backward(device.context, acc.data(), acc.stride, c.stream, target,
                            in_place ? y.stride : dy.stride, c.out, dbias.floats(), source, y.stride,
                            c.y, c.bias ? bias.floats() : nullptr, dacc.floats(), dacc.stride, c.rows,
                            c.columns, TEST_DROPOUT(dropout), nullptr, workspace.address),
       "rf_residual_backward");
  };
  std::vector<int32_t> cells;
  const std::vector<float> after = in.step(c, -1, cells);
  run(y.data());
  stream_equals(acc, after, cells, "fused inverse stream " + name(c));
  same(in_place ? y.get() : dy.get(), expected_dy, "fused inverse dy " + name(c));
  nearly(dbias.get(), expected_dbias, 2e-6, "fused inverse dbias " + name(c));
  // Without y the stream stays, and the gradients accumulate.
  run(nullptr);
  stream_equals(acc, after, cells, "gradient only, stream " + name(c));
  for (size_t j = 0; j < expected_dbias.size(); ++j) {
    expected_dbias[j] += expected_dbias[j] - static_cast<double>(in.gain[j]);
  }
  nearly(dbias.get(), expected_dbias, 4e-6, "gradient only, dbias " + name(c));
}

void overflow_is_reported(Device& device) {
  for (float addend : {2000.0f, -2000.0f, 5e9f, NAN}) {
    Matrix acc(device, RF_FIXED, 1, 5), y(device, RF_F32, 1, 5), flag(device, RF_I32, 1, 1);
    acc.put(std::vector<int32_t>{0, 0, 0, addend > 0 ? INT32_MAX - 5 : INT32_MIN + 5, 0});
    y.put(std::vector<float>{0, 0, 0, addend, 0});
    flag.put(std::vector<int32_t>{0});
    ok(rf_residual_norm(device.context, nullptr, 0, RF_F32, acc.data(), 5, RF_FIXED, y.data(), 5,
                        RF_F32, nullptr, nullptr, nullptr, 0, 1, 1, 5, TEST_DROPOUT(Dropout{}),
                        flag.ints()),
       "overflow");
    check(flag.get_ints()[0] == 1, "overflow flag for " + std::to_string(addend));
    const int32_t cell = acc.get_ints()[3];
    check(addend > 0 ? cell == INT32_MAX : addend < 0 ? cell == INT32_MIN : true, "saturated");
  }
}

}  // namespace

int main() {
  {
    Device device;
    for (const Case& c : cases()) {
      residual_norm(device, c);
      residual_backward(device, c);
    }
    overflow_is_reported(device);
  }
  return finish("residual");
}
