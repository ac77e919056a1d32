// What the kernels of the fast backward path share: their parameters, the rows of a block in shared memory,
// and how rows to come are fetched.
#ifndef REFORMER_ATTENTION_BACKWARD_FAST_CUH
#define REFORMER_ATTENTION_BACKWARD_FAST_CUH

#include "attention.cuh"

namespace rf {

constexpr int kGradientThreads = 256;
constexpr int kGradientTile = 64;  // places of a block, as queries and as keys
constexpr int kMaxRun = 8;
// Of P and dS, 64 x 64: the eight rows that ldmatrix reads lie in different banks.
constexpr int kPairPitch = kGradientTile + 8;
constexpr int kPairElements = kGradientTile * kPairPitch;

// A tile of 64 gathered rows as bfloat16; as floats it is a staging tile for results.
template <int SIZE>
constexpr int kRowPitch = SIZE + 8;
template <int SIZE>
constexpr int kTileElements = kGradientTile * kRowPitch<SIZE>;

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

__device__ __forceinline__ int blocks_per_chunk(const Places& p) {
  return (p.chunk + kGradientTile - 1) / kGradientTile;
}

// The token at a row of a block, -1 where there is none.
__device__ __forceinline__ int token_in_block(const Attention& a, const Places& p, int block, int row) {
  const int per_chunk = blocks_per_chunk(p);
  const int i = block % per_chunk * kGradientTile + row;
  return i < p.chunk ? token_at(a, p, block / per_chunk * p.chunk + i) : -1;
}

// Whether a block has no token at all; a chunk that is cut into several blocks has no rest.
__device__ __forceinline__ bool is_empty_block(const Places& p, int block) {
  return block * kGradientTile % p.per_round >= p.length;
}

// The block of the round that a thread block of the launch begins with, -1 where it has none. `first` counts
// blocks from the round's start.
__device__ __forceinline__ int own_block(const Places& p, const AttentionGradient& g, int first) {
  const int per_round = p.per_round / p.chunk * blocks_per_chunk(p);
  if (first >= per_round || (p.whole && !g.last)) {
    return -1;
  }
  const int block = (p.whole ? 0 : g.round * per_round) + first;
  return is_empty_block(p, block) ? -1 : block;
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

// Starts to copy the rows of 64 tokens; absent ones are zero, since 0 * NaN is not. Eight threads share a
// row, so a quarter of a warp writes to all banks.
template <int SIZE>
__device__ __forceinline__ void gather_tile(const Places& p, const Matrix& source, Shared<int> tokens,
                                            Shared<uint16_t> tile) {
  const int part = static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = static_cast<int>(threadIdx.x) / 8 + half * (kGradientTile / 2);
    const int token = tokens[row];
    const int64_t from = (p.first_row + token) * source.stride + p.first_column + part;
#pragma unroll
    for (int column = 0; column < SIZE; column += 64) {
      const Shared<uint16_t> to = tile + (row * kRowPitch<SIZE> + part + column);
      if (token >= 0) {
        copy_async16(to, static_cast<const uint16_t*>(source.data) + from + column);
      } else {
        *shared_cast<uint4>(to) = make_uint4(0, 0, 0, 0);
      }
    }
  }
}

__device__ __forceinline__ float square_sum(uint32_t word) {
  const float low = __uint_as_float(word << 16);
  const float high = __uint_as_float(word & 0xffff0000u);
  return fmaf(high, high, mul(low, low));
}

// The factors that make keys of the rows of a tile; eight threads share a row.
template <int SIZE>
__device__ __forceinline__ void put_factors(const Attention& a, Shared<uint16_t> tile,
                                            Shared<float> factors) {
  const int part = static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = static_cast<int>(threadIdx.x) / 8 + half * (kGradientTile / 2);
    float sum = 0.0f;
    if (a.shared) {
#pragma unroll
      for (int column = 0; column < SIZE; column += 64) {
        const uint4 q = *shared_cast<uint4>(tile + (row * kRowPitch<SIZE> + part + column));
        sum = add(sum, add(add(square_sum(q.x), square_sum(q.y)), add(square_sum(q.z), square_sum(q.w))));
      }
#pragma unroll
      for (int distance = 1; distance < 8; distance *= 2) {
        sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
      }
    }
    if (part == 0) {
      factors[row] = key_factor(a, sum);
    }
  }
}

}  // namespace rf

#endif
