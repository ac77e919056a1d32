// What         gradient of the attention: P = exp(s - lse), dS = P (factor * dO.v - dO.O); dq = sum dS k,
//              dk = sum dS q, dv = sum factor * P dO. LSH: k = c q with c = 1 / (sqrt(K) rms q), so
//              dq += c dk - q (c dk.q) c^2; a token alone passes dO on to its value.
// Shapes       d_queries, d_keys, d_values, d_out, out, queries, keys, values [B*T, H*K], K <= 128; lse [B, H, T].
// Threads      as forward; a thread owns chunks as queries and as keys, and visits the queries of other chunks that
//              see its keys once more.
// Memory       per chunk gathers q, v and dO once, and O in the first round; five products per pair of a chunk and a
//              chunk of its window. What is summed for a chunk stays in the second cache until its last query chunk has
//              passed, then goes to the gradients, round upon round. dO.O is summed once per token and kept for other
//              rounds, 4 bytes per token and head of workspace.
// Determinism  keys and queries in the order of the window, rounds in their order.
// Reference    org.reformer4j.reference.ChunkedAttention, KeyRule, AttentionHeads
// Measured     docs/benchmarks.md
#include "attention_slots.h"

namespace rf {

RF_DECLARE_KERNEL(attention_backward, AttentionBackward)
RF_DECLARE_BF16_KERNEL(attention_backward, AttentionBackward)

namespace RF_ISA {
namespace {

// Queries first .. first + count - 1 of a chunk against one chunk of keys; slots are given by their first rows.
struct Pair {
  int64_t query_slot, key_slot, first, count, round, window_place;
  bool first_of_query, first_of_key;
};

class Backward {
 public:
  Backward(const AttentionBackward& p, const Places& places, const Slots& slots)
      : a_(p.a), places_(places), s_(slots), rows_(p, places, slots), dropout_(p.a.dropout) {}

  // Positions of this thread; beyond them lie the queries that see its keys, and the keys that its queries see.
  void run(Range own) {
    if (own.from == own.to) {
      return;
    }
    rows_.begin(own);
    const int64_t after = places_.window_chunks - 1 - places_.before;
    const int64_t first = own.from - after;
    for (int64_t position = first - places_.before; position < first + after; ++position) rows_.gather_chunk(position);
    for (int64_t position = first; position < own.to + places_.before; ++position) {
      rows_.gather_chunk(position + after);
      const int64_t done = position - places_.before;
      rows_.expect_chunk(done);
      visit(position);
      if (rows_.owns(done)) {
        rows_.write_chunk(done);
      }
    }
  }

 private:
  // A chunk of queries with all of its window that concerns this thread.
  void visit(int64_t position) {
    const int64_t slot = rows_.slot_of(position);
    rows_.transpose_queries(position);
    transpose_panels(s_.d_out_panels, s_.d_out + slot * s_.pitch, s_.pitch, places_.chunk);
    const int64_t round = round_of(places_, chunk_at(places_, position));
    if (places_.distinct) s_.met.put_queries(a_, places_, round, s_.tokens + slot, s_.rows);
    const int64_t steps = 3 * places_.window_chunks * ((places_.chunk + kQueryBlock - 1) / kQueryBlock);
    for (int64_t first = 0; first < places_.chunk; first += kQueryBlock) {
      const int64_t rest = places_.chunk - first;
      for (int64_t w = 0; w < places_.window_chunks; ++w) {
        const int64_t key_position = position - places_.before + w;
        if (!sees_chunk(a_, places_, position, key_position) ||
            (!rows_.owns(position) && !rows_.owns(key_position))) {
          continue;
        }
        // What a chunk sees stands side by side, and so do those that see it.
        const bool first_key = w == 0 || !sees_chunk(a_, places_, position, key_position - 1);
        const bool first_query =
            w == places_.window_chunks - 1 || !sees_chunk(a_, places_, position - 1, key_position);
        const Pair pair = {slot,
                           rows_.slot_of(key_position),
                           first,
                           rest < kQueryBlock ? rest : kQueryBlock,
                           round,
                           w * places_.chunk,
                           first_key,
                           first_query && first == 0};
        rows_.expect_some(steps);
        score_gradients(pair);
        rows_.expect_some(steps);
        if (rows_.owns(key_position)) {
          key_gradients(pair);
        }
        rows_.expect_some(steps);
        if (rows_.owns(position)) {
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
      product_rows<Product>(places_.chunk, {s_.keys + pair.key_slot * s_.pitch, s_.pitch, 1}, panels, kTileColumns,
                          a_.size / kPerCell, Zero<F>(), [&](int64_t key, int v, F sum) {
                            store(s_.weights + key * kQueryBlock + panel + v * kLanes, sum);
                          });
      if (places_.distinct && pair.round > 0) {
        probabilities<true, true>(pair, query, panel);
      } else if (a_.shared && !a_.causal) {
        probabilities<true, false>(pair, query, panel);
      } else {
        probabilities<false, false>(pair, query, panel);
      }
      const float* const d_panels = s_.d_out_panels + (pair.first + panel) * s_.pitch;
      const float* const factors = s_.factors + pair.key_slot;
      const float* const delta = s_.delta + query;
      const float head = kPerCell == 1 ? 1.0f : head_factor(a_, places_);
      product_rows<Product>(places_.chunk, {s_.values + pair.key_slot * s_.pitch, s_.pitch, 1}, d_panels, kTileColumns,
                          a_.size / kPerCell, Zero<F>(), [&](int64_t key, int v, F sum) {
                            const int64_t at = key * kQueryBlock + panel + v * kLanes;
                            const F weight = load(s_.weights + at);
                            if (kPerCell != 1) sum *= head;
                            if (s_.drops != nullptr) {
                              const F factor = load(s_.drops + at);
                              sum *= factor;
                              store(s_.weights + at, weight * factor);
                            }
                            store(s_.d_scores + at, weight * (sum - load(delta + v * kLanes)) * factors[key]);
                          });
#if defined(__AVX512BF16__)
      round_scores(panel, head);
#endif
    }
  }

#if defined(__AVX512BF16__)
  // Weights, times the factor of the head, and d_scores of a panel as bfloat16: rows of keys, and pairs of keys.
  void round_scores(int64_t panel, float head) {
    for (int64_t key = 0; key < places_.chunk; ++key) {
      const int64_t at = key * kQueryBlock + panel;
      store(s_.weight_rows + at / 2, round_row(load(s_.weights + at) * head, load(s_.weights + at + kLanes) * head));
      store(s_.d_score_rows + at / 2, round_row(load(s_.d_scores + at), load(s_.d_scores + at + kLanes)));
      for (int64_t i = 0; key % 2 == 0 && i < kTileColumns; i += kLanes) {
        const F next = key + 1 < places_.chunk ? load(s_.d_scores + at + kQueryBlock + i) : F{};
        store(s_.d_score_terms + key / 2 * kQueryBlock + panel + i, round_pairs(load(s_.d_scores + at + i), next));
      }
    }
  }
#endif

  template <bool COMPARES_SELF, bool MET>
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
        I visible = sees(tokens[v], s_.bounds[slot + key], s_.tokens[slot + key], COMPARES_SELF);
        if (MET) visible &= ~met_before(s_.met, pair.round, pair.first + panel + v * kLanes, slot + key);
        store(at, visible ? weight : F{});
      }
    }
  }

  // to[rows, K] = or += left[rows, terms] * right[terms, K]; of bfloat16, terms are pairs.
  void add_product(float* to, int64_t rows, Rows<float> left, const float* right, int64_t terms, bool first) {
    for (int64_t column = 0; column < a_.size; column += kTileColumns) {
      float* const c = to + column;
      product_rows<Product>(
          rows, left, right + column, s_.wide, (terms + kPerCell - 1) / kPerCell,
          [&](int64_t row, int v) { return first ? F{} : load(c + row * s_.wide + v * kLanes); },
          [&](int64_t row, int v, F sum) { store(c + row * s_.wide + v * kLanes, sum); });
    }
  }

  void key_gradients(const Pair& pair) {
    const int64_t to = pair.key_slot * s_.wide;
    const int64_t from = (pair.query_slot + pair.first) * s_.pitch;
#if defined(__AVX512BF16__)
    const Rows<float> weights = {s_.weight_rows, kQueryBlock / 2, 1}, d_scores = {s_.d_score_rows, kQueryBlock / 2, 1};
#else
    const Rows<float> weights = {s_.weights, kQueryBlock, 1}, d_scores = {s_.d_scores, kQueryBlock, 1};
#endif
    add_product(s_.d_values + to, places_.chunk, weights, s_.d_out_terms + from, pair.count, pair.first_of_key);
    add_product(s_.d_keys + to, places_.chunk, d_scores, s_.query_terms + from, pair.count, pair.first_of_key);
  }

  void query_gradients(const Pair& pair) {
#if defined(__AVX512BF16__)
    const float* const d_scores = s_.d_score_terms;
#else
    const float* const d_scores = s_.d_scores;
#endif
    add_product(s_.d_queries + (pair.query_slot + pair.first) * s_.wide, pair.count, {d_scores, 1, kQueryBlock},
                s_.key_terms + pair.key_slot * s_.pitch, places_.chunk, pair.first_of_query);
  }

  const Attention& a_;
  const Places& places_;
  const Slots& s_;
  ChunkRows rows_;
  DropoutFactors dropout_;
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
#include "attention_floats.h"

extern "C" int64_t rf_attention_backward_workspace(int batch, int stride, int heads, int head_size, int rounds, int,
                                                   int, int fast) {
  const int64_t cells = static_cast<int64_t>(batch) * stride * heads;
  // dO.O, and the sums of rounds.
  return cells * 4 + (fast == rf::kFastHalves && rounds > 1 ? cells * head_size * 8 : 0);
}

extern "C" int rf_attention_backward(rf_context* context, void* d_queries, int64_t d_queries_stride, void* d_keys,
                                     int64_t d_keys_stride, void* d_values, int64_t d_values_stride,
                                     const void* d_out, int64_t d_out_stride, const void* out, int64_t out_stride,
                                     int gradient_type, const float* lse, RF_ATTENTION, void* workspace) {
  using namespace rf;
  AttentionBackward p;
  const int status = attention_arguments(&p.a, RF_ATTENTION_NAMES);
  if (status != RF_STATUS_OK || (input_type == RF_F32 && gradient_type != RF_F32)) {
    return RF_STATUS_UNSUPPORTED;
  }
  p.d_queries = head_rows(d_queries, d_queries_stride);
  p.d_keys = head_rows(d_keys, d_keys_stride);
  p.d_values = head_rows(d_values, d_values_stride);
  p.d_out = head_rows(d_out, d_out_stride);
  p.out = head_rows(out, out_stride);
  p.lse = lse;
  p.delta = static_cast<float*>(workspace);
  if (input_type == RF_F32) {
    RF_RUN(*context, attention_backward, p);
    return take_status(*context);
  }
  const int64_t rows = int64_t{batch} * stride;
  const int64_t width = int64_t{heads} * head_size;
  if (context->bf16 && gradient_type == RF_BF16 &&
      has_fast_attention(head_size, chunk, alignment_of(p.a) | alignment_of(p.d_out)) != 0) {
    // Not used where there is one round.
    p.query_sums = p.value_sums = head_rows(workspace, width);
    if (rounds > 1) {
      p.query_sums.data += rows * heads;
      p.value_sums.data = p.query_sums.data + rows * width;
    }
    RF_RUN_BF16(*context, attention_backward, p);
    return take_status(*context);
  }
  FloatRows floats(*context, rows, width);
  floats.take(&p.a, input_type);
  p.d_queries = floats.out(d_queries, d_queries_stride, gradient_type);
  p.d_values = floats.out(d_values, d_values_stride, gradient_type);
  if (shared == 0) {
    p.d_keys = floats.out(d_keys, d_keys_stride, gradient_type);
  }
  p.d_out = floats.in(d_out, d_out_stride, gradient_type);
  p.out = floats.in(out, out_stride, gradient_type);
  if (context->status == RF_STATUS_OK) {
    RF_RUN(*context, attention_backward, p);
  }
  floats.finish();
  return take_status(*context);
}
#endif
