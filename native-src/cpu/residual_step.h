// acc += sign * factor * (y + bias) for a vector of elements, which the fused kernels have in common.
#ifndef REFORMER_CPU_RESIDUAL_STEP_H
#define REFORMER_CPU_RESIDUAL_STEP_H

#include "elements.h"

namespace rf {
namespace RF_ISA {

// Returns acc as floats. On RF_FIXED the addend is rounded to the grid; a sum or addend out of range is
// saturated and sets lanes of `outside`.
RF_INLINE F residual_step(const Matrix& acc, const Matrix& y, F bias, F factor, float sign, int64_t row,
                          int64_t column, int64_t columns, I* outside) {
  const F addend = (load_elements(y, row, column, columns) + bias) * factor;
  if (acc.type == RF_F32) {
    const F x = load_elements(acc, row, column, columns) + sign * addend;
    store_elements(acc, row, column, columns, x);
    return x;
  }
  float* const cells = reinterpret_cast<float*>(static_cast<int32_t*>(acc.data) + row * acc.stride + column);
  const int64_t rest = columns - column;
  const U old = bits<U>(rest >= kLanes ? load(cells) : load_part(cells, rest));
  const F scaled = addend * kFixedScale;
  // Rounded before the sign, so that forward and inverse move by the same steps.
  const U step = bits<U>(to_int_saturated(scaled));
  const U sum = sign > 0 ? old + step : old - step;
  // The sign of a sum that wrapped around is wrong.
  const I wrapped = bits<I>((old ^ sum) & (sign > 0 ? step ^ sum : old ^ step)) < 0;
  const U limit = U{} + 0x7fffffffu + (old >> 31);
  const U kept = wrapped ? limit : sum;
  // The comparison is also false for NaN.
  *outside |= wrapped | ~(abs(scaled) < 2147483648.0f);
  rest >= kLanes ? store(cells, bits<F>(kept)) : store_part(cells, bits<F>(kept), rest);
  return floats(bits<I>(kept)) * kFixedStep;
}

// Raises the flag where a lane is set. Threads may raise it together.
RF_INLINE void report_outside(I outside, int32_t* overflow) {
  int32_t any = 0;
  for (int i = 0; i < kLanes; ++i) any |= outside[i];
  if (any != 0 && overflow != nullptr) {
    __atomic_store_n(overflow, 1, __ATOMIC_RELAXED);
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
