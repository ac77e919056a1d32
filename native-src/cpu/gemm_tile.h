// The inner part of every matrix product: a tile of kTileRows x kTileColumns sums kept in registers, and the
// panels of the right matrix that it reads.
//
// An element is one chain of fused multiply-adds in the order of k. A tile may start from what an earlier part
// of the chain left in memory, so no blocking changes a bit.
#ifndef REFORMER_CPU_GEMM_TILE_H
#define REFORMER_CPU_GEMM_TILE_H

#include "transpose.h"

namespace rf {
namespace RF_ISA {

// As many sums as registers hold beside two vectors of b and one number of a.
#if defined(__AVX512F__)
constexpr int kTileRows = 12;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
#elif defined(__aarch64__)
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif
constexpr int kTileVectors = 2;
constexpr int kTileColumns = kTileVectors * kLanes;

// The left operand: element (i, k) at data[i * row_step + k * term_step].
struct Left {
  const float* data;
  int64_t row_step, term_step;
};

// What a tile starts from: 0, or scale * c.
struct Start {
  bool zero;
  float scale;
};

// c[ROWS, columns] = start + a[ROWS, terms] * panel[terms, kTileColumns].
template <int ROWS, bool WHOLE>
RF_INLINE void tile_of(float* c, int64_t c_stride, int64_t columns, Left a, const float* panel, int64_t terms,
                       Start start) {
  F acc[ROWS][kTileVectors];
  if (start.zero) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      // Written only, at the end: it should be there by then.
      __builtin_prefetch(c + i * c_stride, 1);
      __builtin_prefetch(c + i * c_stride + (kTileColumns > 16 ? 16 : 0), 1);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) acc[i][v] = F{};
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        const float* const from = c + i * c_stride + v * kLanes;
        const int64_t rest = columns - v * kLanes;
        acc[i][v] = WHOLE || rest >= kLanes ? load(from) : rest > 0 ? load_part(from, rest) : F{};
        acc[i][v] *= start.scale;
      }
    }
  }
  const float* left = a.data;
  for (int64_t k = 0; k < terms; ++k) {
    F b[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) b[v] = load(panel + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      const F x = set(left[i * a.row_step]);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) acc[i][v] = fma(x, b[v], acc[i][v]);
    }
    panel += kTileColumns;
    left += a.term_step;
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      float* const to = c + i * c_stride + v * kLanes;
      const int64_t rest = columns - v * kLanes;
      if (WHOLE || rest >= kLanes) {
        store(to, acc[i][v]);
      } else if (rest > 0) {
        store_part(to, acc[i][v], rest);
      }
    }
  }
}

template <int ROWS>
static __attribute__((noinline)) void tile(float* c, int64_t c_stride, int64_t columns, Left a,
                                           const float* panel, int64_t terms, Start start) {
  if (columns == kTileColumns) {
    tile_of<ROWS, true>(c, c_stride, columns, a, panel, terms, start);
  } else {
    tile_of<ROWS, false>(c, c_stride, columns, a, panel, terms, start);
  }
}

// The same for fewer rows than a tile has: 0 < rows < kTileRows.
static inline void short_tile(int64_t rows, float* c, int64_t c_stride, int64_t columns, Left a,
                              const float* panel, int64_t terms, Start start) {
  const auto part = [&](int64_t height) {
    c += height * c_stride;
    a.data += height * a.row_step;
    rows -= height;
  };
  if (kTileRows > 8 && rows >= 8) tile<8>(c, c_stride, columns, a, panel, terms, start), part(8);
  if (rows >= 4) tile<4>(c, c_stride, columns, a, panel, terms, start), part(4);
  if (rows >= 2) tile<2>(c, c_stride, columns, a, panel, terms, start), part(2);
  if (rows >= 1) tile<1>(c, c_stride, columns, a, panel, terms, start);
}

// c[rows, columns <= kTileColumns] = start + a[rows, terms] * panel.
static inline void tile_column(int64_t rows, float* c, int64_t c_stride, int64_t columns, Left a,
                               const float* panel, int64_t terms, Start start) {
  int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    tile<kTileRows>(c + i * c_stride, c_stride, columns, {a.data + i * a.row_step, a.row_step, a.term_step},
                    panel, terms, start);
  }
  if (i < rows) {
    short_tile(rows - i, c + i * c_stride, c_stride, columns,
               {a.data + i * a.row_step, a.row_step, a.term_step}, panel, terms, start);
  }
}

// ---- panels of the right operand ----------------------------------------------------------------

// panel[k, j] = b[k * b_stride + j], 0 behind `columns`.
static inline void pack_panel(float* panel, const float* b, int64_t b_stride, int64_t terms, int64_t columns) {
  for (int64_t k = 0; k < terms; ++k) {
    for (int v = 0; v < kTileVectors; ++v) {
      const int64_t rest = columns - v * kLanes;
      const float* const from = b + k * b_stride + v * kLanes;
      __builtin_prefetch(from + 16 * b_stride);
      store(panel + k * kTileColumns + v * kLanes,
            rest >= kLanes ? load(from) : rest > 0 ? load_part(from, rest) : F{});
    }
  }
}

// panel[k, j] = b[j * b_stride + k], 0 behind `columns`.
static inline void pack_panel_transposed(float* panel, const float* b, int64_t b_stride, int64_t terms,
                                         int64_t columns) {
  for (int64_t first = 0; first < kTileColumns; first += kLanes) {
    const float* const from = b + first * b_stride;
    const bool whole = columns - first >= kLanes;
    int64_t k = 0;
    if (whole) {
      for (; k + kLanes <= terms; k += kLanes) {
        transpose(panel + k * kTileColumns + first, kTileColumns, from + k, b_stride);
      }
    }
    for (; k < terms; ++k) {
      for (int64_t j = 0; j < kLanes; ++j) {
        panel[k * kTileColumns + first + j] = first + j < columns ? from[j * b_stride + k] : 0.0f;
      }
    }
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
