// What         the fast forward path of attention: per group of heads and per round the products of
//              attention_forward_run.cu or attention_forward_block.cu; rows behind a sequence's end are zero and have
//              a log-sum-exp of minus infinity.
// Shapes       out [B*T, H*K]; lse [B, H, T]; K 64 or 128.
// Grid         for the rows behind: a block takes every 64th block of 32 tokens of one sequence and all heads.
// Memory       the workspace holds, per round before the last, K bfloat16 elements and a float for every token and
//              head of a group.
// Determinism  nothing is summed here.
// Reference    org.reformer4j.reference.ChunkedAttention
// Measured     not yet run on a card
#include "attention_forward_fast.cuh"

namespace rf {
namespace {

constexpr int kTailTokens = 32;
constexpr int kTailBlocks = 64;

__global__ void __launch_bounds__(kForwardThreads)
    attention_tail_kernel(Attention a, Matrix out, float* lse) {
  const int batch = static_cast<int>(blockIdx.y);
  const int length = load(a.sequences + batch);
  const int quads = a.heads * a.size / 4;
  for (int first = static_cast<int>(blockIdx.x) * kTailTokens; first < a.stride;
       first += kTailBlocks * kTailTokens) {
    for (int token = max(first, length); token < min(first + kTailTokens, a.stride); ++token) {
      const int64_t row = static_cast<int64_t>(batch) * a.stride + token;
      for (int i = static_cast<int>(threadIdx.x); i < quads; i += kForwardThreads) {
        const float zeros[4] = {};
        store_quad(out, row, i * 4, quads * 4, zeros);
      }
      for (int head = static_cast<int>(threadIdx.x); head < a.heads; head += kForwardThreads) {
        store(lse + (static_cast<int64_t>(batch) * a.heads + head) * a.stride + token, -INFINITY);
      }
    }
  }
}

int64_t aligned(int64_t bytes) { return ceil_div(bytes, 16) * 16; }

}  // namespace

int64_t fast_forward_workspace(int batch, int stride, int head_size, int rounds, int heads_per_group) {
  const int64_t rows = static_cast<int64_t>(batch) * stride * heads_per_group * (rounds - 1);
  return aligned(rows * head_size * 2) + aligned(rows * 4);
}

int fast_forward(const rf_context* context, const Attention& a, const Matrix& out, float* lse,
                 int64_t tiles, int heads_per_group, void* workspace) {
  const cudaStream_t stream = context->stream;
  const FastBlocks all = fast_blocks(a, tiles);
  int processors = 0;
  if (const int status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, context->device)) {
    return status;
  }
  RF_LAUNCH(attention_tail_kernel, dim3(kTailBlocks, static_cast<unsigned>(a.batch)), dim3(kForwardThreads),
            0, stream, a, out, lse);
  const int64_t rows = static_cast<int64_t>(a.batch) * a.stride * heads_per_group * (a.rounds - 1);
  AttentionForward g = {};
  g.out = out;
  g.lse = lse;
  g.round_out = static_cast<uint16_t*>(workspace);
  g.round_lse = reinterpret_cast<float*>(static_cast<char*>(workspace) + aligned(rows * a.size * 2));
  g.group = heads_per_group;
  for (int first = 0; first < a.heads; first += heads_per_group) {
    const int heads = min(heads_per_group, a.heads - first);
    g.first_head = first;
    g.run = chunks_per_run(all.blocks * heads * a.batch, processors);
    for (int round = 0; round < all.rounds; ++round) {
      g.round = round;
      g.last = round == all.rounds - 1;
      if (const int status = all.runs ? launch_run_forward(a, g, all.blocks, heads, stream)
                                      : launch_block_forward(a, g, all.blocks, heads, stream)) {
        return status;
      }
    }
  }
  return static_cast<int>(cudaGetLastError());
}

}  // namespace rf
