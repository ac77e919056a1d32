// What         target[rows[i]] = source[i].
// Shapes       target [S, C], source [N, C] of one type of 2 or 4 bytes; any N and C.
// Threads      rows are shared out.
// Memory       reads and writes every byte of the source once.
// Reference    org.reformer4j.reference.Elements.store
#include "context.h"

namespace rf {

namespace {

// Bytes that are worth a thread.
constexpr int64_t kByteGrain = 1 << 18;

}  // namespace

}  // namespace rf

extern "C" int rf_store_rows(rf_context* context, void* target, int64_t target_stride, const void* source,
                             int64_t source_stride, int type, const int32_t* rows, int64_t count,
                             int64_t columns) {
  using namespace rf;
  if (type == RF_I8) {
    return RF_STATUS_UNSUPPORTED;
  }
  const int64_t size = type == RF_BF16 ? 2 : 4;
  parallel(*context, count * columns * size, kByteGrain, [&](const Team& team) {
    const Range own = team.share(count);
    for (int64_t i = own.from; i < own.to; ++i) {
      __builtin_memcpy(static_cast<char*>(target) + rows[i] * target_stride * size,
                       static_cast<const char*>(source) + i * source_stride * size,
                       static_cast<size_t>(columns * size));
    }
  });
  return take_status(*context);
}
