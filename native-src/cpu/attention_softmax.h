// Exponentials and logarithms of the attention's softmax.
#ifndef REFORMER_CPU_ATTENTION_SOFTMAX_H
#define REFORMER_CPU_ATTENTION_SOFTMAX_H

#include "simd.h"

namespace rf {
namespace RF_ISA {

// exp(x) of x <= 0 to 1 ulp; below -87 it is 0. NaN stays.
RF_INLINE F exp_of_nonpositive(F x) {
  // Adding 1.5 * 2^23 rounds, and leaves the integer in the lowest bits.
  const F magic = set(12582912.0f);
  const F shifted = fma(x, set(1.44269504f), magic);
  const F whole = shifted - magic;
  F r = fma(whole, set(-0.693145752f), x);
  r = fma(whole, set(-1.42860677e-6f), r);
  // exp(r) for |r| <= log(2) / 2: the least relative error that a polynomial of degree 6 has
  F q = fma(r, set(1.3814446e-3f), set(8.368783e-3f));
  q = fma(q, r, set(4.1668396e-2f));
  q = fma(q, r, set(1.666652e-1f));
  q = fma(q, r, set(4.9999994e-1f));
  q = fma(q, r, set(1.0f));
  q = fma(q, r, set(1.0f));
  return x < -87.0f ? F{} : bits<F>(bits<U>(q) + (bits<U>(shifted) << 23));
}

// log(x) of positive finite numbers to 1 ulp.
RF_INLINE F log(F x) {
  const I raw = bits<I>(x);
  // x = m * 2^e with m in sqrt(1/2) .. sqrt(2)
  const I e = (raw - 0x3f3504f3) >> 23;
  const F m = bits<F>(raw - (e << 23)) - 1.0f;
  F q = fma(m, set(7.0376836292e-2f), set(-1.1514610310e-1f));
  q = fma(q, m, set(1.1676998740e-1f));
  q = fma(q, m, set(-1.2420140846e-1f));
  q = fma(q, m, set(1.4249322787e-1f));
  q = fma(q, m, set(-1.6668057665e-1f));
  q = fma(q, m, set(2.0000714765e-1f));
  q = fma(q, m, set(-2.4999993993e-1f));
  q = fma(q, m, set(3.3333331174e-1f));
  const F square = m * m;
  const F whole = floats(e);
  F tail = fma(q * m, square, whole * -2.12194440e-4f);
  tail = fma(square, set(-0.5f), tail);
  return fma(whole, set(0.693359375f), m + tail);
}

// What a softmax of one round has gathered: the largest score, and the sum of exp(score - largest).
struct Softmax {
  F high, sum;
};

// The log-sum-exp of all rounds so far, and what the results of the rounds before and the sum of this round are
// multiplied with to get their mean.
struct Joined {
  F lse, old, fresh;
};

RF_INLINE Joined join_round(F old_lse, const Softmax& softmax, bool first) {
  const float nothing = -__builtin_inff();
  const F sum = softmax.sum;
  const F fresh = sum == 0.0f ? set(nothing) : softmax.high + log(sum);
  const F high = max(old_lse, fresh);
  const F base = high == nothing ? F{} : high;
  const F total = exp(old_lse - base) + exp(fresh - base);
  const F all = high == nothing ? set(nothing) : high + log(total);
  const F safe = all == nothing ? F{} : all;
  return {all, exp(old_lse - safe), sum == 0.0f ? F{} : (first ? set(1.0f) : exp(fresh - safe)) / sum};
}

}  // namespace RF_ISA
}  // namespace rf

#endif
