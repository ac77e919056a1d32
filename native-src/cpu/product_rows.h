// A packed right operand, and products of some rows with it: parts of rf_gemm, and of operations that use the same
// weights for block after block of rows. The bits are those of rf_gemm: one chain of fused multiply-adds an element.
#ifndef REFORMER_CPU_PRODUCT_ROWS_H
#define REFORMER_CPU_PRODUCT_ROWS_H

#include "gemm_tile.h"
#include "pool.h"

namespace rf {
namespace RF_ISA {

// Terms of a panel that are packed, and read, at a time: half of the smallest first cache.
constexpr int64_t kPanelTerms = 256;

static inline int64_t whole_panels(int64_t columns) {
  return (columns + kTileColumns - 1) / kTileColumns * kTileColumns;
}

// Panels of a right operand [terms, columns], behind each other.
struct Packed {
  float* data;
  int64_t terms, columns;

  int64_t floats() const { return terms * whole_panels(columns); }
};

// Packs b [terms, columns], or [columns, terms] with `transpose`: the share of a thread of the team. By panels and
// blocks of terms, for there may be fewer panels than threads.
static inline void pack(const Packed& to, const float* b, int64_t b_stride, bool transpose, const Team& team) {
  const int64_t blocks = (to.terms + kPanelTerms - 1) / kPanelTerms;
  const Range own = team.share(whole_panels(to.columns) / kTileColumns * blocks);
  for (int64_t i = own.from; i < own.to; ++i) {
    const int64_t column = i / blocks * kTileColumns;
    const int64_t term = i % blocks * kPanelTerms;
    const int64_t terms = to.terms - term < kPanelTerms ? to.terms - term : kPanelTerms;
    const int64_t columns = to.columns - column < kTileColumns ? to.columns - column : kTileColumns;
    float* const panel = to.data + column * to.terms + term * kTileColumns;
    if (transpose) {
      pack_panel_transposed(panel, b + column * b_stride + term, b_stride, terms, columns);
    } else {
      pack_panel(panel, b + term * b_stride + column, b_stride, terms, columns);
    }
  }
}

// c[rows, b.columns] = a[rows, b.terms] * b.
static inline void multiply_rows(float* c, int64_t c_stride, const float* a, int64_t a_stride, int64_t rows,
                                 const Packed& b) {
  for (int64_t term = 0; term < b.terms; term += kPanelTerms) {
    const int64_t terms = b.terms - term < kPanelTerms ? b.terms - term : kPanelTerms;
    for (int64_t column = 0; column < b.columns; column += kTileColumns) {
      const int64_t width = b.columns - column < kTileColumns ? b.columns - column : kTileColumns;
      tile_column(rows, c + column, c_stride, width, {a + term, a_stride, 1},
                  b.data + column * b.terms + term * kTileColumns, terms, {term == 0, 1.0f});
    }
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
