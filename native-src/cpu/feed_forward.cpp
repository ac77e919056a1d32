// What         out = act(dropout(x W1^T + b1)) W2^T.
// Shapes       x, out [N, D]; W1 [F, D]; b1 [F]; W2 [D, F]; any sizes.
// Threads      rows are shared out; the weights are packed by all of them together, once.
// Memory       reads x, writes out. A thread's hidden block stays in the second cache between the products.
//              Workspace: the packed weights and a hidden block for every thread.
// Determinism  both products are those of rf_gemm, bit for bit, and so is the activation between them: no
//              result depends on blocks or threads.
// Reference    org.reformer4j.reference.FeedForward
// Measured     docs/benchmarks.md
#include "feed_forward.h"

#include "activation_rows.h"
#include "gemm.h"
#include "product_rows.h"

namespace rf {
namespace RF_ISA {
namespace {

Activation between(const FeedForward& p, float* block, int64_t row, int64_t rows) {
  const Matrix values = matrix(block, p.inner, RF_F32);
  Activation a = {values, {}, values, p.b1, p.function, rows, p.inner, p.dropout};
  a.dropout.first_row += row;
  return a;
}

// As in decoding: too few rows to pack weights for, and where the weights would be is more than enough room.
void few_rows(rf_context& context, const FeedForward& p) {
  float* const block = static_cast<float*>(p.workspace);
  gemm_few_rows(context, {block, p.inner, p.x, p.x_stride, false, p.w1, p.w1_stride, true, 1.0f, 0.0f, p.rows, p.inner,
                          p.hidden});
  activate_rows(between(p, block, 0, p.rows), {0, p.rows});
  gemm_few_rows(context, {p.out, p.out_stride, block, p.inner, false, p.w2, p.w2_stride, true, 1.0f, 0.0f, p.rows,
                          p.hidden, p.inner});
}

}  // namespace

void feed_forward_size(rf_context& context, const FeedForwardSize& p) {
  const Packed first = {nullptr, p.hidden, p.inner};
  const Packed second = {nullptr, p.inner, p.hidden};
  const int64_t blocks = context.pool.threads() * block_rows(p.inner, kTileRows) * p.inner;
  *p.bytes = (first.floats() + second.floats() + blocks) * static_cast<int64_t>(sizeof(float));
}

void feed_forward(rf_context& context, const FeedForward& p) {
  if (p.rows <= kFewRows) {
    few_rows(context, p);
    return;
  }
  const Packed first = {static_cast<float*>(p.workspace), p.hidden, p.inner};
  const Packed second = {first.data + first.floats(), p.inner, p.hidden};
  float* const blocks = second.data + second.floats();
  const int64_t most = block_rows(p.inner, kTileRows);
  parallel(context, p.rows * p.hidden * p.inner, kFeedForwardGrain, [&](const Team& team) {
    pack(first, p.w1, p.w1_stride, true, team);
    pack(second, p.w2, p.w2_stride, true, team);
    team.barrier();
    float* const block = blocks + team.thread * most * p.inner;
    const Range own = team.share(p.rows, kTileRows);
    for (int64_t row = own.from; row < own.to; row += most) {
      const int64_t rows = own.to - row < most ? own.to - row : most;
      multiply_rows(block, p.inner, p.x + row * p.x_stride, p.x_stride, rows, first);
      activate_rows(between(p, block, row, rows), {0, rows});
      multiply_rows(p.out + row * p.out_stride, p.out_stride, block, p.inner, rows, second);
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_feed_forward_workspace(rf_context* context, int64_t hidden, int64_t inner, int input_type) {
  int64_t bytes = 0;
  const rf::FeedForwardSize p = {0, hidden, inner, &bytes};
  if (input_type == RF_F32) {
    RF_RUN(*context, feed_forward_size, p);
  } else if (rf_context_computes(context, input_type) != 0) {
    RF_RUN_BF16(*context, feed_forward_bf16_size, p);
  }
  return bytes;
}

extern "C" int rf_feed_forward(rf_context* context, void* out, int64_t out_stride, int out_type, const void* x,
                               int64_t x_stride, const void* w1, int64_t w1_stride, const float* b1, const void* w2,
                               int64_t w2_stride, int input_type, int function, int64_t rows, int64_t hidden,
                               int64_t inner, RF_DROPOUT, void* workspace) {
  using namespace rf;
  if (function < RF_RELU || function > RF_TANH || (input_type == RF_F32 && out_type != RF_F32)) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (rows == 0 || hidden == 0 || inner == 0) {
    return RF_STATUS_OK;
  }
  if (input_type == RF_F32) {
    const FeedForward p = {static_cast<float*>(out), out_stride, static_cast<const float*>(x), x_stride,
                           static_cast<const float*>(w1), w1_stride, b1, static_cast<const float*>(w2), w2_stride,
                           function, rows, hidden, inner, RF_DROPOUT_ARGUMENTS, workspace};
    RF_RUN(*context, feed_forward, p);
  } else {
    const FeedForwardBf16 p = {matrix(out, out_stride, out_type), static_cast<const uint16_t*>(x), x_stride,
                               static_cast<const uint16_t*>(w1), w1_stride, b1, static_cast<const uint16_t*>(w2),
                               w2_stride, function, rows, hidden, inner, RF_DROPOUT_ARGUMENTS, workspace};
    RF_RUN_BF16(*context, feed_forward_bf16, p);
  }
  return take_status(*context);
}
#endif
