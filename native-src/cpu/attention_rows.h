// Tiles of rows for the attention: gathered through the order of the places, transposed, multiplied row by row.
#ifndef REFORMER_CPU_ATTENTION_ROWS_H
#define REFORMER_CPU_ATTENTION_ROWS_H

#include "attention_format.h"

namespace rf {
namespace RF_ISA {

RF_INLINE F load_row_part(const float* row, int64_t d, int64_t size) {
  return size - d >= kLanes ? load(row + d) : size > d ? load_part(row + d, size - d) : F{};
}

// Of numbers of RF_BF16.
RF_INLINE F load_row_part(const uint16_t* row, int64_t d, int64_t size) {
  return load_elements(matrix(row, 0, RF_BF16), 0, d, size);
}

RF_INLINE void store_row_part(float* row, int64_t d, int64_t size, F value) {
  if (size - d >= kLanes) {
    store(row + d, value);
  } else if (size > d) {
    store_part(row + d, value, size - d);
  }
}

RF_INLINE void store_row_part(uint16_t* row, int64_t d, int64_t size, F value) {
  store_elements(matrix(row, 0, RF_BF16), 0, d, size, value);
}

// Rows that are asked for ahead of the one that is copied: they lie scattered, no processor foresees them, and a
// processor has some tens of lines on their way at once. Asking during the products before instead costs more than
// it saves where the rows come from far away, because the products' own lines then wait behind them.
constexpr int64_t kRowsAhead = 16;

// What is read in place of an absent row.
alignas(64) constexpr Element kNoRow[kAttentionMaxSize] = {};
// Numbers of a cache line.
constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Element));

// Asks for rows that are written soon.
template <class Number = Element>
static inline void expect_rows(const HeadRows& rows, const Places& p, const int32_t* tokens, int64_t count,
                               int64_t size) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; tokens[i] >= 0 && d < size; d += 64 / static_cast<int64_t>(sizeof(Number))) {
      __builtin_prefetch(row_of<Number>(rows, p, tokens[i]) + d, 1, 2);
    }
  }
}

#if defined(__AVX512BF16__)

// The rows of tokens behind each other, [count, pitch] cells; absent tokens (below 0) are zero.
static inline void gather(float* to, int64_t pitch, const HeadRows& rows, const Places& p, const int32_t* tokens,
                          int64_t count, int64_t) {
  const auto from = [&](int64_t i) { return tokens[i] < 0 ? kNoRow : row_of(rows, p, tokens[i]); };
  for (int64_t i = 0; i < count; ++i, to += pitch) {
    const Element* const soon = from(i + kRowsAhead < count ? i + kRowsAhead : i);
    const Element* const row = from(i);
    for (int64_t d = 0; d < 2 * pitch; d += kLine) __builtin_prefetch(soon + d);
    for (int64_t d = 0; d < pitch; d += kLanes) {
      F cells;
      __builtin_memcpy(&cells, row + 2 * d, sizeof cells);
      store(to + d, cells);
    }
  }
}

// The same as pairs of rows, [count / 2, 2 * pitch].
static inline void gather_values(float* to, int64_t pitch, const HeadRows& rows, const Places& p,
                                 const int32_t* tokens, int64_t count, int64_t) {
  const auto from = [&](int64_t i) { return tokens[i] < 0 ? kNoRow : row_of(rows, p, tokens[i]); };
  for (int64_t i = 0; i < count; i += 2, to += 2 * pitch) {
    for (int64_t ahead = i + kRowsAhead; ahead < i + kRowsAhead + 2 && ahead < count; ++ahead) {
      for (int64_t d = 0; d < 2 * pitch; d += kLine) __builtin_prefetch(from(ahead) + d);
    }
    for (int64_t d = 0; d < 2 * pitch; d += kLanes) {
      store(to + d, bits<F>(pair_rows(from(i) + d, from(i + 1) + d, kLanes)));
    }
  }
}

#else

// PITCH: that of rows without anything behind `size`, or 0 for all others.
template <int64_t PITCH>
RF_INLINE void gather_rows(float* to, int64_t pitch, const HeadRows& rows, const Places& p, const int32_t* tokens,
                           int64_t count, int64_t size) {
  const auto from = [&](int64_t i) { return tokens[i] < 0 ? kNoRow : row_of(rows, p, tokens[i]); };
  const int64_t end = PITCH > 0 ? PITCH : pitch;
  for (int64_t i = 0; i < count; ++i) {
    const float* const soon = from(i + kRowsAhead < count ? i + kRowsAhead : i);
    const float* const row = from(i);
#pragma GCC unroll 8
    for (int64_t d = 0; d < (PITCH > 0 ? PITCH : size); d += 16) __builtin_prefetch(soon + d);
#pragma GCC unroll 8
    for (int64_t d = 0; d < end; d += kLanes) {
      store(to + d, PITCH > 0 ? load(row + d) : load_row_part(row, d, size));
    }
    to += end;
  }
}

// The rows of tokens behind each other, [count, pitch]; absent tokens (below 0) and what lies behind `size` are zero.
static inline void gather(float* to, int64_t pitch, const HeadRows& rows, const Places& p, const int32_t* tokens,
                          int64_t count, int64_t size) {
  if (size == 64 && pitch == 64) {
    gather_rows<64>(to, pitch, rows, p, tokens, count, size);
  } else if (size == 128 && pitch == 128) {
    gather_rows<128>(to, pitch, rows, p, tokens, count, size);
  } else {
    gather_rows<0>(to, pitch, rows, p, tokens, count, size);
  }
}

static inline void gather_values(float* to, int64_t pitch, const HeadRows& rows, const Places& p,
                                 const int32_t* tokens, int64_t count, int64_t size) {
  gather(to, pitch, rows, p, tokens, count, size);
}

#endif

// transpose() of a whole square, where quarters of rows can be put together while they are loaded: half of the
// exchanges of columns that registers alone would take.
RF_INLINE void transpose_square(float* to, int64_t to_step, const float* from, int64_t from_step) {
#if defined(__AVX512F__)
#pragma GCC unroll 4
  for (int64_t column = 0; column < kLanes; column += 4) {
    __m512 quarter[4];
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; ++i) {
      const float* const row = from + i * from_step + column;
      quarter[i] = _mm512_castps128_ps512(_mm_loadu_ps(row));
      quarter[i] = _mm512_mask_broadcast_f32x4(quarter[i], 0x00f0, _mm_loadu_ps(row + 4 * from_step));
      quarter[i] = _mm512_mask_broadcast_f32x4(quarter[i], 0x0f00, _mm_loadu_ps(row + 8 * from_step));
      quarter[i] = _mm512_mask_broadcast_f32x4(quarter[i], 0xf000, _mm_loadu_ps(row + 12 * from_step));
    }
    // With masks, for GCC 12 warns of the undefined operand that it gives to those without.
    const auto pairs = [](__m512d a, __m512d b, bool high) {
      return (F)(high ? _mm512_maskz_unpackhi_pd(0xff, a, b) : _mm512_maskz_unpacklo_pd(0xff, a, b));
    };
    const __m512d low[2] = {(__m512d)_mm512_maskz_unpacklo_ps(0xffff, quarter[0], quarter[1]),
                            (__m512d)_mm512_maskz_unpacklo_ps(0xffff, quarter[2], quarter[3])};
    const __m512d high[2] = {(__m512d)_mm512_maskz_unpackhi_ps(0xffff, quarter[0], quarter[1]),
                             (__m512d)_mm512_maskz_unpackhi_ps(0xffff, quarter[2], quarter[3])};
    float* const out = to + column * to_step;
    store(out, pairs(low[0], low[1], false));
    store(out + to_step, pairs(low[0], low[1], true));
    store(out + 2 * to_step, pairs(high[0], high[1], false));
    store(out + 3 * to_step, pairs(high[0], high[1], true));
  }
#else
  transpose(to, to_step, from, from_step);
#endif
}

// Panels of kTileColumns rows each, transposed: to[i / kTileColumns][d][i % kTileColumns] = from[i][d]. Reads whole
// panels.
static inline void transpose_panels(float* to, const float* from, int64_t pitch, int64_t count) {
  for (int64_t first = 0; first < count; first += kTileColumns) {
    for (int64_t i = 0; i < kTileColumns; i += kLanes) {
      for (int64_t d = 0; d < pitch; d += kLanes) {
        transpose_square(to + first * pitch + d * kTileColumns + i, kTileColumns, from + (first + i) * pitch + d,
                         pitch);
      }
    }
  }
}

// out[i] = x row i times y row i, of tiles with a pitch whose ends are zero; reads and writes whole vectors.
static inline void tile_row_products(float* out, const float* x, const float* y, int64_t pitch, int64_t count) {
  alignas(64) float parts[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int64_t first = 0; first < count; first += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) {
      F total = {};
      for (int64_t d = 0; d < pitch; d += kLanes) {
        const int64_t at = (first + i) * pitch + d;
        total = Product::step(load(x + at), load(y + at), total);
      }
      store(parts + i * kLanes, total);
    }
    transpose_square(turned, kLanes, parts, kLanes);
    F total = {};
    for (int i = 0; i < kLanes; ++i) total += load(turned + i * kLanes);
    store(out + first, total);
  }
}

// Numbers d .. d + kLanes - 1 of a row of cells.
RF_INLINE F load_numbers(const float* row, int64_t d) {
#if defined(__AVX512BF16__)
  return load_row_part(reinterpret_cast<const uint16_t*>(row), d, d + kLanes);
#else
  return load(row + d);
#endif
}

// out[i] = row i of sums times row i of x, for kLanes rows.
static inline void sum_row_products(float* out, const float* sums, int64_t wide, const float* x, int64_t pitch) {
#if defined(__AVX512BF16__)
  alignas(64) float parts[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    F total = {};
    for (int64_t d = 0; d < wide; d += kLanes) {
      total = fma(load(sums + i * wide + d), load_numbers(x + i * pitch, d), total);
    }
    store(parts + i * kLanes, total);
  }
  transpose_square(turned, kLanes, parts, kLanes);
  F total = {};
  for (int i = 0; i < kLanes; ++i) total += load(turned + i * kLanes);
  store(out, total);
#else
  (void)wide;
  tile_row_products(out, sums, x, pitch, kLanes);
#endif
}

// Factors that make keys out of rows: 1 / (sqrt(K) * root mean square), or 1 / sqrt(K). Of shared QK, the rows are
// given as transposed panels: a sum of squares is one chain per even and odd element. Writes whole panels.
static inline void key_factors(float* factors, const Attention& a, const float* panels, int64_t pitch, int64_t count) {
  const float size = static_cast<float>(a.size);
  for (int64_t i = 0; i < count; i += kTileColumns) {
    for (int v = 0; v < kTileVectors; ++v) {
      F squares = set(size);
      if (a.shared) {
        const float* const column = panels + i * pitch + v * kLanes;
        F even = {}, odd = {};
#if defined(__AVX512BF16__)
        for (int64_t d = 0; d < pitch; ++d) {
          const F pairs = load(column + d * kTileColumns);
          even = fma(first_of(pairs), first_of(pairs), even);
          odd = fma(second_of(pairs), second_of(pairs), odd);
        }
#else
        for (int64_t d = 0; d < pitch; d += 2) {
          const F x = load(column + d * kTileColumns);
          const F y = load(column + (d + 1) * kTileColumns);
          even = fma(x, x, even);
          odd = fma(y, y, odd);
        }
#endif
        squares = ((even + odd) / size + kKeyEpsilon) * size;
      }
      store(factors + i + v * kLanes, 1.0f / sqrt(squares));
    }
  }
}

// Dropout factors of `queries` queries at the keys from_key .. of their window, transposed: to[key * pitch + query].
// Absent queries get any factors.
static inline void drop_factors(float* to, int64_t pitch, DropoutFactors& dropout, const Attention& a, const Places& p,
                                int64_t round, const int32_t* tokens, int64_t queries, int64_t from_key,
                                int64_t keys) {
  const int64_t window = a.chunk * a.window_chunks;
  alignas(64) float rows[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int64_t q = 0; q < queries; q += kLanes) {
    for (int64_t k = 0; k < keys; k += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t token = q + i < queries && tokens[q + i] >= 0 ? tokens[q + i] : 0;
        const int64_t row =
            a.dropout.first_row + ((p.batch * a.heads + p.head) * a.rounds + round) * a.stride + token;
        store(rows + i * kLanes, load(dropout.from(row * window + from_key + k, kLanes)));
      }
      transpose_square(turned, kLanes, rows, kLanes);
      for (int64_t j = 0; j < kLanes && k + j < keys; ++j) store(to + (k + j) * pitch + q, load(turned + j * kLanes));
    }
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
