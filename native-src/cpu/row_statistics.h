// Mean and deviation of a row, as the layer norm and its gradient need them.
#ifndef REFORMER_CPU_ROW_STATISTICS_H
#define REFORMER_CPU_ROW_STATISTICS_H

#include "elements.h"

namespace rf {
namespace RF_ISA {

struct RowStatistics {
  float mean, inverse;  // inverse of the deviation
};

// In two passes: the squares are those of centred numbers. Every lane adds every kLanes-th column.
static inline RowStatistics row_statistics(const Matrix& x, int64_t row, int64_t columns, float epsilon) {
  F total = {};
  for (int64_t column = 0; column < columns; column += kLanes) total += load_elements(x, row, column, columns);
  const float mean = sum(total) / static_cast<float>(columns);
  F squares = {};
  for (int64_t column = 0; column < columns; column += kLanes) {
    F centred = load_elements(x, row, column, columns) - mean;
    if (columns - column < kLanes) {
      centred = first_lanes(columns - column) ? centred : F{};
    }
    squares = fma(centred, centred, squares);
  }
  return {mean, 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(columns) + epsilon)};
}

}  // namespace RF_ISA
}  // namespace rf

#endif
