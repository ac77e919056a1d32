// Adds up the sums in double that the blocks of another kernel left behind, in a fixed order.
#ifndef REFORMER_PARTIAL_SUM_CUH
#define REFORMER_PARTIAL_SUM_CUH

#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kPartialWarps = 8;

__global__ void __launch_bounds__(32 * kPartialWarps)
    sum_of_partials_kernel(double* target, const double* partials, int parts) {
  RF_SHARED_ARRAY(double, scratch, kPartialWarps);
  double sum = 0.0;
  for (int part = static_cast<int>(threadIdx.x); part < parts; part += 32 * kPartialWarps) {
    sum += load(partials + part);
  }
  sum = block_sum(sum, scratch, kPartialWarps);
  if (threadIdx.x == 0) {
    store(target, sum);
  }
}

}  // namespace

// *target = partials[0] + partials[1] + ..., 0 where there are none.
inline void add_partials(double* target, const double* partials, int parts, cudaStream_t stream) {
  RF_LAUNCH(sum_of_partials_kernel, dim3(1), dim3(32 * kPartialWarps), 0, stream, target, partials,
            parts);
}

}  // namespace rf

#endif
