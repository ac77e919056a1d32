// The activations and their slopes, a vector at a time, to 2 ulp of what is larger, the value or what it is
// made of. exp, tanh and erf are written out: no two mathematical libraries give the same bits.
#ifndef REFORMER_CPU_ACTIVATION_FUNCTIONS_H
#define REFORMER_CPU_ACTIVATION_FUNCTIONS_H

#include "reformer_kernels.h"
#include "simd.h"

namespace rf {
namespace RF_ISA {

struct Activated {
  F value, slope;
};

struct Sigmoid {
  F value, rest;  // rest = 1 - value, without cancellation
};

RF_INLINE Sigmoid sigmoid(F v) {
  const F e = exp(-abs(v));
  const F large = 1.0f / (1.0f + e);
  const F small = e * large;
  return {v < 0.0f ? small : large, v < 0.0f ? large : small};
}

// The distribution function of the normal distribution. Polynomials for erf and log(erfc) as in Juffa's erff.
RF_INLINE F normal_distribution(F u) {
  const F z = abs(u) * 0.707106781f;
  const F s = z * z;
  F r = fma(set(-1.72853470e-5f), z, set(3.83197126e-4f));
  r = fma(r, s, fma(set(-3.88396438e-3f), z, set(2.42546219e-2f)));
  r = fma(r, z, set(-1.06777877e-1f));
  r = fma(r, z, set(-6.34846687e-1f));
  r = fma(r, z, set(-1.28717512e-1f));
  r = fma(r, z, -z);
  const F far = 0.5f * exp(r);
  F q = fma(set(-5.96761703e-4f), s, set(4.99119423e-3f));
  q = fma(q, s, set(-2.67681349e-2f));
  q = fma(q, s, set(1.12819925e-1f));
  q = fma(q, s, set(-3.76125336e-1f));
  q = fma(q, s, set(1.28379166e-1f));
  q = fma(q, z, z);
  // Of NaN both are NaN.
  const F below = z > 0.927734375f ? far : fma(set(-0.5f), q, set(0.5f));
  return u < 0.0f ? below : 1.0f - below;
}

// The slope costs nothing where it is not used: all of this is inlined.
template <int FUNCTION>
RF_INLINE Activated activate(F u) {
  if (FUNCTION == RF_RELU) {
    // The comparison keeps NaN.
    return {u <= 0.0f ? F{} : u, u > 0.0f ? set(1.0f) : F{}};
  }
  if (FUNCTION == RF_GELU) {
    const F phi = normal_distribution(u);
    const F density = 0.398942280f * exp(-0.5f * u * u);
    // Far out the density is 0, also where u is infinite.
    return {u * phi, density == 0.0f ? phi : fma(u, density, phi)};
  }
  if (FUNCTION == RF_GELU_NEW) {
    // 0.5 * (1 + tanh(v)) is sigmoid(2 v).
    const F square = u * u;
    const Sigmoid s = sigmoid(1.59576912f * u * fma(set(0.044715f), square, set(1.0f)));
    const F both = s.value * s.rest;
    const F inner = 1.59576912f * fma(set(0.134145f), square, set(1.0f));
    return {u * s.value, both == 0.0f ? s.value : fma(u * both, inner, s.value)};
  }
  if (FUNCTION == RF_SILU) {
    const Sigmoid s = sigmoid(u);
    return {u * s.value, fma(u, s.value * s.rest, s.value)};
  }
  const Exponential e = exponential(-2.0f * abs(u));
  const F t = -e.minus_one / (2.0f + e.minus_one);
  const F sum = 1.0f + e.value;
  const I sign = bits<I>(u) & INT32_MIN;
  return {bits<F>((bits<I>(t) & INT32_MAX) | sign), 4.0f * e.value / (sum * sum)};
}

}  // namespace RF_ISA
}  // namespace rf

#endif
