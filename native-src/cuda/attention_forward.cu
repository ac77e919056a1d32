// What         per query one softmax over the keys of its windows in all rounds: chunk c of the sorted list
//              sees chunks c - before .. c + after, cyclically; LSH: key = unit vector of the query's own
//              row, a token alone gets its own value; local: separate keys, order as it stands.
// Shapes       out, queries, keys, values [B*T, H*K], K <= 128; lse [B, H, T]; any T, R, chunk and window.
// Grid         a block owns 16 queries of one chunk of one head and walks over its window in tiles of 16 keys
//              with a running maximum; then a warp per token combines the rounds.
// Memory       reads a query once and every key and value of the window once per tile of queries; the rounds'
//              results, R (K + 1) floats per token and head of a group, are written and read once. Shared 27 KB.
// Determinism  keys in the order of the window, rounds in their order.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     not yet run on a card; the plain path, without tensor cores
#include "attention_forward_fast.cuh"

#include <algorithm>

namespace rf {
namespace {

__global__ void __launch_bounds__(kAttentionThreads, 4)
    attention_forward_kernel(Attention a, float* round_out, float* round_lse) {
  RF_SHARED_ARRAY(float, queries, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, keys, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, values, kAttentionTile * kAttentionPitch);
  RF_SHARED_ARRAY(float, weights, kAttentionTile * (kAttentionTile + 1));
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
  const int query = query_tokens[row];
  float out[kAttentionColumns] = {};
  float high = -INFINITY;
  float sum = 0.0f;
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
      float scores[2];
      float tile_high = high;
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        const int key = part + s * kAttentionParts;
        const bool visible = sees_in_round(a, p, round, query, key_tokens[key]);
        const float score =
            row_product(a, queries + row * kAttentionPitch, keys + key * kAttentionPitch);
        scores[s] = visible ? score : -INFINITY;
        tile_high = fmaxf(tile_high, scores[s]);
      }
#pragma unroll
      for (int distance = 1; distance < kAttentionParts; distance *= 2) {
        tile_high = fmaxf(tile_high, __shfl_xor_sync(0xffffffffu, tile_high, distance));
      }
      const float old = tile_high == -INFINITY ? 1.0f : expf(high - tile_high);
      float fresh = 0.0f;
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        const int key = part + s * kAttentionParts;
        const float weight = scores[s] == -INFINITY ? 0.0f : expf(scores[s] - tile_high);
        fresh = add(fresh, weight);
        const float factor =
            weight == 0.0f ? 0.0f : drop_factor(a, p, round, query, w * p.chunk + start + key);
        weights[row * (kAttentionTile + 1) + key] = mul(weight, factor);
      }
#pragma unroll
      for (int distance = 1; distance < kAttentionParts; distance *= 2) {
        fresh = add(fresh, __shfl_xor_sync(0xffffffffu, fresh, distance));
      }
      sum = fmaf(sum, old, fresh);
      high = tile_high;
      // The weights of a row come from threads of the same warp.
      __syncwarp();
#pragma unroll
      for (int c = 0; c < kAttentionColumns; ++c) {
        const int d = part + c * kAttentionParts;
        out[c] = mul(out[c], old);
        if (d < a.size) {
          for (int key = 0; key < kAttentionTile; ++key) {
            out[c] = fmaf(weights[row * (kAttentionTile + 1) + key],
                          values[key * kAttentionPitch + d], out[c]);
          }
        }
      }
    }
  }
  if (query < 0) {
    return;
  }
  const int64_t target = result_row(a, p, round, query);
  if (part == 0) {
    store(round_lse + target, sum == 0.0f ? -INFINITY : high + logf(sum));
  }
#pragma unroll
  for (int c = 0; c < kAttentionColumns; ++c) {
    const int d = part + c * kAttentionParts;
    if (d < a.size) {
      store(round_out + target * a.size + d, sum == 0.0f ? 0.0f : out[c] / sum);
    }
  }
}

__global__ void __launch_bounds__(kAttentionThreads)
    attention_combine_kernel(Attention a, Matrix out, float* lse, const float* round_out,
                             const float* round_lse) {
  const int token = static_cast<int>(blockIdx.x) * (kAttentionThreads / 32) +
                    static_cast<int>(threadIdx.x) / 32;
  if (token >= a.stride) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Places p = places_of(a, static_cast<int>(blockIdx.z), a.first_head + static_cast<int>(blockIdx.y));
  const bool real = token < p.length;
  float high = -INFINITY;
  float sum = 0.0f;
  for (int r = 0; real && r < p.rounds; ++r) {
    high = fmaxf(high, load(round_lse + result_row(a, p, r, token)));
  }
  for (int r = 0; high != -INFINITY && r < p.rounds; ++r) {
    sum = add(sum, expf(load(round_lse + result_row(a, p, r, token)) - high));
  }
  const float total = high == -INFINITY ? -INFINITY : high + logf(sum);
  if (lane == 0) {
    store(lse + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride + token, total);
  }
  const float factor = a.head_mask == nullptr ? 1.0f : load(a.head_mask + p.head);
  for (int d = lane; d < a.size; d += 32) {
    float value = 0.0f;
    if (total != -INFINITY) {
      for (int r = 0; r < p.rounds; ++r) {
        const int64_t source = result_row(a, p, r, token);
        value = fmaf(expf(load(round_lse + source) - total), load(round_out + source * a.size + d),
                     value);
      }
    } else if (real && a.shared) {
      value = load_element(a.values, (p.first_row + token) * a.values.stride + p.first_column + d);
    }
    store_element(out, (p.first_row + token) * out.stride + p.first_column + d, mul(value, factor));
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_attention_fast(rf_context* context, int input_type, int head_size, int chunk,
                                 int /* distinct: both kinds */, int64_t alignment) {
  const int shared = head_size == 64 ? rf::kMostShared<64> : rf::kMostShared<128>;
  return input_type == RF_BF16 && (head_size == 64 || head_size == 128) && chunk > 0 && chunk % 64 == 0 &&
         alignment % 16 == 0 && shared <= context->shared;
}

extern "C" int64_t rf_attention_workspace(int batch, int stride, int heads, int head_size,
                                          int rounds, int heads_per_group, int fast) {
  if (fast != 0) {
    return rf::fast_forward_workspace(batch, stride, head_size, rounds, heads_per_group);
  }
  return static_cast<int64_t>(batch) * std::min(heads_per_group, heads) * rounds * stride * (head_size + 1) * 4;
}

extern "C" int rf_attention(rf_context* context, void* out, int64_t out_stride, int out_type,
                            float* lse, RF_ATTENTION, void* workspace) {
  using namespace rf;
  Attention a;
  if (const int status = rf_attention_arguments(a, context, RF_ATTENTION_NAMES)) {
    return status;
  }
  const Matrix to = matrix(out, out_stride, out_type, head_size);
  int64_t alignment = 0;
  for (const Matrix& m : {a.queries, a.keys, a.values}) {
    alignment |= alignment_of(m);
  }
  if (rf_attention_fast(context, input_type, head_size, chunk, a.distinct, alignment) != 0) {
    return fast_forward(context, a, to, lse, tiles, min(heads_per_group, heads), workspace);
  }
  a.group = min(heads_per_group, heads);
  float* const round_out = static_cast<float*>(workspace);
  float* const round_lse =
      round_out + static_cast<int64_t>(batch) * a.group * rounds * stride * head_size;
  const dim3 block(kAttentionThreads);
  for (; a.first_head < heads; a.first_head += a.group) {
    const unsigned h = static_cast<unsigned>(min(a.group, heads - a.first_head));
    const unsigned b = static_cast<unsigned>(batch);
    RF_LAUNCH(attention_forward_kernel, dim3(static_cast<unsigned>(tiles), h, b), block, 0, context->stream, a,
              round_out, round_lse);
    RF_LAUNCH(attention_combine_kernel, dim3(static_cast<unsigned>(ceil_div(stride, 4)), h, b), block, 0,
              context->stream, a, to, lse, round_out, round_lse);
  }
  return static_cast<int>(cudaGetLastError());
}
