// rf_activation and rf_activation_backward against scalar code in double.
#include <limits>

#include "harness.h"

namespace {

using namespace test;

struct Case {
  int64_t rows, columns, gap;
  int function, type;
  bool dropout, in_place;
};

std::string name(const Case& c) {
  return "N=" + std::to_string(c.rows) + " D=" + std::to_string(c.columns) +
         " gap=" + std::to_string(c.gap) + " function=" + std::to_string(c.function) +
         " type=" + std::to_string(c.type) + (c.dropout ? " dropout" : "") +
         (c.in_place ? " in place" : "");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::vector<int64_t> widths = small() ? std::vector<int64_t>{10, 256}
                                              : std::vector<int64_t>{1, 3, 10, 128, 132, 300, 1030};
  const std::vector<int64_t> heights =
      small() ? std::vector<int64_t>{2} : std::vector<int64_t>{1, 7, 33};
  int turn = 0;
  for (int64_t columns : widths) {
    for (int64_t rows : heights) {
      for (int function = RF_RELU; function <= RF_TANH; ++function, ++turn) {
        // The other properties take turns, so that each meets every function.
        const int type = turn % 3 == 1 ? RF_BF16 : RF_F32;
        all.push_back({rows, columns, turn % 4 == 1 ? 4 : turn % 4 == 2 ? 1 : 0, function, type,
                       turn % 7 < 4, type == RF_F32 && turn % 2 == 0});
      }
    }
  }
  // More rows than blocks in a column.
  if (!small()) all.push_back({1100, 700, 0, RF_TANH, RF_F32, false, true});
  return all;
}

// The mask of a chunk of rows that begins at row 5.
const Dropout kDropout = {0x123456789abcdefull, 7, 3 * 256 + 2, 0x40000000u, 1.0f / 0.75f, 5};

double value(int function, double u) {
  switch (function) {
    case RF_RELU:
      return u > 0 ? u : 0;
    case RF_GELU:
      return 0.5 * u * std::erfc(-u * std::sqrt(0.5));
    case RF_GELU_NEW:
      return 0.5 * u * (1 + std::tanh(std::sqrt(2 / M_PI) * (u + 0.044715 * u * u * u)));
    case RF_SILU:
      return u / (1 + std::exp(-u));
    default:
      return std::tanh(u);
  }
}

double slope(int function, double u) {
  switch (function) {
    case RF_RELU:
      return u > 0 ? 1 : 0;
    case RF_GELU:
      return 0.5 * std::erfc(-u * std::sqrt(0.5)) + u * std::exp(-0.5 * u * u) / std::sqrt(2 * M_PI);
    case RF_GELU_NEW: {
      const double t = std::tanh(std::sqrt(2 / M_PI) * (u + 0.044715 * u * u * u));
      return 0.5 * (1 + t) +
             0.5 * u * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * u * u);
    }
    case RF_SILU: {
      const double s = 1 / (1 + std::exp(-u));
      return s + u * s * (1 - s);
    }
    default:
      return 1 - std::tanh(u) * std::tanh(u);
  }
}

void activation(Device& device, const Case& c) {
  Random random(13);
  const int64_t n = c.rows * c.columns;
  const std::vector<float> inputs = random.normals(n, RF_F32, 2.0f);
  const std::vector<float> shifts = random.normals(c.columns);
  const std::vector<float> gradients = random.normals(n);
  const std::vector<float> sums = random.normals(c.columns);
  Matrix x(device, RF_F32, c.rows, c.columns, c.columns + c.gap);
  Matrix other(device, c.type, c.rows, c.columns, c.columns + c.gap);
  Matrix slopes(device, RF_F32, c.rows, c.columns, c.columns + c.gap);
  Matrix bias(device, RF_F32, 1, c.columns);
  Matrix& hidden = c.in_place ? x : other;
  x.put(inputs), bias.put(shifts);
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
  auto run = [&](bool with_slope) {
    ok(rf_activation(device.context, hidden.data(), hidden.stride, c.type,
                     with_slope ? slopes.floats() : nullptr, slopes.stride, x.floats(), x.stride,
                     bias.floats(), c.function, c.rows, c.columns, TEST_DROPOUT(dropout)),
       "rf_activation");
  };
  run(true);
  std::vector<double> expected, expected_slopes;
  for (int64_t i = 0; i < n; ++i) {
    const float factor = dropout.factor(dropout.first_row * c.columns + i);
    const float shifted = inputs[static_cast<size_t>(i)] + shifts[static_cast<size_t>(i % c.columns)];
    const float u = shifted * factor;
    expected.push_back(value(c.function, u));
    expected_slopes.push_back(slope(c.function, u) * factor);
  }
  const double tolerance = 4e-7;
  const std::vector<float> kept = slopes.get();
  nearly(hidden.get(), expected, c.type == RF_BF16 ? 4e-3 : tolerance, "hidden " + name(c));
  nearly(kept, expected_slopes, tolerance, "slope " + name(c));
  // Without the slope the same values.
  const std::vector<float> before = hidden.get();
  x.put(inputs);
  run(false);
  same(hidden.get(), before, "no slope " + name(c));

  // The gradient, in place where the types allow it.
  Matrix dbias(device, RF_F32, 1, c.columns);
  Block workspace(device, rf_activation_backward_workspace(c.rows, c.columns));
  x.put(gradients), dbias.put(sums);
  ok(rf_activation_backward(device.context, hidden.data(), hidden.stride, c.type, dbias.floats(),
                            x.floats(), x.stride, slopes.floats(), slopes.stride, c.rows, c.columns,
                            workspace.address),
     "rf_activation_backward");
  std::vector<float> expected_dx;
  std::vector<double> expected_dbias(sums.begin(), sums.end());
  for (int64_t i = 0; i < n; ++i) {
    const float product = gradients[static_cast<size_t>(i)] * kept[static_cast<size_t>(i)];
    expected_dx.push_back(rounded(product, c.type));
    expected_dbias[static_cast<size_t>(i % c.columns)] += product;
  }
  same(hidden.get(), expected_dx, "dx " + name(c));
  nearly(dbias.get(), expected_dbias, 2e-5, "dbias " + name(c));
  same(slopes.get(), kept, "slope is only read " + name(c));
}

// Values and slopes of one function on a row of numbers.
std::vector<float> apply(Device& device, int function, const std::vector<float>& u,
                         std::vector<float>* slopes) {
  const int64_t columns = static_cast<int64_t>(u.size());
  Matrix x(device, RF_F32, 1, columns);
  Matrix slope(device, RF_F32, 1, columns);
  Matrix bias(device, RF_F32, 1, columns);
  x.put(u), bias.put(std::vector<float>(u.size(), 0.0f));
  ok(rf_activation(device.context, x.data(), columns, RF_F32, slope.floats(), columns, x.floats(),
                   columns, bias.floats(), function, 1, columns, TEST_DROPOUT(Dropout{})),
     "rf_activation");
  *slopes = slope.get();
  return x.get();
}

void every_size(Device& device) {
  std::vector<float> u;
  for (int i = -4096; i <= 4096; ++i) u.push_back(static_cast<float>(i) / (small() ? 4.0f : 200.0f) * 1.01f);
  for (float x = 1e-30f; x < 1e30f; x *= 7) u.push_back(x), u.push_back(-x);
  if (small()) {
    std::vector<float> few;
    for (size_t i = 0; i < u.size(); i += 61) few.push_back(u[i]);
    u = few;
  }
  for (int function = RF_RELU; function <= RF_TANH; ++function) {
    std::vector<double> values, slopes;
    for (float x : u) {
      values.push_back(value(function, x));
      slopes.push_back(slope(function, x));
    }
    std::vector<float> actual;
    nearly(apply(device, function, u, &actual), values, 3e-7, "value of " + std::to_string(function));
    nearly(actual, slopes, 5e-7, "slope of " + std::to_string(function));
  }
}

void not_a_number(Device& device) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  for (int function = RF_RELU; function <= RF_TANH; ++function) {
    std::vector<float> slopes;
    const std::vector<float> values = apply(device, function, {nan, infinite, 1.0f}, &slopes);
    const std::string what = "function " + std::to_string(function);
    check(std::isnan(values[0]), what + " of NaN");
    check(function == RF_TANH ? values[1] == 1 : std::isinf(values[1]), what + " of infinity");
    check(std::isfinite(values[2]) && std::isfinite(slopes[2]), what + " of 1");
  }
}

void refused(Device& device) {
  Matrix x(device, RF_F32, 1, 4);
  for (int function : {-1, RF_TANH + 1}) {
    check(rf_activation(device.context, x.data(), 4, RF_F32, nullptr, 0, x.floats(), 4, x.floats(),
                        function, 1, 4, TEST_DROPOUT(Dropout{})) == RF_STATUS_UNSUPPORTED,
          "unknown function");
  }
  ok(rf_activation(device.context, nullptr, 4, RF_F32, nullptr, 0, nullptr, 4, nullptr, RF_RELU, 0, 4,
                   TEST_DROPOUT(Dropout{})),
     "no rows");
  ok(rf_activation_backward(device.context, nullptr, 0, RF_F32, nullptr, nullptr, 0, nullptr, 0, 3, 0,
                            nullptr),
     "no columns");
  check(rf_activation_backward_workspace(0, 4) == 0, "workspace of nothing");
}

}  // namespace

int main() {
  {
    Device device;
    for (const Case& c : cases()) activation(device, c);
    every_size(device);
    not_a_number(device);
    refused(device);
  }
  return finish("activation");
}
