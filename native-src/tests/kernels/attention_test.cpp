// rf_attention and rf_attention_backward against a dense softmax in double and its slopes.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int batch, length, heads, size, rounds, chunk, before, after;
  bool causal, shared, mask, ragged, dropout;
};

std::string name(const Case& c) {
  return "T=" + std::to_string(c.length) + " K=" + std::to_string(c.size) +
         " R=" + std::to_string(c.rounds) + " C=" + std::to_string(c.chunk) + (c.causal ? " causal" : "") +
         (c.shared ? " shared" : "") + (c.mask ? " mask" : "") + (c.ragged ? " ragged" : "") +
         (c.dropout ? " dropout" : "");
}

const Dropout kDropout = {99, 4, 3 * 256 + 1, 0x40000000u, 1.0f / 0.75f, 0};

struct Data {
  std::vector<double> q, k, v, weights;  // weights: what the loss multiplies the output with
  std::vector<int32_t> order, sequences, mask;
};

// Sum over all outputs of weight * out, and the log-sum-exps.
double loss(const Case& c, const Data& d, std::vector<double>& out, std::vector<double>& lse) {
  const int width = c.heads * c.size;
  out.assign(static_cast<size_t>(c.batch * c.length * width), 0);
  lse.assign(static_cast<size_t>(c.batch * c.heads * c.length), -INFINITY);
  double total = 0;
  for (int b = 0; b < c.batch; ++b) {
    const int length = d.sequences[static_cast<size_t>(b)];
    const int slots = d.sequences[static_cast<size_t>(c.batch + b)];
    const bool whole = slots <= c.chunk;
    const int chunk = whole ? length : c.chunk;
    const int rounds = whole || !c.shared ? 1 : c.rounds;
    const int per_round = whole ? length : slots;
    const int chunks = rounds * per_round / chunk;
    const int window = whole ? 1 : 1 + c.before + c.after;
    for (int h = 0; h < c.heads; ++h) {
      auto token = [&](int place) {
        const int i = place % per_round;
        if (i >= length) return -1;
        if (whole || !c.shared) return i;
        return d.order[static_cast<size_t>(
            (((b * c.heads) + h) * c.rounds + place / per_round) * c.length + i)];
      };
      auto at = [&](int t, int e) { return static_cast<size_t>((b * c.length + t) * width + h * c.size + e); };
      auto key_factor = [&](int t) {
        double squares = 0;
        for (int e = 0; e < c.size; ++e) squares += d.q[at(t, e)] * d.q[at(t, e)];
        return c.shared ? 1 / std::sqrt((squares / c.size + 1e-6) * c.size) : 1 / std::sqrt(c.size);
      };
      struct Pair {
        int query, key;
        double score, factor;
      };
      std::vector<Pair> pairs;
      for (int place = 0; place < chunks * chunk; ++place) {
        const int query = token(place);
        if (query < 0) continue;
        for (int w = 0; w < window; ++w) {
          const int other = ((place / chunk - (whole ? 0 : c.before) + w) % chunks + chunks) % chunks;
          for (int i = 0; i < chunk; ++i) {
            const int key = token(other * chunk + i);
            if (key < 0 || (c.mask && d.mask[static_cast<size_t>(b * c.length + key)] == 0)) continue;
            if ((c.causal && key > query) || (c.shared && key == query)) continue;
            double score = 0;
            for (int e = 0; e < c.size; ++e) {
              score += d.q[at(query, e)] * (c.shared ? d.q : d.k)[at(key, e)];
            }
            const int64_t row = (int64_t{b} * c.heads + h) * c.rounds + place / per_round;
            const int64_t element =
                (row * c.length + query) * c.chunk * (1 + c.before + c.after) + w * chunk + i;
            pairs.push_back({query, key, score * key_factor(key), c.dropout ? kDropout.factor(element) : 1.0});
          }
        }
      }
      for (int t = 0; t < length; ++t) {
        double high = -INFINITY, sum = 0;
        for (const Pair& p : pairs) high = p.query == t ? std::max(high, p.score) : high;
        for (const Pair& p : pairs) sum += p.query == t ? std::exp(p.score - high) : 0;
        if (sum > 0) lse[static_cast<size_t>((b * c.heads + h) * c.length + t)] = high + std::log(sum);
        for (const Pair& p : pairs) {
          if (p.query != t) continue;
          const double weight = std::exp(p.score - high) / sum * p.factor;
          for (int e = 0; e < c.size; ++e) out[at(t, e)] += weight * d.v[at(p.key, e)];
        }
        for (int e = 0; e < c.size; ++e) {
          if (sum == 0 && c.shared) out[at(t, e)] = d.v[at(t, e)];
          total += out[at(t, e)] * d.weights[at(t, e)];
        }
      }
    }
  }
  return total;
}

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

void attention(Device& device, const Case& c) {
  Random random(static_cast<uint64_t>(c.length + c.size));
  const int64_t rows = int64_t{c.batch} * c.length;
  const int64_t width = int64_t{c.heads} * c.size;
  Data d;
  for (std::vector<double>* x : {&d.q, &d.k, &d.v, &d.weights}) {
    const std::vector<float> values = random.normals(rows * width);
    x->assign(values.begin(), values.end());
  }
  for (int b = 0; b < 2 * c.batch; ++b) {
    const int length = c.ragged && b % c.batch == 1 ? c.length / 3 : c.length;
    d.sequences.push_back(b < c.batch || length <= c.chunk ? length : (length + c.chunk - 1) / c.chunk * c.chunk);
  }
  for (int64_t i = 0; i < rows; ++i) d.mask.push_back(random.below(4) == 0 ? 0 : 1);
  // Any order of the real tokens will do.
  for (int s = 0; s < c.batch * c.heads * c.rounds; ++s) {
    const int length = d.sequences[static_cast<size_t>(s / (c.heads * c.rounds))];
    std::vector<int32_t> order;
    for (int t = 0; t < length; ++t) order.insert(order.begin() + random.below(t + 1), t);
    for (int t = length; t < c.length; ++t) order.push_back(t);
    d.order.insert(d.order.end(), order.begin(), order.end());
  }
  std::vector<double> out, lse, unused_out, unused_lse;
  loss(c, d, out, lse);

  Matrix q(device, RF_F32, rows, width, width + 3), k(device, RF_F32, rows, width), v(device, RF_F32, rows, width);
  Matrix o(device, RF_F32, rows, width, width + 1), d_out(device, RF_F32, rows, width);
  Matrix dq(device, RF_F32, rows, width), dk(device, RF_F32, rows, width), dv(device, RF_F32, rows, width);
  Matrix lse_on(device, RF_F32, 1, static_cast<int64_t>(lse.size()));
  Matrix order(device, RF_I32, 1, static_cast<int64_t>(d.order.size()));
  Matrix sequences(device, RF_I32, 1, 2 * c.batch), mask(device, RF_I32, 1, rows);
  q.put(floats(d.q)), k.put(floats(d.k)), v.put(floats(d.v)), d_out.put(floats(d.weights));
  order.put(d.order), sequences.put(d.sequences), mask.put(d.mask);
  const int slots = d.sequences[static_cast<size_t>(c.batch)];
  const int64_t tiles = slots <= c.chunk ? (c.length + 15) / 16
                                         : int64_t{c.shared ? c.rounds : 1} * slots / c.chunk * ((c.chunk + 15) / 16);
  const Dropout dropout = c.dropout ? kDropout : Dropout{};
#define ATTENTION                                                                                        \
  q.data(), q.stride, c.shared ? q.data() : k.data(), c.shared ? q.stride : k.stride, v.data(), v.stride, \
      RF_F32, c.shared ? order.ints() : nullptr, sequences.ints(), c.mask ? mask.ints() : nullptr,        \
      nullptr, c.batch, c.length, c.heads, c.size, c.rounds, c.chunk, c.before,                           \
      1 + c.before + c.after, c.causal, c.shared, tiles, group, TEST_DROPOUT(dropout)
  // Heads one at a time, in a workspace for one, then all at once: the same bits.
  std::vector<std::vector<float>> of_groups;
  for (const int group : {1, c.heads}) {
    Block workspace(device, rf_attention_workspace(c.batch, c.length, c.heads, c.size, c.rounds, group, 0));
    ok(rf_attention(device.context, o.data(), o.stride, RF_F32, lse_on.floats(), ATTENTION, workspace.address),
       "rf_attention");
    Block gradient_workspace(device, rf_attention_backward_workspace(c.batch, c.length, c.heads, c.size, c.rounds,
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
  check(c.heads == 1 || rf_attention_workspace(c.batch, c.length, c.heads, c.size, c.rounds, 1, 0) * c.heads ==
                            rf_attention_workspace(c.batch, c.length, c.heads, c.size, c.rounds, c.heads, 0),
        "one head takes its share of the workspace, " + name(c));
  nearly(o.get(), out, 4e-6, "out " + name(c));
  const std::vector<float> sums = lse_on.get();
  for (size_t i = 0; i < lse.size(); ++i) {
    check(std::isinf(lse[i]) ? sums[i] == -INFINITY : std::fabs(sums[i] - lse[i]) < 1e-5, "lse " + name(c));
  }
  // Slopes of the loss along random directions against the gradients.
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
    const double slope = (loss(c, up, unused_out, unused_lse) - loss(c, down, unused_out, unused_lse)) / 2e-5;
    check(length > 0 && std::fabs(slope - expected) < 2e-5 * std::sqrt(length),
          "slope of " + std::to_string(x) + " " + name(c) + ": " + std::to_string(slope) + ", gradient " +
              std::to_string(expected));
  }
}

}  // namespace

int main() {
  {
    Device device;
    if (small()) {
      attention(device, {1, 20, 1, 20, 2, 8, 1, 0, true, true, true, false, true});
      attention(device, {2, 20, 1, 17, 1, 8, 1, 1, false, false, true, true, false});
    } else {
      attention(device, {1, 40, 2, 16, 2, 8, 1, 0, true, true, false, false, false});
      attention(device, {2, 70, 1, 64, 3, 20, 1, 1, false, true, true, true, true});
      attention(device, {2, 33, 2, 24, 1, 16, 1, 0, true, false, false, true, true});
      attention(device, {1, 17, 1, 128, 2, 32, 1, 0, true, true, true, false, false});
      attention(device, {1, 30, 1, 9, 1, 10, 3, 2, false, false, true, false, false});
      attention(device, {2, 50, 1, 32, 2, 25, 1, 0, true, true, false, true, false});
    }
  }
  return finish("attention");
}
