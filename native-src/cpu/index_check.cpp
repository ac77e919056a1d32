// What         first = the least i whose value is no index and not the ignored number.
// Shapes       values [N]; any N up to 2^30.
// Threads      one: it reads four bytes a token.
// Reference    org.reformer4j.api.KernelArguments
#include "context.h"

extern "C" int rf_index_check(rf_context*, int32_t* first, const int32_t* values, int64_t count, int64_t limit,
                              int any_ignored, int ignored) {
  if (count > int64_t{1} << 30) {
    return RF_STATUS_UNSUPPORTED;
  }
  *first = INT32_MAX;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t value = values[i];
    if ((value < 0 || value >= limit) && !(any_ignored != 0 && value == ignored)) {
      *first = static_cast<int32_t>(i);
      break;
    }
  }
  return RF_STATUS_OK;
}
