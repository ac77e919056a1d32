// What         acc += sign * dropout(y + bias); out = (acc - mean) / sqrt(variance + epsilon) * gain
//              + norm_bias. Sign +1 is the fused reversible forward, -1 the inverse recomputation.
// Shapes       out, acc, y [N, D]; bias, gain, norm_bias [D]; any N and D.
// Threads      rows are shared out.
// Memory       reads y and acc, writes acc and out once; later passes over a row find it in the cache.
// Determinism  one order of summation per D; the stream itself has the bits of the Java class.
// Reference    org.reformer4j.reference.Residual, LayerNorm
#include "context.h"
#include "dropout.h"
#include "residual_step.h"
#include "row_statistics.h"

namespace rf {

struct ResidualNorm {
  Matrix out, acc, y;
  const float *bias, *gain, *norm_bias;
  float epsilon, sign;
  int64_t rows, columns;
  Dropout dropout;
  int32_t* overflow;
};

RF_DECLARE_KERNEL(residual_norm, ResidualNorm)

namespace RF_ISA {
namespace {

void step_row(const ResidualNorm& p, int64_t row, DropoutFactors& dropout, I* outside) {
  for (int64_t first = 0; first < p.columns; first += kSegment) {
    const int64_t end = first + kSegment < p.columns ? first + kSegment : p.columns;
    const float* const factors = dropout.from((p.dropout.first_row + row) * p.columns + first, end - first);
    for (int64_t column = first; column < end; column += kLanes) {
      residual_step(p.acc, p.y, load_row(p.bias, column, p.columns), load(factors + (column - first)), p.sign, row,
                    column, p.columns, outside);
    }
  }
}

}  // namespace

void residual_norm(rf_context& context, const ResidualNorm& p) {
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    DropoutFactors dropout(p.dropout);
    I outside = {};
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) {
      if (p.y.data != nullptr) {
        step_row(p, row, dropout, &outside);
      }
      if (p.out.data == nullptr) {
        continue;
      }
      const RowStatistics s = row_statistics(p.acc, row, p.columns, p.epsilon);
      for (int64_t column = 0; column < p.columns; column += kLanes) {
        const F normal = (load_elements(p.acc, row, column, p.columns) - s.mean) * s.inverse;
        store_elements(p.out, row, column, p.columns,
                       fma(normal, load_row(p.gain, column, p.columns), load_row(p.norm_bias, column, p.columns)));
      }
    }
    report_outside(outside, p.overflow);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_residual_norm(rf_context* context, void* out, int64_t out_stride, int out_type, void* acc,
                                int64_t acc_stride, int acc_type, const void* y, int64_t y_stride, int y_type,
                                const float* bias, const float* gain, const float* norm_bias, float epsilon,
                                int sign, int64_t rows, int64_t columns, RF_DROPOUT, int32_t* overflow) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  const ResidualNorm p = {matrix(out, out_stride, out_type),
                          matrix(acc, acc_stride, acc_type),
                          matrix(y, y_stride, y_type),
                          bias,
                          gain,
                          norm_bias,
                          epsilon,
                          static_cast<float>(sign),
                          rows,
                          columns,
                          RF_DROPOUT_ARGUMENTS,
                          overflow};
  RF_RUN(*context, residual_norm, p);
  return take_status(*context);
}
#endif
