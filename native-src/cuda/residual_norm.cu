// What         acc += sign * dropout(y + bias); out = (acc - mean) / sqrt(variance + epsilon) * gain
//              + norm_bias. Sign +1 is the fused reversible forward, -1 the inverse recomputation.
// Shapes       out, acc, y [N, D]; bias, gain, norm_bias [D]; any N and D.
// Grid         D <= 1024: a warp owns a row, which it keeps in registers, four neighbouring columns per
//              lane and step; 8 rows a block. Wider: a block owns a row and reads it three times.
// Memory       reads y and acc, writes acc and out once: 12 bytes per element with bfloat16 y and out,
//              16 with float. No shared memory; wider rows 32 bytes.
// Determinism  one order of summation per D; the stream itself has the bits of the Java class.
// Reference    org.reformer4j.reference.Residual, LayerNorm
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;

struct ResidualNorm {
  Matrix out, acc, y;
  const float *bias, *gain, *norm_bias;
  bool rows_are_vectors;
  float epsilon, sign;
  int64_t rows, columns;
  Dropout dropout;
  int32_t* overflow;
};

// Brings four elements of the stream up to date and returns them.
__device__ __forceinline__ void step_quad(float (&x)[4], const ResidualNorm& p, int64_t row,
                                          int64_t column) {
  if (p.y.data == nullptr) {
    load_quad(x, p.acc, row, column, p.columns);
    return;
  }
  float bias[4];
  float factors[4];
  load_row(bias, p.bias, p.rows_are_vectors, column, p.columns);
  dropout_quad(factors, p.dropout, row, column, p.columns);
  residual_quad(x, p.acc, p.y, bias, factors, p.sign, row, column, p.columns, p.overflow);
}

// Sum over the columns that exist.
__device__ __forceinline__ float quad_sum(const float (&x)[4], int64_t column, int64_t columns) {
  float sum = 0.0f;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    sum = column + j < columns ? add(sum, x[j]) : sum;
  }
  return sum;
}

__device__ __forceinline__ float quad_squares(const float (&x)[4], float mean, int64_t column,
                                              int64_t columns) {
  float sum = 0.0f;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float centred = add(x[j], -mean);
    sum = column + j < columns ? fmaf(centred, centred, sum) : sum;
  }
  return sum;
}

__device__ __forceinline__ void normalise_quad(const float (&x)[4], const ResidualNorm& p, float mean,
                                               float inverse, int64_t row, int64_t column) {
  float gain[4];
  float shift[4];
  float out[4];
  load_row(gain, p.gain, p.rows_are_vectors, column, p.columns);
  load_row(shift, p.norm_bias, p.rows_are_vectors, column, p.columns);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    out[j] = fmaf(mul(add(x[j], -mean), inverse), gain[j], shift[j]);
  }
  store_quad(p.out, row, column, p.columns, out);
}

// A warp per row; QUADS steps of 128 columns hold it.
template <int QUADS>
__global__ void __launch_bounds__(32 * kWarps) residual_norm_kernel(ResidualNorm p) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row >= p.rows) {
    return;
  }
  const int64_t first = threadIdx.x % 32 * 4;
  float x[QUADS][4] = {};
  float sum = 0.0f;
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    const int64_t column = first + q * 128;
    if (column < p.columns) {
      step_quad(x[q], p, row, column);
      sum = add(sum, quad_sum(x[q], column, p.columns));
    }
  }
  if (p.out.data == nullptr) {
    return;
  }
  const float mean = warp_sum(sum) / static_cast<float>(p.columns);
  float squares = 0.0f;
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    const int64_t column = first + q * 128;
    if (column < p.columns) {
      squares = add(squares, quad_squares(x[q], mean, column, p.columns));
    }
  }
  const float variance = warp_sum(squares) / static_cast<float>(p.columns);
  const float inverse = 1.0f / sqrtf(variance + p.epsilon);
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    const int64_t column = first + q * 128;
    if (column < p.columns) {
      normalise_quad(x[q], p, mean, inverse, row, column);
    }
  }
}

// A block per row, for rows that do not fit into the registers of a warp.
__global__ void __launch_bounds__(32 * kWarps) residual_norm_wide_kernel(ResidualNorm p) {
  RF_SHARED_ARRAY(float, scratch, kWarps);
  const int64_t row = blockIdx.x;
  const int64_t first = threadIdx.x * 4;
  const int64_t step = 32 * kWarps * 4;
  float x[4];
  float sum = 0.0f;
  for (int64_t column = first; column < p.columns; column += step) {
    step_quad(x, p, row, column);
    sum = add(sum, quad_sum(x, column, p.columns));
  }
  if (p.out.data == nullptr) {
    return;
  }
  // From here on every thread reads back what it wrote itself.
  const float mean = block_sum(sum, scratch, kWarps) / static_cast<float>(p.columns);
  float squares = 0.0f;
  for (int64_t column = first; column < p.columns; column += step) {
    load_quad(x, p.acc, row, column, p.columns);
    squares = add(squares, quad_squares(x, mean, column, p.columns));
  }
  const float variance = block_sum(squares, scratch, kWarps) / static_cast<float>(p.columns);
  const float inverse = 1.0f / sqrtf(variance + p.epsilon);
  for (int64_t column = first; column < p.columns; column += step) {
    load_quad(x, p.acc, row, column, p.columns);
    normalise_quad(x, p, mean, inverse, row, column);
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_residual_norm(rf_context* context, void* out, int64_t out_stride, int out_type,
                                void* acc, int64_t acc_stride, int acc_type, const void* y,
                                int64_t y_stride, int y_type, const float* bias, const float* gain,
                                const float* norm_bias, float epsilon, int sign, int64_t rows,
                                int64_t columns, RF_DROPOUT, int32_t* overflow) {
  using namespace rf;
  if (rows == 0 || columns == 0 || (out == nullptr && y == nullptr)) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  ResidualNorm p = {};
  p.out = matrix(out, out_stride, out_type, columns);
  p.acc = matrix(acc, acc_stride, acc_type, columns);
  p.y = matrix(y, y_stride, y_type, columns);
  p.bias = bias;
  p.gain = gain;
  p.norm_bias = norm_bias;
  p.rows_are_vectors = row_is_vector(bias, columns) && row_is_vector(gain, columns) &&
                       row_is_vector(norm_bias, columns);
  p.epsilon = epsilon;
  p.sign = static_cast<float>(sign);
  p.rows = rows;
  p.columns = columns;
  p.dropout = {dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale,
               dropout_first_row};
  p.overflow = overflow;
  const cudaStream_t stream = context->stream;
  const dim3 grid(static_cast<unsigned>(ceil_div(rows, kWarps)));
  const dim3 block(32 * kWarps);
  if (columns <= 128) {
    RF_LAUNCH(residual_norm_kernel<1>, grid, block, 0, stream, p);
  } else if (columns <= 256) {
    RF_LAUNCH(residual_norm_kernel<2>, grid, block, 0, stream, p);
  } else if (columns <= 512) {
    RF_LAUNCH(residual_norm_kernel<4>, grid, block, 0, stream, p);
  } else if (columns <= 1024) {
    RF_LAUNCH(residual_norm_kernel<8>, grid, block, 0, stream, p);
  } else {
    RF_LAUNCH(residual_norm_wide_kernel, dim3(static_cast<unsigned>(rows)), block, 0, stream, p);
  }
  return static_cast<int>(cudaGetLastError());
}
