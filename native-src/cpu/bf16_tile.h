// The inner part of every product of bfloat16 numbers: a tile of kTileRows x kTileColumns sums kept in registers, and
// the panels of pairs that it reads. Compiled for AVX512_BF16 only.
//
// A pair is two terms that follow each other, the first in the lower half of 32 bits. An instruction adds the second
// term of a pair and then the first, each a fused multiply-add in float32 that takes denormal numbers for 0. So an
// element is one chain over k = 1, 0, 3, 2, ..., and blocks that begin at even terms change no bit.
#ifndef REFORMER_CPU_BF16_TILE_H
#define REFORMER_CPU_BF16_TILE_H

#include "elements.h"
#include "gemm_tile.h"

namespace rf {
namespace RF_ISA {

RF_INLINE F dot_pairs(F sum, U a, U b) {
  return (F)_mm512_dpbf16_ps((__m512)sum, bits<__m512bh>(a), bits<__m512bh>(b));
}

// kLanes numbers, each in the lower half of a lane; behind `rest` there are zeros.
RF_INLINE U load_halves(const uint16_t* p, int64_t rest) {
  const __mmask16 mask = static_cast<__mmask16>(rest >= kLanes ? 0xffff : (1u << rest) - 1);
  return (U)_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(mask, p));
}

// Pairs of numbers of two rows, the second of which may be absent; behind `rest` there are zeros.
RF_INLINE U pair_rows(const uint16_t* first, const uint16_t* second, int64_t rest) {
  const U low = load_halves(first, rest);
  return second == nullptr ? low : low | load_halves(second, rest) << 16;
}

// Rounds to nearest, ties to even, as to_bf16() does, but for denormal numbers, which become 0.
RF_INLINE H round_halves(F x) {
  const __m256bh half = _mm512_cvtneps_pbh((__m512)x);
  return bits<H>(half);
}

RF_INLINE uint32_t pair_at(const char* p) {
  uint32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return pair;
}

// The left operand: pair q of row i is at data[i * row_step + q * pair_step]. Steps are bytes.
struct LeftPairs {
  const char* data;
  int64_t row_step, pair_step;
};

static inline LeftPairs left_rows(const uint16_t* data, int64_t stride) {
  return {reinterpret_cast<const char*>(data), 2 * stride, 4};
}

// What an element becomes: start + chain, with start = beta * c, or with `scaled` alpha * chain + beta * c.
struct Ends {
  bool zero;  // beta is 0
  float beta;
  bool scaled;
  float alpha;
};

constexpr Ends kOverwrite = {true, 0.0f, false, 1.0f};

RF_INLINE F load_cell(const Matrix& c, int64_t row, int64_t column, int64_t rest, bool half) {
  if (!half) {
    const float* const p = static_cast<const float*>(c.data) + row * c.stride + column;
    return rest >= kLanes ? load(p) : rest > 0 ? load_part(p, rest) : F{};
  }
  const uint16_t* const p = static_cast<const uint16_t*>(c.data) + row * c.stride + column;
  return rest > 0 ? bits<F>(load_halves(p, rest) << 16) : F{};
}

RF_INLINE void store_cell(const Matrix& c, int64_t row, int64_t column, int64_t rest, bool half, F value) {
  if (!half) {
    float* const p = static_cast<float*>(c.data) + row * c.stride + column;
    if (rest >= kLanes) {
      store(p, value);
    } else if (rest > 0) {
      store_part(p, value, rest);
    }
    return;
  }
  uint16_t* const p = static_cast<uint16_t*>(c.data) + row * c.stride + column;
  const H rounded = to_bf16(value);
  if (rest >= kLanes) {
    __builtin_memcpy(p, &rounded, sizeof rounded);
  } else if (rest > 0) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << rest) - 1), bits<__m256i>(rounded));
  }
}

// c[row .. row + ROWS - 1, column .. column + columns - 1] from a[ROWS, terms] * panel. WHOLE: columns are as many as
// a tile has; HALF: c is RF_BF16.
template <int ROWS, bool WHOLE, bool HALF>
RF_INLINE void pair_tile_of(const Matrix& c, int64_t row, int64_t column, int64_t columns, LeftPairs a,
                            const uint32_t* panel, int64_t terms, const Ends& ends) {
  F acc[ROWS][kTileVectors];
  const auto rest = [&](int v) { return WHOLE ? int64_t{kLanes} : columns - v * kLanes; };
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      acc[i][v] = ends.zero || ends.scaled
                      ? F{}
                      : ends.beta * load_cell(c, row + i, column + v * kLanes, rest(v), HALF);
    }
  }
  const char* left = a.data;
  const auto step = [&](auto number) __attribute__((always_inline)) {
    U b[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) __builtin_memcpy(&b[v], panel + v * kLanes, sizeof b[v]);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      const U x = U{} + number(left + i * a.row_step);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) acc[i][v] = dot_pairs(acc[i][v], x, b[v]);
    }
    panel += kTileColumns;
    left += a.pair_step;
  };
  for (int64_t q = 0; q < terms / 2; ++q) step(pair_at);
  if (terms % 2 != 0) {
    // Nothing behind the last number is read.
    step([](const char* p) {
      uint16_t last;
      __builtin_memcpy(&last, p, sizeof last);
      return uint32_t{last};
    });
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      F value = acc[i][v];
      if (ends.scaled) {
        const F old = ends.zero ? F{} : ends.beta * load_cell(c, row + i, column + v * kLanes, rest(v), HALF);
        value = fma(set(ends.alpha), value, old);
      }
      store_cell(c, row + i, column + v * kLanes, rest(v), HALF, value);
    }
  }
}

template <int ROWS>
static __attribute__((noinline)) void pair_tile(const Matrix& c, int64_t row, int64_t column, int64_t columns,
                                                LeftPairs a, const uint32_t* panel, int64_t terms, const Ends& ends) {
  const bool half = c.type == RF_BF16;
  if (columns == kTileColumns) {
    half ? pair_tile_of<ROWS, true, true>(c, row, column, columns, a, panel, terms, ends)
         : pair_tile_of<ROWS, true, false>(c, row, column, columns, a, panel, terms, ends);
  } else {
    half ? pair_tile_of<ROWS, false, true>(c, row, column, columns, a, panel, terms, ends)
         : pair_tile_of<ROWS, false, false>(c, row, column, columns, a, panel, terms, ends);
  }
}

// The same for any number of rows from `row` on.
static inline void pair_tile_column(int64_t rows, const Matrix& c, int64_t row, int64_t column, int64_t columns,
                                    LeftPairs a, const uint32_t* panel, int64_t terms, const Ends& ends) {
  const auto done = [&](int64_t height) {
    row += height;
    rows -= height;
    a.data += height * a.row_step;
  };
  while (rows >= kTileRows) pair_tile<kTileRows>(c, row, column, columns, a, panel, terms, ends), done(kTileRows);
  if (rows >= 8) pair_tile<8>(c, row, column, columns, a, panel, terms, ends), done(8);
  if (rows >= 4) pair_tile<4>(c, row, column, columns, a, panel, terms, ends), done(4);
  if (rows >= 2) pair_tile<2>(c, row, column, columns, a, panel, terms, ends), done(2);
  if (rows >= 1) pair_tile<1>(c, row, column, columns, a, panel, terms, ends);
}

// ---- panels of the right operand ----------------------------------------------------------------

// panel[q, j] = b[2 q, j] and b[2 q + 1, j], 0 behind `terms` and `columns`.
static inline void pack_pairs(uint32_t* panel, const uint16_t* b, int64_t b_stride, int64_t terms, int64_t columns) {
  for (int64_t k = 0; k < terms; k += 2) {
    const uint16_t* const first = b + k * b_stride;
    const uint16_t* const second = k + 1 < terms ? first + b_stride : nullptr;
    __builtin_prefetch(first + 16 * b_stride);
    __builtin_prefetch(first + 17 * b_stride);
    for (int v = 0; v < kTileVectors; ++v) {
      const int64_t rest = columns - v * kLanes;
      const int64_t at = v * kLanes;
      const U pairs = rest > 0 ? pair_rows(first + at, second == nullptr ? nullptr : second + at, rest) : U{};
      __builtin_memcpy(panel + k / 2 * kTileColumns + at, &pairs, sizeof pairs);
    }
  }
}

// The same of b [columns, terms].
static inline void pack_pairs_transposed(uint32_t* panel, const uint16_t* b, int64_t b_stride, int64_t terms,
                                         int64_t columns) {
  for (int64_t first = 0; first < kTileColumns; first += kLanes) {
    const bool whole = columns - first >= kLanes;
    int64_t k = 0;
    for (; whole && k + 2 * kLanes <= terms; k += 2 * kLanes) {
      F rows[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) __builtin_memcpy(&rows[j], b + (first + j) * b_stride + k, sizeof rows[j]);
      transpose(rows);
#pragma GCC unroll 16
      for (int q = 0; q < kLanes; ++q) {
        __builtin_memcpy(panel + (k / 2 + q) * kTileColumns + first, &rows[q], sizeof rows[q]);
      }
    }
    for (; k < terms; k += 2) {
      for (int64_t j = first; j < first + kLanes; ++j) {
        const uint16_t* const from = b + j * b_stride + k;
        const uint32_t low = j < columns ? from[0] : 0;
        const uint32_t high = j < columns && k + 1 < terms ? from[1] : 0;
        panel[k / 2 * kTileColumns + j] = low | high << 16;
      }
    }
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
