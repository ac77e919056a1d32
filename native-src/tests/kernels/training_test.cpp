// Losses, optimizers and embeddings against scalar code.
#include "harness.h"

namespace {

using namespace test;

std::string shape(int64_t rows, int64_t columns, int64_t gap) {
  return " N=" + std::to_string(rows) + " D=" + std::to_string(columns) + " gap=" + std::to_string(gap);
}

void sum_of_squares(Device& device, int64_t rows, int64_t columns, int64_t gap) {
  Random random(static_cast<uint64_t>(rows + columns));
  const std::vector<float> values = random.normals(rows * columns);
  double expected = 0;
  for (float x : values) expected += static_cast<double>(x) * x;
  Matrix view(device, RF_F32, rows, columns, columns + gap), flat(device, RF_F32, rows, columns);
  Matrix result(device, RF_F32, 1, 2);
  Block workspace(device, rf_sum_of_squares_workspace(rows, columns));
  double sums[2];
  for (int i = 0; i < 2; ++i) {
    Matrix& x = i == 0 ? view : flat;
    x.put(values);
    ok(rf_sum_of_squares(device.context, static_cast<double*>(result.data()), x.floats(), x.stride, rows,
                         columns, workspace.address),
       "rf_sum_of_squares");
    const std::vector<float> bits = result.get();
    std::memcpy(&sums[i], bits.data(), sizeof sums[i]);
  }
  check(std::fabs(sums[0] - expected) <= 1e-12 * (1 + expected), "sum of squares" + shape(rows, columns, gap));
  check(sums[0] == sums[1], "sum of squares of a view" + shape(rows, columns, gap));
}

void adam_w(Device& device, int64_t count) {
  Random random(static_cast<uint64_t>(count));
  std::vector<float> w = random.normals(count), g = random.normals(count), m = random.normals(count),
                     v = random.normals(count);
  for (float& x : v) x = std::fabs(x);
  Matrix w_on(device, RF_F32, 1, count), g_on(device, RF_F32, 1, count), m_on(device, RF_F32, 1, count),
      v_on(device, RF_F32, 1, count);
  w_on.put(w), g_on.put(g), m_on.put(m), v_on.put(v);
  ok(rf_adam_w(device.context, w_on.floats(), g_on.floats(), m_on.floats(), v_on.floats(), count, 0.02, 0.9,
               0.1f, 0.02f, 0.3, 1e-8f, 0.25f),
     "rf_adam_w");
  for (size_t i = 0; i < w.size(); ++i) {
    const double x = static_cast<double>(g[i]) * 0.25f;
    const double mean = m[i] + (x - m[i]) * 0.1f;
    const double square = v[i] + (x * x - v[i]) * 0.02f;
    w[i] = static_cast<float>(w[i] * 0.9 - 0.02 * mean / (std::sqrt(square) / 0.3 + 1e-8f));
    m[i] = static_cast<float>(mean);
    v[i] = static_cast<float>(square);
  }
  same(w_on.get(), w, "AdamW parameter");
  same(m_on.get(), m, "AdamW first moment");
  same(v_on.get(), v, "AdamW second moment");
}

void cross_entropy(Device& device, int64_t rows, int64_t columns, int64_t gap, bool in_place) {
  const std::string name = "cross entropy" + shape(rows, columns, gap);
  Random random(static_cast<uint64_t>(rows + columns));
  const std::vector<float> x = random.normals(rows * columns, RF_F32, 4.0f);
  std::vector<int32_t> targets;
  std::vector<double> loss, gradient;
  for (int64_t i = 0; i < rows; ++i) {
    const bool ignored = i % 3 == 1;
    const int target = ignored ? -100 : random.below(static_cast<int>(columns));
    targets.push_back(target);
    const float* const row = x.data() + i * columns;
    double sum = 0;
    for (int64_t j = 0; j < columns; ++j) sum += std::exp(static_cast<double>(row[j]));
    loss.push_back(ignored ? 0 : std::log(sum) - row[target]);
    for (int64_t j = 0; j < columns; ++j) {
      gradient.push_back(ignored ? 0 : 0.5 * (std::exp(static_cast<double>(row[j])) / sum - (j == target ? 1 : 0)));
    }
  }
  Matrix x_on(device, RF_F32, rows, columns, columns + gap), dx(device, RF_F32, rows, columns, columns + gap),
      targets_on(device, RF_I32, 1, rows), loss_on(device, RF_F32, 1, rows), first(device, RF_I32, 1, 1);
  x_on.put(x), targets_on.put(targets);
  Matrix& target = in_place ? x_on : dx;
  ok(rf_cross_entropy(device.context, loss_on.floats(), target.floats(), target.stride, x_on.floats(),
                      x_on.stride, targets_on.ints(), -100, 0.5f, rows, columns),
     "rf_cross_entropy");
  nearly(loss_on.get(), loss, 1e-6, name + " loss");
  nearly(target.get(), gradient, 2e-7, name + " gradient");
  ok(rf_index_check(device.context, first.ints(), targets_on.ints(), rows, columns, 1, -100), "rf_index_check");
  check(first.get_ints()[0] >= 1 << 30, name + ": targets are right");
  ok(rf_index_check(device.context, first.ints(), targets_on.ints(), rows, columns, 0, 0), "rf_index_check");
  check(first.get_ints()[0] == (rows > 1 ? 1 : INT32_MAX), name + ": the first number that is no index");
}

}  // namespace

int main() {
  {
    Device device;
    sum_of_squares(device, 3, 10, 1);
    sum_of_squares(device, 5, 516, 4);
    adam_w(device, 300);
    cross_entropy(device, 2, 10, 1, true);
    cross_entropy(device, 2, 1028, 0, false);
    if (!small()) {
      sum_of_squares(device, 1, 1, 0);
      sum_of_squares(device, 700, 1, 2);
      sum_of_squares(device, 40, 1024, 0);
      cross_entropy(device, 7, 1, 0, true);
      cross_entropy(device, 1, 3, 0, false);
      cross_entropy(device, 4, 5001, 3, true);
    }
  }
  return finish("training");
}
