// What         c = alpha * op(a) * op(b) + beta * c for at most kFewRows rows, as in decoding: b is read once, where it
//              lies, for there are too few rows to pack it for.
// Shapes       c [M, N], M <= kFewRows; op(a) [M, K], K > 0; op(b) [K, N]; any strides.
// Threads      columns are shared out.
// Memory       reads b once: bound by that. Of b [K, N] as many columns at a time as registers hold sums, of b [N, K]
//              16 rows, transposed in registers; what comes next is fetched.
// Determinism  as gemm.cpp: an element is one chain over k, and the same bits.
// Reference    org.reformer4j.reference.Gemm
// Measured     docs/benchmarks.md
#include "gemm.h"
#include "gemm_tile.h"

namespace rf {
namespace RF_ISA {
namespace {

// Rows that are multiplied with a vector of b while it is in a register; others read b again, from a cache.
constexpr int64_t kGroup = 4;
// Columns after which they do.
constexpr int64_t kBlockColumns = 96;
// Elements of b, read for a group of rows, that are worth a thread: some 35 us. Between the operations of a decoding
// step the team falls asleep, and to wake it takes longer than it would save with less.
constexpr int64_t kReadGrain = 1 << 18;
// Rows of b [K, N] by which it is fetched before it is read.
constexpr int64_t kRowsAhead = 8;
// Rows of b [N, K] side by side, and as many of their elements as are read before the next rows, in which sequence
// they are fetched: as little ahead as whole lines of every row allow.
constexpr int kRows = 16;
constexpr int64_t kPiece = 256;
constexpr int kVectors = kRows / kLanes;

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

F load_columns(const float* p, int64_t rest) { return rest >= kLanes ? load(p) : load_part(p, rest); }
void store_columns(float* p, F v, int64_t rest) { rest >= kLanes ? store(p, v) : store_part(p, v, rest); }

// What a chain begins with.
F start_of(const Gemm& p, const float* c, int64_t rest) {
  return p.beta == 0.0f ? F{} : p.beta * load_columns(c, rest);
}

// ---- b [K, N] -----------------------------------------------------------------------------------

// Vectors of columns whose sums registers hold beside one of b and the numbers of a.
constexpr int vectors_of(int rows) {
#if defined(__AVX512F__) || defined(__aarch64__)
  return rows == 1 ? 16 : rows == 2 ? 12 : rows == 3 ? 8 : 6;
#else
  return 12 / rows;
#endif
}

// Columns first .. of c, as many as VECTORS have, or else, where it is one, `rest` of them.
template <int ROWS, int VECTORS, bool WHOLE>
void multiply_tile(const Gemm& p, Left left, int64_t first, int64_t rest) {
  float* const c = p.c + first;
  F sum[ROWS][VECTORS];
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) sum[i][v] = start_of(p, c + i * p.c_stride + v * kLanes, WHOLE ? kLanes : rest);
  }
  const float* row = p.b + first;
  for (int64_t k = 0; k < p.terms; ++k, row += p.b_stride) {
    const float* const ahead = row + kRowsAhead * p.b_stride;
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) {
      if (v * kLanes % 16 == 0) __builtin_prefetch(ahead + v * kLanes);
      const F term = WHOLE ? load(row + v * kLanes) : load_part(row, rest);
#pragma GCC unroll 4
      for (int i = 0; i < ROWS; ++i) sum[i][v] = fma(set(left.data[i * left.row_step + k]), term, sum[i][v]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; ++v) {
      store_columns(c + i * p.c_stride + v * kLanes, sum[i][v], WHOLE ? kLanes : rest);
    }
  }
}

template <int ROWS>
void multiply(const Gemm& p, Left left, Range own) {
  constexpr int64_t wide = vectors_of(ROWS) * kLanes;
  int64_t first = own.from;
  for (; first + wide <= own.to; first += wide) multiply_tile<ROWS, vectors_of(ROWS), true>(p, left, first, 0);
  for (; first + 2 * kLanes <= own.to; first += 2 * kLanes) multiply_tile<ROWS, 2, true>(p, left, first, 0);
  for (; first + kLanes <= own.to; first += kLanes) multiply_tile<ROWS, 1, true>(p, left, first, 0);
  if (first < own.to) multiply_tile<ROWS, 1, false>(p, left, first, own.to - first);
}

// ---- b [N, K] -----------------------------------------------------------------------------------

// Columns first .. first + count - 1 of c, count <= kRows; WHOLE where it is that.
template <int ROWS, bool WHOLE>
void multiply_columns(const Gemm& p, Left left, int64_t first, int64_t count) {
  const float* const b = p.b + first * p.b_stride;
  const int64_t step = p.b_stride;
  const auto row_of_b = [&](int64_t j) { return b + (WHOLE || j < count ? j : count - 1) * step; };
  F sum[ROWS][kVectors];
  for (int i = 0; i < ROWS; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t rest = count - v * kLanes;
      sum[i][v] = rest > 0 ? start_of(p, p.c + i * p.c_stride + first + v * kLanes, rest) : F{};
    }
  }
  const int64_t whole = p.terms / kLanes * kLanes;
  for (int64_t piece = 0; piece < whole; piece += kPiece) {
    const int64_t end = least(piece + kPiece, whole);
    const float* const next = end < whole ? b + end : b + kRows * p.b_stride;
    for (int64_t k = piece; k < end; k += kLanes) {
      // In all 16 lines of a row, then of the row after it.
      const int64_t turn = (k - piece) / 16;
      const float* const ahead = next + turn % kRows * step + turn / kRows * 256 + k % 16 * kRows;
#pragma GCC unroll 16
      for (int line = 0; line < kLanes; ++line) __builtin_prefetch(ahead + 16 * line, 0, 2);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        F tile[kLanes];
#pragma GCC unroll 16
        for (int j = 0; j < kLanes; ++j) tile[j] = load(row_of_b(v * kLanes + j) + k);
        transpose(tile);
#pragma GCC unroll 16
        for (int t = 0; t < kLanes; ++t) {
#pragma GCC unroll 4
          for (int i = 0; i < ROWS; ++i) {
            sum[i][v] = fma(set(left.data[i * left.row_step + k + t]), tile[t], sum[i][v]);
          }
        }
      }
    }
  }
  for (int64_t k = whole; k < p.terms; ++k) {
    for (int v = 0; v < kVectors; ++v) {
      F term;
      for (int j = 0; j < kLanes; ++j) term[j] = row_of_b(v * kLanes + j)[k];
      for (int i = 0; i < ROWS; ++i) sum[i][v] = fma(set(left.data[i * left.row_step + k]), term, sum[i][v]);
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t rest = count - v * kLanes;
      if (rest > 0) store_columns(p.c + i * p.c_stride + first + v * kLanes, sum[i][v], rest);
    }
  }
}

template <int ROWS>
void multiply_transposed(const Gemm& p, Left left, Range own) {
  for (int64_t first = own.from; first < own.to; first += kRows) {
    if (first + kRows <= own.to) {
      multiply_columns<ROWS, true>(p, left, first, kRows);
    } else {
      multiply_columns<ROWS, false>(p, left, first, own.to - first);
    }
  }
}

template <int ROWS>
void multiply_any(const Gemm& p, Left left, Range own) {
  if (p.transpose_b) {
    multiply_transposed<ROWS>(p, left, own);
  } else {
    multiply<ROWS>(p, left, own);
  }
}

// Rows of c from `row` on, at most kGroup.
void multiply_group(Gemm p, Left left, int64_t row, Range own) {
  p.c += row * p.c_stride;
  left.data += row * left.row_step;
  switch (p.rows - row) {
    case 1:
      return multiply_any<1>(p, left, own);
    case 2:
      return multiply_any<2>(p, left, own);
    case 3:
      return multiply_any<3>(p, left, own);
    default:
      return multiply_any<kGroup>(p, left, own);
  }
}

}  // namespace

void gemm_few_rows(rf_context& context, const Gemm& p) {
  Left left = {p.a, p.a_stride, 1};
  if (p.transpose_a || p.alpha != 1.0f) {
    float* const scaled = static_cast<float*>(scratch(context, static_cast<size_t>(p.rows * p.terms) * sizeof(float)));
    if (scaled == nullptr) {
      return;
    }
    const int64_t row_step = p.transpose_a ? 1 : p.a_stride;
    const int64_t term_step = p.transpose_a ? p.a_stride : 1;
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t k = 0; k < p.terms; ++k) scaled[i * p.terms + k] = p.alpha * p.a[i * row_step + k * term_step];
    }
    left = {scaled, p.terms, 1};
  }
  const int64_t groups = (p.rows + kGroup - 1) / kGroup;
  parallel(context, groups * p.columns * p.terms, kReadGrain, [&](const Team& team) {
    const Range own = team.share(p.columns, kRows);
    const int64_t block = p.rows <= kGroup ? p.columns : kBlockColumns;
    for (int64_t first = own.from; first < own.to; first += block) {
      for (int64_t row = 0; row < p.rows; row += kGroup) {
        multiply_group(p, left, row, {first, least(first + block, own.to)});
      }
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf
