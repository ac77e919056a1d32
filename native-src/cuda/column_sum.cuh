// Adds up the partial sums that the blocks of another kernel left behind, in their order.
#ifndef REFORMER_COLUMN_SUM_CUH
#define REFORMER_COLUMN_SUM_CUH

#include "device.cuh"

namespace rf {
namespace {

// target[c] += partials[0][c] + partials[1][c] + ...: one thread per column.
__global__ void __launch_bounds__(128)
    column_sum_kernel(float* target, const float* partials, int64_t pitch, int parts,
                      int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) {
    return;
  }
  float sum = 0.0f;
  for (int p = 0; p < parts; ++p) {
    sum = add(sum, load(partials + p * pitch + column));
  }
  store(target + column, add(load(target + column), sum));
}

}  // namespace

inline void add_partials(float* target, const float* partials, int64_t pitch, int parts,
                         int64_t columns, cudaStream_t stream) {
  RF_LAUNCH(column_sum_kernel, dim3(static_cast<unsigned>(ceil_div(columns, 128))), dim3(128), 0,
            stream, target, partials, pitch, parts, columns);
}

}  // namespace rf

#endif
