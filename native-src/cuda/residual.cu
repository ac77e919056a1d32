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

constexpr int kWarps = 8;
constexpr int kTile = 128;
// Column 4 * i + j of a warp's sums lies at j * kPitch + i: no two lanes meet in a bank.
constexpr int kPitch = 40;

struct ResidualBackward {
  Matrix acc, dy, y, dacc;
  const float* bias;
  bool rows_are_vectors;
  int64_t rows, columns;
  Dropout dropout;
  int32_t* overflow;
  float* partials;  // [gridDim.y, D], or null without dbias
};

// Blocks along the rows: enough for four per multiprocessor of the largest card, from the shape only.
int64_t row_blocks(int64_t rows, int64_t columns) {
  if (rows == 0 || columns == 0) {
    return 0;
  }
  const int64_t wanted = ceil_div(528, ceil_div(columns, kTile));
  const int64_t most = ceil_div(rows, kWarps);
  return most < wanted ? most : wanted;
}

__global__ void __launch_bounds__(32 * kWarps) residual_backward_kernel(ResidualBackward p) {
  RF_SHARED_ARRAY(float, sums, kWarps * 4 * kPitch);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kTile + lane * 4;
  float dbias[4] = {};
  if (column < p.columns) {
    float bias[4];
    load_row(bias, p.bias, p.rows_are_vectors, column, p.columns);
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * kWarps + warp; row < p.rows;
         row += static_cast<int64_t>(gridDim.y) * kWarps) {
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
  if (p.partials == nullptr) {
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    sums[(warp * 4 + j) * kPitch + lane] = dbias[j];
  }
  __syncthreads();
  const int64_t own = static_cast<int64_t>(blockIdx.x) * kTile + threadIdx.x;
  if (threadIdx.x < kTile && own < p.columns) {
    const int thread = static_cast<int>(threadIdx.x);
    float sum = 0.0f;
    for (int w = 0; w < kWarps; ++w) {
      sum = add(sum, sums[(w * 4 + thread % 4) * kPitch + thread / 4]);
    }
    store(p.partials + blockIdx.y * p.columns + own, sum);
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_residual_backward_workspace(int64_t rows, int64_t columns) {
  return rf::row_blocks(rows, columns) * columns * static_cast<int64_t>(sizeof(float));
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
  const int blocks = static_cast<int>(row_blocks(rows, columns));
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, kTile)), static_cast<unsigned>(blocks));
  RF_LAUNCH(residual_backward_kernel, grid, dim3(32 * kWarps), 0, context->stream, p);
  if (dbias != nullptr) {
    add_partials(dbias, nullptr, p.partials, blocks, columns, context->stream);
  }
  return static_cast<int>(cudaGetLastError());
}
