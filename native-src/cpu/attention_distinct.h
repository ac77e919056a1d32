// Keys that count once: which of them a query has met in an earlier round, from the numbers of chunks in those rounds.
#ifndef REFORMER_CPU_ATTENTION_DISTINCT_H
#define REFORMER_CPU_ATTENTION_DISTINCT_H

#include "attention_places.h"

namespace rf {
namespace RF_ISA {

// Memory for `keys` keys, and for `queries` queries at a time; none where keys are not distinct.
struct MetKeys {
  int32_t* chunks = nullptr;  // [keys, R], of every round
  // [R, queries]: the first chunk that a query sees in a round, and how many lie behind that one.
  int32_t *first = nullptr, *behind = nullptr;
  int64_t rounds = 0, queries = 0;

  template <class Arrays>
  MetKeys(Arrays& arrays, const Attention& a, int64_t keys, int64_t queries) : queries(queries) {
    if (a.run_places != 0 && a.distinct) {
      rounds = a.rounds;
      chunks = arrays.ints(keys * rounds);
      first = arrays.ints(rounds * queries);
      behind = arrays.ints(rounds * queries);
    }
  }

  // Notes the chunks of some tokens as keys.
  void put_keys(const Attention& a, const Places& p, int64_t key, const int32_t* tokens, int64_t count) const {
    const int64_t chunks_from = a.run_places + a.run_places / a.chunk;
    for (int64_t round = 0; round < rounds; ++round) {
      const int32_t* const chunk_of = order_of(a, p, round) + chunks_from;
      for (int64_t i = 0; i < count; ++i) {
        chunks[(key + i) * rounds + round] = tokens[i] < 0 ? -1 : chunk_of[tokens[i]];
      }
    }
  }

  // Notes what tokens saw as queries in the rounds before one.
  void put_queries(const Attention& a, const Places& p, int64_t before_round, const int32_t* tokens,
                   int64_t count) const {
    const int64_t chunks_from = a.run_places + a.run_places / a.chunk;
    const int64_t last = p.per_round / p.chunk - 1;
    const int64_t after = p.window_chunks - 1 - p.before;
    for (int64_t round = 0; round < before_round; ++round) {
      const int32_t* const order = order_of(a, p, round);
      const int32_t* const runs = order + a.run_places;
      for (int64_t i = 0; i < count; ++i) {
        if (tokens[i] < 0) {
          first[round * queries + i] = behind[round * queries + i] = 0;
          continue;
        }
        const int64_t own = order[chunks_from + tokens[i]];
        int64_t low = own, high = own;
        while (low > 0 && own - low < p.before && runs[low - 1] == runs[own]) --low;
        while (high < last && high - own < after && runs[high + 1] == runs[own]) ++high;
        first[round * queries + i] = static_cast<int32_t>(low);
        behind[round * queries + i] = static_cast<int32_t>(high - low);
      }
    }
  }
};

// Which of kLanes queries have met a key in a round before one.
RF_INLINE I met_before(const MetKeys& met, int64_t before_round, int64_t query, int64_t key) {
  I any = {};
  for (int64_t round = 0; round < before_round; ++round) {
    const int64_t at = round * met.queries + query;
    const I distance = met.chunks[key * met.rounds + round] - load_ints(met.first + at);
    any |= (distance >= 0) & (distance <= load_ints(met.behind + at));
  }
  return any;
}

}  // namespace RF_ISA
}  // namespace rf

#endif
