// The attention as lists of places: which token stands where, what a query may see, and how heads and chunks are
// divided among threads.
#ifndef REFORMER_CPU_ATTENTION_PLACES_H
#define REFORMER_CPU_ATTENTION_PLACES_H

#include "context.h"
#include "dropout.h"

namespace rf {

constexpr int kAttentionMaxSize = 128;
constexpr float kKeyEpsilon = 1e-6f;  // Hugging Face's _len_norm

// Rows of which this head has `size` elements from first + row * stride on.
struct HeadRows {
  float* data;
  int64_t stride;
};

struct Attention {
  HeadRows queries, keys, values;
  const int32_t* order;      // [B, H, R, T]; null: the tokens as they stand; [B, H, R, E] with run_places
  int64_t run_places;        // of a round that is laid out in runs, 0 where chunks form a ring
  bool distinct;             // a key counts in the first round in which a query meets it
  const int32_t* sequences;  // [2, B]: lengths, slots
  const int32_t* key_mask;   // [B, T] or null
  const float* head_mask;    // [H] or null
  int64_t batch, stride, heads, size, rounds;
  int64_t chunk, before, window_chunks;
  bool causal, shared;
  Dropout dropout;
};

namespace RF_ISA {

// A number of a row, of queries and of whatever has their type.
#if defined(__AVX512BF16__)
typedef uint16_t Element;
#else
typedef float Element;
#endif

// Multiply-adds that are worth a thread.
constexpr int64_t kAttentionGrain = 1 << 18;
// The key bound of one that no query sees, and of one that all see.
constexpr int32_t kHidden = INT32_MAX;
constexpr int32_t kVisible = -2;

// One head of one sequence as a list of places cut into chunks. Chunks form a ring, or runs; a position is the number
// of a chunk before it is wrapped around.
struct Places {
  int64_t batch, head, length, per_round, rounds, chunk, chunks, before, window_chunks;
  int64_t first_row;  // of the sequence
  int64_t first_column;
  bool whole;
  bool runs;      // chunks see those of their run
  bool distinct;  // and keys count once
};

RF_INLINE Places places_of(const Attention& a, int64_t batch, int64_t head) {
  Places p;
  p.batch = batch;
  p.head = head;
  p.length = a.sequences[batch];
  const int64_t slots = a.sequences[a.batch + batch];
  p.whole = slots <= a.chunk;
  p.per_round = p.whole ? p.length : slots;
  p.rounds = p.whole || a.order == nullptr ? 1 : a.rounds;
  p.chunk = p.whole ? p.length : a.chunk;
  p.chunks = p.chunk == 0 ? 0 : p.rounds * p.per_round / p.chunk;
  p.before = p.whole ? 0 : a.before;
  p.window_chunks = p.whole ? 1 : a.window_chunks;
  p.first_row = batch * a.stride;
  p.first_column = head * a.size;
  p.runs = !p.whole && a.run_places != 0;
  p.distinct = p.runs && a.distinct;
  return p;
}

// What rf_lsh_sort or rf_lsh_runs gave for a round.
RF_INLINE const int32_t* order_of(const Attention& a, const Places& p, int64_t round) {
  const int64_t runs = a.run_places == 0 ? 0 : a.run_places + a.run_places / a.chunk;
  const int64_t entries = a.run_places == 0 || a.distinct ? runs + a.stride : runs;
  return a.order + ((p.batch * a.heads + p.head) * a.rounds + round) * entries;
}

RF_INLINE int64_t chunk_at(const Places& p, int64_t position) {
  const int64_t rest = position % p.chunks;
  return rest < 0 ? rest + p.chunks : rest;
}

RF_INLINE int64_t round_of(const Places& p, int64_t chunk) { return chunk * p.chunk / p.per_round; }

// Whether the queries of one chunk may see keys of another. Those that they see stand side by side.
RF_INLINE bool sees_chunk(const Attention& a, const Places& p, int64_t position, int64_t other) {
  if (!p.runs) {
    return true;
  }
  if (position < 0 || position >= p.chunks || other < 0 || other >= p.chunks) {
    return false;
  }
  const int64_t round = round_of(p, position);
  const int64_t first = round * (p.per_round / p.chunk);
  const int32_t* const runs = order_of(a, p, round) + a.run_places;
  const int32_t run = runs[position - first];
  return run >= 0 && round_of(p, other) == round && runs[other - first] == run;
}

// The tokens at the places of a chunk, -1 for empty ones; a chunk lies within one round.
RF_INLINE void tokens_of(const Attention& a, const Places& p, int64_t chunk, int32_t* tokens) {
  const int64_t round = round_of(p, chunk);
  const int64_t first = chunk * p.chunk - round * p.per_round;
  const bool sorted = !p.whole && a.order != nullptr;
  const int32_t* const order = sorted ? order_of(a, p, round) : nullptr;
  // Runs have empty places among others.
  const int64_t filled = p.runs ? p.per_round : p.length;
  for (int64_t i = 0; i < p.chunk; ++i) {
    const int64_t slot = first + i;
    tokens[i] = slot >= filled ? -1 : sorted ? order[slot] : static_cast<int32_t>(slot);
  }
}

template <class Number = Element>
RF_INLINE Number* row_of(const HeadRows& rows, const Places& p, int64_t token) {
  return reinterpret_cast<Number*>(rows.data) + (p.first_row + token) * rows.stride + p.first_column;
}

// Index of a token of a head in [B, H, T].
RF_INLINE int64_t cell_of(const Attention& a, const Places& p, int64_t token) {
  return (p.batch * a.heads + p.head) * a.stride + token;
}

RF_INLINE float head_factor(const Attention& a, const Places& p) {
  return a.head_mask == nullptr ? 1.0f : a.head_mask[p.head];
}

// A key is seen by the queries above this bound: tokens are compared as numbers.
RF_INLINE int32_t key_bound(const Attention& a, const Places& p, int32_t token) {
  if (token < 0 || (a.key_mask != nullptr && a.key_mask[p.first_row + token] == 0)) {
    return kHidden;
  }
  return !a.causal ? kVisible : a.shared ? token : token - 1;
}

// Which of the queries see a key. Where attention is causal and shared, the bound alone says it.
RF_INLINE I sees(I queries, int32_t bound, int32_t key, bool compares_self) {
  const I above = queries > bound;
  return compares_self ? above & (queries != key) : above;
}

// Places of the largest chunk there is.
static inline int64_t largest_chunk(const Attention& a) {
  int64_t most = 0;
  for (int64_t b = 0; b < a.batch; ++b) {
    const Places p = places_of(a, b, 0);
    most = p.chunk > most ? p.chunk : most;
  }
  return most;
}

// Multiply-adds of one product.
static inline int64_t work_of(const Attention& a) {
  int64_t work = 0;
  for (int64_t b = 0; b < a.batch; ++b) {
    const Places p = places_of(a, b, 0);
    work += p.rounds * p.per_round * p.chunk * p.window_chunks;
  }
  return work * a.heads * a.size;
}

// Calls run(places, positions) for all heads: each thread takes every so-many-th head as a whole; heads that are
// left are shared by all threads, round after round. Rows of a round are added to those before it, so run must be
// called in the order of the rounds, and gives the same bits for any cut within one.
template <class Run>
RF_INLINE void for_heads(const Attention& a, const Team& team, const Run& run) {
  const int64_t heads = a.batch * a.heads;
  const int64_t whole = heads / team.threads * team.threads;
  for (int64_t i = team.thread; i < whole; i += team.threads) {
    const Places p = places_of(a, i / a.heads, i % a.heads);
    run(p, Range{0, p.chunks});
  }
  for (int64_t i = whole; i < heads; ++i) {
    const Places p = places_of(a, i / a.heads, i % a.heads);
    const int64_t chunks = p.chunks / p.rounds;
    for (int64_t round = 0; round < p.rounds; ++round) {
      const Range own = team.share(chunks);
      run(p, Range{round * chunks + own.from, round * chunks + own.to});
      team.barrier();
    }
  }
}

// Zeroes the rows behind the sequences.
template <class Number = Element>
static inline void clear_behind(const Attention& a, const Team& team, const HeadRows& rows) {
  for (int64_t b = 0; b < a.batch; ++b) {
    const int64_t length = a.sequences[b];
    const Range own = team.share(a.stride - length);
    for (int64_t i = own.from; i < own.to; ++i) {
      __builtin_memset(reinterpret_cast<Number*>(rows.data) + (b * a.stride + length + i) * rows.stride, 0,
                       static_cast<size_t>(a.heads * a.size) * sizeof(Number));
    }
  }
}

}  // namespace RF_ISA
}  // namespace rf

#endif
