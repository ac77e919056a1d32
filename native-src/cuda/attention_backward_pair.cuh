// Products of the fast backward path. Eight warps stand four by two over a pair of 64 queries and 64 keys:
// each has 16 rows and half of the columns, in the fragments of mma.m16n8k16.
#ifndef REFORMER_ATTENTION_BACKWARD_PAIR_CUH
#define REFORMER_ATTENTION_BACKWARD_PAIR_CUH

#include "attention_backward_fast.cuh"

namespace rf {

// Unrolled further, ptxas loads so many fragments ahead that it spills.
template <int SIZE>
constexpr int kProductUnroll = SIZE == 64 ? 1 : 2;

// Sums of a warp: 16 rows, half of SIZE columns.
template <int SIZE>
using RowSums = float[SIZE / 16][4];

struct WarpPlace {
  int row, column, lane;  // row 0..3 of 16, column 0..1 of a half
};

__device__ __forceinline__ WarpPlace warp_place() {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  return {warp / 2, warp % 2, static_cast<int>(threadIdx.x) % 32};
}

// S = Q K' and dP = dO V' of 16 queries and 32 keys.
template <int SIZE>
__device__ __forceinline__ void pair_products(float (&s)[4][4], float (&d_weights)[4][4],
                                              Shared<uint16_t> queries, Shared<uint16_t> d_outs,
                                              Shared<uint16_t> keys, Shared<uint16_t> values) {
  const WarpPlace at = warp_place();
  const int left_at = (at.row * 16 + at.lane % 16) * kRowPitch<SIZE> + at.lane / 16 * 8;
  const int right_at = (at.column * 32 + at.lane % 8 + at.lane / 16 * 8) * kRowPitch<SIZE> +
                       at.lane / 8 % 2 * 8;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      s[j][e] = d_weights[j][e] = 0.0f;
    }
  }
#pragma unroll kProductUnroll<SIZE>
  for (int k = 0; k < SIZE; k += 16) {
    uint32_t query[4];
    uint32_t d_out[4];
    ldmatrix4(query, queries + (left_at + k));
    ldmatrix4(d_out, d_outs + (left_at + k));
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int from = right_at + n * 16 * kRowPitch<SIZE> + k;
      uint32_t right[4];
      ldmatrix4(right, keys + from);
      mma_bf16(s[2 * n], query, {right[0], right[1]});
      mma_bf16(s[2 * n + 1], query, {right[2], right[3]});
      ldmatrix4(right, values + from);
      mma_bf16(d_weights[2 * n], d_out, {right[0], right[1]});
      mma_bf16(d_weights[2 * n + 1], d_out, {right[2], right[3]});
    }
  }
}

// Where a pair of blocks stands in the dropout mask: the queries' round, the first key's place in the window.
struct PairPlace {
  int round, window_place;
};

// Of the thread's pairs: bit 8 half + 2 j + e.
template <bool DROPOUT, bool DISTINCT>
__device__ __forceinline__ PairBits bits_of(const Attention& a, const Places& p, Shared<int> queries,
                                            Shared<int> keys, const PairPlace& place) {
  const WarpPlace at = warp_place();
  PairBits bits = {};
  if (DROPOUT) {
    bits.kept = kept_bits<4>(a, p, queries, at.row * 16 + at.lane / 4, place.round,
                             place.window_place + at.column * 32 + at.lane % 4 * 2);
  }
  if (DISTINCT) {
    bits.met = met_bits<4>(a, p, queries + at.row * 16, keys + at.column * 32, place.round);
  }
  return bits;
}

// P = exp(s - lse), zero where a key is not visible.
__device__ __forceinline__ float probability_of(float score, float lse, bool visible) {
  return visible ? exp2_fast(mul(fminf(score - lse, 0.0f), kLog2E)) : 0.0f;
}

template <bool DROPOUT>
__device__ __forceinline__ float drop_of(const Attention& a, const PairBits& bits, int bit) {
  return !DROPOUT ? 1.0f : (bits.kept >> bit & 1) != 0 ? a.dropout.scale : 0.0f;
}

// P = exp(s - lse) and c dS = c P (dP - delta) as bfloat16, [query][key], zero where a key is not visible;
// key_sums += dS s over the thread's queries. Without WITH_WEIGHTS P is not written. Rows: BlockRows, or as those.
template <bool DROPOUT, bool DISTINCT, bool WITH_WEIGHTS, class Rows>
__device__ __forceinline__ void pair_gradients(const Attention& a, const Rows& queries,
                                               const Rows& keys, const PairBits& bits,
                                               float d_out_factor, const float (&s)[4][4],
                                               const float (&d_weights)[4][4], Shared<uint16_t> weights,
                                               Shared<uint16_t> d_scores, float (&key_sums)[4][2]) {
  const WarpPlace at = warp_place();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = at.row * 16 + half * 8 + at.lane / 4;
    const int query = queries.tokens[row];
    const float lse = queries.lse[row];
    const float delta = queries.delta[row];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int column = at.column * 32 + j * 8 + at.lane % 4 * 2;
      float weight[2];
      float d_score[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float factor = keys.factors[column + e];
        const float score = mul(s[j][half * 2 + e], factor);
        const bool met = DISTINCT && (bits.met >> (8 * half + 2 * j + e) & 1) != 0;
        const bool visible = sees(a, query, keys.keys[column + e]) && !met;
        const float probability = probability_of(score, lse, visible);
        const float drop = drop_of<DROPOUT>(a, bits, 8 * half + 2 * j + e);
        const float d_weight = mul(mul(d_weights[j][half * 2 + e], d_out_factor), drop);
        const float slope = visible ? mul(probability, d_weight - delta) : 0.0f;
        weight[e] = mul(probability, drop);
        d_score[e] = mul(slope, factor);
        key_sums[j][e] = fmaf(slope, visible ? score : 0.0f, key_sums[j][e]);
      }
      const int to = row * kPairPitch + column;
      if (WITH_WEIGHTS) {
        *shared_cast<uint32_t>(weights + to) = to_bf16_pair(weight[0], weight[1]);
      }
      *shared_cast<uint32_t>(d_scores + to) = to_bf16_pair(d_score[0], d_score[1]);
    }
  }
}

// What the keys of each warp bring to their queries' dO.O, the sum of P dP: [2][64].
template <bool DROPOUT, class Rows>
__device__ __forceinline__ void put_deltas(const Attention& a, const Rows& queries,
                                           const Rows& keys, const PairBits& bits, float d_out_factor,
                                           const float (&s)[4][4], const float (&d_weights)[4][4],
                                           Shared<float> target) {
  const WarpPlace at = warp_place();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = at.row * 16 + half * 8 + at.lane / 4;
    const int query = queries.tokens[row];
    const float lse = queries.lse[row];
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = at.column * 32 + j * 8 + at.lane % 4 * 2 + e;
        const float score = mul(s[j][half * 2 + e], keys.factors[column]);
        const float probability = probability_of(score, lse, sees(a, query, keys.keys[column]));
        const float drop = drop_of<DROPOUT>(a, bits, 8 * half + 2 * j + e);
        sum = fmaf(probability, mul(mul(d_weights[j][half * 2 + e], d_out_factor), drop), sum);
      }
    }
#pragma unroll
    for (int distance = 1; distance < 4; distance *= 2) {
      sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
    }
    if (at.lane % 4 == 0) {
      target[at.column * kGradientTile + row] = sum;
    }
  }
}

// Adds what put_deltas left in `count` lists.
template <class Rows>
__device__ __forceinline__ void take_deltas(Shared<float> sums, int count, const Rows& rows) {
  const int row = static_cast<int>(threadIdx.x);
  if (row < kGradientTile) {
    float sum = sums[row];
    for (int i = 1; i < count; ++i) {
      sum = add(sum, sums[i * kGradientTile + row]);
    }
    rows.delta[row] = sum;
  }
}

// Sums over a warp's 16 queries, for the 32 keys of each warp: [4][64].
__device__ __forceinline__ void put_key_sums(const float (&key_sums)[4][2], Shared<float> target) {
  const WarpPlace at = warp_place();
#pragma unroll
  for (int j = 0; j < 4; ++j) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      float sum = key_sums[j][e];
#pragma unroll
      for (int distance = 4; distance < 32; distance *= 2) {
        sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
      }
      if (at.lane < 4) {
        target[at.row * kGradientTile + at.column * 32 + j * 8 + at.lane * 2 + e] = sum;
      }
    }
  }
}

__device__ __forceinline__ float key_sum(Shared<float> sums, int row) {
  return add(add(sums[row], sums[kGradientTile + row]),
             add(sums[2 * kGradientTile + row], sums[3 * kGradientTile + row]));
}

// acc += left * right, or left' * right: left is P or dS, right the rows of 64 tokens.
template <int SIZE, bool TRANSPOSED>
__device__ __forceinline__ void add_product(RowSums<SIZE>& acc, Shared<uint16_t> left,
                                            Shared<uint16_t> right) {
  const WarpPlace at = warp_place();
  const int left_at = TRANSPOSED ? (at.lane % 8 + at.lane / 16 * 8) * kPairPitch + at.row * 16 +
                                       at.lane / 8 % 2 * 8
                                 : (at.row * 16 + at.lane % 16) * kPairPitch + at.lane / 16 * 8;
  const int right_at = at.lane % 16 * kRowPitch<SIZE> + at.column * (SIZE / 2) + at.lane / 16 * 8;
#pragma unroll kProductUnroll<SIZE>
  for (int k = 0; k < kGradientTile; k += 16) {
    uint32_t a[4];
    if (TRANSPOSED) {
      ldmatrix4_transposed(a, left + (left_at + k * kPairPitch));
    } else {
      ldmatrix4(a, left + (left_at + k));
    }
#pragma unroll
    for (int n = 0; n < SIZE / 32; ++n) {
      uint32_t b[4];
      ldmatrix4_transposed(b, right + (right_at + k * kRowPitch<SIZE> + n * 16));
      mma_bf16(acc[2 * n], a, {b[0], b[1]});
      mma_bf16(acc[2 * n + 1], a, {b[2], b[3]});
    }
  }
}

__device__ __forceinline__ void load_shared_quad(float (&v)[4], Shared<uint16_t> from) {
  const uint2 q = *shared_cast<uint2>(from);
  v[0] = __uint_as_float(q.x << 16);
  v[1] = __uint_as_float(q.x & 0xffff0000u);
  v[2] = __uint_as_float(q.y << 16);
  v[3] = __uint_as_float(q.y & 0xffff0000u);
}

// The sums of all warps as 64 rows of floats; four rows of a half warp lie in different banks.
template <int SIZE>
__device__ __forceinline__ void stage_sums(const RowSums<SIZE>& acc, Shared<float> stage) {
  const WarpPlace at = warp_place();
#pragma unroll
  for (int n = 0; n < SIZE / 16; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = at.row * 16 + half * 8 + at.lane / 4;
      const int column = at.column * (SIZE / 2) + n * 8 + at.lane % 4 * 2;
      *shared_cast<float2>(stage + (row * kRowPitch<SIZE> + column)) =
          make_float2(acc[n][half * 2], acc[n][half * 2 + 1]);
    }
  }
}

template <int SIZE>
__device__ __forceinline__ void clear(RowSums<SIZE>& acc) {
#pragma unroll
  for (int n = 0; n < SIZE / 16; ++n) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      acc[n][e] = 0.0f;
    }
  }
}

// Sends staged rows to where their tokens are: to the round's partial results, or, in the last round, added to
// those of the others to the final ones. adjust(values, row, column) changes four elements before.
template <int SIZE, class Adjust>
__device__ __forceinline__ void write_rows(const Attention& a, const Places& p, const AttentionGradient& g,
                                           Shared<int> tokens, Shared<float> stage, uint16_t* partials,
                                           const Matrix& target, Adjust adjust) {
  const Matrix rounds = {partials, SIZE, RF_BF16, true};
  const int64_t round_rows = static_cast<int64_t>(a.batch) * g.group * a.stride;
  const int64_t first =
      (static_cast<int64_t>(p.batch) * g.group + (p.head - g.first_head)) * a.stride;
  constexpr int kQuads = SIZE / 4;
#pragma unroll 2
  for (int i = static_cast<int>(threadIdx.x); i < kGradientTile * kQuads; i += kGradientThreads) {
    const int row = i / kQuads;
    const int column = i % kQuads * 4;
    const int token = tokens[row];
    if (token < 0) {
      continue;
    }
    const float4 staged = *shared_cast<float4>(stage + (row * kRowPitch<SIZE> + column));
    float values[4] = {staged.x, staged.y, staged.z, staged.w};
    adjust(values, row, column);
    if (!g.last) {
      store_quad(rounds, g.round * round_rows + first + token, column, SIZE, values);
      continue;
    }
    float sums[4] = {};
    for (int r = 0; r < p.rounds - 1; ++r) {
      float part[4];
      load_quad(part, rounds, r * round_rows + first + token, column, SIZE);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sums[j] = add(sums[j], part[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums[j] = add(sums[j], values[j]);
    }
    store_quad(target, p.first_row + token, p.first_column + column, p.first_column + SIZE, sums);
  }
}

// Of shared rows: dq + c dk - c^2 t q, with t = sum of dS s.
template <int SIZE, bool SHARED>
__device__ __forceinline__ void write_query_rows(const Attention& a, const Places& p,
                                                 const AttentionGradient& g, const BlockRows& rows,
                                                 Shared<float> stage, Shared<uint16_t> queries,
                                                 Shared<float> key_sums) {
  write_rows<SIZE>(a, p, g, rows.tokens, stage, g.round_rows, g.d_queries,
                   [=](float(&values)[4], int row, int column) {
                     if (SHARED) {
                       const float factor = rows.factors[row];
                       const float share = mul(mul(factor, factor), key_sum(key_sums, row));
                       float query[4];
                       load_shared_quad(query, queries + (row * kRowPitch<SIZE> + column));
#pragma unroll
                       for (int j = 0; j < 4; ++j) {
                         values[j] = fmaf(-share, query[j], values[j]);
                       }
                     }
                   });
}

// dv for the head's share of the output; of a shared row that sees nothing the output is its own value.
template <int SIZE>
__device__ __forceinline__ void write_value_rows(const Attention& a, const Places& p,
                                                 const AttentionGradient& g, const BlockRows& rows,
                                                 Shared<float> stage, Shared<uint16_t> d_outs,
                                                 float d_out_factor) {
  const bool alone = a.shared && g.last;
  write_rows<SIZE>(a, p, g, rows.tokens, stage, g.round_values, g.d_values,
                   [=](float(&values)[4], int row, int column) {
                     float d_out[4] = {};
                     if (alone && rows.lse[row] == -INFINITY) {
                       load_shared_quad(d_out, d_outs + (row * kRowPitch<SIZE> + column));
                     }
#pragma unroll
                     for (int j = 0; j < 4; ++j) {
                       values[j] = mul(add(values[j], d_out[j]), d_out_factor);
                     }
                   });
}

}  // namespace rf

#endif
