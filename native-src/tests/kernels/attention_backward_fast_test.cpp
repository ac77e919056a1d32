// rf_attention_backward on tensor cores against gradients in double. The largest error may be twice that of
// straightforward code that rounds the same operands to bfloat16. The same bits in every run, for every grouping
// of heads, and over any content of the results.
#include "attention_problem.h"

namespace {

using namespace test;

struct Results {
  std::vector<double> out, lse, d_queries, d_keys, d_values;
};

// Gradients in arithmetic of type T. Where `rounding`, P, c dS, the partial sums of rounds and the results are
// rounded to bfloat16, and `saved` gives the output and the log-sum-exps.
template <class T>
Results gradients(const Problem& p, bool rounding, const Results* saved) {
  const Case& c = p.c;
  const size_t n = p.q.size();
  auto round = [&](T x) { return rounding ? static_cast<T>(bf16_value(bf16_bits(static_cast<float>(x)))) : x; };
  Results r = {std::vector<double>(n), std::vector<double>(static_cast<size_t>(p.batch * c.heads * p.stride), -INFINITY),
               std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  const std::vector<float>& keys = c.shared ? p.q : p.k;
  for (int b = 0; b < p.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      const int length = p.sequences[static_cast<size_t>(b)];
      const std::vector<Pair> pairs = p.pairs(b, h);
      const T head = static_cast<T>(p.head_factor(h));
      std::vector<T> factor, delta(static_cast<size_t>(length));
      for (int t = 0; t < length; ++t) {
        T squares = 0;
        for (int e = 0; e < c.size; ++e) squares += static_cast<T>(p.q[p.at(b, t, h, e)]) * p.q[p.at(b, t, h, e)];
        const T size = static_cast<T>(c.size);
        factor.push_back(c.shared ? 1 / std::sqrt((squares / size + static_cast<T>(1e-6)) * size) : 1 / std::sqrt(size));
      }
      std::vector<T> scores, high(static_cast<size_t>(length), -INFINITY), sum(static_cast<size_t>(length));
      for (const Pair& x : pairs) {
        T score = 0;
        for (int e = 0; e < c.size; ++e) {
          score += static_cast<T>(p.q[p.at(b, x.query, h, e)]) * keys[p.at(b, x.key, h, e)];
        }
        scores.push_back(score * factor[static_cast<size_t>(x.key)]);
        T& most = high[static_cast<size_t>(x.query)];
        most = std::max(most, scores.back());
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        const size_t query = static_cast<size_t>(pairs[i].query);
        sum[query] += std::exp(scores[i] - high[query]);
      }
      for (int t = 0; t < length; ++t) {
        const size_t i = static_cast<size_t>(t);
        r.lse[p.row(b, h, t)] = sum[i] > 0 ? high[i] + std::log(sum[i]) : -INFINITY;
        if (sum[i] == 0 && c.shared) {
          for (int e = 0; e < c.size; ++e) r.out[p.at(b, t, h, e)] = head * p.v[p.at(b, t, h, e)];
        }
      }
      const std::vector<double>& lse = saved != nullptr ? saved->lse : r.lse;
      std::vector<T> probability(pairs.size());
      for (size_t i = 0; i < pairs.size(); ++i) {
        const Pair& x = pairs[i];
        probability[i] = std::exp(scores[i] - static_cast<T>(lse[p.row(b, h, x.query)]));
        for (int e = 0; e < c.size; ++e) {
          r.out[p.at(b, x.query, h, e)] += head * probability[i] * x.factor * p.v[p.at(b, x.key, h, e)];
        }
      }
      const std::vector<double>& out = saved != nullptr ? saved->out : r.out;
      for (int t = 0; t < length; ++t) {
        for (int e = 0; e < c.size; ++e) {
          const size_t i = p.at(b, t, h, e);
          delta[static_cast<size_t>(t)] += static_cast<T>(out[i]) * p.d_out[i];
        }
      }
      // Per round of the place that a row has as query or as key: shared rows, keys, values.
      const int rounds = c.rounds;
      const size_t cells = static_cast<size_t>(rounds * length * c.size);
      std::vector<T> d_query(cells), d_key(cells), d_value(cells), key_sum(static_cast<size_t>(rounds * length));
      for (size_t i = 0; i < pairs.size(); ++i) {
        const Pair& x = pairs[i];
        const T key_factor = factor[static_cast<size_t>(x.key)];
        T d_weight = 0;
        for (int e = 0; e < c.size; ++e) {
          d_weight += static_cast<T>(p.d_out[p.at(b, x.query, h, e)]) * p.v[p.at(b, x.key, h, e)];
        }
        const T slope = probability[i] * (head * d_weight * x.factor - delta[static_cast<size_t>(x.query)]);
        const T weight = round(probability[i] * x.factor);
        const T d_score = round(slope * key_factor);
        key_sum[static_cast<size_t>(x.key_round * length + x.key)] += slope * scores[i];
        for (int e = 0; e < c.size; ++e) {
          const size_t query = static_cast<size_t>((x.query_round * length + x.query) * c.size + e);
          const size_t key = static_cast<size_t>((x.key_round * length + x.key) * c.size + e);
          d_query[query] += d_score * keys[p.at(b, x.key, h, e)];
          d_key[key] += d_score * p.q[p.at(b, x.query, h, e)];
          d_value[key] += weight * p.d_out[p.at(b, x.query, h, e)];
        }
      }
      for (int t = 0; t < length; ++t) {
        const bool alone = c.shared && lse[p.row(b, h, t)] == -INFINITY;
        const T square = factor[static_cast<size_t>(t)] * factor[static_cast<size_t>(t)];
        for (int e = 0; e < c.size; ++e) {
          const size_t i = p.at(b, t, h, e);
          T rows = 0, keys_sum = 0, values = 0;
          for (int s = 0; s < rounds; ++s) {
            const size_t cell = static_cast<size_t>((s * length + t) * c.size + e);
            T row = d_query[cell];
            if (c.shared) row += d_key[cell] - square * key_sum[static_cast<size_t>(s * length + t)] * p.q[i];
            const T value = head * (d_value[cell] + (alone && s == rounds - 1 ? static_cast<T>(p.d_out[i]) : 0));
            const bool partial = s < rounds - 1;
            rows += partial ? round(row) : row;
            values += partial ? round(value) : value;
            keys_sum += d_key[cell];
          }
          const bool wide = c.gradient_type == RF_F32;
          r.d_queries[i] = static_cast<double>(wide ? rows : round(rows));
          r.d_keys[i] = static_cast<double>(wide ? keys_sum : round(keys_sum));
          r.d_values[i] = static_cast<double>(wide ? values : round(values));
        }
      }
    }
  }
  return r;
}

struct Gradients {
  std::vector<float> queries, keys, values;
};

Gradients run(Device& device, const Problem& p, const Results& saved, int heads_per_group, float poison) {
  const Case& c = p.c;
  const int64_t rows = int64_t{p.batch} * p.stride;
  const int64_t width = p.width;
  Matrix q(device, RF_BF16, rows, width, width + 8), k(device, RF_BF16, rows, width), v(device, RF_BF16, rows, width);
  Matrix o(device, c.gradient_type, rows, width), d_out(device, c.gradient_type, rows, width, width + 16);
  Matrix dq(device, c.gradient_type, rows, width), dk(device, c.gradient_type, rows, width);
  Matrix dv(device, c.gradient_type, rows, width, width + 4);
  Matrix lse(device, RF_F32, 1, static_cast<int64_t>(saved.lse.size()));
  Matrix order(device, RF_I32, 1, static_cast<int64_t>(p.order.size())), mask(device, RF_I32, 1, rows);
  Matrix sequences(device, RF_I32, 1, 2 * p.batch), head_mask(device, RF_F32, 1, c.heads);
  q.put(p.q), k.put(p.k), v.put(p.v), o.put(floats(saved.out)), d_out.put(p.d_out), lse.put(floats(saved.lse));
  order.put(p.order), mask.put(p.mask), sequences.put(p.sequences), head_mask.put(p.head_mask);
  const std::vector<float> old(static_cast<size_t>(rows * width), poison);
  dq.put(old), dk.put(old), dv.put(old);
  const int64_t tiles = tiles_of(p);
  Block workspace(device, rf_attention_backward_workspace(p.batch, p.stride, c.heads, c.size, c.rounds,
                                                          c.gradient_type, heads_per_group,
                                                          rf_attention_fast(device.context, RF_BF16, c.size, c.chunk,
                                                                            c.distinct, 0)));
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
  ok(rf_attention_backward(device.context, dq.data(), dq.stride, dk.data(), dk.stride, dv.data(), dv.stride,
                           d_out.data(), d_out.stride, o.data(), o.stride, c.gradient_type, lse.floats(), q.data(),
                           q.stride, c.shared ? q.data() : k.data(), c.shared ? q.stride : k.stride, v.data(),
                           v.stride, RF_BF16, c.shared ? order.ints() : nullptr, p.run_places, c.distinct, sequences.ints(),
                           c.mask ? mask.ints() : nullptr, c.head_mask ? head_mask.floats() : nullptr, p.batch,
                           p.stride, c.heads, c.size, c.rounds, c.chunk, c.before, 1 + c.before + c.after, c.causal,
                           c.shared, tiles, heads_per_group, TEST_DROPOUT(dropout), workspace.address),
     "rf_attention_backward");
  return {dq.get(), c.shared ? std::vector<float>{} : dk.get(), dv.get()};
}

void attention(Device& device, const Case& c) {
  const Problem p = make(c);
  const Results exact = gradients<double>(p, false, nullptr);
  Results saved = exact;
  for (double& x : saved.out) x = rounded(static_cast<float>(x), RF_BF16);
  for (double& x : saved.lse) x = static_cast<float>(x);
  const Results straight = gradients<float>(p, true, &saved);
  const Gradients all = run(device, p, saved, c.heads, NAN);
  compare(all.queries, straight.d_queries, exact.d_queries, "d_queries " + name(c));
  compare(all.values, straight.d_values, exact.d_values, "d_values " + name(c));
  if (!c.shared) compare(all.keys, straight.d_keys, exact.d_keys, "d_keys " + name(c));
  if (c.heads > 1 || c.lengths.size() == 1) {
    const Gradients single = run(device, p, saved, 1, 3.0f);
    same(single.queries, all.queries, "d_queries in groups of one head, " + name(c));
    same(single.keys, all.keys, "d_keys in groups of one head, " + name(c));
    same(single.values, all.values, "d_values in groups of one head, " + name(c));
  }
  // On a card, over one round of the published window dO.O comes from P and dP: the output is not read.
  const bool card = std::string(rf_description()).rfind("CUDA", 0) == 0;
  if (card && c.rounds == 1 && c.chunk == 64 && c.before == 1 && c.after == 0 && c.size >= 64) {
    Results lost = saved;
    for (double& x : lost.out) x = NAN;
    const Gradients found = run(device, p, lost, c.heads, 3.0f);
    same(found.queries, all.queries, "d_queries without the output, " + name(c));
    same(found.keys, all.keys, "d_keys without the output, " + name(c));
    same(found.values, all.values, "d_values without the output, " + name(c));
  }
}

}  // namespace

int main() {
  {
    Device device;
    const bool causal = true, shared = true, mask = true, head_mask = true, dropout = true;
    const auto over_runs = [](Case c, Selection selection, bool distinct) {
      c.selection = selection;
      c.distinct = distinct;
      return c;
    };
    if (small()) {
      attention(device, {64, 1, 2, 64, 1, 0, {129}, causal, shared, mask, !head_mask, dropout});
      attention(device, {64, 1, 1, 64, 1, 0, {129}, causal, shared, mask, head_mask, dropout});
      attention(device, {64, 1, 1, 64, 1, 0, {65}, causal, !shared, !mask, !head_mask, !dropout});
      attention(device, {64, 5, 1, 64, 1, 0, {257}, !causal, !shared, mask, head_mask, dropout});
      attention(device, {64, 1, 1, 64, 1, 1, {65}, causal, !shared, mask, !head_mask, !dropout});
      attention(device, over_runs({64, 1, 2, 64, 1, 0, {129}, causal, shared, mask, !head_mask, dropout}, kRunPerBucket, true));
      attention(device, over_runs({64, 1, 1, 64, 2, 0, {129}, causal, shared, !mask, !head_mask, !dropout}, kRunPerBucket, false));
    } else {
      // The published window: rounds, head sizes, ragged lengths, a single token, two chunks that wrap around.
      attention(device, {64, 2, 1, 64, 1, 0, {193, 127, 40, 1}, causal, shared, !mask, head_mask, !dropout});
      attention(device, {64, 2, 2, 64, 1, 0, {128}, !causal, shared, mask, !head_mask, dropout});
      attention(device, {64, 1, 4, 64, 1, 0, {129, 63}, causal, shared, mask, !head_mask, !dropout, RF_F32});
      attention(device, {128, 1, 2, 64, 1, 0, {130}, causal, shared, mask, head_mask, !dropout, RF_BF16, 256});
      attention(device, {128, 2, 1, 64, 1, 0, {66, 64}, !causal, shared, !mask, !head_mask, dropout});
      // One round: dO.O on the way, runs of several chunks, empty chunks at the end, sequences of one chunk.
      attention(device, {128, 1, 1, 64, 1, 0, {1100}, causal, shared, !mask, !head_mask, !dropout});
      attention(device, {64, 2, 1, 64, 1, 0, {130}, !causal, shared, mask, head_mask, dropout, RF_F32, 256});
      attention(device, {64, 2, 4, 64, 1, 0, {64, 30}, causal, shared, !mask, head_mask, dropout});
      // Other windows and chunks.
      attention(device, {64, 1, 2, 64, 1, 1, {191, 20}, !causal, shared, mask, !head_mask, !dropout});
      attention(device, {64, 1, 1, 64, 2, 0, {130}, causal, shared, !mask, !head_mask, dropout});
      attention(device, {64, 2, 2, 64, 0, 0, {129}, causal, shared, !mask, head_mask, !dropout});
      attention(device, {64, 1, 2, 128, 1, 0, {257, 100}, causal, shared, mask, !head_mask, !dropout});
      attention(device, {128, 1, 1, 128, 1, 0, {129}, causal, shared, !mask, !head_mask, dropout});
      attention(device, {64, 1, 1, 256, 1, 0, {260, 255}, !causal, shared, !mask, !head_mask, !dropout});
      // Runs of chunks: the published window, several chunks of a thread block, and windows of every kind.
      attention(device, over_runs({64, 2, 2, 64, 1, 0, {193, 40}, causal, shared, mask, head_mask, dropout}, kRunPerBucket, false));
      attention(device, over_runs({128, 1, 1, 64, 1, 0, {700, 200}, causal, shared, !mask, !head_mask, !dropout}, kRunPerBucket, false));
      attention(device, over_runs({64, 1, 1, 64, 1, 0, {1100}, !causal, shared, mask, !head_mask, dropout, RF_F32}, kRunPerBucket, false));
      attention(device, over_runs({64, 1, 2, 64, 2, 0, {500, 70}, causal, shared, mask, head_mask, !dropout}, kRunPerBucket, false));
      attention(device, over_runs({128, 1, 1, 64, 1, 1, {400}, !causal, shared, !mask, !head_mask, dropout}, kRunPerBucket, false));
      attention(device, over_runs({64, 1, 1, 256, 1, 0, {600}, causal, shared, !mask, !head_mask, !dropout}, kRunPerBucket, false));
      attention(device, over_runs({64, 1, 3, 64, 1, 0, {290, 64}, causal, shared, mask, !head_mask, !dropout}, kOneRun, true));
      attention(device, over_runs({64, 1, 2, 64, 1, 0, {400}, causal, shared, !mask, head_mask, dropout}, kRunPerBucket, true));
      attention(device, over_runs({128, 1, 3, 64, 2, 0, {290}, causal, shared, mask, !head_mask, dropout}, kRunPerBucket, true));
      attention(device, over_runs({64, 1, 2, 128, 1, 1, {390, 129}, !causal, shared, !mask, !head_mask, !dropout}, kOneRun, true));
      // Local attention: the published window, ragged lengths, a single token, two chunks that see each other, runs of
      // several chunks, empty chunks at the end.
      attention(device, {64, 2, 1, 64, 1, 0, {193, 127, 40, 1}, causal, !shared, mask, head_mask, !dropout});
      attention(device, {64, 1, 1, 64, 1, 0, {128}, !causal, !shared, !mask, !head_mask, dropout});
      attention(device, {64, 2, 1, 64, 1, 0, {1100, 64}, !causal, !shared, mask, !head_mask, dropout, RF_F32});
      attention(device, {64, 1, 1, 64, 1, 0, {1024}, !causal, !shared, !mask, head_mask, !dropout});
      attention(device, {128, 2, 1, 64, 1, 0, {700, 200}, causal, !shared, !mask, head_mask, dropout});
      attention(device, {128, 2, 1, 64, 1, 0, {130}, !causal, !shared, mask, !head_mask, !dropout, RF_F32, 256});
      // Its other windows and chunks.
      attention(device, {64, 1, 1, 64, 1, 1, {129}, !causal, !shared, mask, !head_mask, dropout, RF_F32});
      attention(device, {128, 1, 1, 128, 1, 0, {257, 30}, causal, !shared, !mask, !head_mask, dropout});
      attention(device, {64, 1, 1, 64, 0, 0, {65}, !causal, !shared, !mask, !head_mask, !dropout});
      attention(device, {128, 1, 1, 64, 2, 0, {140}, causal, !shared, !mask, !head_mask, !dropout});
      // The path for everything else takes bfloat16 too.
      attention(device, {32, 2, 2, 64, 1, 0, {129}, causal, shared, mask, head_mask, dropout});
      attention(device, {64, 1, 1, 20, 1, 0, {70}, causal, !shared, mask, !head_mask, !dropout, RF_F32});
    }
  }
  std::printf("digest %016llx\n", static_cast<unsigned long long>(digest));
  return finish("attention_backward_fast");
}
