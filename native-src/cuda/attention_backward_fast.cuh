// What the kernels of the fast backward path share: their parameters, and what is known of the rows of a block.
#ifndef REFORMER_ATTENTION_BACKWARD_FAST_CUH
#define REFORMER_ATTENTION_BACKWARD_FAST_CUH

#include "attention_tiles.cuh"

namespace rf {

constexpr int kGradientThreads = 256;
constexpr int kGradientTile = kTileTokens;
// Of P and dS, 64 x 64: the eight rows that ldmatrix reads lie in different banks.
constexpr int kPairPitch = kGradientTile + 8;
constexpr int kPairElements = kGradientTile * kPairPitch;

struct AttentionGradient {
  Matrix d_out;
  const float* lse;    // [B, H, T]
  const float* delta;  // [B, H, T], dO.O
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

// Queues the kernels of one round for a group of heads; `blocks` is the most that a sequence has in it.
int launch_block_gradient(const Attention& a, const AttentionGradient& g, int64_t blocks, int heads,
                          cudaStream_t stream);
int launch_run_gradient(const Attention& a, const AttentionGradient& g, int64_t blocks, int heads,
                        cudaStream_t stream);

// The whole path, where fast_attention says that it is there.
int64_t fast_backward_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                int gradient_type, int heads_per_group);
int fast_backward(const rf_context* context, const Attention& a, const Matrix& d_queries,
                  const Matrix& d_keys, const Matrix& d_values, const Matrix& d_out, const Matrix& out,
                  const float* lse, int64_t tiles, int heads_per_group, void* workspace);

// What is known of the 64 rows of a block.
struct BlockRows {
  Shared<int> tokens;    // -1: none
  Shared<int> keys;      // the same, also -1 where masked
  Shared<float> lse;
  Shared<float> delta;
  Shared<float> factors;  // what makes keys of the rows
};
constexpr int kBlockRowWords = 5 * kGradientTile;

__device__ __forceinline__ BlockRows block_rows(Shared<float> memory, int slot) {
  const Shared<float> start = memory + slot * kBlockRowWords;
  return {shared_cast<int>(start), shared_cast<int>(start + kGradientTile),
          start + 2 * kGradientTile, start + 3 * kGradientTile, start + 4 * kGradientTile};
}

// Starts the loads for rows to come, so that they run beside the products: 64 threads bring the tokens of
// `block` (none where it is negative), the others what is known of `tokens`. The result goes to put_rows.
__device__ __forceinline__ uint32_t fetch_rows(const Attention& a, const Places& p,
                                               const AttentionGradient& g, int block,
                                               Shared<int> tokens) {
  const int row = static_cast<int>(threadIdx.x) % kGradientTile;
  const int what = static_cast<int>(threadIdx.x) / kGradientTile;
  if (what == 0) {
    return static_cast<uint32_t>(block < 0 ? -1 : token_in_block(a, p, block, row));
  }
  const int token = tokens[row];
  const int64_t i = (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride + token;
  if (what == 3) {
    return static_cast<uint32_t>(token < 0 || is_masked(a, p, token) ? -1 : token);
  }
  return __float_as_uint(token < 0 ? 0.0f : load((what == 1 ? g.lse : g.delta) + i));
}

__device__ __forceinline__ void put_rows(uint32_t fetched, const BlockRows& tokens,
                                         const BlockRows& rows) {
  const int row = static_cast<int>(threadIdx.x) % kGradientTile;
  switch (static_cast<int>(threadIdx.x) / kGradientTile) {
    case 0:
      tokens.tokens[row] = static_cast<int>(fetched);
      break;
    case 1:
      rows.lse[row] = __uint_as_float(fetched);
      break;
    case 2:
      rows.delta[row] = __uint_as_float(fetched);
      break;
    default:
      rows.keys[row] = static_cast<int>(fetched);
  }
}

}  // namespace rf

#endif
