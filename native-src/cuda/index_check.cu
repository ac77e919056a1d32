// What         first = the least i whose value is no index and not the ignored number.
// Shapes       values [N]; any N up to 2^30.
// Grid         one block clears the answer; then a thread owns a value.
// Memory       reads every value once.
// Determinism  the least of integers: an integer atomic minimum, whose order does not matter.
// Reference    org.reformer4j.api.KernelArguments
// Measured     not yet run on a card
#include "context.h"

namespace rf {
namespace {

constexpr int kThreads = 256;

__global__ void index_clear_kernel(int32_t* first) { store(first, INT32_MAX); }

__global__ void __launch_bounds__(kThreads)
    index_check_kernel(int32_t* first, const int32_t* values, int64_t count, int64_t limit,
                       bool any_ignored, int32_t ignored) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) {
    return;
  }
  const int32_t value = load(values + i);
  if ((value < 0 || value >= limit) && !(any_ignored && value == ignored)) {
    atomicMin(first, static_cast<int>(i));
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_index_check(rf_context* context, int32_t* first, const int32_t* values,
                              int64_t count, int64_t limit, int any_ignored, int ignored) {
  using namespace rf;
  if (const int status = enter(context)) {
    return status;
  }
  if (count > int64_t{1} << 30) {
    return RF_STATUS_UNSUPPORTED;
  }
  RF_LAUNCH(index_clear_kernel, dim3(1), dim3(1), 0, context->stream, first);
  if (count > 0) {
    const dim3 grid(static_cast<unsigned>(ceil_div(count, kThreads)));
    RF_LAUNCH(index_check_kernel, grid, dim3(kThreads), 0, context->stream, first, values, count, limit,
              any_ignored != 0, ignored);
  }
  return static_cast<int>(cudaGetLastError());
}
