// Adds up the partial sums that the blocks of another kernel left behind, in a fixed order.
#ifndef REFORMER_COLUMN_SUM_CUH
#define REFORMER_COLUMN_SUM_CUH

#include "device.cuh"

namespace rf {
namespace {

constexpr int kSumWarps = 8;

// target[c] += partials[0][c] + partials[1][c] + ...: a warp adds every eighth part of 32 columns, then the
// warps' sums are added in their order. blockIdx.y chooses between two targets, whose parts alternate.
__global__ void __launch_bounds__(32 * kSumWarps)
    column_sum_kernel(float* first, float* second, const float* partials, int parts,
                      int64_t columns) {
  RF_SHARED_ARRAY(float, sums, kSumWarps * 32);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  const float* const own = partials + blockIdx.y * columns;
  const int64_t pitch = gridDim.y * columns;
  float sum = 0.0f;
  if (column < columns) {
    for (int part = warp; part < parts; part += kSumWarps) {
      sum = add(sum, load(own + part * pitch + column));
    }
  }
  sums[warp * 32 + lane] = sum;
  __syncthreads();
  if (warp == 0 && column < columns) {
    for (int w = 1; w < kSumWarps; ++w) {
      sum = add(sum, sums[w * 32 + lane]);
    }
    float* const target = (blockIdx.y == 0 ? first : second) + column;
    store(target, add(load(target), sum));
  }
}

}  // namespace

// `partials` is [parts, D], or [parts, 2, D] where there is a second target.
inline void add_partials(float* first, float* second, const float* partials, int parts,
                         int64_t columns, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), second == nullptr ? 1 : 2);
  RF_LAUNCH(column_sum_kernel, grid, dim3(32 * kSumWarps), 0, stream, first, second, partials, parts,
            columns);
}

}  // namespace rf

#endif
