// What both directions of the attention share: which token stands at a place of the sorted list, what a query may
// see, tiles of gathered rows, and how the work is divided.
//
// Tiles are transposed where a vector is wanted: the lanes of scores are queries, so that a softmax has no sums
// across lanes.
#ifndef REFORMER_CPU_ATTENTION_H
#define REFORMER_CPU_ATTENTION_H

#include "context.h"
#include "dropout.h"
#include "product_tile.h"

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
  const int32_t* order;      // [B, H, R, T]; null: the tokens as they stand
  const int32_t* sequences;  // [2, B]: lengths, slots
  const int32_t* key_mask;   // [B, T] or null
  const float* head_mask;    // [H] or null
  int64_t batch, stride, heads, size, rounds;
  int64_t chunk, before, window_chunks;
  bool causal, shared;
  Dropout dropout;
};

namespace RF_ISA {

// Multiply-adds that are worth a thread.
constexpr int64_t kAttentionGrain = 1 << 18;
// The key bound of one that no query sees, and of one that all see.
constexpr int32_t kHidden = INT32_MAX;
constexpr int32_t kVisible = -2;

// One head of one sequence as a list of places cut into chunks. Chunks form a ring; a position is the number of a
// chunk before it is wrapped around.
struct Places {
  int64_t batch, head, length, per_round, rounds, chunk, chunks, before, window_chunks;
  int64_t first_row;  // of the sequence
  int64_t first_column;
  bool whole;
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
  return p;
}

RF_INLINE int64_t chunk_at(const Places& p, int64_t position) {
  const int64_t rest = position % p.chunks;
  return rest < 0 ? rest + p.chunks : rest;
}

RF_INLINE int64_t round_of(const Places& p, int64_t chunk) { return chunk * p.chunk / p.per_round; }

// The tokens at the places of a chunk, -1 for empty ones; a chunk lies within one round.
RF_INLINE void tokens_of(const Attention& a, const Places& p, int64_t chunk, int32_t* tokens) {
  const int64_t round = round_of(p, chunk);
  const int64_t first = chunk * p.chunk - round * p.per_round;
  const bool sorted = !p.whole && a.order != nullptr;
  const int64_t segment = (p.batch * a.heads + p.head) * a.rounds + round;
  const int32_t* const order = sorted ? a.order + segment * a.stride : nullptr;
  for (int64_t i = 0; i < p.chunk; ++i) {
    const int64_t slot = first + i;
    tokens[i] = slot >= p.length ? -1 : sorted ? order[slot] : static_cast<int32_t>(slot);
  }
}

RF_INLINE float* row_of(const HeadRows& rows, const Places& p, int64_t token) {
  return rows.data + (p.first_row + token) * rows.stride + p.first_column;
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

// ---- rows ---------------------------------------------------------------------------------------

RF_INLINE F load_row_part(const float* row, int64_t d, int64_t size) {
  return size - d >= kLanes ? load(row + d) : size > d ? load_part(row + d, size - d) : F{};
}

RF_INLINE void store_row_part(float* row, int64_t d, int64_t size, F value) {
  if (size - d >= kLanes) {
    store(row + d, value);
  } else if (size > d) {
    store_part(row + d, value, size - d);
  }
}

// Rows that are asked for ahead of the one that is copied: they lie scattered, no processor foresees them, and a
// processor has some tens of lines on their way at once. Asking during the products before instead costs more than
// it saves where the rows come from far away, because the products' own lines then wait behind them.
constexpr int64_t kRowsAhead = 16;

// What is read in place of an absent row.
alignas(64) constexpr float kNoRow[kAttentionMaxSize] = {};

// Asks for rows that are written soon.
static inline void expect(const HeadRows& rows, const Places& p, const int32_t* tokens, int64_t count, int64_t size) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; tokens[i] >= 0 && d < size; d += 16) __builtin_prefetch(row_of(rows, p, tokens[i]) + d, 1, 2);
  }
}

// PITCH: that of rows without anything behind `size`, or 0 for all others.
template <int64_t PITCH>
RF_INLINE void gather_rows(float* to, int64_t pitch, const HeadRows& rows, const Places& p, const int32_t* tokens,
                           int64_t count, int64_t size, float factor) {
  const auto from = [&](int64_t i) { return tokens[i] < 0 ? kNoRow : row_of(rows, p, tokens[i]); };
  const int64_t end = PITCH > 0 ? PITCH : pitch;
  for (int64_t i = 0; i < count; ++i) {
    const float* const soon = from(i + kRowsAhead < count ? i + kRowsAhead : i);
    const float* const row = from(i);
#pragma GCC unroll 8
    for (int64_t d = 0; d < (PITCH > 0 ? PITCH : size); d += 16) __builtin_prefetch(soon + d);
#pragma GCC unroll 8
    for (int64_t d = 0; d < end; d += kLanes) {
      store(to + d, (PITCH > 0 ? load(row + d) : load_row_part(row, d, size)) * factor);
    }
    to += end;
  }
}

// The rows of tokens behind each other, [count, pitch], times a factor; absent tokens (below 0) and what lies
// behind `size` are zero.
static inline void gather(float* to, int64_t pitch, const HeadRows& rows, const Places& p, const int32_t* tokens,
                          int64_t count, int64_t size, float factor) {
  if (size == 64 && pitch == 64) {
    gather_rows<64>(to, pitch, rows, p, tokens, count, size, factor);
  } else if (size == 128 && pitch == 128) {
    gather_rows<128>(to, pitch, rows, p, tokens, count, size, factor);
  } else {
    gather_rows<0>(to, pitch, rows, p, tokens, count, size, factor);
  }
}

// Panels of kTileColumns rows each, transposed: to[i / kTileColumns][d][i % kTileColumns] = from[i][d]. Reads whole
// panels.
static inline void transpose_panels(float* to, const float* from, int64_t pitch, int64_t count) {
  for (int64_t first = 0; first < count; first += kTileColumns) {
    for (int64_t i = 0; i < kTileColumns; i += kLanes) {
      for (int64_t d = 0; d < pitch; d += kLanes) {
        transpose(to + first * pitch + d * kTileColumns + i, kTileColumns, from + (first + i) * pitch + d, pitch);
      }
    }
  }
}

// out[i] = x row i times y row i, for kLanes rows of which null ones give 0.
RF_INLINE F row_products(const float* const* x, const float* const* y, int64_t size) {
  alignas(64) float parts[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int i = 0; i < kLanes; ++i) {
    F total = {};
    for (int64_t d = 0; x[i] != nullptr && d < size; d += kLanes) {
      total = fma(load_row_part(x[i], d, size), load_row_part(y[i], d, size), total);
    }
    store(parts + i * kLanes, total);
  }
  transpose(turned, kLanes, parts, kLanes);
  F total = {};
  for (int i = 0; i < kLanes; ++i) total += load(turned + i * kLanes);
  return total;
}

// The same for `count` rows of tiles with a pitch, whose ends are zero; writes whole vectors.
static inline void tile_row_products(float* out, const float* x, const float* y, int64_t pitch, int64_t count) {
  for (int64_t first = 0; first < count; first += kLanes) {
    const float* rows[2][kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      rows[0][i] = first + i < count ? x + (first + i) * pitch : nullptr;
      rows[1][i] = y + (first + i) * pitch;
    }
    store(out + first, row_products(rows[0], rows[1], pitch));
  }
}

// Factors that make keys out of rows: 1 / (sqrt(K) * root mean square), or 1 / sqrt(K). Writes whole vectors.
static inline void key_factors(float* factors, const Attention& a, const float* rows, int64_t pitch, int64_t count) {
  const float size = static_cast<float>(a.size);
  if (a.shared) {
    tile_row_products(factors, rows, rows, pitch, count);
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    const F squares = a.shared ? (load(factors + i) / size + kKeyEpsilon) * size : set(size);
    store(factors + i, 1.0f / sqrt(squares));
  }
}

// Dropout factors of `queries` queries at the keys from_key .. of their window, transposed: to[key * pitch + query].
// Absent queries get any factors.
static inline void drop_factors(float* to, int64_t pitch, DropoutFactors& dropout, const Attention& a, const Places& p,
                                int64_t round, const int32_t* tokens, int64_t queries, int64_t from_key,
                                int64_t keys) {
  const int64_t window = a.chunk * a.window_chunks;
  alignas(64) float rows[kLanes * kLanes];
  alignas(64) float turned[kLanes * kLanes];
  for (int64_t q = 0; q < queries; q += kLanes) {
    for (int64_t k = 0; k < keys; k += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t token = q + i < queries && tokens[q + i] >= 0 ? tokens[q + i] : 0;
        const int64_t row = ((p.batch * a.heads + p.head) * a.rounds + round) * a.stride + token;
        store(rows + i * kLanes, load(dropout.from(row * window + from_key + k, kLanes)));
      }
      transpose(turned, kLanes, rows, kLanes);
      for (int64_t j = 0; j < kLanes && k + j < keys; ++j) store(to + (k + j) * pitch + q, load(turned + j * kLanes));
    }
  }
}

// log(x) of positive finite numbers to 1 ulp.
RF_INLINE F log(F x) {
  const I raw = bits<I>(x);
  // x = m * 2^e with m in sqrt(1/2) .. sqrt(2)
  const I e = (raw - 0x3f3504f3) >> 23;
  const F m = bits<F>(raw - (e << 23)) - 1.0f;
  F q = fma(m, set(7.0376836292e-2f), set(-1.1514610310e-1f));
  q = fma(q, m, set(1.1676998740e-1f));
  q = fma(q, m, set(-1.2420140846e-1f));
  q = fma(q, m, set(1.4249322787e-1f));
  q = fma(q, m, set(-1.6668057665e-1f));
  q = fma(q, m, set(2.0000714765e-1f));
  q = fma(q, m, set(-2.4999993993e-1f));
  q = fma(q, m, set(3.3333331174e-1f));
  const F square = m * m;
  const F whole = floats(e);
  F tail = fma(q * m, square, whole * -2.12194440e-4f);
  tail = fma(square, set(-0.5f), tail);
  return fma(whole, set(0.693359375f), m + tail);
}

// ---- memory and threads -------------------------------------------------------------------------

RF_INLINE int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

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

// A thread's arrays, one after the other in its part of the scratch memory. Without memory it only counts.
class Arrays {
 public:
  explicit Arrays(char* memory) : memory_(memory) {}

  float* floats(int64_t count) { return reinterpret_cast<float*>(take(count * 4)); }
  int32_t* ints(int64_t count) { return reinterpret_cast<int32_t*>(take(count * 4)); }
  int64_t bytes() const { return bytes_; }

 private:
  char* take(int64_t bytes) {
    char* const at = memory_ == nullptr ? nullptr : memory_ + bytes_;
    // Half a line more than whole pages apart, so that arrays do not want the same cache lines.
    bytes_ += round_up(bytes, 256) + 256;
    return at;
  }

  char* memory_;
  int64_t bytes_ = 0;
};

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
static inline void clear_behind(const Attention& a, const Team& team, const HeadRows& rows) {
  for (int64_t b = 0; b < a.batch; ++b) {
    const int64_t length = a.sequences[b];
    const Range own = team.share(a.stride - length);
    for (int64_t i = own.from; i < own.to; ++i) {
      __builtin_memset(rows.data + (b * a.stride + length + i) * rows.stride, 0,
                       static_cast<size_t>(a.heads * a.size) * 4);
    }
  }
}

}  // namespace RF_ISA

// The names of RF_ATTENTION's parameters, to pass them on.
#define RF_ATTENTION_NAMES                                                                         \
  queries, queries_stride, keys, keys_stride, values, values_stride, input_type, order, sequences, \
      key_mask, head_mask, batch, stride, heads, head_size, rounds, chunk, chunks_before,          \
      window_chunks, causal, shared, tiles, heads_per_group, dropout_seed, dropout_step,           \
      dropout_stream, dropout_threshold, dropout_scale, dropout_first_row

static inline HeadRows head_rows(const void* data, int64_t stride) {
  return {static_cast<float*>(const_cast<void*>(data)), stride};
}

static inline int attention_arguments(Attention* a, RF_ATTENTION) {
  if (head_size > kAttentionMaxSize || input_type != RF_F32 || tiles < 0 || heads_per_group < 1) {
    return RF_STATUS_UNSUPPORTED;
  }
  *a = {head_rows(queries, queries_stride),
        head_rows(shared != 0 ? queries : keys, shared != 0 ? queries_stride : keys_stride),
        head_rows(values, values_stride),
        order,
        sequences,
        key_mask,
        head_mask,
        batch,
        stride,
        heads,
        head_size,
        rounds,
        chunk,
        chunks_before,
        window_chunks,
        causal != 0,
        shared != 0,
        RF_DROPOUT_ARGUMENTS};
  return RF_STATUS_OK;
}

}  // namespace rf

#endif
