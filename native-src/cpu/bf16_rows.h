// A packed right operand of bfloat16 numbers, and products of some rows with it: what product_rows.h is for floats.
#ifndef REFORMER_CPU_BF16_ROWS_H
#define REFORMER_CPU_BF16_ROWS_H

#include "bf16_tile.h"
#include "pool.h"

namespace rf {
namespace RF_ISA {

// Terms that a thread packs at a time.
constexpr int64_t kPackTerms = 512;

static inline int64_t whole_tiles(int64_t columns) {
  return (columns + kTileColumns - 1) / kTileColumns * kTileColumns;
}

// Panels of a right operand [terms, columns], behind each other: a whole number of pairs each.
struct PackedPairs {
  uint32_t* data;
  int64_t terms, columns;

  int64_t pairs() const { return (terms + 1) / 2; }
  int64_t bytes() const { return 4 * pairs() * whole_tiles(columns); }
};

// Packs b [terms, columns], or [columns, terms] with `transpose`: the share of a thread of the team.
static inline void pack(const PackedPairs& to, const uint16_t* b, int64_t b_stride, bool transpose, const Team& team) {
  const int64_t blocks = (to.terms + kPackTerms - 1) / kPackTerms;
  const Range own = team.share(whole_tiles(to.columns) / kTileColumns * blocks);
  for (int64_t i = own.from; i < own.to; ++i) {
    const int64_t column = i / blocks * kTileColumns;
    const int64_t term = i % blocks * kPackTerms;
    const int64_t terms = to.terms - term < kPackTerms ? to.terms - term : kPackTerms;
    const int64_t columns = to.columns - column < kTileColumns ? to.columns - column : kTileColumns;
    uint32_t* const panel = to.data + column * to.pairs() + term / 2 * kTileColumns;
    if (transpose) {
      pack_pairs_transposed(panel, b + column * b_stride + term, b_stride, terms, columns);
    } else {
      pack_pairs(panel, b + term * b_stride + column, b_stride, terms, columns);
    }
  }
}

// c[row .. row + rows - 1] = a[rows, b.terms] * b.
static inline void multiply_rows(const Matrix& c, int64_t row, const uint16_t* a, int64_t a_stride, int64_t rows,
                                 const PackedPairs& b) {
  for (int64_t column = 0; column < b.columns; column += kTileColumns) {
    const int64_t width = b.columns - column < kTileColumns ? b.columns - column : kTileColumns;
    pair_tile_column(rows, c, row, column, width, left_rows(a, a_stride), b.data + column * b.pairs(), b.terms,
                     kOverwrite);
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
