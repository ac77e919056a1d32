// What         target[rows[i]] = source[i]: rows that go where a table on the device says.
// Shapes       target [S, C], source [N, C] of one type of 2 or 4 bytes; any N and C.
// Grid         a thread owns 16 bytes of a row, or 4 or 2 where addresses, strides or C are no multiples.
// Memory       reads and writes every byte of the source once: a few rows a step, bound by latency.
// Determinism  a copy; rows are different ones.
// Reference    org.reformer4j.reference.Elements.store
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"

namespace rf {
namespace {

constexpr int kThreads = 256;

struct Rows {
  char* target;
  const char* source;
  int64_t target_bytes, source_bytes;  // from one row to the next
  const int32_t* rows;
  int64_t count, units;  // rows, and units of a row
  int unit;              // bytes
};

template <class Unit>
__device__ __forceinline__ void copy_unit(char* target, const char* source) {
  store(reinterpret_cast<Unit*>(target), load(reinterpret_cast<const Unit*>(source)));
}

__global__ void __launch_bounds__(kThreads) store_rows_kernel(Rows r) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t row = i / r.units;
  if (row >= r.count) {
    return;
  }
  const int64_t column = (i - row * r.units) * r.unit;
  char* const target = r.target + load(r.rows + row) * r.target_bytes + column;
  const char* const source = r.source + row * r.source_bytes + column;
  switch (r.unit) {
    case 16:
      copy_unit<int4>(target, source);
      break;
    case 4:
      copy_unit<int32_t>(target, source);
      break;
    default:
      copy_unit<uint16_t>(target, source);
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_store_rows(rf_context* context, void* target, int64_t target_stride, const void* source,
                             int64_t source_stride, int type, const int32_t* rows, int64_t count,
                             int64_t columns) {
  using namespace rf;
  const int64_t size = type_bytes(type);
  if (size == 1) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (count == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  // The bits that are not zero in any of them: where the lowest four are, 16 bytes move at a time.
  const uint64_t all = reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source) |
                       static_cast<uint64_t>((target_stride | source_stride | columns) * size);
  const int unit = all % 16 == 0 ? 16 : all % 4 == 0 ? 4 : 2;
  const int64_t units = columns * size / unit;
  const int64_t blocks = ceil_div(count * units, kThreads);
  if (blocks > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  const Rows r = {static_cast<char*>(target), static_cast<const char*>(source), target_stride * size,
                  source_stride * size,       rows,  count, units, unit};
  RF_LAUNCH(store_rows_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, context->stream, r);
  return static_cast<int>(cudaGetLastError());
}
