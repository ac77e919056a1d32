// What         gradient of the attention: P = exp(s - lse), dS = P (factor * dO.v - dO.O); dq = sum dS k,
//              dk = sum dS q, dv = sum factor * P dO. LSH: k = c q with c = 1 / (sqrt(K) rms q), so
//              dq += c dk - q (c dk.q) c^2; a token alone passes dO on to its value.
// Shapes       d_queries, d_keys, d_values, d_out, out, queries, keys, values [B*T, H*K], K <= 128; lse [B, H, T].
// Threads      as forward; a thread owns chunks as queries and as keys, and visits the queries of other chunks that
//              see its keys once more.
// Memory       per chunk gathers q, v and dO once; five products per pair of a chunk and a chunk of its window. What
//              is summed for a chunk stays in the second cache until its last query chunk has passed, then goes to
//              the gradients, round upon round. dO.O is summed once, 4 bytes per token and head of workspace.
// Determinism  keys and queries in the order of the window, rounds in their order.
// Reference    org.reformer4j.reference.ChunkedAttention, KeyRule, AttentionHeads
// Measured     docs/benchmarks.md
#include "attention.h"

namespace rf {

struct AttentionBackward {
  Attention a;
  HeadRows d_queries, d_keys, d_values, d_out, out;
  const float* lse;
  float* delta;  // [B, H, T]: dO.O, where there are several rounds
};

RF_DECLARE_KERNEL(attention_backward, AttentionBackward)

namespace RF_ISA {
namespace {

// Queries whose scores with one chunk of keys are held at once: 16 KB for chunks of 64.
constexpr int64_t kQueryBlock = 2 * kTileColumns;

// What a thread has gathered and summed of the chunks of the window, one slot each.
struct Slots {
  int64_t rows, pitch;
  float *queries, *keys, *values, *d_out;
  float *d_queries, *d_keys, *d_values;
  float *factors, *lse, *delta;
  int32_t *tokens, *bounds, *value_tokens;
  float *out, *query_panels, *d_out_panels;
  float *weights, *d_scores, *drops;

  Slots(Arrays& arrays, const Attention& a, int64_t largest) {
    rows = round_up(largest, kTileColumns);
    pitch = round_up(a.size, kTileColumns);
    const int64_t all = a.window_chunks * rows;
    keys = arrays.floats(all * pitch);
    queries = a.shared ? keys : arrays.floats(all * pitch);
    values = arrays.floats(all * pitch);
    d_out = arrays.floats(all * pitch);
    d_queries = arrays.floats(all * pitch);
    d_keys = arrays.floats(all * pitch);
    d_values = arrays.floats(all * pitch);
    factors = arrays.floats(all);
    lse = arrays.floats(all);
    delta = arrays.floats(all);
    tokens = arrays.ints(all);
    bounds = arrays.ints(all);
    value_tokens = arrays.ints(rows);
    out = arrays.floats(rows * pitch);
    query_panels = arrays.floats(rows * pitch);
    d_out_panels = arrays.floats(rows * pitch);
    weights = arrays.floats(largest * kQueryBlock);
    d_scores = arrays.floats(largest * kQueryBlock);
    drops = a.dropout.threshold == 0 ? nullptr : arrays.floats(largest * kQueryBlock);
  }
};

// Queries first .. first + count - 1 of a chunk against one chunk of keys; slots are given by their first rows.
struct Pair {
  int64_t query_slot, key_slot, first, count, round, window_place;
  bool first_of_query, first_of_key;
};

class Backward {
 public:
  Backward(const AttentionBackward& p, const Places& places, const Slots& slots)
      : p_(p),
        a_(p.a),
        places_(places),
        s_(slots),
        dropout_(p.a.dropout) {}

  // Positions of this thread; beyond them lie the queries that see its keys, and the keys that its queries see.
  void run(Range own) {
    if (own.from == own.to) {
      return;
    }
    own_ = own;
    const int64_t per_round = places_.chunks / places_.rounds;
    const bool all_rounds = places_.rounds > 1 && own.to - own.from == places_.chunks;
    // dO.O is known of every token after the first round: where the rounds are run one by one, or all by this thread.
    known_from_ = own.from >= per_round ? INT64_MIN : all_rounds ? per_round : INT64_MAX;
    const int64_t after = places_.window_chunks - 1 - places_.before;
    const int64_t first = own.from - after;
    for (int64_t position = first - places_.before; position < first + after; ++position) load_chunk(position);
    for (int64_t position = first; position < own.to + places_.before; ++position) {
      load_chunk(position + after);
      const int64_t done = position - places_.before;
      expected_ = owns(done) ? 0 : places_.chunk;
      visit(position);
      if (owns(done)) {
        write_chunk(done);
      }
    }
  }

 private:
  bool owns(int64_t position) const { return position >= own_.from && position < own_.to; }

  // The first row of a position's slot.
  int64_t slot_of(int64_t position) const {
    const int64_t rest = position % places_.window_chunks;
    return (rest < 0 ? rest + places_.window_chunks : rest) * s_.rows;
  }

  void load_chunk(int64_t position) {
    const int64_t chunk = chunk_at(places_, position);
    const int64_t slot = slot_of(position);
    tokens_of(a_, places_, chunk, s_.tokens + slot);
    for (int64_t i = 0; i < s_.rows; ++i) {
      if (i >= places_.chunk) s_.tokens[slot + i] = -1;
      const int32_t token = s_.tokens[slot + i];
      s_.bounds[slot + i] = key_bound(a_, places_, token);
      s_.value_tokens[i] = s_.bounds[slot + i] == kHidden ? -1 : token;
      // Rows of absent queries are zero, so any finite weight gives them no part in anything.
      s_.lse[slot + i] = token < 0 ? 0.0f : p_.lse[cell_of(a_, places_, token)];
    }
    const int32_t* const tokens = s_.tokens + slot;
    const int64_t at = slot * s_.pitch;
    gather(s_.keys + at, s_.pitch, a_.keys, places_, tokens, s_.rows, a_.size, 1.0f);
    gather(s_.values + at, s_.pitch, a_.values, places_, s_.value_tokens, s_.rows, a_.size, 1.0f);
    gather(s_.d_out + at, s_.pitch, p_.d_out, places_, tokens, s_.rows, a_.size, 1.0f);
    load_delta(position);
    if (!a_.shared) {
      gather(s_.queries + at, s_.pitch, a_.queries, places_, tokens, s_.rows, a_.size, 1.0f);
    }
    if (a_.shared) {
      transpose_queries(position);
    }
    key_factors(s_.factors + slot, a_, s_.query_panels, s_.pitch, s_.rows);
  }

  // dO.O of a chunk, and dO times the factor of its head.
  void load_delta(int64_t position) {
    const int64_t slot = slot_of(position);
    const int32_t* const tokens = s_.tokens + slot;
    float* const delta = s_.delta + slot;
    float* const d_out = s_.d_out + slot * s_.pitch;
    if (position >= known_from_) {
      for (int64_t i = 0; i < s_.rows; ++i) delta[i] = tokens[i] < 0 ? 0.0f : p_.delta[cell_of(a_, places_, tokens[i])];
    } else {
      gather(s_.out, s_.pitch, p_.out, places_, tokens, s_.rows, a_.size, 1.0f);
      tile_row_products(delta, d_out, s_.out, s_.pitch, s_.rows);
      for (int64_t i = 0; places_.rounds > 1 && owns(position) && i < places_.chunk; ++i) {
        if (tokens[i] >= 0) p_.delta[cell_of(a_, places_, tokens[i])] = delta[i];
      }
    }
    const float factor = head_factor(a_, places_);
    for (int64_t i = 0; factor != 1.0f && i < s_.rows * s_.pitch; i += kLanes) {
      store(d_out + i, load(d_out + i) * factor);
    }
  }

  void transpose_queries(int64_t position) {
    transpose_panels(s_.query_panels, s_.queries + slot_of(position) * s_.pitch, s_.pitch, s_.rows);
    transposed_ = position;
  }

  // Asks for some more of the rows that are written after this visit: all at once they would be waited for.
  void expect_gradients(int64_t position) {
    const int64_t steps = 3 * places_.window_chunks * ((places_.chunk + kQueryBlock - 1) / kQueryBlock);
    const int64_t rest = places_.chunk - expected_;
    const int64_t step = (places_.chunk + steps - 1) / steps;
    const int64_t count = rest < step ? rest : step;
    const int32_t* const tokens = s_.tokens + slot_of(position - places_.before) + expected_;
    expect(p_.d_queries, places_, tokens, count, a_.size);
    expect(p_.d_values, places_, tokens, count, a_.size);
    if (!a_.shared) {
      expect(p_.d_keys, places_, tokens, count, a_.size);
    }
    expected_ += count;
  }

  // A chunk of queries with all of its window that concerns this thread.
  void visit(int64_t position) {
    const int64_t slot = slot_of(position);
    if (transposed_ != position) {
      transpose_queries(position);
    }
    transpose_panels(s_.d_out_panels, s_.d_out + slot * s_.pitch, s_.pitch, places_.chunk);
    for (int64_t first = 0; first < places_.chunk; first += kQueryBlock) {
      const int64_t rest = places_.chunk - first;
      for (int64_t w = 0; w < places_.window_chunks; ++w) {
        const int64_t key_position = position - places_.before + w;
        if (!owns(position) && !owns(key_position)) {
          continue;
        }
        const Pair pair = {slot,
                           slot_of(key_position),
                           first,
                           rest < kQueryBlock ? rest : kQueryBlock,
                           round_of(places_, chunk_at(places_, position)),
                           w * places_.chunk,
                           w == 0,
                           w == places_.window_chunks - 1 && first == 0};
        expect_gradients(position);
        score_gradients(pair);
        expect_gradients(position);
        if (owns(key_position)) {
          key_gradients(pair);
        }
        expect_gradients(position);
        if (owns(position)) {
          query_gradients(pair);
        }
      }
    }
  }

  // weights = factor * P, d_scores = dS * key factor, [keys, kQueryBlock] each.
  void score_gradients(const Pair& pair) {
    if (s_.drops != nullptr) {
      drop_factors(s_.drops, kQueryBlock, dropout_, a_, places_, pair.round,
                   s_.tokens + pair.query_slot + pair.first, pair.count, pair.window_place, places_.chunk);
    }
    for (int64_t panel = 0; panel < pair.count; panel += kTileColumns) {
      const int64_t query = pair.query_slot + pair.first + panel;
      const float* const panels = s_.query_panels + (pair.first + panel) * s_.pitch;
      product_rows<Fused>(places_.chunk, {s_.keys + pair.key_slot * s_.pitch, s_.pitch, 1}, panels, kTileColumns,
                          a_.size, Zero<F>(), [&](int64_t key, int v, F sum) {
                            store(s_.weights + key * kQueryBlock + panel + v * kLanes, sum);
                          });
      if (a_.shared && !a_.causal) {
        probabilities<true>(pair, query, panel);
      } else {
        probabilities<false>(pair, query, panel);
      }
      const float* const d_panels = s_.d_out_panels + (pair.first + panel) * s_.pitch;
      const float* const factors = s_.factors + pair.key_slot;
      const float* const delta = s_.delta + query;
      product_rows<Fused>(places_.chunk, {s_.values + pair.key_slot * s_.pitch, s_.pitch, 1}, d_panels, kTileColumns,
                          a_.size, Zero<F>(), [&](int64_t key, int v, F sum) {
                            const int64_t at = key * kQueryBlock + panel + v * kLanes;
                            const F weight = load(s_.weights + at);
                            if (s_.drops != nullptr) {
                              const F factor = load(s_.drops + at);
                              sum *= factor;
                              store(s_.weights + at, weight * factor);
                            }
                            store(s_.d_scores + at, weight * (sum - load(delta + v * kLanes)) * factors[key]);
                          });
    }
  }

  template <bool COMPARES_SELF>
  void probabilities(const Pair& pair, int64_t query, int64_t panel) {
    I tokens[kTileVectors];
    F lse[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) {
      tokens[v] = load_ints(s_.tokens + query + v * kLanes);
      lse[v] = load(s_.lse + query + v * kLanes);
    }
    const int64_t slot = pair.key_slot;
    for (int64_t key = 0; key < places_.chunk; ++key) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        float* const at = s_.weights + key * kQueryBlock + panel + v * kLanes;
        const F weight = exp_of_nonpositive(min(load(at) * s_.factors[slot + key] - lse[v], F{}));
        store(at, sees(tokens[v], s_.bounds[slot + key], s_.tokens[slot + key], COMPARES_SELF) ? weight : F{});
      }
    }
  }

  // to[rows, K] = or += left[rows, terms] * right[terms, K].
  void add_product(float* to, int64_t rows, Rows<float> left, const float* right, int64_t terms, bool first) {
    for (int64_t column = 0; column < a_.size; column += kTileColumns) {
      float* const c = to + column;
      product_rows<Fused>(
          rows, left, right + column, s_.pitch, terms,
          [&](int64_t row, int v) { return first ? F{} : load(c + row * s_.pitch + v * kLanes); },
          [&](int64_t row, int v, F sum) { store(c + row * s_.pitch + v * kLanes, sum); });
    }
  }

  void key_gradients(const Pair& pair) {
    const int64_t to = pair.key_slot * s_.pitch;
    const int64_t from = (pair.query_slot + pair.first) * s_.pitch;
    add_product(s_.d_values + to, places_.chunk, {s_.weights, kQueryBlock, 1}, s_.d_out + from, pair.count,
                pair.first_of_key);
    add_product(s_.d_keys + to, places_.chunk, {s_.d_scores, kQueryBlock, 1}, s_.queries + from, pair.count,
                pair.first_of_key);
  }

  void query_gradients(const Pair& pair) {
    add_product(s_.d_queries + (pair.query_slot + pair.first) * s_.pitch, pair.count, {s_.d_scores, 1, kQueryBlock},
                s_.keys + pair.key_slot * s_.pitch, places_.chunk, pair.first_of_query);
  }

  // Adds what a chunk's rows have got to the gradients; the first round overwrites.
  void write_chunk(int64_t position) {
    const int64_t slot = slot_of(position);
    const int64_t round = round_of(places_, chunk_at(places_, position));
    const bool first = round == 0;
    const bool last = round == places_.rounds - 1;
    alignas(64) float along[kLanes];
    for (int64_t i = 0; i < places_.chunk; ++i) {
      const int64_t at = (slot + i) * s_.pitch;
      if (a_.shared && i % kLanes == 0) {
        tile_row_products(along, s_.d_keys + at, s_.keys + at, s_.pitch, kLanes);
        const F factor = load(s_.factors + slot + i);
        store(along, load(along) * factor * factor);
      }
      const int32_t token = s_.tokens[slot + i];
      if (token < 0) {
        continue;
      }
      float* const d_query = row_of(p_.d_queries, places_, token);
      float* const d_key = a_.shared ? nullptr : row_of(p_.d_keys, places_, token);
      float* const d_value = row_of(p_.d_values, places_, token);
      const bool lonely = last && a_.shared && s_.lse[slot + i] == -__builtin_inff();
      for (int64_t d = 0; d < a_.size; d += kLanes) {
        const auto add = [&](float* row, F value) {
          store_row_part(row, d, a_.size, first ? value : value + load_row_part(row, d, a_.size));
        };
        F query = load(s_.d_queries + at + d);
        const F key = load(s_.d_keys + at + d);
        if (a_.shared) {
          query += fma(load(s_.keys + at + d), set(-along[i % kLanes]), key);
        } else {
          add(d_key, key);
        }
        add(d_query, query);
        F value = load(s_.d_values + at + d);
        if (lonely) value += load(s_.d_out + at + d);
        add(d_value, value);
      }
    }
  }

  const AttentionBackward& p_;
  const Attention& a_;
  const Places& places_;
  const Slots& s_;
  DropoutFactors dropout_;
  Range own_ = {};
  int64_t known_from_ = 0;          // the first position of which dO.O is in the workspace
  int64_t transposed_ = INT64_MIN;  // whose queries the panels hold
  int64_t expected_ = 0;            // rows of the chunk to be written that have been asked for
};

}  // namespace

void attention_backward(rf_context& context, const AttentionBackward& p) {
  const Attention& a = p.a;
  run_attention<Slots>(context, a, [&](const Team& team, const Slots& slots) {
    for_heads(a, team, [&](const Places& places, Range positions) { Backward(p, places, slots).run(positions); });
    clear_behind(a, team, p.d_queries);
    clear_behind(a, team, p.d_values);
    if (!a.shared) {
      clear_behind(a, team, p.d_keys);
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_attention_backward_workspace(int batch, int stride, int heads, int, int, int, int, int) {
  return static_cast<int64_t>(batch) * stride * heads * 4;
}

extern "C" int rf_attention_backward(rf_context* context, void* d_queries, int64_t d_queries_stride, void* d_keys,
                                     int64_t d_keys_stride, void* d_values, int64_t d_values_stride,
                                     const void* d_out, int64_t d_out_stride, const void* out, int64_t out_stride,
                                     int gradient_type, const float* lse, RF_ATTENTION, void* workspace) {
  using namespace rf;
  AttentionBackward p;
  const int status = attention_arguments(&p.a, RF_ATTENTION_NAMES);
  if (status != RF_STATUS_OK || gradient_type != RF_F32) {
    return RF_STATUS_UNSUPPORTED;
  }
  p.d_queries = head_rows(d_queries, d_queries_stride);
  p.d_keys = head_rows(d_keys, d_keys_stride);
  p.d_values = head_rows(d_values, d_values_stride);
  p.d_out = head_rows(d_out, d_out_stride);
  p.out = head_rows(out, out_stride);
  p.lse = lse;
  p.delta = static_cast<float*>(workspace);
  RF_RUN(*context, attention_backward, p);
  return take_status(*context);
}
#endif
