// What         acc -= dropout(y + bias); dy = dropout(dacc); dbias += column sums of dy: the inverse
//              recomputation fused with the gradient of the residual step.
// Shapes       acc, dy, y, dacc [N, D]; bias, dbias [D]; any N and D.
// Threads      columns are shared out where columns are summed, otherwise rows.
// Memory       reads acc, y, dacc, writes acc, dy once.
// Determinism  a column sum is one chain over the rows, from what is there on: the bits of the reference,
//              also where the rows come in several calls.
// Reference    org.reformer4j.reference.Residual
#include "context.h"
#include "dropout.h"
#include "residual_step.h"

namespace rf {

struct ResidualBackward {
  Matrix acc, dy, y, dacc;
  float* dbias;
  const float* bias;
  int64_t rows, columns;
  Dropout dropout;
  int32_t* overflow;
};

RF_DECLARE_KERNEL(residual_backward, ResidualBackward)

namespace RF_ISA {
namespace {

// Columns first .. end - 1 of a row.
void segment(const ResidualBackward& p, int64_t row, int64_t first, int64_t end, DropoutFactors& dropout,
             I* outside) {
  const float* const factors = dropout.from((p.dropout.first_row + row) * p.columns + first, end - first);
  for (int64_t column = first; column < end; column += kLanes) {
    const F factor = load(factors + (column - first));
    const F dy = load_elements(p.dacc, row, column, end) * factor;
    if (p.y.data != nullptr) {
      residual_step(p.acc, p.y, load_row(p.bias, column, end), factor, -1.0f, row, column, end, outside);
    }
    if (p.dbias != nullptr) {
      const Matrix sums = {p.dbias, 0, RF_F32};
      store_elements(sums, 0, column, end, load_elements(sums, 0, column, end) + dy);
    }
    if (p.dy.data != nullptr) {
      store_elements(p.dy, row, column, end, dy);
    }
  }
}

}  // namespace

void residual_backward(rf_context& context, const ResidualBackward& p) {
  const bool by_columns = p.dbias != nullptr;
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    DropoutFactors dropout(p.dropout);
    I outside = {};
    const Range rows = by_columns ? Range{0, p.rows} : team.share(p.rows);
    const Range columns = by_columns ? team.share(p.columns, 16) : Range{0, p.columns};
    for (int64_t row = rows.from; row < rows.to; ++row) {
      for (int64_t first = columns.from; first < columns.to; first += kSegment) {
        segment(p, row, first, first + kSegment < columns.to ? first + kSegment : columns.to, dropout, &outside);
      }
    }
    report_outside(outside, p.overflow);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_residual_backward_workspace(int64_t, int64_t) { return 0; }

extern "C" int rf_residual_backward(rf_context* context, void* acc, int64_t acc_stride, int acc_type, void* dy,
                                    int64_t dy_stride, int dy_type, float* dbias, const void* y, int64_t y_stride,
                                    int y_type, const float* bias, const float* dacc, int64_t dacc_stride,
                                    int64_t rows, int64_t columns, RF_DROPOUT, int32_t* overflow, void*) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  const ResidualBackward p = {matrix(acc, acc_stride, acc_type),
                              matrix(dy, dy_stride, dy_type),
                              matrix(y, y_stride, y_type),
                              matrix(dacc, dacc_stride, RF_F32),
                              dbias,
                              bias,
                              rows,
                              columns,
                              RF_DROPOUT_ARGUMENTS,
                              overflow};
  RF_RUN(*context, residual_backward, p);
  return take_status(*context);
}
#endif
