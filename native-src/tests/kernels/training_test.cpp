// Losses, optimizers and embeddings against scalar code.
#include <algorithm>

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

// One table; with `shared` the mask has one element per row.
void embed(Device& device, int64_t rows, int64_t size, int64_t width, int64_t gap, bool shared) {
  const std::string name = "embed" + shape(rows, width, gap) + " size=" + std::to_string(size);
  Random random(static_cast<uint64_t>(rows + size));
  const int64_t stride = 3, first = 2, columns = width + 5, per_sequence = 4, mask_stride = 2, mask_size = 5;
  const Dropout dropout = {0x123456789abcdefull, 7, 2, 0x40000000u, 1.0f / 0.75f, 0};
  std::vector<int32_t> indices;
  for (int64_t i = 0; i < rows; ++i) {
    indices.push_back(i % 3 == 0 ? 4 : random.below(static_cast<int>(size * stride * 2)));
  }
  const std::vector<float> table = random.normals(size * width), out = random.normals(rows * columns);
  std::vector<float> expected = out, fresh = out;
  std::vector<double> gradient(table.begin(), table.end());
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t index = indices[static_cast<size_t>(i)];
    for (int64_t j = 0; j < width; ++j) {
      const int64_t element = shared ? i / per_sequence * mask_size + index / mask_stride % mask_size
                                     : i * columns + first + j;
      const float factor = dropout.factor(element);
      const size_t from = static_cast<size_t>(index / stride % size * width + j);
      const size_t to = static_cast<size_t>(i * columns + first + j);
      fresh[to] = table[from] * factor;
      expected[to] = out[to] + table[from] * factor;
      gradient[from] += static_cast<double>(out[to]) * factor;
    }
  }
  Matrix out_on(device, RF_F32, rows, columns, columns + gap), table_on(device, RF_F32, size, width, width + gap),
      indices_on(device, RF_I32, 1, rows);
  table_on.put(table), indices_on.put(indices);
  for (int add = 0; add < 2; ++add) {
    out_on.put(out);
    ok(rf_embed(device.context, out_on.floats(), out_on.stride, indices_on.ints(), stride, table_on.floats(),
                table_on.stride, size, width, rows, columns, first, add, TEST_DROPOUT(dropout), per_sequence,
                shared ? mask_size : 0, mask_stride),
       "rf_embed");
    same(out_on.get(), add == 0 ? fresh : expected, name);
  }
  out_on.put(out);
  Block workspace(device, rf_embed_backward_workspace(rows, size));
  ok(rf_embed_backward(device.context, table_on.floats(), table_on.stride, out_on.floats(), out_on.stride,
                       indices_on.ints(), stride, size, width, rows, columns, first, TEST_DROPOUT(dropout),
                       per_sequence, shared ? mask_size : 0, mask_stride, workspace.address),
     "rf_embed_backward");
  nearly(table_on.get(), gradient, 1e-5, name + " gradient");
}

// A vector where columns is 0.
void adafactor(Device& device, int64_t rows, int64_t columns) {
  const std::string name = "Adafactor" + shape(rows, columns, 0);
  Random random(static_cast<uint64_t>(rows + columns));
  const bool factored = columns > 0;
  const int64_t width = factored ? columns : 1;
  const int64_t count = rows * width;
  const float rate = 0.02f, decay = 0.75f, epsilon = 1e-30f, clip = 1.0f, scale = 0.5f;
  const std::vector<float> w = random.normals(count), g = random.normals(count);
  std::vector<float> r = random.normals(rows), c = random.normals(width);
  for (float& x : r) x = std::fabs(x);
  for (float& x : c) x = std::fabs(x);
  std::vector<double> row(r.begin(), r.end()), column(c.begin(), c.end());
  for (double& x : row) x *= decay;
  for (double& x : column) x *= decay;
  double size = 0, mean = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    const size_t e = static_cast<size_t>(i), at = static_cast<size_t>(i / width), under = static_cast<size_t>(i % width);
    const double x = static_cast<double>(g[e]) * scale, square = x * x + epsilon;
    row[at] += 0.25 * square / static_cast<double>(width);
    column[under] += 0.25 * square / static_cast<double>(rows);
    size += static_cast<double>(w[e]) * w[e];
  }
  for (double x : row) mean += x / static_cast<double>(rows);
  std::vector<double> u, expected;
  for (int64_t i = 0; i < count; ++i) {
    const size_t e = static_cast<size_t>(i), at = static_cast<size_t>(i / width), under = static_cast<size_t>(i % width);
    const double v = factored ? row[at] * column[under] / mean : row[at];
    u.push_back(static_cast<double>(g[e]) * scale / std::sqrt(v));
    squares += u[e] * u[e];
  }
  const double n = static_cast<double>(count);
  const double step = rate * std::max(std::sqrt(size / n), 1e-3) / std::max(1.0, std::sqrt(squares / n) / clip);
  for (size_t i = 0; i < w.size(); ++i) expected.push_back(w[i] * (1 - rate * 0.1) - step * u[i]);
  Matrix w_on(device, RF_F32, 1, count), g_on(device, RF_F32, 1, count), r_on(device, RF_F32, 1, rows),
      c_on(device, RF_F32, 1, width);
  w_on.put(w), g_on.put(g), r_on.put(r), c_on.put(c);
  Block workspace(device, rf_adafactor_workspace(rows, width));
  ok(rf_adafactor(device.context, w_on.floats(), g_on.floats(), r_on.floats(), factored ? c_on.floats() : nullptr,
                  rows, width, rate, decay, epsilon, 1e-3f, clip, 0.1f, scale, workspace.address),
     "rf_adafactor");
  nearly(w_on.get(), expected, 1e-6, name + " parameter");
  nearly(r_on.get(), row, 1e-6, name + " row moments");
  if (factored) nearly(c_on.get(), column, 1e-6, name + " column moments");
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
    embed(device, 20, 6, 10, 1, false);
    embed(device, 9, 3, 132, 0, true);
    adafactor(device, 9, 34);
    adafactor(device, 40, 0);
    if (!small()) {
      embed(device, 1, 1, 1, 0, true);
      embed(device, 300, 1030, 12, 3, false);
      embed(device, 700, 5, 300, 2, true);
      adafactor(device, 1, 300);
      adafactor(device, 70, 1);
      adafactor(device, 1500, 0);
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
