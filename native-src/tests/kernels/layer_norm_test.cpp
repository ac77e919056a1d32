// rf_layer_norm_backward against the formula in double, and rf_fill.
#include "harness.h"

namespace {

using namespace test;

void layer_norm_backward(Device& device, int64_t rows, int64_t columns, int64_t gap, int x_type,
                         int dout_type) {
  const std::string name = "N=" + std::to_string(rows) + " D=" + std::to_string(columns) +
                           " x=" + std::to_string(x_type) + " dout=" + std::to_string(dout_type);
  Random random(static_cast<uint64_t>(rows * 31 + columns));
  const int64_t n = rows * columns;
  std::vector<float> x = random.normals(n);
  std::vector<int32_t> cells;
  for (float& value : x) {
    cells.push_back(static_cast<int32_t>(std::nearbyint(value * (1 << RF_FRACTION_BITS))));
    if (x_type == RF_FIXED) value = static_cast<float>(cells.back()) / (1 << RF_FRACTION_BITS);
  }
  const std::vector<float> dout = random.normals(n, dout_type);
  const std::vector<float> gain = random.normals(columns);
  const std::vector<float> dx0 = random.normals(n);
  const std::vector<float> dgain0 = random.normals(columns);
  const std::vector<float> dbias0 = random.normals(columns);
  std::vector<double> dx(dx0.begin(), dx0.end());
  std::vector<double> dgain(dgain0.begin(), dgain0.end());
  std::vector<double> dbias(dbias0.begin(), dbias0.end());
  const double width = static_cast<double>(columns);
  for (int64_t i = 0; i < rows; ++i) {
    const size_t row = static_cast<size_t>(i * columns);
    double mean = 0, variance = 0, sum = 0, projection = 0;
    for (size_t j = 0; j < gain.size(); ++j) mean += x[row + j] / width;
    for (size_t j = 0; j < gain.size(); ++j) variance += std::pow(x[row + j] - mean, 2) / width;
    const double inverse = 1 / std::sqrt(variance + 1e-5);
    for (size_t j = 0; j < gain.size(); ++j) {
      const double g = static_cast<double>(dout[row + j]) * gain[j];
      const double normal = (x[row + j] - mean) * inverse;
      sum += g / width;
      projection += g * normal / width;
      dgain[j] += dout[row + j] * normal;
      dbias[j] += dout[row + j];
    }
    for (size_t j = 0; j < gain.size(); ++j) {
      const double g = static_cast<double>(dout[row + j]) * gain[j];
      dx[row + j] += (g - sum - (x[row + j] - mean) * inverse * projection) * inverse;
    }
  }
  Matrix x_on(device, x_type, rows, columns, columns + gap);
  Matrix dout_on(device, dout_type, rows, columns, columns + gap);
  Matrix dx_on(device, RF_F32, rows, columns, columns + gap);
  Matrix gain_on(device, RF_F32, 1, columns), dgain_on(device, RF_F32, 1, columns);
  Matrix dbias_on(device, RF_F32, 1, columns);
  Block workspace(device, rf_layer_norm_backward_workspace(rows, columns));
  x_type == RF_FIXED ? x_on.put(cells) : x_on.put(x);
  dout_on.put(dout), dx_on.put(dx0), gain_on.put(gain), dgain_on.put(dgain0), dbias_on.put(dbias0);
  ok(rf_layer_norm_backward(device.context, dx_on.floats(), dx_on.stride, dgain_on.floats(),
                            dbias_on.floats(), dout_on.data(), dout_on.stride, dout_type,
                            x_on.data(), x_on.stride, x_type, gain_on.floats(), 1e-5f, rows, columns,
                            workspace.address),
     "rf_layer_norm_backward");
  // One column alone has variance 0: its gradient is a difference of equal numbers times 316.
  nearly(dx_on.get(), dx, columns == 1 ? 1e-4 : 2e-5, "dx " + name);
  nearly(dgain_on.get(), dgain, 1e-5, "dgain " + name);
  nearly(dbias_on.get(), dbias, 1e-5, "dbias " + name);
}

void fill(Device& device) {
  for (int type : {RF_F32, RF_BF16, RF_FIXED}) {
    for (int64_t gap : {0, 3}) {
      Matrix x(device, type, 5, 13, 13 + gap);
      Matrix all(device, type, 5, 13 + gap);
      ok(rf_fill(device.context, x.data(), x.stride, type, 5, 13, 1.0f / 3), "rf_fill");
      if (type == RF_FIXED) {
        same(x.get_ints(), std::vector<int32_t>(65, 349525), "fill fixed");
      } else {
        same(x.get(), std::vector<float>(65, rounded(1.0f / 3, type)), "fill");
      }
    }
  }
}

}  // namespace

int main() {
  {
    Device device;
    const std::vector<int64_t> widths =
        small() ? std::vector<int64_t>{10, 256, 1030}
                : std::vector<int64_t>{1, 3, 10, 127, 128, 132, 256, 300, 512, 1000, 1024, 1030, 2056};
    int turn = 0;
    for (int64_t columns : widths) {
      for (int64_t rows : small() ? std::vector<int64_t>{2} : std::vector<int64_t>{1, 7, 33}) {
        layer_norm_backward(device, rows, columns, turn % 3, turn % 2 == 0 ? RF_F32 : RF_FIXED,
                            turn % 4 < 2 ? RF_F32 : RF_BF16);
        ++turn;
      }
    }
    if (!small()) {
      // More rows than blocks: every warp, or every block, has several.
      layer_norm_backward(device, 2500, 36, 0, RF_F32, RF_F32);
      layer_norm_backward(device, 300, 1028, 0, RF_F32, RF_F32);
    }
    fill(device);
  }
  return finish("layer_norm");
}
