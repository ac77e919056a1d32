// What         x[i][j] = value.
// Shapes       x [N, D], float32, bfloat16 or fixed point; any N and D.
// Threads      rows are shared out.
// Determinism  nothing is summed.
// Reference    org.reformer4j.reference.ArrayMemory
#include "context.h"
#include "elements.h"

namespace rf {

struct Fill {
  Matrix x;
  int64_t rows, columns;
  float value;
};

RF_DECLARE_KERNEL(fill, Fill)

namespace RF_ISA {

void fill(rf_context& context, const Fill& p) {
  const F value = set(p.value);
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) {
      for (int64_t column = 0; column < p.columns; column += kLanes) {
        store_elements(p.x, row, column, p.columns, value);
      }
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_fill(rf_context* context, void* target, int64_t stride, int type, int64_t rows,
                       int64_t columns, float value) {
  if (type == RF_FIXED) {
    // The bits of the grid point, moved as those of a float.
    const double scaled = static_cast<double>(value) * rf::kFixedScale;
    const double rounded = __builtin_nearbyint(scaled);
    const int32_t cell = value != value             ? 0
                         : rounded >= 2147483647.0  ? INT32_MAX
                         : rounded <= -2147483648.0 ? INT32_MIN
                                                    : static_cast<int32_t>(rounded);
    __builtin_memcpy(&value, &cell, sizeof value);
    type = RF_F32;
  }
  if (rows == 1) {
    // One long row is shared out like many.
    const int64_t width = 4096;
    const int64_t whole = columns / width;
    if (whole > 1) {
      const rf::Fill head = {{target, width, type}, whole, width, value};
      RF_RUN(*context, fill, head);
      target = static_cast<char*>(target) + whole * width * rf::type_bytes(type);
      columns -= whole * width;
    }
  }
  const rf::Fill p = {{target, stride, type}, rows, columns, value};
  RF_RUN(*context, fill, p);
  return rf::take_status(*context);
}
#endif
