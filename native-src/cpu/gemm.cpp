// What         c = alpha * op(a) * op(b) + beta * c.
// Shapes       c [M, N]; op(a) [M, K]; op(b) [K, N]; any sizes and strides.
// Threads      rows of c are shared out, or columns where those are more; b is packed into panels by all of
//              them together, so that one packing serves the whole team.
// Memory       panels of b as deep as kPanelFloats allow; blocks of kBlockRows x kBlockTerms of a and a block
//              of c stay in the second cache, a panel in the first. A transposed a is packed by tiles; one that
//              is not is read where it lies.
// Determinism  an element is beta * c, then one chain of fused multiply-adds over k = 0, 1, 2, ... with
//              alpha * a: the bits of the reference, whatever M, N, the blocks and the threads.
// Reference    org.reformer4j.reference.Gemm
// Measured     docs/benchmarks.md
#include "gemm.h"
#include "product_rows.h"

namespace rf {
namespace RF_ISA {
namespace {

// Of a; 192 rows of as many terms as a panel has are a fifth of the second cache.
constexpr int64_t kBlockTerms = kPanelTerms;
constexpr int64_t kBlockRows = 192 / kTileRows * kTileRows;
// Of all panels at once: 2 MB, which stay in the second or third cache; where c is larger than that, 8 MB, so
// that fewer passes over c are needed.
constexpr int64_t kPanelFloats = 1 << 19;
constexpr int64_t kMostPanelFloats = 1 << 21;
constexpr int64_t kMostColumns = kPanelFloats / kBlockTerms;
// Rows that are fetched before they are packed.
constexpr int64_t kAhead = 8;
// Multiply-adds that are worth a thread.
constexpr int64_t kGrain = 1 << 18;

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t round_up(int64_t a, int64_t unit) { return (a + unit - 1) / unit * unit; }

// A part of the product: all of its terms that are packed at once.
struct Part {
  int64_t first_column, columns, first_term, terms;
};

const float* b_at(const Gemm& p, int64_t term, int64_t column) {
  return p.transpose_b ? p.b + column * p.b_stride + term : p.b + term * p.b_stride + column;
}

// From one packed tile of a to the next: not a multiple of a page, or all would want the same cache lines.
int64_t left_pitch(int64_t terms) { return kTileRows * terms + 16; }

// Tiles of a behind each other, [terms, kTileRows] each, times alpha; of a [K, M], whose rows are read once.
void pack_transposed(const Gemm& p, float* to, int64_t row, int64_t rows, int64_t term, int64_t terms) {
  const int64_t whole = rows / kTileRows;
  const int64_t rest = rows - whole * kTileRows;
  for (int64_t k = 0; k < terms; ++k) {
    const float* const from = p.a + (term + k) * p.a_stride + row;
    float* cell = to + k * kTileRows;
    // Rows lie far apart: the processor does not foresee the next one.
    for (int64_t r = 0; r < rows; r += 16) __builtin_prefetch(from + kAhead * p.a_stride + r);
    int64_t i = 0;
    // A vector holds a column of a tile and more; the rest lies where the next column will be, or the gap.
    for (; kLanes >= kTileRows && i < whole && row + i * kTileRows + kLanes <= p.rows; ++i) {
      store(cell, p.alpha * load(from + i * kTileRows));
      cell += left_pitch(terms);
    }
    for (; i < whole; ++i, cell += left_pitch(terms)) {
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r) cell[r] = p.alpha * from[i * kTileRows + r];
    }
    for (int64_t r = 0; r < rest; ++r) cell[r] = p.alpha * from[whole * kTileRows + r];
  }
}

// The same of a [M, K].
void pack_scaled(const Gemm& p, float* to, int64_t row, int64_t rows, int64_t term, int64_t terms) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* const from = p.a + (row + i) * p.a_stride + term;
    float* const cell = to + i / kTileRows * left_pitch(terms) + i % kTileRows;
    for (int64_t k = 0; k < terms; ++k) cell[k * kTileRows] = p.alpha * from[k];
  }
}

void multiply(const Gemm& p, const Part& part, const float* panels, float* packed, Range rows, Range columns) {
  const bool packs = p.transpose_a || p.alpha != 1.0f;
  for (int64_t row = rows.from; row < rows.to; row += kBlockRows) {
    const int64_t height = least(kBlockRows, rows.to - row);
    for (int64_t term = 0; term < part.terms; term += kBlockTerms) {
      const int64_t terms = least(kBlockTerms, part.terms - term);
      const bool first = part.first_term + term == 0;
      const Start start = {first && p.beta == 0.0f, first ? p.beta : 1.0f};
      if (p.transpose_a) {
        pack_transposed(p, packed, row, height, part.first_term + term, terms);
      } else if (packs) {
        pack_scaled(p, packed, row, height, part.first_term + term, terms);
      }
      for (int64_t column = columns.from; column < columns.to; column += kTileColumns) {
        float* const c = p.c + row * p.c_stride + part.first_column + column;
        const int64_t width = least(kTileColumns, part.columns - column);
        const float* const panel = panels + column * part.terms + term * kTileColumns;
        if (packs) {
          for (int64_t i = 0; i < height; i += kTileRows) {
            tile_column(least(kTileRows, height - i), c + i * p.c_stride, p.c_stride, width,
                        {packed + i / kTileRows * left_pitch(terms), 1, kTileRows}, panel, terms, start);
          }
        } else {
          tile_column(height, c, p.c_stride, width,
                      {p.a + row * p.a_stride + part.first_term + term, p.a_stride, 1}, panel, terms, start);
        }
      }
    }
  }
}

// beta * c, for products without terms.
void scale(const Gemm& p) {
  for (int64_t i = 0; i < p.rows; ++i) {
    for (int64_t j = 0; j < p.columns; ++j) {
      float* const cell = p.c + i * p.c_stride + j;
      *cell = p.beta == 0.0f ? 0.0f : p.beta * *cell;
    }
  }
}

}  // namespace

void gemm(rf_context& context, const Gemm& p) {
  if (p.terms == 0) {
    scale(p);
    return;
  }
  const int64_t wide = least(kMostColumns, round_up(p.columns, kTileColumns));
  const int64_t room = p.rows * wide > kMostPanelFloats ? kMostPanelFloats : kPanelFloats;
  const int64_t deep = p.terms * wide <= room ? p.terms : room / wide / kBlockTerms * kBlockTerms;
  const int64_t left = kBlockRows / kTileRows * left_pitch(kBlockTerms);
  const int threads = context.pool.threads_for(p.rows * p.columns * p.terms, kGrain);
  float* const panels =
      static_cast<float*>(scratch(context, static_cast<size_t>(deep * wide + threads * left) * sizeof(float)));
  if (panels == nullptr) {
    return;
  }
  // Whole tiles of rows for every thread, or else panels.
  const bool by_rows = p.rows >= 4 * kTileRows * threads || p.rows >= p.columns;
  const bool run = context.pool.run(threads, [&](const Team& team) {
    float* const packed = panels + deep * wide + team.thread * left;
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

#ifdef RF_ENTRY_POINTS
extern "C" int rf_gemm(rf_context* context, void* c, int64_t c_stride, int c_type, const void* a, int64_t a_stride,
                       int transpose_a, const void* b, int64_t b_stride, int transpose_b, int input_type,
                       float alpha, float beta, int64_t rows, int64_t columns, int64_t terms) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (input_type == RF_BF16) {
    const GemmBf16 p = {matrix(c, c_stride, c_type), static_cast<const uint16_t*>(a), a_stride, transpose_a != 0,
                        static_cast<const uint16_t*>(b), b_stride, transpose_b != 0, alpha, beta, rows, columns, terms};
    RF_RUN_BF16(*context, gemm_bf16, p);
    return take_status(*context);
  }
  if (input_type != RF_F32 || c_type != RF_F32) {
    return RF_STATUS_UNSUPPORTED;
  }
  const Gemm p = {static_cast<float*>(c), c_stride, static_cast<const float*>(a), a_stride, transpose_a != 0,
                  static_cast<const float*>(b), b_stride, transpose_b != 0, alpha, beta, rows, columns, terms};
  if (rows <= kFewRows && terms > 0) {
    RF_RUN(*context, gemm_few_rows, p);
  } else {
    RF_RUN(*context, gemm, p);
  }
  return take_status(*context);
}
#endif
