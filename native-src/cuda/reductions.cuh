// Sums in a fixed order within a warp and within a block.
#ifndef REFORMER_REDUCTIONS_CUH
#define REFORMER_REDUCTIONS_CUH

#include "device.cuh"

namespace rf {

// The sum over a full warp, the same bits in every lane: a butterfly adds equal pairs.
__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value = add(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

// The sum over a block of `warps` full warps. `scratch` holds one float per warp and is free again
// when the function returns.
__device__ __forceinline__ float block_sum(float value, Shared<float> scratch, int warps) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = value;
  }
  __syncthreads();
  float total = 0.0f;
  for (int w = 0; w < warps; ++w) {
    total = add(total, scratch[w]);
  }
  __syncthreads();
  return total;
}

// The sum of integers over the threads before this one, in a block of `warps` full warps; `total` becomes the sum over
// all. `warp_sums` holds one number per warp and is free again when the function returns.
template <class Integer>
__device__ __forceinline__ Integer exclusive_sum(Integer own, Integer& total, Shared<Integer> warp_sums, int warps) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Integer inclusive = own;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const Integer other = __shfl_up_sync(0xffffffffu, inclusive, static_cast<unsigned>(distance));
    inclusive += lane >= distance ? other : 0;
  }
  if (lane == 31) {
    warp_sums[warp] = inclusive;
  }
  __syncthreads();
  Integer before = inclusive - own;
  total = 0;
  for (int w = 0; w < warps; ++w) {
    const Integer sum = warp_sums[w];
    before += w < warp ? sum : 0;
    total += sum;
  }
  __syncthreads();
  return before;
}

// The same for sums in double; nothing is contracted, as a fused multiply-add is not written.
__device__ __forceinline__ double warp_sum(double value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

__device__ __forceinline__ double block_sum(double value, Shared<double> scratch, int warps) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = value;
  }
  __syncthreads();
  double total = 0.0;
  for (int w = 0; w < warps; ++w) {
    total += scratch[w];
  }
  __syncthreads();
  return total;
}

// The largest number of a block; a NaN does not count.
__device__ __forceinline__ float block_max(float value, Shared<float> scratch, int warps) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = value;
  }
  __syncthreads();
  float high = scratch[0];
  for (int w = 1; w < warps; ++w) {
    high = fmaxf(high, scratch[w]);
  }
  __syncthreads();
  return high;
}

}  // namespace rf

#endif
