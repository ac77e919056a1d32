// What         acc -= dropout(y + bias); dy = dropout(dacc); dbias += column sums of dy: the inverse
//              recomputation fused with the gradient of the residual step.
// Shapes       acc, dy, y, dacc [N, D]; bias, dbias [D]; any N and D.
// Grid         a block of 8 warps owns 128 columns and rows first, first + 8 * gridDim.y, ...; a lane
//              owns four neighbouring columns.
// Memory       reads acc, y, dacc, writes acc, dy once: 16 bytes per element with bfloat16 y and dy and a
//              float or fixed-point stream. Shared 5 KB; workspace [gridDim.y, D] floats.
// Determinism  row after row, warps, then blocks in ascending order; no atomics.
// Reference    org.reformer4j.reference.Residual
// Measured     not yet run on a card
#include "column_sum.cuh"
#include "context.h"
#include "elements.cuh"

namespace rf {
namespace {

struct ResidualBackward {
  Matrix acc, dy, y, dacc;
  const float* bias;
  bool rows_are_vectors;
  int64_t rows, columns;
  Dropout dropout;
  int32_t* overflow;
  float* partials;  // [gridDim.y, D], or null without dbias
};

__global__ void __launch_bounds__(32 * kColumnWarps)
    residual_backward_kernel(ResidualBackward p) {
  RF_SHARED_ARRAY(float, sums, kColumnSums);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumnTile + lane * 4;
  float dbias[4] = {};
  if (column < p.columns) {
    float bias[4];
    load_row(bias, p.bias, p.rows_are_vectors, column, p.columns);
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * kColumnWarps + warp; row < p.rows;
         row += static_cast<int64_t>(gridDim.y) * kColumnWarps) {
      float factors[4];
      float dy[4];
      dropout_quad(factors, p.dropout, row, column, p.columns);
      load_quad(dy, p.dacc, row, column, p.columns);
      if (p.y.data != nullptr) {
        float unused[4];
        residual_quad(unused, p.acc, p.y, bias, factors, -1.0f, row, column, p.columns, p.overflow);
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        dy[j] = mul(dy[j], factors[j]);
        dbias[j] = add(dbias[j], dy[j]);
      }
      if (p.dy.data != nullptr) {
        store_quad(p.dy, row, column, p.columns, dy);
      }
    }
  }
  if (p.partials != nullptr) {
    store_column_sums(p.partials, sums, dbias, p.columns);
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_residual_backward_workspace(int64_t rows, int64_t columns) {
  return rf::column_blocks(rows, columns) * columns * static_cast<int64_t>(sizeof(float));
}

extern "C" int rf_residual_backward(rf_context* context, void* acc, int64_t acc_stride,
                                    int acc_type, void* dy, int64_t dy_stride, int dy_type,
                                    float* dbias, const void* y, int64_t y_stride, int y_type,
                                    const float* bias, const float* dacc, int64_t dacc_stride,
                                    int64_t rows, int64_t columns, RF_DROPOUT, int32_t* overflow,
                                    void* workspace) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  ResidualBackward p = {};
  p.acc = matrix(acc, acc_stride, acc_type, columns);
  p.dy = matrix(dy, dy_stride, dy_type, columns);
  p.y = matrix(y, y_stride, y_type, columns);
  p.dacc = matrix(dacc, dacc_stride, RF_F32, columns);
  p.bias = bias;
  p.rows_are_vectors = row_is_vector(bias, columns);
  p.rows = rows;
  p.columns = columns;
  p.dropout = {dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale,
               dropout_first_row};
  p.overflow = overflow;
  p.partials = dbias == nullptr ? nullptr : static_cast<float*>(workspace);
  const dim3 grid = column_grid(rows, columns);
  RF_LAUNCH(residual_backward_kernel, grid, dim3(32 * kColumnWarps), 0, context->stream, p);
  if (dbias != nullptr) {
    add_partials(dbias, nullptr, p.partials, static_cast<int>(grid.y), columns, context->stream);
  }
  return static_cast<int>(cudaGetLastError());
}
