// What         out = act(dropout(x W1^T + b1)) W2^T of bfloat16 factors; hidden values are rounded to bfloat16.
// Shapes       x, out [N, D]; W1 [F, D]; b1 [F]; W2 [D, F]; any sizes.
// Threads      rows are shared out; the weights are packed by all of them together, once.
// Memory       as feed_forward.cpp: a thread's sums and hidden values stay in the second cache.
// Determinism  both products are those of gemm_bf16.cpp, bit for bit, whatever the blocks and the threads.
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
  PackedPairs first, second;
  float* sums;
  uint16_t* hidden;
  int64_t block, bytes;
};

Workspace divide(void* begin, int64_t hidden, int64_t inner, int threads) {
  Parts parts(begin);
  Workspace w;
  w.block = block_rows(inner, kTileRows);
  w.first = {nullptr, hidden, inner};
  w.second = {nullptr, inner, hidden};
  w.first.data = parts.take<uint32_t>(w.first.bytes() / 4);
  w.second.data = parts.take<uint32_t>(w.second.bytes() / 4);
  // As in decoding, a block may hold fewer rows than a tile.
  const int64_t rows = threads * (w.block > kFewRows ? w.block : kFewRows);
  w.sums = parts.take<float>(rows * inner);
  w.hidden = parts.take<uint16_t>(rows * inner);
  w.bytes = parts.bytes();
  return w;
}

void activate(const FeedForwardBf16& p, const float* sums, uint16_t* hidden, int64_t row, int64_t rows) {
  Activation a = {matrix(hidden, p.inner, RF_BF16), {}, matrix(sums, p.inner, RF_F32), p.b1, p.function, rows, p.inner,
                  p.dropout};
  a.dropout.first_row += row;
  activate_rows(a, {0, rows});
}

// As in decoding: too few rows to pack weights for.
void few_rows(rf_context& context, const FeedForwardBf16& p, const Workspace& w) {
  gemm_bf16(context, {matrix(w.sums, p.inner, RF_F32), p.x, p.x_stride, false, p.w1, p.w1_stride, true, 1.0f, 0.0f,
                      p.rows, p.inner, p.hidden});
  activate(p, w.sums, w.hidden, 0, p.rows);
  gemm_bf16(context, {p.out, w.hidden, p.inner, false, p.w2, p.w2_stride, true, 1.0f, 0.0f, p.rows, p.hidden, p.inner});
}

}  // namespace

void feed_forward_bf16_size(rf_context& context, const FeedForwardSize& p) {
  *p.bytes = divide(nullptr, p.hidden, p.inner, context.pool.threads()).bytes;
}

void feed_forward_bf16(rf_context& context, const FeedForwardBf16& p) {
  const Workspace w = divide(p.workspace, p.hidden, p.inner, context.pool.threads());
  if (p.rows <= kFewRows) {
    few_rows(context, p, w);
    return;
  }
  parallel(context, p.rows * p.hidden * p.inner, kFeedForwardGrain, [&](const Team& team) {
    pack(w.first, p.w1, p.w1_stride, true, team);
    pack(w.second, p.w2, p.w2_stride, true, team);
    team.barrier();
    float* const sums = w.sums + team.thread * w.block * p.inner;
    uint16_t* const hidden = w.hidden + team.thread * w.block * p.inner;
    const Range own = team.share(p.rows, kTileRows);
    for (int64_t row = own.from; row < own.to; row += w.block) {
      const int64_t rows = own.to - row < w.block ? own.to - row : w.block;
      multiply_rows(matrix(sums, p.inner, RF_F32), 0, p.x + row * p.x_stride, p.x_stride, rows, w.first);
      activate(p, sums, hidden, row, rows);
      multiply_rows(p.out, row, hidden, p.inner, rows, w.second);
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf
