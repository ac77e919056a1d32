// Rows of a hidden block through dropout and activation: an operation of its own, and a part of the feed-forward.
#ifndef REFORMER_CPU_ACTIVATION_ROWS_H
#define REFORMER_CPU_ACTIVATION_ROWS_H

#include "activation_functions.h"
#include "dropout.h"
#include "pool.h"

namespace rf {

// u = dropout(x + bias), hidden = act(u), slope = act'(u) * dropout factor, unless its data is null. Dropout
// counts rows from dropout.first_row on.
struct Activation {
  Matrix hidden, slope, x;
  const float* bias;
  int function;
  int64_t rows, columns;
  Dropout dropout;
};

namespace RF_ISA {

template <int FUNCTION, bool SLOPE>
static inline void segment(const Activation& p, int64_t row, int64_t first, int64_t end, const float* factors) {
  for (int64_t column = first; column < end; column += kLanes) {
    const F factor = load(factors + (column - first));
    const F x = load_elements(p.x, row, column, p.columns) + load_row(p.bias, column, p.columns);
    const Activated a = activate<FUNCTION>(x * factor);
    store_elements(p.hidden, row, column, p.columns, a.value);
    if (SLOPE) {
      store_elements(p.slope, row, column, p.columns, a.slope * factor);
    }
  }
}

template <int FUNCTION>
static inline void activate_rows_by(const Activation& p, Range rows) {
  DropoutFactors dropout(p.dropout);
  for (int64_t row = rows.from; row < rows.to; ++row) {
    for (int64_t first = 0; first < p.columns; first += kSegment) {
      const int64_t end = first + kSegment < p.columns ? first + kSegment : p.columns;
      const float* const factors = dropout.from((p.dropout.first_row + row) * p.columns + first, end - first);
      if (p.slope.data != nullptr) {
        segment<FUNCTION, true>(p, row, first, end, factors);
      } else {
        segment<FUNCTION, false>(p, row, first, end, factors);
      }
    }
  }
}

static inline void activate_rows(const Activation& p, Range rows) {
  switch (p.function) {
    case RF_RELU:
      return activate_rows_by<RF_RELU>(p, rows);
    case RF_GELU:
      return activate_rows_by<RF_GELU>(p, rows);
    case RF_GELU_NEW:
      return activate_rows_by<RF_GELU_NEW>(p, rows);
    case RF_SILU:
      return activate_rows_by<RF_SILU>(p, rows);
    default:
      return activate_rows_by<RF_TANH>(p, rows);
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
