// What         per query one softmax over the keys of its windows in all rounds: chunk c of the sorted list sees
//              chunks c - before .. c + after, cyclically; LSH: key = unit vector of the query's own row, a token
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
  HeadRows out;
  float* lse;
};

RF_DECLARE_KERNEL(attention_forward, AttentionForward)

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

  Window(Arrays& arrays, const Attention& a, int64_t largest) {
    pitch = round_up(a.size, kTileColumns);
    room = a.window_chunks + (largest == 0 ? 0 : kRoom / largest);
    // A panel of the last chunk may read rows behind it.
    const int64_t rows = room * largest + kTileColumns;
    const int64_t query_rows = round_up(largest, kTileColumns);
    keys = arrays.floats(rows * pitch);
    values = arrays.floats(rows * pitch);
    queries = a.shared ? nullptr : arrays.floats(query_rows * pitch);
    query_panels = arrays.floats(query_rows * pitch);
    scores = arrays.floats(a.window_chunks * largest * kTileColumns);
    drops = a.dropout.threshold == 0 ? nullptr : arrays.floats(a.window_chunks * largest * kTileColumns);
    factors = arrays.floats(rows);
    high = arrays.floats(kTileColumns);
    tokens = arrays.ints(rows);
    bounds = arrays.ints(rows);
    value_tokens = arrays.ints(largest);
    query_tokens = arrays.ints(query_rows);
  }
};

class Forward {
 public:
  Forward(const AttentionForward& p, const Places& places, const Window& window)
      : p_(p), a_(p.a), places_(places), w_(window), dropout_(p.a.dropout),
        keys_(places.window_chunks * places.chunk) {}

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
      attend(position, first * places_.chunk);
    }
  }

 private:
  void load_chunk(int64_t position, int64_t slot) {
    const int64_t chunk = chunk_at(places_, position);
    const int64_t row = slot * places_.chunk;
    tokens_of(a_, places_, chunk, w_.tokens + row);
    for (int64_t i = 0; i < places_.chunk; ++i) {
      const int32_t token = w_.tokens[row + i];
      w_.bounds[row + i] = key_bound(a_, places_, token);
      w_.value_tokens[i] = w_.bounds[row + i] == kHidden ? -1 : token;
    }
    gather(w_.keys + row * w_.pitch, w_.pitch, a_.keys, places_, w_.tokens + row, places_.chunk, a_.size, 1.0f);
    gather(w_.values + row * w_.pitch, w_.pitch, a_.values, places_, w_.value_tokens, places_.chunk, a_.size, 1.0f);
    if (a_.shared) {
      transpose_queries(position, w_.keys + row * w_.pitch);
    }
    // Whole panels reach into the next chunk, which is written later.
    key_factors(w_.factors + row, a_, w_.query_panels, w_.pitch, places_.chunk);
  }

  void transpose_queries(int64_t position, const float* rows) {
    transpose_panels(w_.query_panels, rows, w_.pitch, places_.chunk);
    transposed_ = position;
  }

  // The last chunks but one of the window become its first.
  void move_back(int64_t first) {
    const size_t rows = static_cast<size_t>((places_.window_chunks - 1) * places_.chunk);
    const int64_t from = first * places_.chunk;
    const size_t bytes = rows * static_cast<size_t>(w_.pitch) * 4;
    __builtin_memmove(w_.keys, w_.keys + from * w_.pitch, bytes);
    __builtin_memmove(w_.values, w_.values + from * w_.pitch, bytes);
    __builtin_memmove(w_.factors, w_.factors + from, rows * 4);
    __builtin_memmove(w_.tokens, w_.tokens + from, rows * 4);
    __builtin_memmove(w_.bounds, w_.bounds + from, rows * 4);
  }

  void attend(int64_t position, int64_t first_key) {
    const int64_t first_row = first_key + places_.before * places_.chunk;
    const int64_t all = round_up(places_.chunk, kTileColumns);
    for (int64_t i = 0; i < all; ++i) w_.query_tokens[i] = i < places_.chunk ? w_.tokens[first_row + i] : -1;
    if (!a_.shared) {
      gather(w_.queries, w_.pitch, a_.queries, places_, w_.query_tokens, places_.chunk, a_.size, 1.0f);
      transpose_queries(position, w_.queries);
    } else if (transposed_ != position) {
      transpose_queries(position, w_.keys + first_row * w_.pitch);
    }
    const int64_t chunk = chunk_at(places_, position);
    for (int64_t query = 0; query < places_.chunk; query += kTileColumns) panel(chunk, query, first_key);
  }

  // kTileColumns queries of a chunk.
  void panel(int64_t chunk, int64_t query, int64_t first_key) {
    const int32_t* const tokens = w_.query_tokens + query;
    const int64_t rest = places_.chunk - query;
    const int64_t count = rest < kTileColumns ? rest : kTileColumns;
    expect_rows(p_.out, places_, tokens, count, a_.size);
    Softmax softmax[kTileVectors];
    if (a_.shared && !a_.causal) {
      scores<true>(query, first_key, softmax);
    } else {
      scores<false>(query, first_key, softmax);
    }
    exponentials(softmax);
    const int64_t round = round_of(places_, chunk);
    if (w_.drops != nullptr) {
      drop_factors(w_.drops, kTileColumns, dropout_, a_, places_, round, tokens, count, 0, keys_);
      for (int64_t i = 0; i < keys_ * kTileColumns; i += kLanes) {
        store(w_.scores + i, load(w_.scores + i) * load(w_.drops + i));
      }
    }
    add_round(round, tokens, count, first_key, softmax);
  }

  // Masked scores, and the largest of every query.
  template <bool COMPARES_SELF>
  void scores(int64_t query, int64_t first_key, Softmax* softmax) {
    // All of this in memory: the product wants every register.
    const int32_t* const tokens = w_.query_tokens + query;
    float* const high = w_.high;
    for (int64_t i = 0; i < kTileColumns; i += kLanes) store(high + i, set(-__builtin_inff()));
    const float* const factors = w_.factors + first_key;
    const int32_t* const bounds = w_.bounds + first_key;
    const int32_t* const keys = w_.tokens + first_key;
    product_tiles<Fused>(
        keys_, {w_.keys + first_key * w_.pitch, w_.pitch, 1}, w_.query_panels + query * w_.pitch, kTileColumns, a_.size,
        Zero<F>(), [&](int64_t key, const auto& sums) __attribute__((always_inline)) {
#pragma GCC unroll 4
          for (int v = 0; v < kTileVectors; ++v) {
            const I queries = load_ints(tokens + v * kLanes);
            F most = load(high + v * kLanes);
#pragma GCC unroll 16
            for (int64_t i = 0; i < kRowsOf<decltype(sums)>; ++i) {
              const I visible = sees(queries, bounds[key + i], keys[key + i], COMPARES_SELF);
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
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = tokens[i] < 0 ? nullptr : row_of(p_.out, places_, tokens[i]);
      if (tokens[i] >= 0) p_.lse[cell_of(a_, places_, tokens[i])] = lse[i];
    }
    for (int64_t column = 0; column < a_.size; column += kTileColumns) {
      product_tiles<Fused>(
          count, {w_.scores, 1, kTileColumns}, w_.values + first_key * w_.pitch + column, w_.pitch, keys_,
          Zero<F>(), [&](int64_t query, const auto& sums) __attribute__((always_inline)) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < kRowsOf<decltype(sums)>; ++i) {
              float* const row = rows[query + i];
              if (row == nullptr) {
                continue;
              }
#pragma GCC unroll 4
              for (int v = 0; v < kTileVectors; ++v) {
                const int64_t d = column + v * kLanes;
                F value = sums[i][v] * fresh_share[query + i];
                if (!first) value = fma(load_row_part(row, d, a_.size), set(old_share[query + i]), value);
                store_row_part(row, d, a_.size, value);
              }
            }
          });
    }
    for (int64_t i = 0; last && a_.shared && i < count; ++i) {
      if (lse[i] == nothing && tokens[i] >= 0) {
        // A token that sees nothing gets its own value.
        const float* const value = row_of(a_.values, places_, tokens[i]);
        for (int64_t d = 0; d < a_.size; ++d) rows[i][d] = value[d] * factor;
      }
    }
  }

  const AttentionForward& p_;
  const Attention& a_;
  const Places& places_;
  const Window& w_;
  DropoutFactors dropout_;
  const int64_t keys_;
  int64_t transposed_ = INT64_MIN;  // whose queries the panels hold
};

}  // namespace

void attention_forward(rf_context& context, const AttentionForward& p) {
  const Attention& a = p.a;
  run_attention<Window>(context, a, [&](const Team& team, const Window& window) {
    for_heads(a, team, [&](const Places& places, Range positions) { Forward(p, places, window).run(positions); });
    clear_behind(a, team, p.out);
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

extern "C" int rf_attention_fast(int input_type, int head_size, int, int64_t) {
  return input_type == RF_F32 && head_size <= rf::kAttentionMaxSize ? 1 : 0;
}

// Rounds are added in place.
extern "C" int64_t rf_attention_workspace(int, int, int, int, int, int, int) { return 0; }

extern "C" int rf_attention(rf_context* context, void* out, int64_t out_stride, int out_type, float* lse,
                            RF_ATTENTION, void*) {
  using namespace rf;
  AttentionForward p;
  const int status = attention_arguments(&p.a, RF_ATTENTION_NAMES);
  if (status != RF_STATUS_OK || (input_type == RF_F32 && out_type != RF_F32)) {
    return RF_STATUS_UNSUPPORTED;
  }
  p.out = head_rows(out, out_stride);
  p.lse = lse;
  if (input_type == RF_F32) {
    RF_RUN(*context, attention_forward, p);
    return take_status(*context);
  }
  FloatRows floats(*context, int64_t{batch} * stride, int64_t{heads} * head_size);
  floats.take(&p.a, input_type);
  p.out = floats.out(out, out_stride, out_type);
  if (context->status == RF_STATUS_OK) {
    RF_RUN(*context, attention_forward, p);
  }
  floats.finish();
  return take_status(*context);
}
#endif
