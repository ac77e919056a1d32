// What         gradient of the attention: P = exp(s - lse), dS = P (factor * dO.v - dO.O);
//              dq = sum dS k, dk = sum dS q, dv = sum factor * P dO. LSH: k = c q with c = 1 / (sqrt(K) rms q), so
//              dq += c (dk - q (dk.q) / (K mean q^2)); a token alone passes dO on to its value.
// Shapes       d_queries, d_keys, d_values, d_out, out, queries, keys, values [B*T, H*K], K <= 128; lse
//              [B, H, T].
// Grid         a block owns 16 queries of a chunk and walks over their window for dq; another owns 16 keys and
//              walks over the chunks whose window holds them for dk and dv; then a warp per token adds the
//              rounds.
// Memory       as forward, twice; the rounds' results are 3 R K floats per token and head of a group. Shared 37 KB.
// Determinism  windows and queries in their order, rounds in their order; no atomics.
// Reference    org.reformer4j.reference.ChunkedAttention, KeyRule, AttentionHeads
// Measured     not yet run on a card; the plain path, without tensor cores
#include "attention_backward_fast.cuh"

#include <algorithm>

namespace rf {
namespace {

struct Gradient {
  Matrix d_out, out;
  const float* lse;
};

__device__ __forceinline__ float head_factor(const Attention& a, int head) {
  return a.head_mask == nullptr ? 1.0f : load(a.head_mask + head);
}

// Of 16 queries: log-sum-exp and dO.O, a warp per query.
__device__ __forceinline__ void load_sums(const Attention& a, const Places& p, const Gradient& g,
                                          Shared<int> tokens, Shared<float> lse,
                                          Shared<float> delta) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = static_cast<int>(threadIdx.x) / 32; i < kAttentionTile; i += kAttentionThreads / 32) {
    const int token = tokens[i];
    float sum = 0.0f;
    for (int d = lane; token >= 0 && d < a.size; d += 32) {
      const int64_t row = p.first_row + token;
      sum = fmaf(load_element(g.d_out, row * g.d_out.stride + p.first_column + d),
                 load_element(g.out, row * g.out.stride + p.first_column + d), sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      delta[i] = sum;
      lse[i] = token < 0 ? 0.0f
                         : load(g.lse + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride +
                                token);
    }
  }
}

// P and dS of a pair that is visible.
__device__ __forceinline__ void pair_gradient(float score, float lse, float d_weight, float delta,
                                              float factor, float& weight, float& d_score) {
  const float probability = expf(fminf(score - lse, 0.0f));
  weight = mul(probability, factor);
  d_score = mul(probability, add(mul(d_weight, factor), -delta));
}

__global__ void __launch_bounds__(kAttentionThreads, 5)
    attention_query_gradient_kernel(Attention a, Gradient g, float* d_queries) {
  RF_SHARED_ARRAY(float, queries, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, d_outs, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, keys, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, values, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, d_scores, kAttentionTile * (kAttentionTile + 1));
  RF_SHARED_ARRAY(float, lse, kAttentionTile);
  RF_SHARED_ARRAY(float, delta, kAttentionTile);
  RF_SHARED_ARRAY(int, query_tokens, kAttentionTile);
  RF_SHARED_ARRAY(int, key_tokens, kAttentionTile);
  const Places p = places_of(a, static_cast<int>(blockIdx.z), a.first_head + static_cast<int>(blockIdx.y));
  const int tiles = p.tiles_per_chunk();
  const int chunk = static_cast<int>(blockIdx.x) / tiles;
  if (chunk >= p.chunks) {
    return;
  }
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / kAttentionParts;
  const int part = thread % kAttentionParts;
  const int first = static_cast<int>(blockIdx.x) % tiles * kAttentionTile;
  const int round = chunk * p.chunk / p.per_round;
  if (p.runs && is_empty_from(a, p, chunk, first)) {
    return;
  }
  load_tokens(a, p, chunk, first, false, query_tokens);
  __syncthreads();
  load_tile(a, p, a.queries, query_tokens, false, 1.0f, queries);
  load_tile(a, p, g.d_out, query_tokens, false, head_factor(a, p.head), d_outs);
  load_sums(a, p, g, query_tokens, lse, delta);
  const int query = query_tokens[row];
  float d_query[kAttentionColumns] = {};
  for (int w = 0; w < p.window_chunks; ++w) {
    const int other = seen_chunk(a, p, chunk, w - p.before);
    for (int start = 0; other >= 0 && start < p.chunk; start += kAttentionTile) {
      if (p.runs && is_empty_from(a, p, other, start)) {
        break;
      }
      __syncthreads();
      load_tokens(a, p, other, start, true, key_tokens);
      __syncthreads();
      load_tile(a, p, a.keys, key_tokens, true, 1.0f, keys);
      load_tile(a, p, a.values, key_tokens, false, 1.0f, values);
      __syncthreads();
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        const int key = part + s * kAttentionParts;
        float weight = 0.0f;
        float d_score = 0.0f;
        if (sees_in_round(a, p, round, query, key_tokens[key])) {
          const int at = row * kAttentionPitch;
          pair_gradient(row_product(a, queries + at, keys + key * kAttentionPitch), lse[row],
                        row_product(a, d_outs + at, values + key * kAttentionPitch), delta[row],
                        drop_factor(a, p, round, query, w * p.chunk + start + key), weight, d_score);
        }
        d_scores[row * (kAttentionTile + 1) + key] = d_score;
      }
      __syncwarp();
#pragma unroll
      for (int c = 0; c < kAttentionColumns; ++c) {
        const int d = part + c * kAttentionParts;
        for (int key = 0; d < a.size && key < kAttentionTile; ++key) {
          d_query[c] = fmaf(d_scores[row * (kAttentionTile + 1) + key],
                            keys[key * kAttentionPitch + d], d_query[c]);
        }
      }
    }
  }
  if (query < 0) {
    return;
  }
#pragma unroll
  for (int c = 0; c < kAttentionColumns; ++c) {
    const int d = part + c * kAttentionParts;
    if (d < a.size) {
      store(d_queries + result_row(a, p, round, query) * a.size + d, d_query[c]);
    }
  }
}

__global__ void __launch_bounds__(kAttentionThreads, 4)
    attention_key_gradient_kernel(Attention a, Gradient g, float* d_keys, float* d_values) {
  RF_SHARED_ARRAY(float, queries, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, d_outs, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, keys, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, values, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, weights, kAttentionTile * (kAttentionTile + 1));
  RF_SHARED_ARRAY(float, d_scores, kAttentionTile * (kAttentionTile + 1));
  RF_SHARED_ARRAY(float, lse, kAttentionTile);
  RF_SHARED_ARRAY(float, delta, kAttentionTile);
  RF_SHARED_ARRAY(int, query_tokens, kAttentionTile);
  RF_SHARED_ARRAY(int, key_tokens, kAttentionTile);
  const Places p = places_of(a, static_cast<int>(blockIdx.z), a.first_head + static_cast<int>(blockIdx.y));
  const int tiles = p.tiles_per_chunk();
  const int chunk = static_cast<int>(blockIdx.x) / tiles;
  if (chunk >= p.chunks) {
    return;
  }
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / kAttentionParts;
  const int part = thread % kAttentionParts;
  const int first = static_cast<int>(blockIdx.x) % tiles * kAttentionTile;
  if (p.runs && is_empty_from(a, p, chunk, first)) {
    return;
  }
  load_tokens(a, p, chunk, first, true, key_tokens);
  __syncthreads();
  load_tile(a, p, a.keys, key_tokens, true, 1.0f, keys);
  load_tile(a, p, a.values, key_tokens, false, 1.0f, values);
  const int key = key_tokens[row];
  float d_key[kAttentionColumns] = {};
  float d_value[kAttentionColumns] = {};
  for (int w = 0; w < p.window_chunks; ++w) {
    // The chunk that has this one as part w of its window.
    const int other = seen_chunk(a, p, chunk, p.before - w);
    const int round = other * p.chunk / p.per_round;
    for (int start = 0; other >= 0 && start < p.chunk; start += kAttentionTile) {
      if (p.runs && is_empty_from(a, p, other, start)) {
        break;
      }
      __syncthreads();
      load_tokens(a, p, other, start, false, query_tokens);
      __syncthreads();
      load_tile(a, p, a.queries, query_tokens, false, 1.0f, queries);
      load_tile(a, p, g.d_out, query_tokens, false, head_factor(a, p.head), d_outs);
      load_sums(a, p, g, query_tokens, lse, delta);
      __syncthreads();
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        const int query = part + s * kAttentionParts;
        float weight = 0.0f;
        float d_score = 0.0f;
        if (sees_in_round(a, p, round, query_tokens[query], key)) {
          const int at = query * kAttentionPitch;
          pair_gradient(
              row_product(a, queries + at, keys + row * kAttentionPitch), lse[query],
              row_product(a, d_outs + at, values + row * kAttentionPitch), delta[query],
              drop_factor(a, p, round, query_tokens[query], w * p.chunk + first + row), weight,
              d_score);
        }
        weights[row * (kAttentionTile + 1) + query] = weight;
        d_scores[row * (kAttentionTile + 1) + query] = d_score;
      }
      __syncwarp();
#pragma unroll
      for (int c = 0; c < kAttentionColumns; ++c) {
        const int d = part + c * kAttentionParts;
        for (int query = 0; d < a.size && query < kAttentionTile; ++query) {
          const int at = row * (kAttentionTile + 1) + query;
          d_key[c] = fmaf(d_scores[at], queries[query * kAttentionPitch + d], d_key[c]);
          d_value[c] = fmaf(weights[at], d_outs[query * kAttentionPitch + d], d_value[c]);
        }
      }
    }
  }
  // A masked key has no gradient, but its place in the rounds' results must be written.
  const int i = first + row;
  const int token = i < p.chunk ? token_at(a, p, chunk * p.chunk + i) : -1;
  if (token < 0) {
    return;
  }
  const int64_t target = result_row(a, p, chunk * p.chunk / p.per_round, token) * a.size;
#pragma unroll
  for (int c = 0; c < kAttentionColumns; ++c) {
    const int d = part + c * kAttentionParts;
    if (d < a.size) {
      store(d_keys + target + d, d_key[c]);
      store(d_values + target + d, d_value[c]);
    }
  }
}

// The sum over the rounds of one column of a token.
__device__ __forceinline__ float round_sum(const Attention& a, const Places& p, int token, int d,
                                           const float* rounds) {
  float sum = 0.0f;
  for (int r = 0; r < p.rounds; ++r) {
    sum = add(sum, load(rounds + result_row(a, p, r, token) * a.size + d));
  }
  return sum;
}

__global__ void __launch_bounds__(kAttentionThreads)
    attention_gradient_combine_kernel(Attention a, Gradient g, Matrix d_queries, Matrix d_keys,
                                      Matrix d_values, const float* round_queries,
                                      const float* round_keys, const float* round_values) {
  const int token = static_cast<int>(blockIdx.x) * (kAttentionThreads / 32) +
                    static_cast<int>(threadIdx.x) / 32;
  if (token >= a.stride) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Places p = places_of(a, static_cast<int>(blockIdx.z), a.first_head + static_cast<int>(blockIdx.y));
  const int64_t row = p.first_row + token;
  const bool real = token < p.length;
  float squares = 0.0f;
  float projection = 0.0f;
  if (real && a.shared) {
    for (int d = lane; d < a.size; d += 32) {
      const float q = load_element(a.queries, row * a.queries.stride + p.first_column + d);
      squares = fmaf(q, q, squares);
      projection = fmaf(round_sum(a, p, token, d, round_keys), q, projection);
    }
  }
  squares = warp_sum(squares);
  projection = warp_sum(projection);
  const float factor = key_factor(a, squares);
  const float size = static_cast<float>(a.size);
  projection = projection / ((squares / size + kKeyEpsilon) * size);
  const bool lonely = real && a.shared &&
                      load(g.lse + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride +
                           token) == -INFINITY;
  for (int d = lane; d < a.size; d += 32) {
    const int64_t column = p.first_column + d;
    float d_query = real ? round_sum(a, p, token, d, round_queries) : 0.0f;
    float d_key = real ? round_sum(a, p, token, d, round_keys) : 0.0f;
    float d_value = real ? round_sum(a, p, token, d, round_values) : 0.0f;
    if (lonely) {
      d_value = fmaf(load_element(g.d_out, row * g.d_out.stride + column), head_factor(a, p.head),
                     d_value);
    }
    if (a.shared) {
      if (real) {
        const float q = load_element(a.queries, row * a.queries.stride + column);
        d_query = fmaf(factor, fmaf(-q, projection, d_key), d_query);
      }
    } else {
      store_element(d_keys, row * d_keys.stride + column, mul(d_key, factor));
    }
    store_element(d_queries, row * d_queries.stride + column, d_query);
    store_element(d_values, row * d_values.stride + column, d_value);
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_attention_backward_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                                   int gradient_type, int heads_per_group, int fast) {
  if (fast != 0) {
    return rf::fast_backward_workspace(batch, stride, heads, head_size, rounds, gradient_type,
                                       heads_per_group);
  }
  return static_cast<int64_t>(batch) * std::min(heads_per_group, heads) * rounds * stride * head_size * 3 * 4;
}

extern "C" int rf_attention_backward(rf_context* context, void* d_queries, int64_t d_queries_stride,
                                     void* d_keys, int64_t d_keys_stride, void* d_values,
                                     int64_t d_values_stride, const void* d_out,
                                     int64_t d_out_stride, const void* out, int64_t out_stride,
                                     int gradient_type, const float* lse, RF_ATTENTION,
                                     void* workspace) {
  using namespace rf;
  Attention a;
  if (const int status = rf_attention_arguments(a, context, RF_ATTENTION_NAMES)) {
    return status;
  }
  const Matrix to_queries = matrix(d_queries, d_queries_stride, gradient_type, head_size);
  const Matrix to_keys = matrix(d_keys, d_keys_stride, gradient_type, head_size);
  const Matrix to_values = matrix(d_values, d_values_stride, gradient_type, head_size);
  const Matrix from_d_out = matrix(d_out, d_out_stride, gradient_type, head_size);
  const Matrix from_out = matrix(out, out_stride, gradient_type, head_size);
  int64_t alignment = 0;
  for (const Matrix& m : {a.queries, a.keys, a.values, from_d_out}) {
    alignment |= alignment_of(m);
  }
  if (rf_attention_fast(context, input_type, head_size, chunk, a.distinct, alignment) != 0) {
    return fast_backward(context, a, to_queries, to_keys, to_values, from_d_out, from_out, lse, tiles,
                         min(heads_per_group, heads), workspace);
  }
  a.group = min(heads_per_group, heads);
  const int64_t count = static_cast<int64_t>(batch) * a.group * rounds * stride * head_size;
  float* const round_queries = static_cast<float*>(workspace);
  float* const round_keys = round_queries + count;
  float* const round_values = round_keys + count;
  const Gradient g = {from_d_out, from_out, lse};
  const dim3 block(kAttentionThreads);
  const cudaStream_t stream = context->stream;
  for (; a.first_head < heads; a.first_head += a.group) {
    const unsigned h = static_cast<unsigned>(min(a.group, heads - a.first_head));
    const unsigned b = static_cast<unsigned>(batch);
    const dim3 grid(static_cast<unsigned>(tiles), h, b);
    RF_LAUNCH(attention_query_gradient_kernel, grid, block, 0, stream, a, g, round_queries);
    RF_LAUNCH(attention_key_gradient_kernel, grid, block, 0, stream, a, g, round_keys, round_values);
    RF_LAUNCH(attention_gradient_combine_kernel,
              dim3(static_cast<unsigned>(ceil_div(stride, 4)), h, b), block, 0, stream, a, g,
              to_queries, to_keys, to_values, round_queries, round_keys, round_values);
  }
  return static_cast<int>(cudaGetLastError());
}
