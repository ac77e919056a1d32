// What         sum = x[0][0]^2 + x[0][1]^2 + ..., in double.
// Shapes       x [N, D]; any N and D.
// Grid         a thread adds the squares of every 256 * blocks-th group of four neighbouring columns; at
//              most 1024 blocks. Then one block adds the blocks' sums.
// Memory       reads x once. Workspace one double per block.
// Determinism  thread, warp, block, then blocks in a fixed order; the number of blocks depends on the shape
//              only; no atomics.
// Reference    org.reformer4j.reference.SumOfSquares
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"
#include "partial_sum.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int64_t kMaxBlocks = 1024;

int64_t blocks_of(int64_t rows, int64_t columns) {
  const int64_t blocks = ceil_div(rows * ceil_div(columns, 4), kThreads * 4);
  return blocks < kMaxBlocks ? blocks : kMaxBlocks;
}

__global__ void __launch_bounds__(kThreads)
    sum_of_squares_kernel(double* partials, Matrix x, int64_t rows, int64_t columns, int64_t quads) {
  RF_SHARED_ARRAY(double, scratch, kWarps);
  double sum = 0.0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < rows * quads;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t row = rows == 1 ? 0 : i / quads;
    float v[4];
    load_quad(v, x, row, (i - row * quads) * 4, columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      // The product of two floats is exact in double.
      sum += static_cast<double>(v[j]) * static_cast<double>(v[j]);
    }
  }
  sum = block_sum(sum, scratch, kWarps);
  if (threadIdx.x == 0) {
    store(partials + blockIdx.x, sum);
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_sum_of_squares_workspace(int64_t rows, int64_t columns) {
  return rf::blocks_of(rows, columns) * static_cast<int64_t>(sizeof(double));
}

extern "C" int rf_sum_of_squares(rf_context* context, double* sum, const float* x, int64_t x_stride,
                                 int64_t rows, int64_t columns, void* workspace) {
  using namespace rf;
  if (const int status = enter(context)) {
    return status;
  }
  double* const partials = static_cast<double*>(workspace);
  const int blocks = static_cast<int>(blocks_of(rows, columns));
  if (blocks > 0) {
    // Whole rows of fours that follow each other are one row of the same fours.
    if (x_stride == columns && columns % 4 == 0) {
      columns *= rows;
      x_stride = columns;
      rows = 1;
    }
    RF_LAUNCH(sum_of_squares_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0,
              context->stream, partials, matrix(x, x_stride, RF_F32, columns), rows, columns,
              ceil_div(columns, 4));
  }
  add_partials(sum, partials, blocks, context->stream);
  return static_cast<int>(cudaGetLastError());
}
