// Stages around the layers: loss, embedding, norm of gradients, optimizers.
#include "stages.h"

namespace bench {
namespace {

void loss(Bench& bench, int64_t rows, int64_t vocabulary) {
  const int64_t n = rows * vocabulary;
  const int sets = Bench::sets_of(8 * n);
  std::vector<float*> logits, gradient;
  for (int i = 0; i < sets; ++i) {
    logits.push_back(bench.floats(n));
    gradient.push_back(bench.floats(n));
  }
  float* const losses = bench.floats(rows);
  int32_t* const targets = bench.indices(rows, static_cast<int>(vocabulary));
  bench.print("cross entropy with gradient",
              "N=" + std::to_string(rows) + " V=" + std::to_string(vocabulary),
              {8.0 * static_cast<double>(n), 0, 0.85, 1}, [&](int i) {
                const size_t s = static_cast<size_t>(i % sets);
                return rf_cross_entropy(bench.context, losses, gradient[s], vocabulary, logits[s], vocabulary,
                                        targets, -100, 1.0f, rows, vocabulary);
              });
  bench.release();
}

void embedding(Bench& bench, int64_t tokens, int64_t vocabulary, int64_t columns) {
  const int64_t n = tokens * columns;
  const int sets = Bench::sets_of(4 * n);
  std::vector<float*> out;
  for (int i = 0; i < sets; ++i) out.push_back(bench.floats(n));
  int32_t* const ids = bench.indices(tokens, static_cast<int>(vocabulary));
  float* const table = bench.floats(vocabulary * columns);
  void* const space = bench.allocate(rf_embed_backward_workspace(tokens, vocabulary));
  const std::string shape = "N=" + std::to_string(tokens) + " V=" + std::to_string(vocabulary) +
                            " D=" + std::to_string(columns);
  const double elements = static_cast<double>(n);
  const double tables = static_cast<double>(vocabulary * columns);
  // The table of a small vocabulary stays in the cache: what is left is the output.
  bench.print("embed", shape, {4 * elements + 4 * tables, 0, 0.85, 1}, [&](int i) {
    return rf_embed(bench.context, out[static_cast<size_t>(i % sets)], columns, ids, 1, table, columns,
                    vocabulary, columns, tokens, columns, 0, 0, BENCH_NO_DROPOUT, tokens, 0, 1);
  });
  bench.print("embed backward", shape, {4 * elements + 8 * tables, 0, 0, 9}, [&](int i) {
    return rf_embed_backward(bench.context, table, columns, out[static_cast<size_t>(i % sets)], columns, ids,
                             1, vocabulary, columns, tokens, columns, 0, BENCH_NO_DROPOUT, tokens, 0, 1, space);
  });
  bench.release();
}

void optimizers(Bench& bench, int64_t rows, int64_t columns) {
  const int64_t n = rows * columns;
  const int sets = Bench::sets_of(16 * n);
  std::vector<float*> parameter, gradient, first, second;
  for (int i = 0; i < sets; ++i) {
    parameter.push_back(bench.floats(n));
    gradient.push_back(bench.floats(n));
    first.push_back(bench.floats(n));
    // Second moments are not negative.
    second.push_back(bench.numbers<float>(n, [](uint32_t r) { return static_cast<float>(r) * 0x1p-24f; }));
  }
  float* const row_moments = bench.numbers<float>(rows, [](uint32_t) { return 1.0f; });
  float* const column_moments = bench.numbers<float>(columns, [](uint32_t) { return 1.0f; });
  double* const sum = static_cast<double*>(bench.allocate(sizeof(double)));
  void* const space = bench.allocate(
      std::max(rf_sum_of_squares_workspace(rows, columns), rf_adafactor_workspace(rows, columns)));
  const std::string shape = "M=" + std::to_string(rows) + " N=" + std::to_string(columns);
  const double elements = static_cast<double>(n);
  const auto set = [sets](int i) { return static_cast<size_t>(i % sets); };
  bench.print("sum of squares", shape, {4 * elements, 0, 0.85, 2}, [&](int i) {
    return rf_sum_of_squares(bench.context, sum, gradient[set(i)], columns, rows, columns, space);
  });
  bench.print("AdamW", shape, {28 * elements, 0, 0.85, 1}, [&](int i) {
    const size_t s = set(i);
    return rf_adam_w(bench.context, parameter[s], gradient[s], first[s], second[s], n, 1e-4, 1 - 1e-6, 0.1f,
                     0.02f, 0.5, 1e-8f, 1.0f);
  });
  bench.print("Adafactor", shape, {28 * elements, 0, 0, 7}, [&](int i) {
    const size_t s = set(i);
    return rf_adafactor(bench.context, parameter[s], gradient[s], row_moments, column_moments, rows, columns,
                        1e-4f, 0.9f, 1e-30f, 1e-3f, 1.0f, 0.0f, 1.0f, space);
  });
  bench.release();
}

}  // namespace

void training(Bench& bench, int64_t rows, int64_t vocabulary, int64_t tokens, int64_t columns) {
  if (!bench.time_left()) return;
  loss(bench, rows, vocabulary);
  embedding(bench, tokens, vocabulary, columns);
  optimizers(bench, 4 * columns, columns);
}

}  // namespace bench
