// Sums over rows in the CPU library: bias gradients are one chain of floats over the rows, and those of the layer norm
// the same bits, for any number of threads.
#include "harness.h"

namespace {

using namespace test;

void sums(Device& device, int64_t rows, int64_t columns) {
  const std::string name = "N=" + std::to_string(rows) + " D=" + std::to_string(columns);
  Random random(static_cast<uint64_t>(rows + columns));
  const std::vector<float> x = random.normals(rows * columns), y = random.normals(rows * columns);
  const std::vector<float> start = random.normals(columns);
  Matrix a(device, RF_F32, rows, columns, columns + 3), b(device, RF_F32, rows, columns), out(device, RF_F32, rows, columns);
  Matrix sum(device, RF_F32, 1, columns), other(device, RF_F32, 1, columns), gain(device, RF_F32, 1, columns);
  Block workspace(device, rf_layer_norm_backward_workspace(rows, columns));
  a.put(x), b.put(y), gain.put(start);
  std::vector<float> products = start, plain = start;
  for (size_t i = 0; i < x.size(); ++i) {
    const float product = x[i] * y[i];
    products[i % start.size()] += product;
    plain[i % start.size()] += x[i];
  }
  std::vector<float> norm[2];
  for (int threads : {1, 2, 3, 5}) {
    const std::string with = std::to_string(threads) + " threads, " + name;
    ok(rf_context_threads(device.context, threads), "rf_context_threads");
    sum.put(start);
    ok(rf_activation_backward(device.context, out.data(), columns, RF_F32, sum.floats(), a.floats(), a.stride,
                              b.floats(), columns, rows, columns, nullptr),
       "rf_activation_backward");
    same(sum.get(), products, "rf_activation_backward, " + with);
    sum.put(start);
    ok(rf_residual_backward(device.context, nullptr, 0, RF_F32, nullptr, 0, RF_F32, sum.floats(), nullptr, 0, RF_F32,
                            nullptr, a.floats(), a.stride, rows, columns, TEST_DROPOUT(Dropout{}), nullptr, nullptr),
       "rf_residual_backward");
    same(sum.get(), plain, "rf_residual_backward, " + with);
    sum.put(start), other.put(start), out.put(y);
    ok(rf_layer_norm_backward(device.context, out.floats(), columns, sum.floats(), other.floats(), a.data(), a.stride,
                              RF_F32, b.data(), columns, RF_F32, gain.floats(), 1e-6f, rows, columns,
                              workspace.address),
       "rf_layer_norm_backward");
    if (threads == 1) {
      norm[0] = sum.get(), norm[1] = other.get();
    }
    same(sum.get(), norm[0], "gain of rf_layer_norm_backward, " + with);
    same(other.get(), norm[1], "bias of rf_layer_norm_backward, " + with);
  }
}

}  // namespace

int main() {
  {
    Device device;
    sums(device, 700, 300);
    if (!small()) {
      sums(device, 3001, 64);
      sums(device, 130, 2000);
      sums(device, 5000, 33);
    }
  }
  return finish("column_threads");
}
