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
  const int32_t* order;      // [B, H, R, T], or [B, H, R, E] in runs of chunks; null: the tokens as they stand
  const int32_t* sequences;  // [2, B]: lengths, slots
  const int32_t* key_mask;   // [B, T] or null
  const float* head_mask;    // [H] or null
  int64_t run_places;        // of a round in runs of chunks, else 0
  int64_t entries;           // of a round in order
  int batch, stride, heads, size, rounds;
  int chunk, before, window_chunks;
  // Heads of a launch of the generic path, whose results of rounds are kept together.
  int first_head, group;
  bool causal, shared;
  bool distinct;  // a key that a query met in an earlier round is left out
  Dropout dropout;
};

// One head of one sequence as a list of places cut into chunks.
struct Places {
  int batch, head, length, per_round, rounds, chunk, chunks, before, window_chunks;
  int filled;         // places of a round from which on all are empty
  int64_t first_row;  // of the sequence
  int64_t first_column;
  bool whole;
  bool runs;  // chunks see only those of their round and run

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
  p.runs = a.run_places != 0 && !p.whole;
  p.per_round = p.whole ? p.length : slots;
  p.filled = p.runs ? slots : p.length;
  p.rounds = p.whole || a.order == nullptr ? 1 : a.rounds;
  p.chunk = p.whole ? p.length : a.chunk;
  p.chunks = p.rounds * p.per_round / p.chunk;
  p.before = p.whole ? 0 : a.before;
  p.window_chunks = p.whole ? 1 : a.window_chunks;
  p.first_row = static_cast<int64_t>(batch) * a.stride;
  p.first_column = static_cast<int64_t>(head) * a.size;
  return p;
}

// What the order holds for a round: positions, then, in runs, the runs of the chunks and the chunks of positions.
__device__ __forceinline__ const int32_t* round_entries(const Attention& a, const Places& p, int round) {
  return a.order + ((static_cast<int64_t>(p.batch) * a.heads + p.head) * a.rounds + round) * a.entries;
}

// The chunk that is `distance` away on the ring of all chunks.
__device__ __forceinline__ int chunk_at(const Places& p, int chunk, int distance) {
  return ((chunk + distance) % p.chunks + p.chunks) % p.chunks;
}

// The run of a chunk, counted over all rounds; -1 for one without tokens.
__device__ __forceinline__ int run_of(const Attention& a, const Places& p, int chunk) {
  const int per_round = p.per_round / p.chunk;
  return load(round_entries(a, p, chunk / per_round) + a.run_places + chunk % per_round);
}

// The chunk that is `distance` away, -1 where it is not seen.
__device__ __forceinline__ int seen_chunk(const Attention& a, const Places& p, int chunk, int distance) {
  if (!p.runs) {
    return chunk_at(p, chunk, distance);
  }
  const int per_round = p.per_round / p.chunk;
  const int in_round = chunk % per_round + distance;
  const bool exists = in_round >= 0 && in_round < per_round;
  return exists && run_of(a, p, chunk) == run_of(a, p, chunk + distance) ? chunk + distance : -1;
}

// The token at a place, -1 for an empty one.
__device__ __forceinline__ int token_at(const Attention& a, const Places& p, int place) {
  const int i = place % p.per_round;
  if (i >= p.filled) {
    return -1;
  }
  if (p.whole || a.order == nullptr) {
    return i;
  }
  return load(round_entries(a, p, place / p.per_round) + i);
}

__device__ __forceinline__ bool is_masked(const Attention& a, const Places& p, int token) {
  return a.key_mask != nullptr && load(a.key_mask + p.first_row + token) == 0;
}

__device__ __forceinline__ bool sees(const Attention& a, int query, int key) {
  return query >= 0 && key >= 0 && (!a.causal || key <= query) && (!a.shared || key != query);
}

// Whether the query has met the key, among the chunks that it saw, in a round before.
__device__ __forceinline__ bool is_repeated(const Attention& a, const Places& p, int round, int query, int key) {
  for (int r = 0; r < round; ++r) {
    const int32_t* const runs = round_entries(a, p, r) + a.run_places;
    const int32_t* const chunks = runs + a.run_places / a.chunk;
    const int own = load(chunks + query);
    const int distance = load(chunks + key) - own;
    if (distance >= -a.before && distance < a.window_chunks - a.before &&
        load(runs + own) == load(runs + own + distance)) {
      return true;
    }
  }
  return false;
}

// The same with what was met before left out: the query stands in `round`.
__device__ __forceinline__ bool sees_in_round(const Attention& a, const Places& p, int round, int query,
                                              int key) {
  return sees(a, query, key) && !(a.distinct && is_repeated(a, p, round, query, key));
}

// Whether a chunk has no token from a place on.
__device__ __forceinline__ bool is_empty_from(const Attention& a, const Places& p, int chunk, int first) {
  return token_at(a, p, chunk * p.chunk + first) < 0;
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
  queries, queries_stride, keys, keys_stride, values, values_stride, input_type, order,           \
      run_places, distinct, sequences, key_mask, head_mask, batch, stride, heads, head_size,      \
      rounds, chunk, chunks_before, window_chunks, causal, shared, tiles, heads_per_group,        \
      dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale, dropout_first_row

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
  a.run_places = run_places;
  a.entries = run_places == 0 ? stride : run_places + run_places / chunk + (distinct != 0 ? stride : 0);
  a.distinct = run_places != 0 && distinct != 0;
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
