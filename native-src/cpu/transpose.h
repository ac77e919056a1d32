// Transposes kLanes x kLanes numbers in registers.
#ifndef REFORMER_CPU_TRANSPOSE_H
#define REFORMER_CPU_TRANSPOSE_H

#include "simd.h"

namespace rf {
namespace RF_ISA {

#if defined(__x86_64__)

// Instructions that stay within blocks of 128 bits, and those that move whole blocks, take no index from a register
// and run at twice the rate of those that permute freely.
#if defined(__AVX512F__)
// With a mask of all lanes, which costs nothing: without one GCC 12 warns of its own header.
#define RF_IN_BLOCKS(operation, a, b) (F) _mm512_maskz_##operation(0xffff, (__m512)(a), (__m512)(b))
#define RF_PAIRS_IN_BLOCKS(operation, a, b) (F) _mm512_maskz_##operation(0xff, (__m512d)(a), (__m512d)(b))
#define RF_MOVE_BLOCKS(a, b, blocks) _mm512_maskz_shuffle_f32x4(0xffff, a, b, blocks)
#elif defined(__AVX2__)
#define RF_IN_BLOCKS(operation, a, b) (F) _mm256_##operation((__m256)(a), (__m256)(b))
#define RF_PAIRS_IN_BLOCKS(operation, a, b) (F) _mm256_##operation((__m256d)(a), (__m256d)(b))
#else
#define RF_IN_BLOCKS(operation, a, b) (F) _mm_##operation((__m128)(a), (__m128)(b))
#define RF_PAIRS_IN_BLOCKS(operation, a, b) (F) _mm_##operation((__m128d)(a), (__m128d)(b))
#endif

// Transposes the 4 x 4 numbers of every block of four vectors.
RF_INLINE void transpose_blocks(F* r) {
  const F low01 = RF_IN_BLOCKS(unpacklo_ps, r[0], r[1]);
  const F high01 = RF_IN_BLOCKS(unpackhi_ps, r[0], r[1]);
  const F low23 = RF_IN_BLOCKS(unpacklo_ps, r[2], r[3]);
  const F high23 = RF_IN_BLOCKS(unpackhi_ps, r[2], r[3]);
  r[0] = RF_PAIRS_IN_BLOCKS(unpacklo_pd, low01, low23);
  r[1] = RF_PAIRS_IN_BLOCKS(unpackhi_pd, low01, low23);
  r[2] = RF_PAIRS_IN_BLOCKS(unpacklo_pd, high01, high23);
  r[3] = RF_PAIRS_IN_BLOCKS(unpackhi_pd, high01, high23);
}

// Number j of r[i] changes places with number i of r[j].
RF_INLINE void transpose(F (&r)[kLanes]) {
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) transpose_blocks(r + i);
  // Now block q of r[4 * p + i] belongs to block p of r[4 * q + i].
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#if defined(__AVX512F__)
    const __m512 a = (__m512)r[i], b = (__m512)r[4 + i], c = (__m512)r[8 + i], d = (__m512)r[12 + i];
    const __m512 even_ab = RF_MOVE_BLOCKS(a, b, 0x88), odd_ab = RF_MOVE_BLOCKS(a, b, 0xdd);
    const __m512 even_cd = RF_MOVE_BLOCKS(c, d, 0x88), odd_cd = RF_MOVE_BLOCKS(c, d, 0xdd);
    r[i] = (F)RF_MOVE_BLOCKS(even_ab, even_cd, 0x88);
    r[4 + i] = (F)RF_MOVE_BLOCKS(odd_ab, odd_cd, 0x88);
    r[8 + i] = (F)RF_MOVE_BLOCKS(even_ab, even_cd, 0xdd);
    r[12 + i] = (F)RF_MOVE_BLOCKS(odd_ab, odd_cd, 0xdd);
#elif defined(__AVX2__)
    const __m256 a = (__m256)r[i], b = (__m256)r[4 + i];
    r[i] = (F)_mm256_permute2f128_ps(a, b, 0x20);
    r[4 + i] = (F)_mm256_permute2f128_ps(a, b, 0x31);
#endif
  }
}

#undef RF_IN_BLOCKS
#undef RF_PAIRS_IN_BLOCKS
#undef RF_MOVE_BLOCKS

#else

RF_INLINE void transpose(F (&r)[kLanes]) {
  // Pairs of rows whose numbers differ in one bit change places with pairs of columns, bit after bit.
#pragma GCC unroll 4
  for (int bit = 1; bit < kLanes; bit *= 2) {
    I low, high;
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      low[j] = (j & bit) == 0 ? j : kLanes + (j ^ bit);
      high[j] = (j & bit) == 0 ? (j | bit) : kLanes + j;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & bit) == 0) {
        const F a = r[i];
        const F b = r[i | bit];
        r[i] = permute(a, b, low);
        r[i | bit] = permute(a, b, high);
      }
    }
  }
}

#endif

// The same of numbers in memory: to[j * to_step + i] = from[i * from_step + j].
RF_INLINE void transpose(float* to, int64_t to_step, const float* from, int64_t from_step) {
  F r[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) r[i] = load(from + i * from_step);
  transpose(r);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) store(to + i * to_step, r[i]);
}

}  // namespace RF_ISA
}  // namespace rf

#endif
