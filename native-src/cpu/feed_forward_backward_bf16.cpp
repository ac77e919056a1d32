// What         as feed_forward_backward.cpp, of bfloat16 factors: hidden values and the gradient of what was activated
//              are rounded to bfloat16, then multiplied, and summed for db1.
// Shapes       x, dx, out, dOut [N, D]; W1, dW1 [F, D]; b1, db1 [F]; W2, dW2 [D, F]. out may be dOut, and dx may be x.
// Threads      rows are shared out, then outputs of the sums over rows; a chunk of rows after the other.
// Memory       as feed_forward_backward.cpp at half the bytes; sums and slopes stay in the second cache.
// Determinism  products are those of gemm_bf16.cpp; chunks are made even, so that sums over rows are one chain
//              whatever the chunks.
// Reference    org.reformer4j.reference.FeedForward, in float32
// Measured     docs/benchmarks.md
#include "feed_forward.h"

#include "activation_rows.h"
#include "bf16_rows.h"
#include "gemm.h"

namespace rf {
namespace RF_ISA {
namespace {

struct Workspace {
  PackedPairs w1_in, w2_in, w1_out, w2_out;
  uint16_t *hidden, *gradient;
  float *sums, *slopes;
  int64_t chunk, block, bytes;
};

// Where things lie behind `begin`, which may be null.
Workspace divide(void* begin, int64_t chunk, int64_t hidden, int64_t inner, int threads) {
  Parts parts(begin);
  Workspace w;
  // A pair of rows is one step of a chain.
  w.chunk = chunk + chunk % 2;
  w.w1_in = {nullptr, hidden, inner};
  w.w2_in = {nullptr, hidden, inner};
  w.w1_out = {nullptr, inner, hidden};
  w.w2_out = {nullptr, inner, hidden};
  for (PackedPairs* p : {&w.w1_in, &w.w2_in, &w.w1_out, &w.w2_out}) p->data = parts.take<uint32_t>(p->bytes() / 4);
  w.hidden = parts.take<uint16_t>(w.chunk * inner);
  w.gradient = parts.take<uint16_t>(w.chunk * inner);
  // Two blocks of floats have to fit.
  w.block = block_rows(2 * inner, kTileRows);
  w.sums = parts.take<float>(threads * w.block * inner);
  w.slopes = parts.take<float>(threads * w.block * inner);
  w.bytes = parts.bytes();
  return w;
}

// Hidden values and the gradient of what was activated, for rows.from..rows.to-1.
void hidden_rows(const FeedForwardBackwardBf16& b, const Workspace& w, int thread, Range own) {
  const FeedForwardBf16& p = b.forward;
  const Matrix sums = matrix(w.sums + thread * w.block * p.inner, p.inner, RF_F32);
  const Matrix slopes = matrix(w.slopes + thread * w.block * p.inner, p.inner, RF_F32);
  for (int64_t row = own.from; row < own.to; row += w.block) {
    const int64_t rows = own.to - row < w.block ? own.to - row : w.block;
    multiply_rows(sums, 0, p.x + row * p.x_stride, p.x_stride, rows, w.w1_in);
    Activation between = {matrix(w.hidden + row * p.inner, p.inner, RF_BF16), slopes, sums, p.b1, p.function, rows,
                          p.inner, p.dropout};
    between.dropout.first_row += row;
    activate_rows(between, {0, rows});
    multiply_rows(sums, 0, b.d_out + row * b.d_out_stride, b.d_out_stride, rows, w.w2_in);
    const Matrix gradient = matrix(w.gradient + row * p.inner, 0, RF_BF16);
    const int64_t end = rows * p.inner;
    for (int64_t i = 0; i < end; i += kLanes) {
      store_elements(gradient, 0, i, end, load_elements(sums, 0, i, end) * load_elements(slopes, 0, i, end));
    }
  }
}

// Vectors of columns that are summed side by side: two lines of a row.
constexpr int kSums = 4;

// sums[column] += gradient[0][column] + ..., one after the other.
void add_rows(float* sums, const Matrix& gradient, int64_t rows, int64_t columns, Range own) {
  int64_t column = own.from;
  for (; column + kSums * kLanes <= own.to; column += kSums * kLanes) {
    F sum[kSums];
#pragma GCC unroll 4
    for (int v = 0; v < kSums; ++v) sum[v] = load(sums + column + v * kLanes);
    for (int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < kSums; ++v) sum[v] += load_elements(gradient, row, column + v * kLanes, columns);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kSums; ++v) store(sums + column + v * kLanes, sum[v]);
  }
  for (; column < own.to; column += kLanes) {
    F sum = load_row(sums, column, columns);
    for (int64_t row = 0; row < rows; ++row) sum += load_elements(gradient, row, column, columns);
    store_elements({sums, 0, RF_F32}, 0, column, columns, sum);
  }
}

// One chunk: all phases.
void chunk(rf_context& context, const FeedForwardBackwardBf16& b, const Workspace& w) {
  const FeedForwardBf16& p = b.forward;
  const int64_t work = p.rows * p.hidden * p.inner;
  parallel(context, work, kFeedForwardGrain, [&](const Team& team) {
    hidden_rows(b, w, team.thread, team.share(p.rows, kTileRows));
  });
  gemm_bf16(context, {matrix(b.dw2, b.dw2_stride, RF_F32), b.d_out, b.d_out_stride, true, w.hidden, p.inner, false, 1.0f,
                      1.0f, p.hidden, p.inner, p.rows});
  gemm_bf16(context, {matrix(b.dw1, b.dw1_stride, RF_F32), w.gradient, p.inner, true, p.x, p.x_stride, false, 1.0f, 1.0f,
                      p.inner, p.hidden, p.rows});
  parallel(context, p.rows * p.inner, kElementGrain, [&](const Team& team) {
    add_rows(b.db1, matrix(w.gradient, p.inner, RF_BF16), p.rows, p.inner, team.share(p.inner, kSums * kLanes));
  });
  // Last, as out may be dOut, and dx may be x.
  parallel(context, work, kFeedForwardGrain, [&](const Team& team) {
    const Range own = team.share(p.rows, kTileRows);
    for (int64_t row = own.from; row < own.to; row += w.block) {
      const int64_t rows = own.to - row < w.block ? own.to - row : w.block;
      if (p.out.data != nullptr) {
        multiply_rows(p.out, row, w.hidden + row * p.inner, p.inner, rows, w.w2_out);
      }
      multiply_rows(b.dx, row, w.gradient + row * p.inner, p.inner, rows, w.w1_out);
    }
  });
}

Matrix rows_from(Matrix m, int64_t from) {
  if (m.data != nullptr) {
    m.data = static_cast<char*>(m.data) + from * m.stride * type_bytes(m.type);
  }
  return m;
}

// The same gradient for some of the rows.
FeedForwardBackwardBf16 part(FeedForwardBackwardBf16 b, int64_t from, int64_t rows) {
  FeedForwardBf16& p = b.forward;
  p.out = rows_from(p.out, from);
  p.x += from * p.x_stride;
  p.dropout.first_row += from;
  p.rows = rows;
  b.dx = rows_from(b.dx, from);
  b.d_out += from * b.d_out_stride;
  return b;
}

}  // namespace

void feed_forward_backward_bf16_size(rf_context& context, const FeedForwardSize& p) {
  *p.bytes = divide(nullptr, p.chunk, p.hidden, p.inner, context.pool.threads()).bytes;
}

void feed_forward_backward_bf16(rf_context& context, const FeedForwardBackwardBf16& b) {
  const FeedForwardBf16& p = b.forward;
  const Workspace w = divide(p.workspace, b.chunk, p.hidden, p.inner, context.pool.threads());
  parallel(context, p.rows * p.hidden * p.inner, kFeedForwardGrain, [&](const Team& team) {
    pack(w.w1_in, p.w1, p.w1_stride, true, team);
    pack(w.w2_in, p.w2, p.w2_stride, false, team);
    pack(w.w1_out, p.w1, p.w1_stride, false, team);
    if (p.out.data != nullptr) {
      pack(w.w2_out, p.w2, p.w2_stride, true, team);
    }
  });
  for (int64_t from = 0; from < p.rows && context.status == RF_STATUS_OK; from += w.chunk) {
    chunk(context, part(b, from, p.rows - from < w.chunk ? p.rows - from : w.chunk), w);
  }
}

}  // namespace RF_ISA
}  // namespace rf
