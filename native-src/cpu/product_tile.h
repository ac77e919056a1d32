// Tiles of a small product that stays in registers between a start and an end that its user gives: attention
// masks scores and combines rounds there, the LSH hash looks for the largest number.
//
// An element is one chain of multiply-adds in the order of the terms, so no tiling changes a bit. The right
// operand is read where it lies; only its columns must be padded to whole tiles.
#ifndef REFORMER_CPU_PRODUCT_TILE_H
#define REFORMER_CPU_PRODUCT_TILE_H

#include "gemm_tile.h"

namespace rf {
namespace RF_ISA {

// How a term is added. With FMA instructions both of the first are the same.
struct Fused {
  typedef float Number;
  typedef F Vector;
  RF_INLINE Vector all(Number x) { return set(x); }
  RF_INLINE Vector step(Vector a, Vector b, Vector acc) { return fma(a, b, acc); }
};

// A fused multiply-add also where the processor has none.
struct Exact {
  typedef float Number;
  typedef F Vector;
  RF_INLINE Vector all(Number x) { return set(x); }
  RF_INLINE Vector step(Vector a, Vector b, Vector acc) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return fma(a, b, acc);
#else
    for (int i = 0; i < kLanes; ++i) acc[i] = __builtin_fmaf(a[i], b[i], acc[i]);
    return acc;
#endif
  }
};

// Numbers are pairs of int16: two terms at a time, exactly.
struct Pairs {
  typedef int32_t Number;
  typedef I Vector;
  RF_INLINE Vector all(Number x) { return set_int(x); }
  RF_INLINE Vector step(Vector a, Vector b, Vector acc) {
#if defined(__AVX512BW__)
    return acc + (I)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return acc + (I)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
    return acc + (I)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return acc + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
  }
};

// Element (i, k) at data[i * row_step + k * term_step].
template <class Number>
struct Rows {
  const Number* data;
  int64_t row_step, term_step;
};

// How many rows a tile's sums have.
template <class Sums>
constexpr int64_t kRowsOf = static_cast<int64_t>(sizeof(Sums) / (kTileVectors * sizeof(F)));

// Calls end(row, acc), Vector acc[ROWS][kTileVectors], with acc[i][v] = start(row + i, v) + a[ROWS, terms] *
// b[terms, kTileColumns], where vector v of a row of b is at b + k * b_step + v * kLanes.
template <class Math, int ROWS, class Start, class End>
RF_INLINE void product_tile(int64_t row, Rows<typename Math::Number> a, const typename Math::Number* b,
                            int64_t b_step, int64_t terms, const Start& start, const End& end) {
  typename Math::Vector acc[ROWS][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) acc[i][v] = start(row + i, v);
  }
  const typename Math::Number* left = a.data + row * a.row_step;
  for (int64_t k = 0; k < terms; ++k) {
    typename Math::Vector right[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) __builtin_memcpy(&right[v], b + v * kLanes, sizeof right[v]);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
      const typename Math::Vector x = Math::all(left[i * a.row_step]);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) acc[i][v] = Math::step(x, right[v], acc[i][v]);
    }
    b += b_step;
    left += a.term_step;
  }
  end(row, acc);
}

// The same for any number of rows, for an end that wants all of a tile.
template <class Math, class Start, class End>
RF_INLINE void product_tiles(int64_t rows, Rows<typename Math::Number> a, const typename Math::Number* b,
                             int64_t b_step, int64_t terms, const Start& start, const End& end) {
  int64_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) {
    product_tile<Math, kTileRows>(row, a, b, b_step, terms, start, end);
  }
  if (kTileRows > 8 && row + 8 <= rows) {
    product_tile<Math, 8>(row, a, b, b_step, terms, start, end);
    row += 8;
  }
  for (; row + 4 <= rows; row += 4) product_tile<Math, 4>(row, a, b, b_step, terms, start, end);
  for (; row < rows; ++row) product_tile<Math, 1>(row, a, b, b_step, terms, start, end);
}

// The same for an end that takes one vector of sums: end(row, v, sum).
template <class Math, class Start, class End>
RF_INLINE void product_rows(int64_t rows, Rows<typename Math::Number> a, const typename Math::Number* b,
                            int64_t b_step, int64_t terms, const Start& start, const End& end) {
  product_tiles<Math>(rows, a, b, b_step, terms, start, [&](int64_t row, const auto& acc) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < kRowsOf<decltype(acc)>; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) end(row + i, v, acc[i][v]);
    }
  });
}

// A start at zero.
template <class Vector>
struct Zero {
  __attribute__((always_inline)) Vector operator()(int64_t, int) const { return Vector{}; }
};

}  // namespace RF_ISA
}  // namespace rf

#endif
