// What the kernels of the fast forward path share: four warps stand over a block of 64 queries, 16 rows each,
// and meet one block of 64 keys after the other with a running maximum.
#ifndef REFORMER_ATTENTION_FORWARD_FAST_CUH
#define REFORMER_ATTENTION_FORWARD_FAST_CUH

#include "attention_launch.cuh"

namespace rf {

constexpr int kForwardThreads = 128;
constexpr float kLn2 = 0.6931471805599453f;

struct AttentionForward {
  Matrix out;
  float* lse;  // [B, H, T]
  // Of the rounds before the last, [R - 1, B, G, T, K] and [R - 1, B, G, T].
  uint16_t* round_out;
  float* round_lse;
  int round;       // of this launch
  bool last;       // the launch of the last round, which also takes sequences of one chunk
  int first_head;  // of the group
  int group;       // heads of the group's part in round_out
  int run;         // chunks that a thread block walks over
};

// Queue the kernel of one round for a group of heads.
int launch_block_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream);
int launch_run_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream);
int launch_local_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream);

// The whole path, where rf_attention_fast says that it is there.
int64_t fast_forward_workspace(int batch, int stride, int head_size, int rounds, int heads_per_group);
int fast_forward(const rf_context* context, const Attention& a, const Matrix& out, float* lse,
                 int64_t tiles, int heads_per_group, void* workspace);

constexpr int kKeyRowWords = 3 * kTileTokens;

// Factors are those of the keys times log2(e).
__device__ __forceinline__ KeyRows key_rows(Shared<float> memory, int slot) {
  const Shared<float> start = memory + slot % 4 * kKeyRowWords;
  return {shared_cast<int>(start), shared_cast<int>(start + kTileTokens), start + 2 * kTileTokens};
}

// Softmax of a warp's 16 queries so far, in fragments of mma.m16n8k16; scores in units of log2.
template <int SIZE>
struct Softmax {
  float out[SIZE / 8][4];
  float high[2];
  float sum[2];  // of the thread's keys only
};

template <int SIZE>
__device__ __forceinline__ void clear(Softmax<SIZE>& x) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    x.high[half] = -INFINITY;
    x.sum[half] = 0.0f;
  }
#pragma unroll
  for (int n = 0; n < SIZE / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      x.out[n][e] = 0.0f;
    }
  }
}

// Of 64 keys from a place of the window on: bit 16 half + 2 j + e.
template <bool DROPOUT, bool DISTINCT, class Rows>
__device__ __forceinline__ PairBits bits_of(const Attention& a, const Places& p, Shared<int> queries,
                                            const Rows& rows, int round, int window_place) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * 16;
  PairBits bits = {};
  if (DROPOUT) {
    bits.kept = kept_bits<8>(a, p, queries, first + lane / 4, round, window_place + lane % 4 * 2);
  }
  if (DISTINCT) {
    bits.met = met_bits<8>(a, p, queries + first, rows.keys, round);
  }
  return bits;
}

// Lets the block's queries see 64 more keys, whose rows are KeyRows or LocalRows.
template <int SIZE, bool DROPOUT, bool DISTINCT, class Rows>
__device__ __forceinline__ void attend(const Attention& a, Softmax<SIZE>& x, Shared<int> queries,
                                       Shared<uint16_t> query_tile, const Rows& rows,
                                       Shared<uint16_t> key_tile, Shared<uint16_t> value_tile,
                                       const PairBits& bits) {
  constexpr int kPitch = kRowPitch<SIZE>;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * 16;
  const int left_at = (first + lane % 16) * kPitch + lane / 16 * 8;
  const int right_at = (lane % 8 + lane / 16 * 8) * kPitch + lane / 8 % 2 * 8;
  float s[8][4] = {};
#pragma unroll 2
  for (int k = 0; k < SIZE; k += 16) {
    uint32_t query[4];
    ldmatrix4(query, query_tile + (left_at + k));
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      uint32_t key[4];
      ldmatrix4(key, key_tile + (right_at + n * 16 * kPitch + k));
      mma_bf16(s[2 * n], query, {key[0], key[1]});
      mma_bf16(s[2 * n + 1], query, {key[2], key[3]});
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int query = queries[first + half * 8 + lane / 4];
    float high = x.high[half];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = j * 8 + lane % 4 * 2 + e;
        float& score = s[j][half * 2 + e];
        const float scaled = mul(score, rows.factors[column]);
        const bool met = DISTINCT && (bits.met >> (16 * half + 2 * j + e) & 1) != 0;
        score = sees(a, query, rows.keys[column]) && !met ? scaled : -INFINITY;
        high = fmaxf(high, score);
      }
    }
#pragma unroll
    for (int distance = 1; distance < 4; distance *= 2) {
      high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, distance));
    }
    // Where nothing is seen yet every difference below is minus infinity, not NaN.
    const float base = high == -INFINITY ? 0.0f : high;
    const float old = exp2_fast(x.high[half] - base);
    float fresh = 0.0f;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& weight = s[j][half * 2 + e];
        weight = exp2_fast(weight - base);
        fresh = add(fresh, weight);
        if (DROPOUT) {
          const bool keep = (bits.kept >> (16 * half + 2 * j + e) & 1) != 0;
          weight = keep ? mul(weight, a.dropout.scale) : 0.0f;
        }
      }
    }
    x.high[half] = high;
    x.sum[half] = fmaf(x.sum[half], old, fresh);
#pragma unroll
    for (int n = 0; n < SIZE / 8; ++n) {
      x.out[n][half * 2] = mul(x.out[n][half * 2], old);
      x.out[n][half * 2 + 1] = mul(x.out[n][half * 2 + 1], old);
    }
  }
  const int value_at = lane % 16 * kPitch + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const uint32_t weights[4] = {
        to_bf16_pair(s[2 * k][0], s[2 * k][1]), to_bf16_pair(s[2 * k][2], s[2 * k][3]),
        to_bf16_pair(s[2 * k + 1][0], s[2 * k + 1][1]), to_bf16_pair(s[2 * k + 1][2], s[2 * k + 1][3])};
#pragma unroll
    for (int n = 0; n < SIZE / 16; ++n) {
      uint32_t value[4];
      ldmatrix4_transposed(value, value_tile + (value_at + k * 16 * kPitch + n * 16));
      mma_bf16(x.out[2 * n], weights, {value[0], value[1]});
      mma_bf16(x.out[2 * n + 1], weights, {value[2], value[3]});
    }
  }
}

// What a round left for a token: its log-sum-exp, read by the first of the lanes that share the row.
__device__ __forceinline__ float round_result(const AttentionForward& g, int64_t row, bool leads, int leader) {
  return __shfl_sync(0xffffffffu, leads ? load(g.round_lse + row) : -INFINITY, leader);
}

// Four elements of a row: to the round's partial results, or, in the last round, combined with those of the
// others to the final ones. `own` is the round's log-sum-exp; all lanes come here, also those without a token.
template <int SIZE>
__device__ __forceinline__ void write_quad(const Attention& a, const Places& p,
                                           const AttentionForward& g, int token, int column,
                                           const float4& staged, float own, float head_factor) {
  float values[4] = {staged.x, staged.y, staged.z, staged.w};
  const Matrix partials = {g.round_out, SIZE, RF_BF16, true};
  const int64_t round_rows = static_cast<int64_t>(a.batch) * g.group * a.stride;
  const int64_t in_round =
      (static_cast<int64_t>(p.batch) * g.group + (p.head - g.first_head)) * a.stride + token;
  const bool exists = token >= 0;
  const bool leads = exists && column == 0;
  if (!g.last) {
    const int64_t row = g.round * round_rows + in_round;
    if (exists) {
      store_quad(partials, row, column, SIZE, values);
    }
    if (leads) {
      store(g.round_lse + row, own);
    }
    return;
  }
  const int leader = static_cast<int>(threadIdx.x) % 32 / (SIZE / 4) * (SIZE / 4);
  float high = own;
  float sum = own == -INFINITY ? 0.0f : 1.0f;
  // With the earlier rounds, in their order, scaled to the highest log-sum-exp so far.
  for (int r = 0; r < p.rounds - 1; ++r) {
    const int64_t row = r * round_rows + in_round;
    const float lse = round_result(g, row, leads, leader);
    const float top = fmaxf(high, lse);
    const float base = top == -INFINITY ? 0.0f : top;
    const float old = exp2_fast(mul(high - base, kLog2E));
    const float fresh = exp2_fast(mul(lse - base, kLog2E));
    float part[4] = {};
    if (exists) {
      load_quad(part, partials, row, column, SIZE);
    }
    sum = fmaf(sum, old, fresh);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      values[j] = fmaf(values[j], old, mul(fresh, part[j]));
    }
    high = top;
  }
  if (!exists) {
    return;
  }
  const int64_t row = p.first_row + token;
  const float total = high == -INFINITY ? -INFINITY : high + logf(sum);
  if (total == -INFINITY && a.shared) {
    load_quad(values, a.values, row, p.first_column + column, p.first_column + SIZE);
  }
  const float factor = total == -INFINITY ? head_factor : head_factor / sum;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    values[j] = mul(values[j], factor);
  }
  store_quad(g.out, row, p.first_column + column, p.first_column + SIZE, values);
  if (leads) {
    store(g.lse + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride + token, total);
  }
}

// Sends a block's results to where its tokens are, eight rows of a warp at a time through `stage`, a tile that
// nobody reads any more: as floats they take the space of the warp's own 16 rows.
template <int SIZE>
__device__ __forceinline__ void write_block(const Attention& a, const Places& p,
                                            const AttentionForward& g, Softmax<SIZE>& x,
                                            Shared<int> queries, Shared<uint16_t> tile) {
  constexpr int kPitch = kRowPitch<SIZE>;
  constexpr int kQuads = SIZE / 4;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * 16;
  const Shared<float> stage = shared_cast<float>(tile + first * kPitch);
  const float head_factor = a.head_mask == nullptr ? 1.0f : load(a.head_mask + p.head);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = x.sum[half];
#pragma unroll
    for (int distance = 1; distance < 4; distance *= 2) {
      sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
    }
    const float lse = sum == 0.0f ? -INFINITY : fmaf(x.high[half], kLn2, logf(sum));
    const float scale = sum == 0.0f ? 0.0f : 1.0f / sum;
    __syncwarp();
#pragma unroll
    for (int n = 0; n < SIZE / 8; ++n) {
      *shared_cast<float2>(stage + (lane / 4 * kPitch + n * 8 + lane % 4 * 2)) =
          make_float2(mul(x.out[n][half * 2], scale), mul(x.out[n][half * 2 + 1], scale));
    }
    __syncwarp();
#pragma unroll 1
    for (int row = lane / kQuads; row < 8; row += 32 / kQuads) {
      const int column = lane % kQuads * 4;
      const float own = __shfl_sync(0xffffffffu, lse, row * 4);
      const int token = queries[first + half * 8 + row];
      write_quad<SIZE>(a, p, g, token, column,
                       *shared_cast<float4>(stage + (row * kPitch + column)), own, head_factor);
    }
  }
}

}  // namespace rf

#endif
