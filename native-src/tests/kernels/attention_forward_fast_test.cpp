// rf_attention on tensor cores against softmax in double. The largest error may be twice that of straightforward
// code that rounds the same operands to bfloat16. The same bits in every run, for every grouping of heads, and
// over any content of the results.
#include "attention_problem.h"

namespace {

using namespace test;

struct Output {
  std::vector<double> out, lse;
};

// Attention in arithmetic of type T. Where `rounding`, the probabilities of a round relative to its largest
// one, the results of rounds before the last and the output are rounded to bfloat16.
template <class T>
Output softmax(const Problem& p, bool rounding) {
  const Case& c = p.c;
  auto round = [&](T x) { return rounding ? static_cast<T>(bf16_value(bf16_bits(static_cast<float>(x)))) : x; };
  Output r = {std::vector<double>(p.q.size()),
              std::vector<double>(static_cast<size_t>(p.batch * c.heads * p.stride), -INFINITY)};
  const std::vector<float>& keys = c.shared ? p.q : p.k;
  for (int b = 0; b < p.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      const int length = p.sequences[static_cast<size_t>(b)];
      const std::vector<Pair> pairs = p.pairs(b, h);
      const size_t cells = static_cast<size_t>(c.rounds * length);
      std::vector<T> scores, high(cells, -INFINITY), sum(cells), out(cells * static_cast<size_t>(c.size));
      for (const Pair& x : pairs) {
        T score = 0, squares = 0;
        for (int e = 0; e < c.size; ++e) {
          const T key = static_cast<T>(keys[p.at(b, x.key, h, e)]);
          score += static_cast<T>(p.q[p.at(b, x.query, h, e)]) * key;
          squares += key * key;
        }
        const T size = static_cast<T>(c.size);
        scores.push_back(score / (c.shared ? std::sqrt((squares / size + static_cast<T>(1e-6)) * size) : std::sqrt(size)));
        T& most = high[static_cast<size_t>(x.query_round * length + x.query)];
        most = std::max(most, scores.back());
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        const Pair& x = pairs[i];
        const size_t cell = static_cast<size_t>(x.query_round * length + x.query);
        const T weight = std::exp(scores[i] - high[cell]);
        sum[cell] += weight;
        const T rounded_weight = round(weight * static_cast<T>(x.factor));
        for (int e = 0; e < c.size; ++e) {
          out[cell * static_cast<size_t>(c.size) + static_cast<size_t>(e)] += rounded_weight * p.v[p.at(b, x.key, h, e)];
        }
      }
      const T head = static_cast<T>(p.head_factor(h));
      for (int t = 0; t < length; ++t) {
        T most = -INFINITY, total = 0;
        for (int s = 0; s < c.rounds; ++s) {
          const size_t cell = static_cast<size_t>(s * length + t);
          if (sum[cell] > 0) most = std::max(most, high[cell] + std::log(sum[cell]));
        }
        for (int s = 0; s < c.rounds; ++s) {
          const size_t cell = static_cast<size_t>(s * length + t);
          if (sum[cell] > 0) total += std::exp(high[cell] + std::log(sum[cell]) - most);
        }
        if (total > 0) r.lse[p.row(b, h, t)] = static_cast<double>(most + std::log(total));
        for (int e = 0; e < c.size; ++e) {
          T value = total > 0 || !c.shared ? 0 : static_cast<T>(p.v[p.at(b, t, h, e)]);
          for (int s = 0; s < c.rounds; ++s) {
            const size_t cell = static_cast<size_t>(s * length + t);
            if (sum[cell] == 0) continue;
            const T part = out[cell * static_cast<size_t>(c.size) + static_cast<size_t>(e)] / sum[cell];
            value += std::exp(high[cell] + std::log(sum[cell]) - most) / total * (s < c.rounds - 1 ? round(part) : part);
          }
          value *= head;
          r.out[p.at(b, t, h, e)] = static_cast<double>(c.gradient_type == RF_F32 ? value : round(value));
        }
      }
    }
  }
  return r;
}

struct Result {
  std::vector<float> out, lse;
};

Result run(Device& device, const Problem& p, int heads_per_group, float poison) {
  const Case& c = p.c;
  const int64_t rows = int64_t{p.batch} * p.stride;
  const int64_t width = p.width;
  Matrix q(device, RF_BF16, rows, width, width + 8), k(device, RF_BF16, rows, width), v(device, RF_BF16, rows, width);
  Matrix out(device, c.gradient_type, rows, width, width + 4);
  Matrix lse(device, RF_F32, 1, int64_t{p.batch} * c.heads * p.stride);
  Matrix order(device, RF_I32, 1, static_cast<int64_t>(p.order.size())), mask(device, RF_I32, 1, rows);
  Matrix sequences(device, RF_I32, 1, 2 * p.batch), head_mask(device, RF_F32, 1, c.heads);
  q.put(p.q), k.put(p.k), v.put(p.v);
  order.put(p.order), mask.put(p.mask), sequences.put(p.sequences), head_mask.put(p.head_mask);
  out.put(std::vector<float>(static_cast<size_t>(rows * width), poison));
  lse.put(std::vector<float>(static_cast<size_t>(p.batch * c.heads * p.stride), poison));
  Block workspace(device, rf_attention_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, heads_per_group,
                                                 rf_attention_fast(device.context, RF_BF16, c.size, c.chunk,
                                                                   c.distinct, 0)));
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
  ok(rf_attention(device.context, out.data(), out.stride, c.gradient_type, lse.floats(), q.data(), q.stride,
                  c.shared ? q.data() : k.data(), c.shared ? q.stride : k.stride, v.data(), v.stride, RF_BF16,
                  c.shared ? order.ints() : nullptr, p.run_places, c.distinct, sequences.ints(), c.mask ? mask.ints() : nullptr,
                  c.head_mask ? head_mask.floats() : nullptr, p.batch, p.stride, c.heads, c.size, c.rounds, c.chunk,
                  c.before, 1 + c.before + c.after, c.causal, c.shared, tiles_of(p), heads_per_group,
                  TEST_DROPOUT(dropout), workspace.address),
     "rf_attention");
  return {out.get(), lse.get()};
}

void attention(Device& device, const Case& c) {
  const Problem p = make(c);
  const Output exact = softmax<double>(p, false);
  const Output straight = softmax<float>(p, true);
  const Result all = run(device, p, c.heads, NAN);
  compare(all.out, straight.out, exact.out, "out " + name(c));
  for (size_t i = 0; i < exact.lse.size(); ++i) {
    const bool nothing = exact.lse[i] == -INFINITY;
    const double error = std::fabs(all.lse[i] - exact.lse[i]);
    check(nothing ? all.lse[i] == -INFINITY : error <= 4e-6 * std::max(1.0, std::fabs(exact.lse[i])),
          "lse[" + std::to_string(i) + "] " + name(c) + ": " + std::to_string(all.lse[i]) + ", expected " +
              std::to_string(exact.lse[i]));
  }
  const Result single = run(device, p, 1, 3.0f);
  same(single.out, all.out, "out in groups of one head, " + name(c));
  same(single.lse, all.lse, "lse in groups of one head, " + name(c));
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
      // Other windows and chunks.
      attention(device, {64, 1, 2, 64, 1, 1, {191, 20}, !causal, shared, mask, !head_mask, !dropout});
      attention(device, {64, 1, 1, 64, 2, 0, {130}, causal, shared, !mask, !head_mask, dropout});
      attention(device, {64, 2, 2, 64, 0, 0, {129}, causal, shared, !mask, head_mask, !dropout});
      attention(device, {64, 1, 2, 128, 1, 0, {257, 100}, causal, shared, mask, !head_mask, dropout});
      attention(device, {128, 1, 1, 128, 1, 0, {129}, causal, shared, !mask, !head_mask, !dropout});
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
    }
  }
  std::printf("digest %016llx\n", static_cast<unsigned long long>(digest));
  return finish("attention_forward_fast");
}
