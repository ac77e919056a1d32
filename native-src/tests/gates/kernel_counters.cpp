// Runs every operation once over the counting simulator and prints, per operation, what it moves:
//   operation bytes-per-element sector-use extra-wavefronts-per-shared-request
// An element is one of the [N, D] matrix, one key of the sort, or one element of the hashed vectors. Sector
// use is the share of the bytes of touched 32-byte sectors that were asked for.
#include "counting.h"

namespace {

void elementwise(int64_t columns, const char* suffix) {
  const int64_t rows = 64;
  const int64_t n = rows * columns;
  int32_t* const fixed = device<int32_t>(n);
  float* const stream = device<float>(n);
  float* const gradient = device<float>(n);
  float* const row = device<float>(columns);
  float* const sums = device<float>(columns);
  uint16_t* const y = device<uint16_t>(n);
  uint16_t* const out = device<uint16_t>(n);
  int8_t* const space = device<int8_t>(rf_layer_norm_backward_workspace(rows, columns) +
                                       rf_residual_backward_workspace(rows, columns));
  const std::string tail = suffix;
  for (const int type : {RF_F32, RF_FIXED}) {
    void* const acc = type == RF_F32 ? static_cast<void*>(stream) : fixed;
    const std::string kind = (type == RF_F32 ? "_float" : "_fixed") + tail;
    count(("residual_norm" + kind).c_str(), n, [&] {
      return rf_residual_norm(context, out, columns, RF_BF16, acc, columns, type, y, columns, RF_BF16,
                              row, row, row, 1e-5f, 1, rows, columns, 0, 0, 0, 0, 1.0f, 0, nullptr);
    });
    count(("layer_norm_backward" + kind).c_str(), n, [&] {
      return rf_layer_norm_backward(context, gradient, columns, sums, row, y, columns, RF_BF16, acc,
                                    columns, type, row, 1e-5f, rows, columns, space);
    });
    count(("residual_backward" + kind).c_str(), n, [&] {
      return rf_residual_backward(context, acc, columns, type, out, columns, RF_BF16, sums, y, columns,
                                  RF_BF16, row, gradient, columns, rows, columns, 0, 0, 0, 0, 1.0f, 0,
                                  nullptr, space);
    });
  }
}

void feed_forward() {
  const int64_t rows = 64;
  const int64_t columns = 4096;
  const int64_t n = rows * columns;
  float* const x = device<float>(n);
  float* const slope = device<float>(n);
  float* const bias = device<float>(columns);
  uint16_t* const hidden = device<uint16_t>(n);
  int8_t* const space = device<int8_t>(rf_activation_backward_workspace(rows, columns));
  for (const bool backward : {false, true}) {
    count(backward ? "activation_slope" : "activation", n, [&] {
      return rf_activation(context, hidden, columns, RF_BF16, backward ? slope : nullptr, columns, x,
                           columns, bias, RF_GELU, rows, columns, 0, 0, 0, 0, 1.0f, 0);
    });
  }
  count("activation_backward", n, [&] {
    return rf_activation_backward(context, x, columns, RF_F32, bias, x, columns, slope, columns, rows,
                                  columns, space);
  });
}

void training(int64_t columns, const std::string& suffix) {
  const int64_t rows = 64;
  const int64_t n = rows * columns;
  float* const x = device<float>(n);
  float* const gradient = device<float>(n);
  float* const first = device<float>(n);
  float* const second = device<float>(n);
  double* const sum = device<double>(1);
  int8_t* const space = device<int8_t>(rf_sum_of_squares_workspace(rows, columns));
  count(("sum_of_squares" + suffix).c_str(), n, [&] {
    return rf_sum_of_squares(context, sum, x, columns, rows, columns, space);
  });
  count(("adam_w" + suffix).c_str(), n, [&] {
    return rf_adam_w(context, x, gradient, first, second, n, 0.1, 0.9, 0.1f, 0.1f, 0.5, 1e-8f, 1.0f);
  });
  std::vector<int32_t> targets(static_cast<size_t>(rows), 1);
  int32_t* const targets_on = device<int32_t>(rows);
  require(rf_upload(context, targets_on, rows * 4, targets.data(), rows * 4, rows * 4, 1));
  count(("cross_entropy" + suffix).c_str(), n, [&] {
    return rf_cross_entropy(context, first, gradient, columns, x, columns, targets_on, -1, 1.0f, rows,
                            columns);
  });
  float* const rows_moments = device<float>(rows);
  float* const column_moments = device<float>(columns);
  int8_t* const adafactor_space = device<int8_t>(rf_adafactor_workspace(rows, columns));
  count(("adafactor" + suffix).c_str(), n, [&] {
    return rf_adafactor(context, x, gradient, rows_moments, column_moments, rows, columns, 0.1f, 0.9f,
                        1e-30f, 1e-3f, 1.0f, 0.0f, 1.0f, adafactor_space);
  });
  const int64_t vocabulary = 16;
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<int32_t>(i * 7 % 16);
  require(rf_upload(context, targets_on, rows * 4, targets.data(), rows * 4, rows * 4, 1));
  int8_t* const embed_space = device<int8_t>(rf_embed_backward_workspace(rows, vocabulary));
  count(("embed" + suffix).c_str(), n, [&] {
    return rf_embed(context, gradient, columns, targets_on, 1, x, columns, vocabulary, columns, rows,
                    columns, 0, 1, 0, 0, 0, 0, 1.0f, 0, 1, 0, 1);
  });
  count(("embed_backward" + suffix).c_str(), n, [&] {
    return rf_embed_backward(context, x, columns, gradient, columns, targets_on, 1, vocabulary, columns,
                             rows, columns, 0, 0, 0, 0, 0, 1.0f, 0, 1, 0, 1, embed_space);
  });
  count(("index_check" + suffix).c_str(), n, [&] {
    return rf_index_check(context, targets_on, reinterpret_cast<int32_t*>(x), n, 10, 0, 0);
  });
}

}  // namespace

int main() {
  require(rf_context_create(0, &context));
  elementwise(1024, "_1024");
  elementwise(512, "_512");
  elementwise(2048, "_2048");
  feed_forward();
  lsh_operations();
  training(1024, "_1024");
  // The process ends here: what the device holds goes with it.
  return 0;
}
