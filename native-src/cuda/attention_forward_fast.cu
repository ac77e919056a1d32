// What         the fast forward path of attention: per group of heads and per round the products of
//              attention_forward_run.cu, attention_forward_local.cu or attention_forward_block.cu; attention_tail.cu for
//              what lies behind.
// Shapes       out [B*T, H*K]; lse [B, H, T]; K 64 or 128.
// Grid         per round: runs or blocks of chunks, heads of the group, sequences.
// Memory       the workspace holds, per round before the last, K bfloat16 elements and a float for every token and
//              head of a group.
// Determinism  nothing is summed here.
// Reference    org.reformer4j.reference.ChunkedAttention
// Measured     not yet run on a card
#include "attention_forward_fast.cuh"

namespace rf {
int64_t fast_forward_workspace(int batch, int stride, int head_size, int rounds, int heads_per_group) {
  const int64_t rows = static_cast<int64_t>(batch) * stride * heads_per_group * (rounds - 1);
  return aligned(rows * head_size * 2) + aligned(rows * 4);
}

int fast_forward(const rf_context* context, const Attention& a, const Matrix& out, float* lse,
                 int64_t tiles, int heads_per_group, void* workspace) {
  const cudaStream_t stream = context->stream;
  const FastBlocks all = fast_blocks(a, tiles);
  if (const int status = launch_tail(a, {out, {}, {}}, lse, stream)) {
    return status;
  }
  const int64_t rows = static_cast<int64_t>(a.batch) * a.stride * heads_per_group * (a.rounds - 1);
  AttentionForward g = {};
  g.out = out;
  g.lse = lse;
  g.round_out = static_cast<uint16_t*>(workspace);
  g.round_lse = reinterpret_cast<float*>(static_cast<char*>(workspace) + aligned(rows * a.size * 2));
  return launch_rounds(a, g, all, heads_per_group, context->processors,
                       all.kernels == FastKernels::kRun     ? launch_run_forward
                       : all.kernels == FastKernels::kLocal ? launch_local_forward
                                                            : launch_block_forward,
                       stream);
}

}  // namespace rf
