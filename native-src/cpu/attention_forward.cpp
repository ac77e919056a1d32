// What         per query one softmax over the keys of its windows in all rounds: chunk c of the sorted list sees
//              chunks c - before .. c + after, cyclically or of its run; LSH: key = unit vector of the query's own row, a token
//              alone gets its own value; local: separate keys, order as it stands.
// Shapes       out, queries, keys, values [B*T, H*K], K <= 128; lse [B, H, T]; any T, R, chunk and window.
// Threads      heads, and the chunks of those that do not come out even, are shared out (attention_places.h).
// Memory       per chunk gathers a row once as a query and key and once as a value; the window slides along, so what
//              the next chunk sees is still there. Scores of kTileColumns queries stay in the first cache. A round is
//              added to the rows of the rounds before it: out is read and written once per round.
// Determinism  keys in the order of the window, rounds in their order.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     docs/benchmarks.md
#include "attention.h"

namespace rf {

struct AttentionForward {
  Attention a;
  HeadRows sums;  // of floats, to which rounds are added; out where that has floats
  Matrix out;     // written in the last round
  float* lse;
};

RF_DECLARE_KERNEL(attention_forward, AttentionForward)
RF_DECLARE_BF16_KERNEL(attention_forward, AttentionForward)

namespace RF_ISA {
namespace {

// Rows by which the window slides before it is moved back.
constexpr int64_t kRoom = 384;

// Chunks of the window that a thread has gathered, at most `room` of them, behind each other.
struct Window {
  int64_t room, pitch;
  float *keys, *values, *queries, *query_panels, *scores, *drops;
  float *factors, *high;
  int32_t *tokens, *bounds, *value_tokens, *query_tokens;
  MetKeys met;

  Window(Arrays& arrays, const Attention& a, int64_t largest)
      : met(arrays, a, (a.window_chunks + (largest == 0 ? 0 : kRoom / largest)) * largest + kTileColumns,
            round_up(largest, kTileColumns)) {
    pitch = row_cells(a.size);
    room = a.window_chunks + (largest == 0 ? 0 : kRoom / largest);
    // A panel of the last chunk may read rows behind it.
    const int64_t rows = room * largest + kTileColumns;
    const int64_t query_rows = round_up(largest, kTileColumns);
    keys = arrays.floats(rows * pitch);
    values = arrays.floats(rows * pitch);
    queries = a.shared ? nullptr : arrays.floats(query_rows * pitch);
    query_panels = arrays.floats(query_rows * pitch);
    const int64_t keys_of_window = a.window_chunks * round_up(largest, kPerCell);
    scores = arrays.floats(keys_of_window * kTileColumns);
    drops = a.dropout.threshold == 0 ? nullptr : arrays.floats(keys_of_window * kTileColumns);
    factors = arrays.floats(rows);
    high = arrays.floats(kTileColumns);
    tokens = arrays.ints(rows);
    bounds = arrays.ints(rows);
    value_tokens = arrays.ints(query_rows);
    query_tokens = arrays.ints(query_rows);
  }
};

class Forward {
 public:
  Forward(const AttentionForward& p, const Places& places, const Window& window)
      : p_(p), a_(p.a), places_(places), w_(window), dropout_(p.a.dropout),
        chunk_(round_up(places.chunk, kPerCell)) {}

  void run(Range positions) {
    if (positions.from == positions.to) {
      return;
    }
    int64_t first = 0;  // where the window begins, in chunks
    for (int64_t i = 0; i + 1 < places_.window_chunks; ++i) load_chunk(positions.from - places_.before + i, i);
    for (int64_t position = positions.from; position < positions.to; ++position, ++first) {
      if (first + places_.window_chunks > w_.room) {
        move_back(first);
        first = 0;
      }
      const int64_t last = places_.window_chunks - 1;
      load_chunk(position - places_.before + last, first + last);
      const int64_t unseen = see_chunks(position);
      if (keys_ > 0) {
        attend(position, first * chunk_, unseen * chunk_);
      }
    }
  }

 private:
  // Counts the keys that a chunk sees, and returns how many chunks of its window lie before them.
  int64_t see_chunks(int64_t position) {
    const int64_t start = position - places_.before;
    int64_t from = 0, to = places_.window_chunks;
    while (from < to && !sees_chunk(a_, places_, position, start + from)) ++from;
    while (to > from && !sees_chunk(a_, places_, position, start + to - 1)) --to;
    keys_ = (to - from) * chunk_;
    return from;
  }

  void load_chunk(int64_t position, int64_t slot) {
    const int64_t chunk = chunk_at(places_, position);
    const int64_t row = slot * chunk_;
    tokens_of(a_, places_, chunk, w_.tokens + row);
    for (int64_t i = 0; i < chunk_; ++i) {
      if (i >= places_.chunk) w_.tokens[row + i] = -1;
      const int32_t token = w_.tokens[row + i];
      w_.bounds[row + i] = key_bound(a_, places_, token);
      w_.value_tokens[i] = w_.bounds[row + i] == kHidden ? -1 : token;
    }
    if (places_.distinct) w_.met.put_keys(a_, places_, row, w_.tokens + row, chunk_);
    gather(w_.keys + row * w_.pitch, w_.pitch, a_.keys, places_, w_.tokens + row, chunk_, a_.size);
    gather_values(w_.values + row * w_.pitch, w_.pitch, a_.values, places_, w_.value_tokens, chunk_, a_.size);
    if (a_.shared) {
      transpose_queries(position, w_.keys + row * w_.pitch);
    }
    // Whole panels reach into the next chunk, which is written later.
    key_factors(w_.factors + row, a_, w_.query_panels, w_.pitch, chunk_);
  }

  void transpose_queries(int64_t position, const float* rows) {
    transpose_panels(w_.query_panels, rows, w_.pitch, places_.chunk);
    transposed_ = position;
  }

  // The last chunks but one of the window become its first.
  void move_back(int64_t first) {
    const size_t rows = static_cast<size_t>((places_.window_chunks - 1) * chunk_);
    const int64_t from = first * chunk_;
    const size_t bytes = rows * static_cast<size_t>(w_.pitch) * 4;
    __builtin_memmove(w_.keys, w_.keys + from * w_.pitch, bytes);
    __builtin_memmove(w_.values, w_.values + from * w_.pitch, bytes);
    __builtin_memmove(w_.factors, w_.factors + from, rows * 4);
    __builtin_memmove(w_.tokens, w_.tokens + from, rows * 4);
    __builtin_memmove(w_.bounds, w_.bounds + from, rows * 4);
    if (places_.distinct) {
      const size_t rounds = static_cast<size_t>(w_.met.rounds);
      __builtin_memmove(w_.met.chunks, w_.met.chunks + from * w_.met.rounds, rows * rounds * 4);
    }
  }

  // The window begins at a row; its first keys, so many, are not seen.
  void attend(int64_t position, int64_t window, int64_t unseen) {
    const int64_t first_row = window + places_.before * chunk_;
    const int64_t all = round_up(places_.chunk, kTileColumns);
    for (int64_t i = 0; i < all; ++i) w_.query_tokens[i] = i < places_.chunk ? w_.tokens[first_row + i] : -1;
    if (!a_.shared) {
      gather(w_.queries, w_.pitch, a_.queries, places_, w_.query_tokens, places_.chunk, a_.size);
      transpose_queries(position, w_.queries);
    } else if (transposed_ != position) {
      transpose_queries(position, w_.keys + first_row * w_.pitch);
    }
    const int64_t chunk = chunk_at(places_, position);
    if (places_.distinct) w_.met.put_queries(a_, places_, round_of(places_, chunk), w_.query_tokens, all);
    unseen_ = unseen;
    for (int64_t query = 0; query < places_.chunk; query += kTileColumns) panel(chunk, query, window + unseen);
  }

  // kTileColumns queries of a chunk.
  void panel(int64_t chunk, int64_t query, int64_t first_key) {
    const int32_t* const tokens = w_.query_tokens + query;
    const int64_t rest = places_.chunk - query;
    const int64_t count = rest < kTileColumns ? rest : kTileColumns;
    if (kPerCell == 1 || places_.rounds > 1) expect_rows<float>(p_.sums, places_, tokens, count, a_.size);
    const int64_t round = round_of(places_, chunk);
    Softmax softmax[kTileVectors];
    const bool compares_self = a_.shared && !a_.causal;
    if (places_.distinct && round > 0) {
      scores<true, true>(query, first_key, round, softmax);
    } else if (compares_self) {
      scores<true, false>(query, first_key, round, softmax);
    } else {
      scores<false, false>(query, first_key, round, softmax);
    }
    exponentials(softmax);
    if (w_.drops != nullptr) {
      drop_factors(w_.drops, kTileColumns, dropout_, a_, places_, round, tokens, count, unseen_, keys_);
      for (int64_t i = 0; i < keys_ * kTileColumns; i += kLanes) {
        store(w_.scores + i, load(w_.scores + i) * load(w_.drops + i));
      }
    }
#if defined(__AVX512BF16__)
    pair_weights();
#endif
    add_round(round, tokens, count, first_key, softmax);
  }

#if defined(__AVX512BF16__)
  // Weights become pairs of keys, [keys / 2, kTileColumns].
  void pair_weights() {
    for (int64_t key = 0; key < keys_; key += 2) {
      for (int64_t i = 0; i < kTileColumns; i += kLanes) {
        const float* const from = w_.scores + key * kTileColumns + i;
        store(w_.scores + key / 2 * kTileColumns + i, round_pairs(load(from), load(from + kTileColumns)));
      }
    }
  }
#endif

  // Masked scores, and the largest of every query.
  template <bool COMPARES_SELF, bool MET>
  void scores(int64_t query, int64_t first_key, int64_t round, Softmax* softmax) {
    // All of this in memory: the product wants every register.
    const int32_t* const tokens = w_.query_tokens + query;
    float* const high = w_.high;
    for (int64_t i = 0; i < kTileColumns; i += kLanes) store(high + i, set(-__builtin_inff()));
    const float* const factors = w_.factors + first_key;
    const int32_t* const bounds = w_.bounds + first_key;
    const int32_t* const keys = w_.tokens + first_key;
    product_tiles<Product>(
        keys_, {w_.keys + first_key * w_.pitch, w_.pitch, 1}, w_.query_panels + query * w_.pitch, kTileColumns,
        a_.size / kPerCell,
        Zero<F>(), [&](int64_t key, const auto& sums) __attribute__((always_inline)) {
#pragma GCC unroll 4
          for (int v = 0; v < kTileVectors; ++v) {
            const I queries = load_ints(tokens + v * kLanes);
            F most = load(high + v * kLanes);
#pragma GCC unroll 16
            for (int64_t i = 0; i < kRowsOf<decltype(sums)>; ++i) {
              I visible = sees(queries, bounds[key + i], keys[key + i], COMPARES_SELF);
              if (MET) visible &= ~met_before(w_.met, round, query + v * kLanes, first_key + key + i);
              const F score = visible ? sums[i][v] * factors[key + i] : set(-__builtin_inff());
              store(w_.scores + (key + i) * kTileColumns + v * kLanes, score);
              most = max(most, score);
            }
            store(high + v * kLanes, most);
          }
        });
    for (int v = 0; v < kTileVectors; ++v) softmax[v].high = load(high + v * kLanes);
  }

  // exp(score - largest), and their sums.
  void exponentials(Softmax* softmax) {
    F base[kTileVectors], sum[kTileVectors] = {};
    for (int v = 0; v < kTileVectors; ++v) {
      base[v] = softmax[v].high == -__builtin_inff() ? F{} : softmax[v].high;
    }
    for (int64_t key = 0; key < keys_; ++key) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        float* const at = w_.scores + key * kTileColumns + v * kLanes;
        const F weight = exp_of_nonpositive(load(at) - base[v]);
        sum[v] += weight;
        store(at, weight);
      }
    }
    for (int v = 0; v < kTileVectors; ++v) softmax[v].sum = sum[v];
  }

  // Adds this round's result to that of the rounds before: a mean with weights exp(lse).
  void add_round(int64_t round, const int32_t* tokens, int64_t count, int64_t first_key, const Softmax* softmax) {
    const float nothing = -__builtin_inff();
    alignas(64) float old_lse[kTileColumns], old_share[kTileColumns], fresh_share[kTileColumns], lse[kTileColumns];
    const bool first = round == 0;
    const bool last = round == places_.rounds - 1;
    const float factor = last ? head_factor(a_, places_) : 1.0f;
    for (int64_t i = 0; i < kTileColumns; ++i) {
      old_lse[i] = first || tokens[i] < 0 ? nothing : p_.lse[cell_of(a_, places_, tokens[i])];
    }
    for (int v = 0; v < kTileVectors; ++v) {
      const Joined joined = join_round(load(old_lse + v * kLanes), softmax[v], first);
      store(lse + v * kLanes, joined.lse);
      store(old_share + v * kLanes, joined.old * factor);
      store(fresh_share + v * kLanes, joined.fresh * factor);
    }
    float* rows[kTileColumns];
    const bool rounds = kPerCell != 1 && last && p_.out.type == RF_BF16;
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = tokens[i] < 0 ? nullptr : row_of<float>(p_.sums, places_, tokens[i]);
      if (tokens[i] >= 0) p_.lse[cell_of(a_, places_, tokens[i])] = lse[i];
    }
    for (int64_t column = 0; column < a_.size; column += kTileColumns) {
      product_tiles<Product>(
          count, {w_.scores, 1, kTileColumns}, w_.values + first_key * w_.pitch + column, kPerCell * w_.pitch,
          keys_ / kPerCell,
          Zero<F>(), [&](int64_t query, const auto& sums) __attribute__((always_inline)) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < kRowsOf<decltype(sums)>; ++i) {
              if (tokens[query + i] < 0) {
                continue;
              }
              float* const row = rows[query + i];
#pragma GCC unroll 4
              for (int v = 0; v < kTileVectors; ++v) {
                const int64_t d = column + v * kLanes;
                F value = sums[i][v] * fresh_share[query + i];
                if (!first) value = fma(load_row_part(row, d, a_.size), set(old_share[query + i]), value);
                if (rounds) {
                  store_elements(p_.out, places_.first_row + tokens[query + i], places_.first_column + d,
                                 places_.first_column + a_.size, value);
                } else {
                  store_row_part(row, d, a_.size, value);
                }
              }
            }
          });
    }
    for (int64_t i = 0; last && a_.shared && i < count; ++i) {
      if (lse[i] == nothing && tokens[i] >= 0) {
        // A token that sees nothing gets its own value.
        const Element* const value = row_of(a_.values, places_, tokens[i]);
        for (int64_t d = 0; d < a_.size; d += kLanes) {
          store_elements(p_.out, places_.first_row + tokens[i], places_.first_column + d,
                         places_.first_column + a_.size, load_row_part(value, d, a_.size) * factor);
        }
      }
    }
  }

  const AttentionForward& p_;
  const Attention& a_;
  const Places& places_;
  const Window& w_;
  DropoutFactors dropout_;
  const int64_t chunk_;  // places that a chunk takes: whole pairs of rows
  int64_t keys_ = 0;              // that the chunk at hand sees
  int64_t unseen_ = 0;            // those of its window before them
  int64_t transposed_ = INT64_MIN;  // whose queries the panels hold
};

}  // namespace

void attention_forward(rf_context& context, const AttentionForward& p) {
  const Attention& a = p.a;
  run_attention<Window>(context, a, [&](const Team& team, const Window& window) {
    for_heads(a, team, [&](const Places& places, Range positions) { Forward(p, places, window).run(positions); });
    const HeadRows out = {static_cast<float*>(p.out.data), p.out.stride};
    p.out.type == RF_BF16 ? clear_behind<uint16_t>(a, team, out) : clear_behind<float>(a, team, out);
    const Range own = team.share(a.batch * a.heads);
    for (int64_t i = own.from; i < own.to; ++i) {
      for (int64_t t = a.sequences[i / a.heads]; t < a.stride; ++t) p.lse[i * a.stride + t] = -__builtin_inff();
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
#include "attention_floats.h"

extern "C" int rf_attention_fast(rf_context*, int input_type, int head_size, int chunk, int, int64_t alignment) {
  if (input_type == RF_F32) {
    // There is no other path.
    return head_size <= rf::kAttentionMaxSize ? 1 : 0;
  }
  return input_type == RF_BF16 ? rf::has_fast_attention(head_size, chunk, alignment) : 0;
}

// Rounds are added in place, or, before they are rounded, in floats.
extern "C" int64_t rf_attention_workspace(int batch, int stride, int heads, int head_size, int rounds, int, int fast) {
  return fast == rf::kFastHalves && rounds > 1 ? int64_t{4} * batch * stride * heads * head_size : 0;
}

extern "C" int rf_attention(rf_context* context, void* out, int64_t out_stride, int out_type, float* lse,
                            RF_ATTENTION, void* workspace) {
  using namespace rf;
  AttentionForward p;
  const int status = attention_arguments(&p.a, RF_ATTENTION_NAMES);
  if (status != RF_STATUS_OK || (input_type == RF_F32 && out_type != RF_F32)) {
    return RF_STATUS_UNSUPPORTED;
  }
  p.out = matrix(out, out_stride, out_type);
  p.sums = head_rows(out, out_stride);
  p.lse = lse;
  if (input_type == RF_F32) {
    RF_RUN(*context, attention_forward, p);
    return take_status(*context);
  }
  const int64_t width = int64_t{heads} * head_size;
  if (context->bf16 && has_fast_attention(head_size, chunk, alignment_of(p.a)) != 0) {
    if (out_type == RF_BF16 && rounds > 1) {
      p.sums = head_rows(workspace, width);
    }
    RF_RUN_BF16(*context, attention_forward, p);
    return take_status(*context);
  }
  FloatRows floats(*context, int64_t{batch} * stride, width);
  floats.take(&p.a, input_type);
  p.sums = floats.out(out, out_stride, out_type);
  p.out = matrix(p.sums.data, p.sums.stride, RF_F32);
  if (context->status == RF_STATUS_OK) {
    RF_RUN(*context, attention_forward, p);
  }
  floats.finish();
  return take_status(*context);
}
#endif
