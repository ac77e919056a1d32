// rf_attention and rf_attention_backward against a dense softmax in double and its slopes.
#include "attention_problem.h"

namespace {

using namespace test;

struct Data {
  std::vector<double> q, k, v, weights;  // weights: what the loss multiplies the output with
};

// Sum over all outputs of weight * out, and the log-sum-exps.
double loss(const Problem& p, const Data& d, std::vector<double>& out, std::vector<double>& lse) {
  const Case& c = p.c;
  out.assign(p.q.size(), 0);
  lse.assign(static_cast<size_t>(p.batch * c.heads * p.stride), -INFINITY);
  double total = 0;
  for (int b = 0; b < p.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      auto key_factor = [&](int t) {
        double squares = 0;
        for (int e = 0; e < c.size; ++e) squares += std::pow(d.q[p.at(b, t, h, e)], 2);
        return c.shared ? 1 / std::sqrt((squares / c.size + 1e-6) * c.size) : 1 / std::sqrt(c.size);
      };
      const std::vector<Pair> pairs = p.pairs(b, h);
      std::vector<double> scores;
      for (const Pair& x : pairs) {
        double score = 0;
        for (int e = 0; e < c.size; ++e) {
          score += d.q[p.at(b, x.query, h, e)] * (c.shared ? d.q : d.k)[p.at(b, x.key, h, e)];
        }
        scores.push_back(score * key_factor(x.key));
      }
      for (int t = 0; t < p.sequences[static_cast<size_t>(b)]; ++t) {
        double high = -INFINITY, sum = 0;
        for (size_t i = 0; i < pairs.size(); ++i) high = pairs[i].query == t ? std::max(high, scores[i]) : high;
        for (size_t i = 0; i < pairs.size(); ++i) sum += pairs[i].query == t ? std::exp(scores[i] - high) : 0;
        if (sum > 0) lse[p.row(b, h, t)] = high + std::log(sum);
        for (size_t i = 0; i < pairs.size(); ++i) {
          if (pairs[i].query != t) continue;
          const double weight = std::exp(scores[i] - high) / sum * pairs[i].factor;
          for (int e = 0; e < c.size; ++e) out[p.at(b, t, h, e)] += weight * d.v[p.at(b, pairs[i].key, h, e)];
        }
        for (int e = 0; e < c.size; ++e) {
          if (sum == 0 && c.shared) out[p.at(b, t, h, e)] = d.v[p.at(b, t, h, e)];
          total += out[p.at(b, t, h, e)] * d.weights[p.at(b, t, h, e)];
        }
      }
    }
  }
  return total;
}

void attention(Device& device, const Case& c) {
  const Problem p = make(c);
  const int64_t rows = int64_t{p.batch} * p.stride;
  const int64_t width = p.width;
  const auto doubles = [](const std::vector<float>& values) {
    return std::vector<double>(values.begin(), values.end());
  };
  const Data d = {doubles(p.q), doubles(p.k), doubles(p.v), doubles(p.d_out)};
  std::vector<double> out, lse, unused_out, unused_lse;
  loss(p, d, out, lse);

  Matrix q(device, RF_F32, rows, width, width + 3), k(device, RF_F32, rows, width), v(device, RF_F32, rows, width);
  Matrix o(device, RF_F32, rows, width, width + 1), d_out(device, RF_F32, rows, width);
  Matrix dq(device, RF_F32, rows, width), dk(device, RF_F32, rows, width), dv(device, RF_F32, rows, width);
  Matrix lse_on(device, RF_F32, 1, static_cast<int64_t>(lse.size()));
  Matrix order(device, RF_I32, 1, static_cast<int64_t>(p.order.size()));
  Matrix sequences(device, RF_I32, 1, 2 * p.batch), mask(device, RF_I32, 1, rows);
  q.put(p.q), k.put(p.k), v.put(p.v), d_out.put(p.d_out);
  order.put(p.order), sequences.put(p.sequences), mask.put(p.mask);
  const int64_t tiles = tiles_of(p);
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
#define ATTENTION                                                                                         \
  q.data(), q.stride, c.shared ? q.data() : k.data(), c.shared ? q.stride : k.stride, v.data(), v.stride,  \
      RF_F32, c.shared ? order.ints() : nullptr, p.run_places, c.distinct, sequences.ints(),               \
      c.mask ? mask.ints() : nullptr, nullptr, p.batch, p.stride, c.heads, c.size, c.rounds, c.chunk,      \
      c.before, 1 + c.before + c.after, c.causal, c.shared, tiles, group, TEST_DROPOUT(dropout)
  // Heads one at a time, in a workspace for one, then all at once: the same bits.
  std::vector<std::vector<float>> of_groups;
  for (const int group : {1, c.heads}) {
    Block workspace(device, rf_attention_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, group, 0));
    ok(rf_attention(device.context, o.data(), o.stride, RF_F32, lse_on.floats(), ATTENTION, workspace.address),
       "rf_attention");
    Block gradient_workspace(device, rf_attention_backward_workspace(p.batch, p.stride, c.heads, c.size, c.rounds,
                                                                     RF_F32, group, 0));
    ok(rf_attention_backward(device.context, dq.data(), dq.stride, dk.data(), dk.stride, dv.data(), dv.stride,
                             d_out.data(), d_out.stride, o.data(), o.stride, RF_F32, lse_on.floats(), ATTENTION,
                             gradient_workspace.address),
       "rf_attention_backward");
    const std::vector<std::vector<float>> results = {o.get(), dq.get(), c.shared ? std::vector<float>{} : dk.get(),
                                                     dv.get()};
    if (group > 1) {
      for (size_t i = 0; i < results.size(); ++i) same(results[i], of_groups[i], "groups of one head, " + name(c));
    }
    of_groups = results;
  }
  check(c.heads == 1 || rf_attention_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, 1, 0) * c.heads ==
                            rf_attention_workspace(p.batch, p.stride, c.heads, c.size, c.rounds, c.heads, 0),
        "one head takes its share of the workspace, " + name(c));
  nearly(o.get(), out, 4e-6, "out " + name(c));
  const std::vector<float> sums = lse_on.get();
  for (size_t i = 0; i < lse.size(); ++i) {
    check(std::isinf(lse[i]) ? sums[i] == -INFINITY : std::fabs(sums[i] - lse[i]) < 1e-5, "lse " + name(c));
  }
  // Slopes of the loss along random directions against the gradients.
  Random random(static_cast<uint64_t>(p.stride + c.size));
  const std::vector<float> gradients[] = {dq.get(), dk.get(), dv.get()};
  for (int x = 0; x < 3; ++x) {
    if (x == 1 && c.shared) continue;
    Data up = d, down = d;
    double expected = 0, length = 0;
    for (int64_t i = 0; i < rows * width; ++i) {
      const size_t e = static_cast<size_t>(i);
      const double direction = random.normal();
      (x == 0 ? up.q : x == 1 ? up.k : up.v)[e] += 1e-5 * direction;
      (x == 0 ? down.q : x == 1 ? down.k : down.v)[e] -= 1e-5 * direction;
      expected += direction * static_cast<double>(gradients[x][e]);
      length += std::pow(static_cast<double>(gradients[x][e]), 2);
    }
    const double slope = (loss(p, up, unused_out, unused_lse) - loss(p, down, unused_out, unused_lse)) / 2e-5;
    check(length > 0 && std::fabs(slope - expected) < 2e-5 * std::sqrt(length),
          "slope of " + std::to_string(x) + " " + name(c) + ": " + std::to_string(slope) + ", gradient " +
              std::to_string(expected));
  }
}

}  // namespace

int main() {
  {
    Device device;
    const bool causal = true, shared = true, mask = true, dropout = true;
    const auto over_runs = [](Case c, Selection selection, bool distinct) {
      c.selection = selection;
      c.distinct = distinct;
      return c;
    };
    if (small()) {
      attention(device, {20, 1, 2, 8, 1, 0, {20}, causal, shared, mask, false, dropout});
      attention(device, {17, 1, 1, 8, 1, 1, {20, 6}, !causal, !shared, mask, false, !dropout});
      attention(device, over_runs({17, 1, 2, 8, 1, 0, {20}, causal, shared, mask, false, dropout}, kRunPerBucket, true));
    } else {
      attention(device, {16, 2, 2, 8, 1, 0, {40}, causal, shared, !mask, false, !dropout});
      attention(device, {64, 1, 3, 20, 1, 1, {70, 23}, !causal, shared, mask, false, dropout});
      attention(device, {24, 2, 1, 16, 1, 0, {33, 11}, causal, !shared, !mask, false, dropout});
      attention(device, {128, 1, 2, 32, 1, 0, {17}, causal, shared, mask, false, !dropout});
      attention(device, {9, 1, 1, 10, 3, 2, {30}, !causal, !shared, mask, false, !dropout});
      attention(device, {32, 1, 2, 25, 1, 0, {50, 16}, causal, shared, !mask, false, !dropout});
      // Runs of chunks.
      attention(device, over_runs({16, 2, 3, 8, 1, 0, {90, 7}, causal, shared, mask, false, dropout}, kRunPerBucket, false));
      attention(device, over_runs({20, 1, 3, 20, 2, 0, {130}, causal, shared, !mask, false, !dropout}, kRunPerBucket, true));
      attention(device, over_runs({12, 2, 2, 5, 1, 1, {40, 23}, !causal, shared, mask, false, !dropout}, kRunPerBucket, true));
      attention(device, over_runs({16, 1, 4, 8, 1, 0, {60, 8}, causal, shared, !mask, false, dropout}, kOneRun, true));
      attention(device, over_runs({16, 1, 2, 18, 0, 0, {70}, causal, shared, !mask, false, !dropout}, kRunPerBucket, false));
    }
  }
  return finish("attention");
}
