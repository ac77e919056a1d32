// What         to = from, rounded where its type is narrower.
// Shapes       to, from [N, D]; any N and D.
// Threads      rows are shared out.
// Memory       reads and writes once.
// Determinism  element by element.
// Reference    org.reformer4j.api.Bfloat16
#include "convert.h"

namespace rf {
namespace RF_ISA {

void convert(rf_context& context, const Conversion& p) {
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) {
      for (int64_t column = 0; column < p.columns; column += kLanes) {
        store_elements(p.to, row, column, p.columns, load_elements(p.from, row, column, p.columns));
      }
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf
