// Factors of a dropout mask (org.reformer4j.api.Dropout), many at a time.
#ifndef REFORMER_CPU_DROPOUT_H
#define REFORMER_CPU_DROPOUT_H

#include "elements.h"

namespace rf {

// Columns whose factors are made at once; kernels with dropout walk over their rows in such segments.
constexpr int64_t kSegment = 256;

namespace RF_ISA {

typedef uint64_t Q __attribute__((vector_size(4 * kLanes)));

// Products of the lower halves of 64-bit lanes.
RF_INLINE Q multiply_low(Q a, uint32_t b) {
  const Q wide = Q{} + b;
#if defined(__AVX512F__)
  return (Q)_mm512_mul_epu32((__m512i)a, (__m512i)wide);
#elif defined(__AVX2__)
  return (Q)_mm256_mul_epu32((__m256i)a, (__m256i)wide);
#elif defined(__x86_64__)
  return (Q)_mm_mul_epu32((__m128i)a, (__m128i)wide);
#else
  return (a & 0xffffffffu) * wide;
#endif
}

class DropoutFactors {
 public:
  explicit DropoutFactors(const Dropout& dropout) : dropout_(dropout) {
    if (dropout.threshold == 0) {
      for (float& factor : factors_) factor = 1.0f;
    }
  }

  // Factors of `count` <= kSegment elements of the mask from `first` on. Valid until the next call; a vector may
  // be read at the last one.
  const float* from(int64_t first, int64_t count) {
    if (dropout_.threshold == 0) {
      return factors_;
    }
    const int64_t skipped = first % 4;
    // All lanes of the last vector: what is undefined may be NaN, and would look like an overflow.
    const int64_t end = skipped + (count + kLanes - 1) / kLanes * kLanes;
    for (int64_t i = 0; i < end; i += 2 * kLanes) fill(factors_ + i, (first + i) / 4);
    return factors_ + skipped;
  }

  // The factor of one element.
  float at(int64_t element) { return *from(element, 1); }

 private:
  // Philox4x32-10 (Salmon et al. 2011) of kLanes / 2 neighbouring counters; org.reformer4j.api.Philox defines
  // them. Only the lower halves of the lanes count.
  void fill(float* factors, int64_t quad) const {
    Q c0;
    for (int i = 0; i < kLanes / 2; ++i) c0[i] = static_cast<uint64_t>(quad) + static_cast<uint64_t>(i);
    Q c1 = c0 >> 32;
    Q c2 = Q{} + dropout_.step;
    Q c3 = Q{} + dropout_.stream;
    uint32_t k0 = static_cast<uint32_t>(dropout_.seed);
    uint32_t k1 = static_cast<uint32_t>(dropout_.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const Q p0 = multiply_low(c0, 0xD2511F53u);
      const Q p1 = multiply_low(c2, 0xCD9E8D57u);
      c0 = (p1 >> 32) ^ c1 ^ k0;
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ k1;
      c3 = p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const Q low = (c0 & 0xffffffffu) | c1 << 32;
    const Q high = (c2 & 0xffffffffu) | c3 << 32;
    uint64_t words[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) words[2 * i] = low[i], words[2 * i + 1] = high[i];
    for (int half = 0; half < 2; ++half) {
      U word;
      __builtin_memcpy(&word, words + half * kLanes / 2, sizeof word);
      store(factors + half * kLanes, word >= dropout_.threshold ? set(dropout_.scale) : F{});
    }
  }

  Dropout dropout_;
  float factors_[kSegment + 4 * kLanes];
};

}  // namespace RF_ISA
}  // namespace rf

#endif
