// What         x[i][j] = value.
// Shapes       x [N, D], float32, bfloat16 or fixed point; any N and D.
// Grid         a thread owns four neighbouring columns of a row.
// Memory       writes every element once.
// Determinism  nothing is summed.
// Reference    org.reformer4j.reference.ArrayMemory
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"

namespace rf {
namespace {

__global__ void __launch_bounds__(256)
    fill_kernel(Matrix x, int64_t rows, int64_t columns, int64_t quads, float value) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= rows * quads) {
    return;
  }
  const float values[4] = {value, value, value, value};
  store_quad(x, index / quads, index % quads * 4, columns, values);
}

}  // namespace
}  // namespace rf

extern "C" int rf_fill(rf_context* context, void* target, int64_t stride, int type, int64_t rows,
                       int64_t columns, float value) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  if (type == RF_FIXED) {
    // The bits of the grid point, moved as those of a float.
    const double scaled = static_cast<double>(value) * kFixedScale;
    const double rounded = __builtin_nearbyint(scaled);
    const int32_t cell = value != value             ? 0
                         : rounded >= 2147483647.0  ? INT32_MAX
                         : rounded <= -2147483648.0 ? INT32_MIN
                                                    : static_cast<int32_t>(rounded);
    __builtin_memcpy(&value, &cell, sizeof value);
    type = RF_F32;
  }
  const int64_t quads = ceil_div(columns, 4);
  const dim3 grid(static_cast<unsigned>(ceil_div(rows * quads, 256)));
  RF_LAUNCH(fill_kernel, grid, dim3(256), 0, context->stream, matrix(target, stride, type, columns),
            rows, columns, quads, value);
  return static_cast<int>(cudaGetLastError());
}
