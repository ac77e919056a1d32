// Vectors of the instruction set that a file is compiled for: GCC's vector types, whose operators both
// compilers turn into single instructions, and the few operations that need a name.
//
// F, I, U hold kLanes float, int32, uint32. Operators work lane by lane; a comparison gives a mask of type I,
// and `mask ? a : b` chooses. Nothing is contracted: a fused multiply-add is where fma() is written. The
// baseline of x86 has none, so there fma() rounds twice, and results differ from those of the other sets.
#ifndef REFORMER_CPU_SIMD_H
#define REFORMER_CPU_SIMD_H

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rf {
namespace RF_ISA {

#define RF_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float F __attribute__((vector_size(4 * kLanes)));
typedef int32_t I __attribute__((vector_size(4 * kLanes)));
typedef uint32_t U __attribute__((vector_size(4 * kLanes)));

// Double has half as many lanes, so sums of an F in double take two.
typedef double D __attribute__((vector_size(4 * kLanes)));
typedef float Half __attribute__((vector_size(2 * kLanes)));

struct Doubles {
  D part[2];
};

// ---- lanes and memory ---------------------------------------------------------------------------

RF_INLINE F set(float x) {
#if defined(__AVX512F__)
  return (F)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (F)_mm256_set1_ps(x);
#else
  return F{x, x, x, x};
#endif
}

RF_INLINE I set_int(int32_t x) { return I{} + x; }

template <class To, class From>
RF_INLINE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits are only renamed");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

RF_INLINE F load(const float* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

RF_INLINE void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }

RF_INLINE I load_ints(const int32_t* p) {
  I v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

RF_INLINE void store_ints(int32_t* p, I v) { __builtin_memcpy(p, &v, sizeof v); }

// A mask of the first n lanes.
RF_INLINE I first_lanes(int64_t n) {
  I index;
  for (int i = 0; i < kLanes; ++i) index[i] = i;
  return index < static_cast<int32_t>(n);
}

// The first n lanes, 0 < n < kLanes; the others read as 0. Nothing behind them is touched.
RF_INLINE F load_part(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (F)_mm256_maskload_ps(p, (__m256i)first_lanes(n));
#else
  F v = {};
  for (int i = 0; i < kLanes; ++i) v[i] = i < n ? p[i] : 0.0f;
  return v;
#endif
}

RF_INLINE void store_part(float* p, F v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, (__m256i)first_lanes(n), (__m256)v);
#else
  for (int i = 0; i < kLanes; ++i) {
    if (i < n) p[i] = v[i];
  }
#endif
}

// ---- arithmetic ---------------------------------------------------------------------------------

RF_INLINE F fma(F a, F b, F c) {
#if defined(__AVX512F__)
  return (F)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (F)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_FEATURE_FMA)
  F r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#else
  return a * b + c;
#endif
}

RF_INLINE Doubles doubles(F a) {
#if defined(__AVX512F__)
  // GCC 12 splits its own conversions; masks of all lanes as in transpose.h.
  const __m256 high = _mm512_maskz_extractf32x8_ps(0xff, (__m512)a, 1);
  return {{(D)_mm512_maskz_cvtps_pd(0xff, _mm512_castps512_ps256((__m512)a)), (D)_mm512_maskz_cvtps_pd(0xff, high)}};
#elif defined(__AVX2__)
  const __m128 high = _mm256_extractf128_ps((__m256)a, 1);
  return {{(D)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)a)), (D)_mm256_cvtps_pd(high)}};
#else
  Half half[2];
  __builtin_memcpy(half, &a, sizeof half);
  return {{__builtin_convertvector(half[0], D), __builtin_convertvector(half[1], D)}};
#endif
}

RF_INLINE F floats(Doubles a) {
  const Half half[2] = {__builtin_convertvector(a.part[0], Half), __builtin_convertvector(a.part[1], Half)};
  F v;
  __builtin_memcpy(&v, half, sizeof v);
  return v;
}

// Lanes are added one after the other.
RF_INLINE double sum(Doubles a) {
  double total = 0;
  for (int part = 0; part < 2; ++part) {
    for (int i = 0; i < kLanes / 2; ++i) total += a.part[part][i];
  }
  return total;
}

// NaN in b wins, NaN in a does not: for `a` a running maximum or bound.
RF_INLINE F max(F a, F b) { return a > b ? a : b; }
RF_INLINE F min(F a, F b) { return a < b ? a : b; }
RF_INLINE F abs(F a) { return bits<F>(bits<I>(a) & 0x7fffffff); }
RF_INLINE F floats(I a) { return __builtin_convertvector(a, F); }

RF_INLINE F sqrt(F a) {
#if defined(__AVX512F__)
  return (F)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (F)_mm256_sqrt_ps((__m256)a);
#else
  F r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_sqrtf(a[i]);
  return r;
#endif
}

// The nearest integer, half to even; saturated, and 0 for NaN.
RF_INLINE I to_int_saturated(F a) {
#if defined(__AVX512F__)
  const I n = (I)_mm512_cvtps_epi32((__m512)a);
#elif defined(__AVX2__)
  const I n = (I)_mm256_cvtps_epi32((__m256)a);
#elif defined(__x86_64__)
  const I n = (I)_mm_cvtps_epi32((__m128)a);
#else
  I n;
  for (int i = 0; i < kLanes; ++i) {
    const bool fits = a[i] >= -2147483648.0f && a[i] < 2147483648.0f;
    n[i] = fits ? static_cast<int32_t>(__builtin_rintf(a[i])) : INT32_MIN;
  }
#endif
  const I low = a >= 2147483648.0f ? set_int(INT32_MAX) : n;
  return a == a ? low : I{};
}

// The nearest integer, half to even, of |a| < 2^22; of NaN any number.
RF_INLINE I to_int(F a) {
  const float magic = 12582912.0f;
  return bits<I>(a + magic) - bits<int32_t>(magic);
}

// Lane j is number index[j] of the 2 * kLanes numbers of a and b.
RF_INLINE F permute(F a, F b, I index) {
#if defined(__AVX512F__)
  return (F)_mm512_permutex2var_ps((__m512)a, (__m512i)index, (__m512)b);
#elif defined(__clang__)
  F r;
  for (int i = 0; i < kLanes; ++i) r[i] = index[i] < kLanes ? a[index[i]] : b[index[i] - kLanes];
  return r;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

// Lanes are added in one order, pairs of halves, the same in every place of a program.
RF_INLINE float sum(F a) {
  float lane[kLanes];
  store(lane, a);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

RF_INLINE float maximum(F a) {
  float high = a[0];
  for (int i = 1; i < kLanes; ++i) high = high > a[i] ? high : a[i];
  return high;
}

// exp(x) to 1 ulp for x up to 88; below -87 it is 0. NaN stays.
struct Exponential {
  F value;      // exp(x)
  F minus_one;  // exp(x) - 1, exact also for small x
};

RF_INLINE Exponential exponential(F x) {
  const F bounded = x < -87.0f ? set(-87.0f) : x;
  const I n = to_int(bounded * 1.44269504f);
  const F whole = floats(n);
  F r = fma(whole, set(-0.693145752f), bounded);
  r = fma(whole, set(-1.42860677e-6f), r);
  // exp(r) - 1 for |r| <= log(2) / 2, by its series
  F q = fma(r, set(1.98412698e-4f), set(1.38888889e-3f));
  q = fma(q, r, set(8.33333333e-3f));
  q = fma(q, r, set(4.16666667e-2f));
  q = fma(q, r, set(1.66666667e-1f));
  q = fma(q, r, set(0.5f));
  q = fma(q * r, r, r);
  const F power = bits<F>((n + 127) << 23);
  return {x < -87.0f ? F{} : fma(power, q, power), fma(power, q, power - 1.0f)};
}

RF_INLINE F exp(F x) { return exponential(x).value; }

}  // namespace RF_ISA
}  // namespace rf

#endif
