// What the attention kernels share: which token stands at a place of the sorted list, what a query may
// see, and tiles of rows in shared memory.
#ifndef REFORMER_ATTENTION_CUH
#define REFORMER_ATTENTION_CUH

#include "context.h"
#include "elements.cuh"
#include "reductions.cuh"

namespace rf {

constexpr int kAttentionThreads = 128;
constexpr int kAttentionTile = 16;  // queries of a tile, and keys of a tile
constexpr int kAttentionMaxSize = 128;
// Threads that share a row of a tile, and so the columns of one.
constexpr int kAttentionParts = kAttentionThreads / kAttentionTile;
constexpr int kAttentionColumns = kAttentionMaxSize / kAttentionParts;
constexpr int kAttentionPitch = kAttentionMaxSize + 1;
constexpr float kKeyEpsilon = 1e-6f;  // Hugging Face's _len_norm

struct Attention {
  Matrix queries, keys, values;
  const int32_t* order;      // [B, H, R, T]; null: the tokens as they stand
  const int32_t* sequences;  // [2, B]: lengths, slots
  const int32_t* key_mask;   // [B, T] or null
  const float* head_mask;    // [H] or null
  int batch, stride, heads, size, rounds;
  int chunk, before, window_chunks;
  // Heads of a launch of the generic path, whose results of rounds are kept together.
  int first_head, group;
  bool causal, shared;
  Dropout dropout;
};

// One head of one sequence as a list of places cut into chunks.
struct Places {
  int batch, head, length, per_round, rounds, chunk, chunks, before, window_chunks;
  int64_t first_row;  // of the sequence
  int64_t first_column;
  bool whole;

  __device__ __forceinline__ int tiles_per_chunk() const {
    return (chunk + kAttentionTile - 1) / kAttentionTile;
  }
};

__device__ __forceinline__ Places places_of(const Attention& a, int batch, int head) {
  Places p;
  p.batch = batch;
  p.head = head;
  p.length = load(a.sequences + batch);
  const int slots = load(a.sequences + a.batch + batch);
  p.whole = slots <= a.chunk;
  p.per_round = p.whole ? p.length : slots;
  p.rounds = p.whole || a.order == nullptr ? 1 : a.rounds;
  p.chunk = p.whole ? p.length : a.chunk;
  p.chunks = p.rounds * p.per_round / p.chunk;
  p.before = p.whole ? 0 : a.before;
  p.window_chunks = p.whole ? 1 : a.window_chunks;
  p.first_row = static_cast<int64_t>(batch) * a.stride;
  p.first_column = static_cast<int64_t>(head) * a.size;
  return p;
}

// Chunks form a ring: the one that is `distance` away.
__device__ __forceinline__ int chunk_at(const Places& p, int chunk, int distance) {
  return ((chunk + distance) % p.chunks + p.chunks) % p.chunks;
}

// The token at a place, -1 for an empty one.
__device__ __forceinline__ int token_at(const Attention& a, const Places& p, int place) {
  const int i = place % p.per_round;
  if (i >= p.length) {
    return -1;
  }
  if (p.whole || a.order == nullptr) {
    return i;
  }
  const int64_t segment =
      (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.rounds + place / p.per_round;
  return load(a.order + segment * a.stride + i);
}

__device__ __forceinline__ bool is_masked(const Attention& a, const Places& p, int token) {
  return a.key_mask != nullptr && load(a.key_mask + p.first_row + token) == 0;
}

__device__ __forceinline__ bool sees(const Attention& a, int query, int key) {
  return query >= 0 && key >= 0 && (!a.causal || key <= query) && (!a.shared || key != query);
}

// The tokens at 16 places of a chunk, -1 where there is none; as keys also where one is masked. The first
// threads of the block write them.
__device__ __forceinline__ void load_tokens(const Attention& a, const Places& p, int chunk, int first,
                                            bool as_keys, Shared<int> tokens) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < kAttentionTile) {
    const int i = first + thread;
    const int token = i < p.chunk ? token_at(a, p, chunk * p.chunk + i) : -1;
    tokens[thread] = as_keys && token >= 0 && is_masked(a, p, token) ? -1 : token;
  }
}

// Index of a row in the results of the rounds of a group of G heads, [B, G, R, T].
__device__ __forceinline__ int64_t result_row(const Attention& a, const Places& p, int round,
                                              int token) {
  return ((static_cast<int64_t>(p.batch) * a.group + (p.head - a.first_head)) * a.rounds + round) * a.stride + token;
}

// Index of a row among those of all rounds, [B, H, R, T].
__device__ __forceinline__ int64_t round_row(const Attention& a, const Places& p, int round,
                                             int token) {
  return ((static_cast<int64_t>(p.batch) * a.heads + p.head) * a.rounds + round) * a.stride + token;
}

// Index of the query's first element in the dropout mask.
__device__ __forceinline__ int64_t mask_row(const Attention& a, const Places& p, int round, int query) {
  return (a.dropout.first_row + round_row(a, p, round, query)) * (static_cast<int64_t>(a.chunk) * a.window_chunks);
}

// Factor of a dropped probability: query in its round, key at a place of the window.
__device__ __forceinline__ float drop_factor(const Attention& a, const Places& p, int round,
                                             int query, int window_place) {
  if (a.dropout.threshold == 0) {
    return 1.0f;
  }
  const int64_t element = mask_row(a, p, round, query) + window_place;
  uint32_t words[4];
  philox_quad(words, a.dropout, element >> 2);
  const int which = static_cast<int>(element & 3);
  const uint32_t word = which == 0 ? words[0] : which == 1 ? words[1] : which == 2 ? words[2] : words[3];
  return word >= a.dropout.threshold ? a.dropout.scale : 0.0f;
}

// Factor that makes a key out of a row: 1 / (sqrt(K) * root mean square), or 1 / sqrt(K).
__device__ __forceinline__ float key_factor(const Attention& a, float sum_of_squares) {
  const float size = static_cast<float>(a.size);
  return a.shared ? 1.0f / sqrtf((sum_of_squares / size + kKeyEpsilon) * size) : 1.0f / sqrtf(size);
}

// Brings the rows of up to 16 tokens into shared memory, a warp per row; absent tokens are zero. As keys
// they are scaled.
__device__ __forceinline__ void load_tile(const Attention& a, const Places& p, const Matrix& source,
                                          Shared<int> tokens, bool as_keys, float factor,
                                          Shared<float> target) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = static_cast<int>(threadIdx.x) / 32; i < kAttentionTile; i += kAttentionThreads / 32) {
    const int token = tokens[i];
    float row[kAttentionMaxSize / 32];
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kAttentionMaxSize / 32; ++j) {
      const int d = lane + j * 32;
      const bool exists = token >= 0 && d < a.size;
      row[j] = exists ? load_element(source, (p.first_row + token) * source.stride + p.first_column + d)
                      : 0.0f;
      sum = fmaf(row[j], row[j], sum);
    }
    const float scale = as_keys ? key_factor(a, warp_sum(sum)) : factor;
#pragma unroll
    for (int j = 0; j < kAttentionMaxSize / 32; ++j) {
      const int d = lane + j * 32;
      if (d < a.size) {
        target[i * kAttentionPitch + d] = mul(row[j], scale);
      }
    }
  }
}

// Product of two rows in shared memory.
__device__ __forceinline__ float row_product(const Attention& a, Shared<float> x, Shared<float> y) {
  float sum = 0.0f;
  for (int d = 0; d < a.size; ++d) {
    sum = fmaf(x[d], y[d], sum);
  }
  return sum;
}

// The names of RF_ATTENTION's parameters, to pass them on.
#define RF_ATTENTION_NAMES                                                                        \
  queries, queries_stride, keys, keys_stride, values, values_stride, input_type, order, sequences, \
      key_mask, head_mask, batch, stride, heads, head_size, rounds, chunk, chunks_before,          \
      window_chunks, causal, shared, tiles, heads_per_group, dropout_seed, dropout_step,           \
      dropout_stream,                                                                             \
      dropout_threshold, dropout_scale, dropout_first_row

inline int rf_attention_arguments(Attention& a, rf_context* context, RF_ATTENTION) {
  if (head_size > kAttentionMaxSize || batch > 65535 || heads > 65535 || tiles > INT32_MAX ||
      heads_per_group < 1) {
    return RF_STATUS_UNSUPPORTED;
  }
  a = {};
  a.queries = matrix(queries, queries_stride, input_type, head_size);
  a.keys = matrix(keys, keys_stride, input_type, head_size);
  a.values = matrix(values, values_stride, input_type, head_size);
  a.order = order;
  a.sequences = sequences;
  a.key_mask = key_mask;
  a.head_mask = head_mask;
  a.batch = batch;
  a.stride = stride;
  a.heads = heads;
  a.size = head_size;
  a.rounds = rounds;
  a.chunk = chunk;
  a.before = chunks_before;
  a.window_chunks = window_chunks;
  a.causal = causal != 0;
  a.shared = shared != 0;
  a.dropout = {dropout_seed,  dropout_step,     dropout_stream, dropout_threshold,
               dropout_scale, dropout_first_row};
  return enter(context);
}

}  // namespace rf

#endif
