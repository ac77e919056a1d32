// What the kernels of the fast backward path share: their parameters, and what is known of the rows of a block.
#ifndef REFORMER_ATTENTION_BACKWARD_FAST_CUH
#define REFORMER_ATTENTION_BACKWARD_FAST_CUH

#include "attention_launch.cuh"

namespace rf {

constexpr int kGradientThreads = 256;
constexpr int kGradientTile = kTileTokens;
// Of P and dS, 64 x 64: the eight rows that ldmatrix reads lie in different banks.
constexpr int kPairPitch = kGradientTile + 8;
constexpr int kPairElements = kGradientTile * kPairPitch;

struct AttentionGradient {
  Matrix d_out;
  const float* lse;    // [B, H, T]
  const float* delta;  // [B, H, T], dO.O; null where the kernel finds it itself
  Matrix d_queries, d_keys, d_values;
  // Of the rounds before the last, [R - 1, B, G, T, K]: the gradients of the shared rows and of the values.
  uint16_t* round_rows;
  uint16_t* round_values;
  int round;       // of this launch
  bool last;       // the launch of the last round, which also takes sequences of one chunk
  int first_head;  // of the group
  int group;       // heads of the group's part in round_rows
  int run;         // blocks that a thread block walks over
};

// Queue the kernel of one round for a group of heads.
int launch_block_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream);
int launch_run_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream);
int launch_local_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream);

// The whole path, where fast_attention says that it is there.
int64_t fast_backward_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                int gradient_type, int heads_per_group);
int fast_backward(const rf_context* context, const Attention& a, const Matrix& d_queries,
                  const Matrix& d_keys, const Matrix& d_values, const Matrix& d_out, const Matrix& out,
                  const float* lse, int64_t tiles, int heads_per_group, void* workspace);

// What is known of the 64 rows of a block, as keys and as queries.
struct BlockRows : KeyRows {
  Shared<float> lse;
  Shared<float> delta;
};
constexpr int kBlockRowWords = 5 * kGradientTile;

__device__ __forceinline__ BlockRows block_rows(Shared<float> memory, int slot) {
  const Shared<float> start = memory + slot * kBlockRowWords;
  BlockRows rows;
  rows.tokens = shared_cast<int>(start);
  rows.keys = shared_cast<int>(start + kGradientTile);
  rows.factors = start + 2 * kGradientTile;
  rows.lse = start + 3 * kGradientTile;
  rows.delta = start + 4 * kGradientTile;
  return rows;
}

// As fetch_rows, and the other threads bring what is known of `tokens` as queries.
__device__ __forceinline__ uint32_t fetch_block_rows(const Attention& a, const Places& p,
                                                     const AttentionGradient& g, int block,
                                                     Shared<int> tokens) {
  const int what = static_cast<int>(threadIdx.x) / kGradientTile;
  if (what < 2) {
    return static_cast<uint32_t>(fetch_rows(a, p, block, tokens));
  }
  const int token = tokens[static_cast<int>(threadIdx.x) % kGradientTile];
  const float* const from = what == 2 ? g.lse : g.delta;
  if (token < 0 || from == nullptr) {
    return 0;
  }
  return __float_as_uint(load(from + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride + token));
}

__device__ __forceinline__ void put_block_rows(uint32_t fetched, const BlockRows& tokens,
                                               const BlockRows& rows) {
  const int what = static_cast<int>(threadIdx.x) / kGradientTile;
  if (what < 2) {
    put_rows(static_cast<int>(fetched), tokens, rows);
  } else {
    (what == 2 ? rows.lse : rows.delta)[static_cast<int>(threadIdx.x) % kGradientTile] = __uint_as_float(fetched);
  }
}

}  // namespace rf

#endif
