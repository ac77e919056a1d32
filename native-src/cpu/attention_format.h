// What the rows of an attention are made of: cells of 32 bits, each a float, or, in the compilation for AVX512_BF16, a
// pair of bfloat16 numbers. Vectors of pairs are held as vectors of floats, whose values nobody looks at.
#ifndef REFORMER_CPU_ATTENTION_FORMAT_H
#define REFORMER_CPU_ATTENTION_FORMAT_H

#include "attention_places.h"
#include "product_tile.h"
#if defined(__AVX512BF16__)
#include "bf16_tile.h"
#endif

namespace rf {
namespace RF_ISA {

#if defined(__AVX512BF16__)

constexpr int64_t kPerCell = 2;

// A term is a product of pairs.
struct Dots {
  typedef float Number;
  typedef F Vector;
  RF_INLINE Vector all(Number x) { return set(x); }
  RF_INLINE Vector step(Vector a, Vector b, Vector acc) { return dot_pairs(acc, bits<U>(a), bits<U>(b)); }
};
typedef Dots Product;

// Pairs of numbers of two vectors.
RF_INLINE F round_pairs(F first, F second) {
  const U low = __builtin_convertvector(round_halves(first), U);
  return bits<F>(low | __builtin_convertvector(round_halves(second), U) << 16);
}

// kLanes cells of the numbers of two vectors that follow each other.
RF_INLINE F round_row(F first, F second) {
  const H half[2] = {round_halves(first), round_halves(second)};
  F cells;
  __builtin_memcpy(&cells, half, sizeof cells);
  return cells;
}

// The first and the second numbers of pairs.
RF_INLINE F first_of(F cells) { return bits<F>(bits<U>(cells) << 16); }
RF_INLINE F second_of(F cells) { return bits<F>(bits<U>(cells) & 0xffff0000u); }

// Pairs of rows that follow each other, [rows / 2, 2 * pitch], out of [rows, pitch]: terms of a product over rows.
static inline void pair_up(float* to, const float* rows, int64_t pitch, int64_t count) {
  for (int64_t row = 0; row < count; row += 2) {
    const uint16_t* const first = reinterpret_cast<const uint16_t*>(rows + row * pitch);
    const uint16_t* const second = reinterpret_cast<const uint16_t*>(rows + (row + 1) * pitch);
    for (int64_t d = 0; d < 2 * pitch; d += kLanes) {
      store(to + row * pitch + d, bits<F>(pair_rows(first + d, second + d, kLanes)));
    }
  }
}

#else

constexpr int64_t kPerCell = 1;
typedef Fused Product;

#endif

}  // namespace RF_ISA
}  // namespace rf

#endif
