// The rows of the attention's backward pass: gathered chunk by chunk into slots, summed there, and added to the
// gradients.
#ifndef REFORMER_CPU_ATTENTION_SLOTS_H
#define REFORMER_CPU_ATTENTION_SLOTS_H

#include "attention.h"

namespace rf {

struct AttentionBackward {
  Attention a;
  HeadRows d_queries, d_keys, d_values, d_out, out;
  const float* lse;
  float* delta;  // [B, H, T]: dO.O, where there are several rounds
  // Of floats, to which rounds are added where the gradients are rounded in the last one.
  HeadRows query_sums, value_sums;
};

namespace RF_ISA {

// Queries whose scores with one chunk of keys are held at once: 16 KB for chunks of 64.
constexpr int64_t kQueryBlock = 2 * kTileColumns;

// What a thread has gathered and summed of the chunks of the window, one slot each.
struct Slots {
  int64_t rows, pitch;  // cells of a row
  int64_t wide;         // floats of a row of sums
  float *queries, *keys, *values, *d_out;
  float *query_terms, *key_terms, *d_out_terms;  // the same as terms of a product over rows: pairs of rows
  float *d_queries, *d_keys, *d_values;
  float *factors, *lse, *delta;
  int32_t *tokens, *bounds, *key_tokens;
  MetKeys met;
  float *out, *query_panels, *d_out_panels;
  float *weights, *d_scores, *drops;
#if defined(__AVX512BF16__)
  float *weight_rows, *d_score_rows, *d_score_terms;  // the same, rounded
#endif

  Slots(Arrays& arrays, const Attention& a, int64_t largest)
      : met(arrays, a, a.window_chunks * round_up(largest, kTileColumns), round_up(largest, kTileColumns)) {
    rows = round_up(largest, kTileColumns);
    pitch = row_cells(a.size);
    wide = kPerCell * pitch;
    const int64_t all = a.window_chunks * rows;
    keys = arrays.floats(all * pitch);
    // A hidden token is no key, but still a query.
    const bool same = a.shared && a.key_mask == nullptr;
    queries = same ? keys : arrays.floats(all * pitch);
    values = arrays.floats(all * pitch);
    d_out = arrays.floats(all * pitch);
    d_queries = arrays.floats(all * wide);
    d_keys = arrays.floats(all * wide);
    d_values = arrays.floats(all * wide);
    factors = arrays.floats(all);
    lse = arrays.floats(all);
    delta = arrays.floats(all);
    tokens = arrays.ints(all);
    bounds = arrays.ints(all);
    key_tokens = arrays.ints(rows);
    out = arrays.floats(rows * pitch);
    query_panels = arrays.floats(rows * pitch);
    d_out_panels = arrays.floats(rows * pitch);
    weights = arrays.floats(largest * kQueryBlock);
    d_scores = arrays.floats(largest * kQueryBlock);
    drops = a.dropout.threshold == 0 ? nullptr : arrays.floats(largest * kQueryBlock);
    key_terms = keys, query_terms = queries, d_out_terms = d_out;
#if defined(__AVX512BF16__)
    key_terms = arrays.floats(all * pitch);
    query_terms = same ? key_terms : arrays.floats(all * pitch);
    d_out_terms = arrays.floats(all * pitch);
    weight_rows = arrays.floats(largest * kQueryBlock / 2);
    d_score_rows = arrays.floats(largest * kQueryBlock / 2);
    d_score_terms = arrays.floats(round_up(largest, 2) * kQueryBlock / 2);
#endif
  }
};

// The chunks of one head, in the order of their positions.
class ChunkRows {
 public:
  ChunkRows(const AttentionBackward& p, const Places& places, const Slots& slots)
      : p_(p), a_(p.a), places_(places), s_(slots) {}

  // Positions of this thread.
  void begin(Range own) {
    own_ = own;
    const int64_t per_round = places_.chunks / places_.rounds;
    const bool all_rounds = places_.rounds > 1 && own.to - own.from == places_.chunks;
    // dO.O is known of every token after the first round: where the rounds are run one by one, or all by this thread.
    known_from_ = own.from >= per_round ? INT64_MIN : all_rounds ? per_round : INT64_MAX;
  }

  bool owns(int64_t position) const { return position >= own_.from && position < own_.to; }

  // The first row of a position's slot.
  int64_t slot_of(int64_t position) const {
    const int64_t rest = position % places_.window_chunks;
    return (rest < 0 ? rest + places_.window_chunks : rest) * s_.rows;
  }

  // Gathers a chunk. Rows of hidden keys are zero: nothing times a weight of 0 is nothing then, whatever they hold.
  void gather_chunk(int64_t position) {
    const int64_t chunk = chunk_at(places_, position);
    const int64_t slot = slot_of(position);
    tokens_of(a_, places_, chunk, s_.tokens + slot);
    for (int64_t i = 0; i < s_.rows; ++i) {
      if (i >= places_.chunk) s_.tokens[slot + i] = -1;
      const int32_t token = s_.tokens[slot + i];
      s_.bounds[slot + i] = key_bound(a_, places_, token);
      s_.key_tokens[i] = s_.bounds[slot + i] == kHidden ? -1 : token;
      // Rows of absent queries are zero, so any finite weight gives them no part in anything.
      s_.lse[slot + i] = token < 0 ? 0.0f : p_.lse[cell_of(a_, places_, token)];
    }
    const int32_t* const tokens = s_.tokens + slot;
    if (places_.distinct) s_.met.put_keys(a_, places_, slot, tokens, s_.rows);
    const int64_t at = slot * s_.pitch;
    gather(s_.keys + at, s_.pitch, a_.keys, places_, s_.key_tokens, s_.rows, a_.size);
    gather(s_.values + at, s_.pitch, a_.values, places_, s_.key_tokens, s_.rows, a_.size);
    gather(s_.d_out + at, s_.pitch, p_.d_out, places_, tokens, s_.rows, a_.size);
    load_delta(position);
    if (s_.queries != s_.keys) {
      gather(s_.queries + at, s_.pitch, a_.queries, places_, tokens, s_.rows, a_.size);
    }
#if defined(__AVX512BF16__)
    pair_up(s_.key_terms + at, s_.keys + at, s_.pitch, s_.rows);
    pair_up(s_.d_out_terms + at, s_.d_out + at, s_.pitch, s_.rows);
    if (s_.queries != s_.keys) {
      pair_up(s_.query_terms + at, s_.queries + at, s_.pitch, s_.rows);
    }
#endif
    if (a_.shared) {
      transpose_queries(position);
    }
    key_factors(s_.factors + slot, a_, s_.query_panels, s_.pitch, s_.rows);
    for (int64_t i = 0; a_.key_mask != nullptr && i < s_.rows; ++i) {
      if (s_.key_tokens[i] < 0) s_.factors[slot + i] = 0.0f;
    }
  }

  // Makes query_panels those of a position.
  void transpose_queries(int64_t position) {
    if (transposed_ != position) {
      transpose_panels(s_.query_panels, s_.queries + slot_of(position) * s_.pitch, s_.pitch, s_.rows);
      transposed_ = position;
    }
  }

  // From here on, expect_some() asks for the rows of a position that is to be written.
  void expect_chunk(int64_t position) {
    expected_tokens_ = s_.tokens + slot_of(position);
    expected_ = owns(position) ? 0 : places_.chunk;
  }

  // Asks for a part of them, one of `steps`: all at once they would be waited for.
  void expect_some(int64_t steps) {
    const int64_t rest = places_.chunk - expected_;
    const int64_t step = (places_.chunk + steps - 1) / steps;
    const int64_t count = rest < step ? rest : step;
    const int32_t* const tokens = expected_tokens_ + expected_;
    expect_rows(p_.d_queries, places_, tokens, count, a_.size);
    expect_rows(p_.d_values, places_, tokens, count, a_.size);
    if (!a_.shared) {
      expect_rows(p_.d_keys, places_, tokens, count, a_.size);
    }
    expected_ += count;
  }

  // Adds what a chunk's rows have got to the gradients; the first round overwrites.
  void write_chunk(int64_t position) {
    const int64_t slot = slot_of(position);
    const int64_t round = round_of(places_, chunk_at(places_, position));
    const bool first = round == 0;
    const bool last = round == places_.rounds - 1;
    const float lonely_factor = kPerCell == 1 ? 1.0f : head_factor(a_, places_);
    alignas(64) float along[kLanes];
    for (int64_t i = 0; i < places_.chunk; ++i) {
      const int64_t at = (slot + i) * s_.wide;
      const float* const key_row = s_.keys + (slot + i) * s_.pitch;
      if (a_.shared && i % kLanes == 0) {
        sum_row_products(along, s_.d_keys + at, s_.wide, key_row, s_.pitch);
        const F factor = load(s_.factors + slot + i);
        store(along, load(along) * factor * factor);
      }
      const int32_t token = s_.tokens[slot + i];
      if (token < 0) {
        continue;
      }
      const bool lonely = last && a_.shared && s_.lse[slot + i] == -__builtin_inff();
      for (int64_t d = 0; d < a_.size; d += kLanes) {
        const auto add = [&](const HeadRows& to, const HeadRows& sums, F value) {
          float* const row = row_of<float>(kPerCell == 1 ? to : sums, places_, token);
          if (!first) value += load_row_part(row, d, a_.size);
          if (kPerCell != 1 && last) {
            store_row_part(row_of(to, places_, token), d, a_.size, value);
          } else {
            store_row_part(row, d, a_.size, value);
          }
        };
        F query = load(s_.d_queries + at + d);
        const F key = load(s_.d_keys + at + d);
        if (a_.shared) {
          query += fma(load_numbers(key_row, d), set(-along[i % kLanes]), key);
        } else {
          add(p_.d_keys, p_.d_keys, key);
        }
        add(p_.d_queries, p_.query_sums, query);
        F value = load(s_.d_values + at + d);
        if (lonely) value += load_numbers(s_.d_out + (slot + i) * s_.pitch, d) * lonely_factor;
        add(p_.d_values, p_.value_sums, value);
      }
    }
  }

 private:
  // dO.O of a chunk, and dO times the factor of its head.
  void load_delta(int64_t position) {
    const int64_t slot = slot_of(position);
    const int32_t* const tokens = s_.tokens + slot;
    float* const delta = s_.delta + slot;
    float* const d_out = s_.d_out + slot * s_.pitch;
    if (position >= known_from_) {
      for (int64_t i = 0; i < s_.rows; ++i) delta[i] = tokens[i] < 0 ? 0.0f : p_.delta[cell_of(a_, places_, tokens[i])];
    } else {
      gather(s_.out, s_.pitch, p_.out, places_, tokens, s_.rows, a_.size);
      tile_row_products(delta, d_out, s_.out, s_.pitch, s_.rows);
      for (int64_t i = 0; places_.rounds > 1 && owns(position) && i < places_.chunk; ++i) {
        if (tokens[i] >= 0) p_.delta[cell_of(a_, places_, tokens[i])] = delta[i];
      }
    }
#if !defined(__AVX512BF16__)
    // Of bfloat16 rows, products are multiplied with it instead.
    const float factor = head_factor(a_, places_);
    for (int64_t i = 0; factor != 1.0f && i < s_.rows * s_.pitch; i += kLanes) {
      store(d_out + i, load(d_out + i) * factor);
    }
#endif
  }

  const AttentionBackward& p_;
  const Attention& a_;
  const Places& places_;
  const Slots& s_;
  Range own_ = {};
  int64_t known_from_ = 0;          // the first position of which dO.O is in the workspace
  int64_t transposed_ = INT64_MIN;  // whose queries the panels hold
  const int32_t* expected_tokens_ = nullptr;
  int64_t expected_ = 0;  // how many of them have been asked for
};

}  // namespace RF_ISA
}  // namespace rf

#endif
