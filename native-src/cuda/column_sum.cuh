// Column sums in a fixed order: within the blocks of a kernel, then over what its blocks left behind.
#ifndef REFORMER_COLUMN_SUM_CUH
#define REFORMER_COLUMN_SUM_CUH

#include "device.cuh"

namespace rf {
namespace {

// A block of kColumnWarps warps owns kColumnTile columns and rows first, first + kColumnWarps *
// gridDim.y, ...; a lane owns four neighbouring columns.
constexpr int kColumnWarps = 8;
constexpr int kColumnTile = 128;
// Column 4 * i + j of a warp's sums lies at j * kColumnPitch + i: no two lanes meet in a bank.
constexpr int kColumnPitch = 40;
constexpr int kColumnSums = kColumnWarps * 4 * kColumnPitch;

// Blocks along the rows: enough for four per multiprocessor of the largest card, from the shape only.
inline int64_t column_blocks(int64_t rows, int64_t columns) {
  if (rows == 0 || columns == 0) {
    return 0;
  }
  const int64_t wanted = ceil_div(528, ceil_div(columns, kColumnTile));
  const int64_t most = ceil_div(rows, kColumnWarps);
  return most < wanted ? most : wanted;
}

inline dim3 column_grid(int64_t rows, int64_t columns) {
  return dim3(static_cast<unsigned>(ceil_div(columns, kColumnTile)),
              static_cast<unsigned>(column_blocks(rows, columns)));
}

// Adds what the warps have of each of the block's columns. Every thread calls it, and of the first
// kColumnTile each gets the sum of its own column; `sums` holds kColumnSums floats.
__device__ __forceinline__ float block_column_sum(Shared<float> sums, const float (&lane_sums)[4]) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    sums[(thread / 32 * 4 + j) * kColumnPitch + thread % 32] = lane_sums[j];
  }
  __syncthreads();
  float sum = 0.0f;
  if (thread < kColumnTile) {
    for (int w = 0; w < kColumnWarps; ++w) {
      sum = add(sum, sums[(w * 4 + thread % 4) * kColumnPitch + thread / 4]);
    }
  }
  return sum;
}

// Stores the block's sums of its columns as part blockIdx.y of partials [gridDim.y, D].
__device__ __forceinline__ void store_column_sums(float* partials, Shared<float> sums,
                                                  const float (&lane_sums)[4], int64_t columns) {
  const float sum = block_column_sum(sums, lane_sums);
  const int64_t own = static_cast<int64_t>(blockIdx.x) * kColumnTile + threadIdx.x;
  if (threadIdx.x < kColumnTile && own < columns) {
    store(partials + blockIdx.y * columns + own, sum);
  }
}

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
