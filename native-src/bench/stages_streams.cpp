// Stages of the residual streams, of norms and of the feed-forward layer between its products.
#include "stages.h"

namespace bench {

void streams(Bench& bench, int64_t rows, int64_t columns) {
  if (!bench.time_left()) return;
  const int64_t n = rows * columns;
  const std::string shape = "N=" + std::to_string(rows) + " D=" + std::to_string(columns);
  // Enough sets that none is still in the L2 cache when its turn comes again.
  const int sets = Bench::sets_of(12 * n);
  std::vector<void*> stream, y, out, gradient;
  for (int i = 0; i < sets; ++i) {
    stream.push_back(bench.floats(n));
    y.push_back(bench.bf16_numbers(n));
    out.push_back(bench.allocate(2 * n));
    gradient.push_back(bench.floats(n));
  }
  float* const row = bench.floats(columns);
  float* const sums = bench.floats(2 * columns);
  const double elements = static_cast<double>(n);
  const auto set = [sets](int i) { return static_cast<size_t>(i % sets); };
  for (const int type : {RF_F32, RF_FIXED}) {
    bench.print(type == RF_F32 ? "residual + norm, float stream" : "residual + norm, fixed stream", shape,
                {12 * elements, 0, 0.85, 1}, [&](int i) {
                  const size_t s = set(i);
                  return rf_residual_norm(bench.context, out[s], columns, RF_BF16, stream[s], columns, type,
                                          y[s], columns, RF_BF16, row, row, row, 1e-5f,
                                          i / sets % 2 == 0 ? 1 : -1, rows, columns, BENCH_NO_DROPOUT,
                                          nullptr);
                });
  }
  bench.print("norm", shape, {6 * elements, 0, 0.85, 1}, [&](int i) {
    const size_t s = set(i);
    return rf_residual_norm(bench.context, out[s], columns, RF_BF16, stream[s], columns, RF_FIXED, nullptr,
                            columns, RF_BF16, nullptr, row, row, 1e-5f, 1, rows, columns, BENCH_NO_DROPOUT,
                            nullptr);
  });
  void* const norm_space = bench.allocate(rf_layer_norm_backward_workspace(rows, columns));
  bench.print("layer norm backward", shape, {14 * elements, 0, 0.85, 2}, [&](int i) {
    const size_t s = set(i);
    return rf_layer_norm_backward(bench.context, static_cast<float*>(gradient[s]), columns, sums,
                                  sums + columns, y[s], columns, RF_BF16, stream[s], columns, RF_FIXED, row,
                                  1e-5f, rows, columns, norm_space);
  });
  void* const residual_space = bench.allocate(rf_residual_backward_workspace(rows, columns));
  bench.print("inverse + gradient", shape, {16 * elements, 0, 0.85, 2}, [&](int i) {
    const size_t s = set(i);
    return rf_residual_backward(bench.context, stream[s], columns, RF_FIXED, out[s], columns, RF_BF16, sums,
                                y[s], columns, RF_BF16, row, static_cast<const float*>(gradient[s]), columns,
                                rows, columns, BENCH_NO_DROPOUT, nullptr, residual_space);
  });
  bench.release();
}

void feed_forward(Bench& bench, int64_t rows, int64_t columns) {
  if (!bench.time_left()) return;
  const int64_t n = rows * columns;
  const std::string shape = "N=" + std::to_string(rows) + " F=" + std::to_string(columns);
  const int sets = Bench::sets_of(10 * n);
  std::vector<void*> hidden;
  std::vector<float*> x, slope;
  for (int i = 0; i < sets; ++i) {
    x.push_back(bench.floats(n));
    slope.push_back(bench.floats(n));
    hidden.push_back(bench.allocate(2 * n));
  }
  float* const bias = bench.floats(columns);
  void* const space = bench.allocate(rf_activation_backward_workspace(rows, columns));
  const double elements = static_cast<double>(n);
  const auto set = [sets](int i) { return static_cast<size_t>(i % sets); };
  bench.print("activation, gelu", shape, {6 * elements, 0, 0.85, 1}, [&](int i) {
    const size_t s = set(i);
    return rf_activation(bench.context, hidden[s], columns, RF_BF16, nullptr, columns, x[s], columns, bias,
                         RF_GELU, rows, columns, BENCH_NO_DROPOUT);
  });
  bench.print("activation with slope, gelu", shape, {10 * elements, 0, 0.85, 1}, [&](int i) {
    const size_t s = set(i);
    return rf_activation(bench.context, hidden[s], columns, RF_BF16, slope[s], columns, x[s], columns, bias,
                         RF_GELU, rows, columns, BENCH_NO_DROPOUT);
  });
  bench.print("activation backward", shape, {10 * elements, 0, 0.85, 2}, [&](int i) {
    const size_t s = set(i);
    return rf_activation_backward(bench.context, hidden[s], columns, RF_BF16, bias, x[s], columns, slope[s],
                                  columns, rows, columns, space);
  });
  bench.release();
}

}  // namespace bench
