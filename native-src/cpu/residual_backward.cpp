// What         acc -= dropout(y + bias); dy = dropout(dacc); dbias += column sums of dy: the inverse
//              recomputation fused with the gradient of the residual step.
// Shapes       acc, dy, y, dacc [N, D]; bias, dbias [D]; any N and D.
// Threads      rows are shared out; columns, block after block of rows, to be summed (column_chain.h).
// Memory       reads acc, y, dacc, writes acc, dy once.
// Determinism  a column sum is one chain over the rows, from what is there on: the bits of the reference,
//              also where the rows come in several calls.
// Reference    org.reformer4j.reference.Residual
#include "column_chain.h"
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

class Rows {
 public:
  explicit Rows(const ResidualBackward& p) : p_(p), dropout_(p.dropout) {}

  // Also writes dy to terms, if it is not null.
  void row(int64_t row, float* terms) {
    for (int64_t first = 0; first < p_.columns; first += kSegment) {
      segment(row, first, first + kSegment < p_.columns ? first + kSegment : p_.columns, terms);
    }
  }

  void end() const { report_outside(outside_, p_.overflow); }

 private:
  // Columns first .. end - 1.
  void segment(int64_t row, int64_t first, int64_t end, float* terms) {
    const float* const factors = dropout_.from((p_.dropout.first_row + row) * p_.columns + first, end - first);
    for (int64_t column = first; column < end; column += kLanes) {
      const F factor = load(factors + (column - first));
      const F dy = load_elements(p_.dacc, row, column, end) * factor;
      if (p_.y.data != nullptr) {
        residual_step(p_.acc, p_.y, load_row(p_.bias, column, end), factor, -1.0f, row, column, end, &outside_);
      }
      if (terms != nullptr) {
        store(terms + column, dy);
      }
      if (p_.dy.data != nullptr) {
        store_elements(p_.dy, row, column, end, dy);
      }
    }
  }

  const ResidualBackward& p_;
  DropoutFactors dropout_;
  I outside_ = {};
};

}  // namespace

void residual_backward(rf_context& context, const ResidualBackward& p) {
  if (p.dbias != nullptr) {
    chain_columns<Rows>(context, p, p.dbias, p.rows, p.columns);
    return;
  }
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    Rows rows(p);
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) rows.row(row, nullptr);
    rows.end();
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
