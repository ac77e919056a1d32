// What         c = alpha * op(a) * op(b) + beta * c of bfloat16 factors.
// Shapes       c [M, N], float32 or bfloat16; op(a) [M, K]; op(b) [K, N]; any sizes and strides.
// Threads      as gemm.cpp: rows of c are shared out, or columns where those are more; b is packed by all together.
// Memory       as gemm.cpp, at half the bytes: a is read where it lies, unless it is transposed. A product that is
//              rounded or scaled at its end keeps all of its terms in one panel. Few rows are multiplied with a b
//              [N, K] where it lies.
// Determinism  an element is one chain over k = 1, 0, 3, 2, ... (bf16_tile.h), whatever M, N, the blocks and the
//              threads.
// Reference    org.reformer4j.reference.Gemm, in float32
// Measured     docs/benchmarks.md
#include "gemm.h"

#include "bf16_rows.h"

namespace rf {
namespace RF_ISA {
namespace {

// Where a product may be cut into parts of its terms: a panel of as many is in the first cache.
constexpr int64_t kBlockTerms = 512;
// Rows of a times terms of a block: a part of the second cache.
constexpr int64_t kBlockElements = 192 * kBlockTerms;
// Of all panels at once, as in gemm.cpp.
constexpr int64_t kPanelElements = 1 << 20;
constexpr int64_t kMostPanelElements = 1 << 22;
constexpr int64_t kMostColumns = 2048;
constexpr int64_t kAhead = 8;
// Multiply-adds that are worth a thread.
constexpr int64_t kGrain = 1 << 19;
// Of few rows, elements of b that are.
constexpr int64_t kReadGrain = 1 << 17;

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t round_up(int64_t a, int64_t unit) { return (a + unit - 1) / unit * unit; }

// A part of the product: all of its terms that are packed at once, from an even one on.
struct Part {
  int64_t first_column, columns, first_term, terms;
};

// Whether a chain may be put down between its parts.
bool divisible(const GemmBf16& p) { return p.c.type == RF_F32 && p.alpha == 1.0f; }

const uint16_t* b_at(const GemmBf16& p, int64_t term, int64_t column) {
  return p.transpose_b ? p.b + column * p.b_stride + term : p.b + term * p.b_stride + column;
}

// From one packed tile of a to the next: not a multiple of a page, or all would want the same cache lines.
int64_t left_pitch(int64_t terms) { return kTileRows * ((terms + 1) / 2) + 16; }

// Tiles of a [K, M] behind each other, [pairs, kTileRows] each; a vector holds a pair of a tile's rows and more, and
// the rest lies where the next pair will be, or the gap.
void pack_transposed(const GemmBf16& p, uint32_t* to, int64_t row, int64_t rows, int64_t term, int64_t terms) {
  for (int64_t k = 0; k < terms; k += 2) {
    const uint16_t* const first = p.a + (term + k) * p.a_stride + row;
    const uint16_t* const second = k + 1 < terms ? first + p.a_stride : nullptr;
    for (int64_t r = 0; r < rows; r += 32) {
      __builtin_prefetch(first + kAhead * p.a_stride + r);
      __builtin_prefetch(first + (kAhead + 1) * p.a_stride + r);
    }
    uint32_t* cell = to + k / 2 * kTileRows;
    for (int64_t r = 0; r < rows; r += kTileRows, cell += left_pitch(terms)) {
      const U pairs = pair_rows(first + r, second == nullptr ? nullptr : second + r, least(kLanes, p.rows - row - r));
      __builtin_memcpy(cell, &pairs, sizeof pairs);
    }
  }
}

void multiply(const GemmBf16& p, const Part& part, const uint32_t* panels, uint32_t* packed, Range rows,
              Range columns) {
  const int64_t deep = divisible(p) ? least(kBlockTerms, part.terms) : part.terms;
  const int64_t high = kBlockElements / deep / kTileRows * kTileRows;
  const int64_t block = high < kTileRows ? kTileRows : least(high, 16 * kTileRows);
  for (int64_t row = rows.from; row < rows.to; row += block) {
    const int64_t height = least(block, rows.to - row);
    for (int64_t term = 0; term < part.terms; term += deep) {
      const int64_t terms = least(deep, part.terms - term);
      const bool first = part.first_term + term == 0;
      const Ends ends = {first && p.beta == 0.0f, first ? p.beta : 1.0f, p.alpha != 1.0f, p.alpha};
      if (p.transpose_a) {
        pack_transposed(p, packed, row, height, part.first_term + term, terms);
      }
      for (int64_t column = columns.from; column < columns.to; column += kTileColumns) {
        const int64_t width = least(kTileColumns, part.columns - column);
        const uint32_t* const panel = panels + column * ((part.terms + 1) / 2) + term / 2 * kTileColumns;
        const int64_t to = part.first_column + column;
        if (!p.transpose_a) {
          pair_tile_column(height, p.c, row, to, width, left_rows(p.a + row * p.a_stride + part.first_term + term, p.a_stride),
                           panel, terms, ends);
          continue;
        }
        for (int64_t i = 0; i < height; i += kTileRows) {
          const uint32_t* const tile = packed + i / kTileRows * left_pitch(terms);
          pair_tile_column(least(kTileRows, height - i), p.c, row + i, to, width,
                           {reinterpret_cast<const char*>(tile), 4, 4 * kTileRows}, panel, round_up(terms, 2), ends);
        }
      }
    }
  }
}

// beta * c, for products without terms.
void scale(const GemmBf16& p) {
  for (int64_t i = 0; i < p.rows; ++i) {
    for (int64_t j = 0; j < p.columns; j += kLanes) {
      const F old = p.beta == 0.0f ? F{} : p.beta * load_elements(p.c, i, j, p.columns);
      store_elements(p.c, i, j, p.columns, old);
    }
  }
}

// ---- few rows by b [N, K] -----------------------------------------------------------------------

// Columns first .. first + count - 1 of ROWS rows of c; count <= kLanes. Rows of b are transposed in registers.
template <int ROWS>
void few_rows_columns(const GemmBf16& p, int64_t row, int64_t first, int64_t count) {
  const uint16_t* const b = p.b + first * p.b_stride;
  const auto row_of_b = [&](int64_t j) { return b + (j < count ? j : count - 1) * p.b_stride; };
  F acc[ROWS];
  for (int i = 0; i < ROWS; ++i) {
    acc[i] = p.beta == 0.0f || p.alpha != 1.0f ? F{} : p.beta * load_elements(p.c, row + i, first, first + count);
  }
  const auto pairs_of_a = [&](int i, int64_t k) {
    return pair_at(reinterpret_cast<const char*>(p.a + (row + i) * p.a_stride + k));
  };
  int64_t k = 0;
  for (; k + 2 * kLanes <= p.terms; k += 2 * kLanes) {
    F tile[kLanes];
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      __builtin_memcpy(&tile[j], row_of_b(j) + k, sizeof tile[j]);
      __builtin_prefetch(row_of_b(j) + k + 512);
    }
    transpose(tile);
#pragma GCC unroll 16
    for (int q = 0; q < kLanes; ++q) {
#pragma GCC unroll 4
      for (int i = 0; i < ROWS; ++i) acc[i] = dot_pairs(acc[i], U{} + pairs_of_a(i, k + 2 * q), bits<U>(tile[q]));
    }
  }
  for (; k < p.terms; k += 2) {
    const bool both = k + 1 < p.terms;
    U pairs;
    for (int j = 0; j < kLanes; ++j) {
      const uint16_t* const from = row_of_b(j) + k;
      pairs[j] = from[0] | static_cast<uint32_t>(both ? from[1] : 0) << 16;
    }
    for (int i = 0; i < ROWS; ++i) {
      const uint32_t x = both ? pairs_of_a(i, k) : p.a[(row + i) * p.a_stride + k];
      acc[i] = dot_pairs(acc[i], U{} + x, pairs);
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    F value = acc[i];
    if (p.alpha != 1.0f) {
      const F old = p.beta == 0.0f ? F{} : p.beta * load_elements(p.c, row + i, first, first + count);
      value = fma(set(p.alpha), value, old);
    }
    store_elements(p.c, row + i, first, first + count, value);
  }
}

void few_rows(rf_context& context, const GemmBf16& p) {
  parallel(context, p.columns * p.terms, kReadGrain, [&](const Team& team) {
    const Range own = team.share(p.columns, kLanes);
    for (int64_t first = own.from; first < own.to; first += kLanes) {
      const int64_t count = least(kLanes, own.to - first);
      int64_t row = 0;
      for (; row + 4 <= p.rows; row += 4) few_rows_columns<4>(p, row, first, count);
      if (row + 2 <= p.rows) few_rows_columns<2>(p, row, first, count), row += 2;
      if (row < p.rows) few_rows_columns<1>(p, row, first, count);
    }
  });
}

}  // namespace

void gemm_bf16(rf_context& context, const GemmBf16& p) {
  if (p.terms == 0) {
    scale(p);
    return;
  }
  if (p.rows <= kFewRows && p.transpose_b && !p.transpose_a) {
    few_rows(context, p);
    return;
  }
  const int64_t wide = least(kMostColumns, round_up(p.columns, kTileColumns));
  const int64_t room = p.rows * wide > kMostPanelElements ? kMostPanelElements : kPanelElements;
  const bool all = !divisible(p) || p.terms * wide <= room;
  const int64_t deep = all ? p.terms : room / wide / kBlockTerms * kBlockTerms;
  const int64_t left_terms = divisible(p) ? least(kBlockTerms, p.terms) : p.terms;
  const int64_t left = p.transpose_a ? 16 * left_pitch(left_terms) : 0;
  const int threads = context.pool.threads_for(p.rows * p.columns * p.terms, kGrain);
  const int64_t all_panels = (deep + 1) / 2 * wide;
  uint32_t* const panels = static_cast<uint32_t*>(scratch(context, static_cast<size_t>(4 * (all_panels + threads * left))));
  if (panels == nullptr) {
    return;
  }
  // Whole tiles of rows for every thread, or else panels.
  const bool by_rows = p.rows >= 4 * kTileRows * threads || p.rows >= p.columns;
  const bool run = context.pool.run(threads, [&](const Team& team) {
    uint32_t* const packed = panels + all_panels + team.thread * left;
    Part part;
    for (part.first_column = 0; part.first_column < p.columns; part.first_column += wide) {
      part.columns = least(wide, p.columns - part.first_column);
      for (part.first_term = 0; part.first_term < p.terms; part.first_term += deep) {
        part.terms = least(deep, p.terms - part.first_term);
        pack({panels, part.terms, part.columns}, b_at(p, part.first_term, part.first_column), p.b_stride, p.transpose_b,
             team);
        team.barrier();
        const Range all_rows = {0, p.rows};
        const Range all_columns = {0, part.columns};
        multiply(p, part, panels, packed, by_rows ? team.share(p.rows, kTileRows) : all_rows,
                 by_rows ? all_columns : team.share(part.columns, kTileColumns));
        team.barrier();
      }
    }
  });
  if (!run) {
    context.status = RF_STATUS_HOST_MEMORY;
  }
}

}  // namespace RF_ISA
}  // namespace rf
