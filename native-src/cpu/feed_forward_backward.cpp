// What         hidden = act(dropout(x W1^T + b1)) computed again; dW2 += dOut^T hidden; dSums = dOut W2 * act';
//              db1 += column sums of dSums; dW1 += dSums^T x; out = hidden W2^T where wanted; dx = dSums W1.
// Shapes       x, dx, out, dOut [N, D]; W1, dW1 [F, D]; b1, db1 [F]; W2, dW2 [D, F]. out may be dOut, and dx may be x.
// Threads      rows are shared out, then outputs of the sums over rows; a chunk of rows after the other.
// Memory       hidden values and their gradient [chunk, F] are written once and read twice; the slope stays in the
//              second cache. Workspace: both, the weights packed in both directions, a slope for every thread.
// Determinism  products and activation are those of rf_gemm and rf_activation, bit for bit; sums over rows are
//              one chain from what is there on, whatever the chunks.
// Reference    org.reformer4j.reference.FeedForward
// Measured     docs/benchmarks.md
#include "feed_forward.h"

#include "activation_rows.h"
#include "column_chain.h"
#include "gemm.h"
#include "product_rows.h"

namespace rf {
namespace RF_ISA {
namespace {

struct Workspace {
  Packed w1_in, w2_in, w1_out, w2_out;
  float *hidden, *gradient, *slopes;
  int64_t block, floats;
};

// Where things lie behind `begin`, which may be null.
Workspace divide(float* begin, int64_t rows, int64_t hidden, int64_t inner, int threads) {
  Workspace w;
  float* at = begin;
  const auto take = [&at](int64_t floats) {
    float* const from = at;
    at += (floats + 63) / 64 * 64;
    return from;
  };
  const int64_t in = Packed{nullptr, hidden, inner}.floats();
  const int64_t out = Packed{nullptr, inner, hidden}.floats();
  w.w1_in = {take(in), hidden, inner};
  w.w2_in = {take(in), hidden, inner};
  w.w1_out = {take(out), inner, hidden};
  w.w2_out = {take(out), inner, hidden};
  w.hidden = take(rows * inner);
  w.gradient = take(rows * inner);
  w.block = block_rows(inner, kTileRows);
  w.slopes = take(threads * w.block * inner);
  w.floats = at - begin;
  return w;
}

// Hidden values and the gradient of what was activated, for rows.from..rows.to-1.
void hidden_rows(const FeedForwardBackward& b, const Workspace& w, float* slope, Range own) {
  const FeedForward& p = b.forward;
  for (int64_t row = own.from; row < own.to; row += w.block) {
    const int64_t rows = own.to - row < w.block ? own.to - row : w.block;
    float* const hidden = w.hidden + row * p.inner;
    float* const gradient = w.gradient + row * p.inner;
    multiply_rows(hidden, p.inner, p.x + row * p.x_stride, p.x_stride, rows, w.w1_in);
    Activation between = {matrix(hidden, p.inner, RF_F32),
                          matrix(slope, p.inner, RF_F32),
                          matrix(hidden, p.inner, RF_F32),
                          p.b1,
                          p.function,
                          rows,
                          p.inner,
                          p.dropout};
    between.dropout.first_row += row;
    activate_rows(between, {0, rows});
    multiply_rows(gradient, p.inner, b.d_out + row * b.d_out_stride, b.d_out_stride, rows, w.w2_in);
    const Matrix all = matrix(gradient, 0, RF_F32);
    const Matrix factors = matrix(slope, 0, RF_F32);
    for (int64_t i = 0; i < rows * p.inner; i += kLanes) {
      const int64_t end = rows * p.inner;
      store_elements(all, 0, i, end, load_elements(all, 0, i, end) * load_elements(factors, 0, i, end));
    }
  }
}

// One chunk: all phases.
void chunk(rf_context& context, const FeedForwardBackward& b, const Workspace& w) {
  const FeedForward& p = b.forward;
  const int64_t work = p.rows * p.hidden * p.inner;
  parallel(context, work, kFeedForwardGrain, [&](const Team& team) {
    hidden_rows(b, w, w.slopes + team.thread * w.block * p.inner, team.share(p.rows, kTileRows));
  });
  gemm(context, {b.dw2, b.dw2_stride, b.d_out, b.d_out_stride, true, w.hidden, p.inner, false, 1.0f, 1.0f, p.hidden,
                 p.inner, p.rows});
  gemm(context, {b.dw1, b.dw1_stride, w.gradient, p.inner, true, p.x, p.x_stride, false, 1.0f, 1.0f, p.inner,
                 p.hidden, p.rows});
  // A vector may be read behind the last column; there are the slopes.
  parallel(context, p.rows * p.inner, kElementGrain, [&](const Team& team) {
    add_chains(b.db1, w.gradient, p.inner, p.rows, team.share(p.inner, 16));
  });
  // Last, as out may be dOut, and dx may be x.
  parallel(context, work, kFeedForwardGrain, [&](const Team& team) {
    const Range own = team.share(p.rows, kTileRows);
    for (int64_t row = own.from; row < own.to; row += w.block) {
      const int64_t rows = own.to - row < w.block ? own.to - row : w.block;
      if (p.out != nullptr) {
        multiply_rows(p.out + row * p.out_stride, p.out_stride, w.hidden + row * p.inner, p.inner, rows, w.w2_out);
      }
      multiply_rows(b.dx + row * b.dx_stride, b.dx_stride, w.gradient + row * p.inner, p.inner, rows, w.w1_out);
    }
  });
}

// The same gradient for some of the rows.
FeedForwardBackward part(FeedForwardBackward b, int64_t from, int64_t rows) {
  FeedForward& p = b.forward;
  p.out = p.out == nullptr ? nullptr : p.out + from * p.out_stride;
  p.x += from * p.x_stride;
  p.dropout.first_row += from;
  p.rows = rows;
  b.dx += from * b.dx_stride;
  b.d_out += from * b.d_out_stride;
  return b;
}

}  // namespace

void feed_forward_backward_size(rf_context& context, const FeedForwardSize& p) {
  *p.bytes = divide(nullptr, p.chunk, p.hidden, p.inner, context.pool.threads()).floats *
             static_cast<int64_t>(sizeof(float));
}

void feed_forward_backward(rf_context& context, const FeedForwardBackward& b) {
  const FeedForward& p = b.forward;
  const Workspace w = divide(static_cast<float*>(p.workspace), b.chunk, p.hidden, p.inner, context.pool.threads());
  parallel(context, p.rows * p.hidden * p.inner, kFeedForwardGrain, [&](const Team& team) {
    pack(w.w1_in, p.w1, p.w1_stride, true, team);
    pack(w.w2_in, p.w2, p.w2_stride, false, team);
    pack(w.w1_out, p.w1, p.w1_stride, false, team);
    if (p.out != nullptr) {
      pack(w.w2_out, p.w2, p.w2_stride, true, team);
    }
  });
  for (int64_t from = 0; from < p.rows && context.status == RF_STATUS_OK; from += b.chunk) {
    chunk(context, part(b, from, p.rows - from < b.chunk ? p.rows - from : b.chunk), w);
  }
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_feed_forward_backward_workspace(rf_context* context, int64_t chunk, int64_t hidden,
                                                      int64_t inner, int input_type) {
  int64_t bytes = 0;
  const rf::FeedForwardSize p = {chunk, hidden, inner, &bytes};
  if (input_type == RF_F32) {
    RF_RUN(*context, feed_forward_backward_size, p);
  } else if (rf_context_computes(context, input_type) != 0) {
    RF_RUN_BF16(*context, feed_forward_backward_bf16_size, p);
  }
  return bytes;
}

extern "C" int rf_feed_forward_backward(rf_context* context, void* out, int64_t out_stride, int out_type, void* dx,
                                        int64_t dx_stride, int dx_type, float* dw1, int64_t dw1_stride, float* db1,
                                        float* dw2, int64_t dw2_stride, const void* d_out, int64_t d_out_stride,
                                        const void* x, int64_t x_stride, const void* w1, int64_t w1_stride,
                                        const float* b1, const void* w2, int64_t w2_stride, int input_type,
                                        int function, int64_t rows, int64_t hidden, int64_t inner, int64_t chunk,
                                        RF_DROPOUT, void* workspace) {
  using namespace rf;
  if (function < RF_RELU || function > RF_TANH ||
      (input_type == RF_F32 && (dx_type != RF_F32 || (out != nullptr && out_type != RF_F32)))) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (rows == 0 || hidden == 0 || inner == 0) {
    return RF_STATUS_OK;
  }
  if (input_type == RF_F32) {
    const FeedForwardBackward p = {
        {static_cast<float*>(out), out_stride, static_cast<const float*>(x), x_stride, static_cast<const float*>(w1),
         w1_stride, b1, static_cast<const float*>(w2), w2_stride, function, rows, hidden, inner, RF_DROPOUT_ARGUMENTS,
         workspace},
        static_cast<float*>(dx), dw1, db1, dw2, dx_stride, dw1_stride, dw2_stride, static_cast<const float*>(d_out),
        d_out_stride, chunk};
    RF_RUN(*context, feed_forward_backward, p);
  } else {
    const FeedForwardBackwardBf16 p = {
        {matrix(out, out_stride, out_type), static_cast<const uint16_t*>(x), x_stride,
         static_cast<const uint16_t*>(w1), w1_stride, b1, static_cast<const uint16_t*>(w2), w2_stride, function, rows,
         hidden, inner, RF_DROPOUT_ARGUMENTS, workspace},
        matrix(dx, dx_stride, dx_type), dw1, db1, dw2, dw1_stride, dw2_stride, static_cast<const uint16_t*>(d_out),
        d_out_stride, chunk};
    RF_RUN_BF16(*context, feed_forward_backward_bf16, p);
  }
  return take_status(*context);
}
#endif
