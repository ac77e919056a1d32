// What the tests of the fast attention paths share: cases, the pairs of tokens that see each other, and how results
// are judged.
#ifndef REFORMER_ATTENTION_PROBLEM_H
#define REFORMER_ATTENTION_PROBLEM_H

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "harness.h"
#include "run_layout.h"

namespace test {

// Which chunks an LSH attention lets see each other: all, as a ring over the rounds; those of a round; those of a
// bucket of a round.
enum Selection { kRing, kOneRun, kRunPerBucket };
constexpr int kBuckets = 3;  // and the padding bucket

struct Case {
  int size, heads, rounds, chunk, before, after;
  std::vector<int> lengths;
  bool causal, shared, mask, head_mask, dropout;
  int gradient_type = RF_BF16;
  int slots_multiple = 0;  // of the slots where it is not the chunk
  Selection selection = kRing;
  bool distinct = false;  // not of a ring
};

inline std::string name(const Case& c) {
  std::string text = "K=" + std::to_string(c.size) + " H=" + std::to_string(c.heads) +
                     " R=" + std::to_string(c.rounds) + " C=" + std::to_string(c.chunk) + " window " +
                     std::to_string(c.before) + "/" + std::to_string(c.after) + " T=";
  for (const int length : c.lengths) text += std::to_string(length) + ",";
  return text + (c.causal ? " causal" : "") + (c.shared ? " shared" : "") + (c.mask ? " mask" : "") +
         (c.head_mask ? " head mask" : "") + (c.dropout ? " dropout" : "") +
         (c.gradient_type == RF_F32 ? " float" : "") +
         (c.selection == kOneRun ? " one run" : c.selection == kRunPerBucket ? " run per bucket" : "") +
         (c.distinct ? " distinct" : "");
}

inline const Dropout kDropout = {77, 3, 5 * 256 + 1, 0x40000000u, 1.0f / 0.75f, 0};

// A query, a key that it sees, and where: the round of the query's place and of the key's.
struct Pair {
  int query, key, query_round, key_round;
  float factor;
};

struct Problem {
  Case c;
  int batch, stride, width;
  std::vector<float> q, k, v, d_out, head_mask;
  std::vector<int32_t> order, sequences, mask;
  int64_t run_places = 0;  // of a round of `order` where it is laid out in runs

  int64_t entries() const {
    return run_places == 0 ? stride : static_cast<int64_t>(layout().entries());
  }
  RunLayout layout() const { return {stride, c.chunk, run_places, c.selection == kRunPerBucket, c.distinct}; }

  size_t at(int b, int t, int h, int e) const {
    return static_cast<size_t>(((b * stride) + t) * width + h * c.size + e);
  }
  size_t row(int b, int h, int t) const { return static_cast<size_t>((b * c.heads + h) * stride + t); }
  float head_factor(int h) const { return c.head_mask ? head_mask[static_cast<size_t>(h)] : 1.0f; }

  std::vector<Pair> pairs(int b, int h) const {
    const int length = sequences[static_cast<size_t>(b)];
    const int slots = sequences[static_cast<size_t>(batch + b)];
    const bool whole = slots <= c.chunk;
    const int chunk = whole ? length : c.chunk;
    const int rounds = whole || !c.shared ? 1 : c.rounds;
    const int per_round = whole ? length : slots;
    const int chunks = rounds * per_round / chunk;
    const int window = whole ? 1 : 1 + c.before + c.after;
    const bool runs = run_places != 0 && !whole;
    auto entry = [&](int round, int64_t i) {
      return order[static_cast<size_t>(((int64_t{b} * c.heads + h) * c.rounds + round) * entries() + i)];
    };
    auto token = [&](int place) {
      const int i = place % per_round;
      if (!runs && i >= length) return -1;
      return whole || !c.shared ? i : static_cast<int>(entry(place / per_round, i));
    };
    auto run = [&](int in_all) {
      return entry(in_all * chunk / per_round, run_places + in_all % (per_round / chunk));
    };
    // The chunk that stands at a distance, -1 where it is not seen.
    auto seen_chunk = [&](int own, int distance) {
      const int other = own + distance;
      if (!runs) return (other % chunks + chunks) % chunks;
      const bool same_round = other >= 0 && other < chunks && other * chunk / per_round == own * chunk / per_round;
      return same_round && run(own) == run(other) ? other : -1;
    };
    std::vector<Pair> all;
    std::set<std::pair<int, int>> met;
    for (int place = 0; place < chunks * chunk; ++place) {
      const int query = token(place);
      for (int w = 0; query >= 0 && w < window; ++w) {
        const int other = seen_chunk(place / chunk, w - (whole ? 0 : c.before));
        for (int i = 0; other >= 0 && i < chunk; ++i) {
          const int key = token(other * chunk + i);
          if (key >= 0 && c.distinct && !met.insert({query, key}).second) continue;
          if (key < 0 || (c.mask && mask[static_cast<size_t>(b * stride + key)] == 0)) continue;
          if ((c.causal && key > query) || (c.shared && key == query)) continue;
          const int64_t in_rounds = (int64_t{b} * c.heads + h) * c.rounds + place / per_round;
          const int64_t element =
              (in_rounds * stride + query) * c.chunk * (1 + c.before + c.after) + w * chunk + i;
          all.push_back({query, key, place / per_round, other * chunk / per_round,
                         c.dropout ? kDropout.factor(element) : 1.0f});
        }
      }
    }
    return all;
  }
};

inline Problem make(const Case& c) {
  Problem p;
  p.c = c;
  p.batch = static_cast<int>(c.lengths.size());
  p.stride = 0;
  for (const int length : c.lengths) p.stride = std::max(p.stride, length);
  p.width = c.heads * c.size;
  Random random(static_cast<uint64_t>(p.stride * 1000 + c.size + c.rounds));
  const int64_t n = int64_t{p.batch} * p.stride * p.width;
  for (std::vector<float>* x : {&p.q, &p.k, &p.v, &p.d_out}) *x = random.normals(n, RF_BF16);
  for (int h = 0; h < c.heads; ++h) p.head_mask.push_back(h % 2 == 0 ? 0.75f : 0.0f);
  for (int b = 0; b < p.batch; ++b) p.sequences.push_back(c.lengths[static_cast<size_t>(b)]);
  for (int b = 0; b < p.batch; ++b) {
    const int length = c.lengths[static_cast<size_t>(b)];
    const int multiple = c.slots_multiple == 0 ? c.chunk : c.slots_multiple;
    p.sequences.push_back(length <= c.chunk ? length : (length + multiple - 1) / multiple * multiple);
  }
  const auto slots = p.sequences.begin() + p.batch;
  if (c.selection == kOneRun) {
    p.run_places = *std::max_element(slots, p.sequences.end());
    p.run_places = (std::max<int64_t>(p.run_places, p.stride) + c.chunk - 1) / c.chunk * c.chunk;
  } else if (c.selection == kRunPerBucket) {
    p.run_places = bucket_places(p.stride, kBuckets, c.chunk);
    std::fill(slots, p.sequences.end(), static_cast<int32_t>(p.run_places));
  }
  for (int i = 0; i < p.batch * p.stride; ++i) p.mask.push_back(random.below(4) == 0 ? 0 : 1);
  for (int s = 0; s < p.batch * c.heads * c.rounds; ++s) {
    const int length = c.lengths[static_cast<size_t>(s / (c.heads * c.rounds))];
    std::vector<int32_t> order;
    if (c.selection == kRunPerBucket) {
      std::vector<int32_t> buckets, sorted(static_cast<size_t>(length));
      // Half of the tokens share a bucket, which has several chunks then.
      for (int t = 0; t < length; ++t) buckets.push_back(std::max(0, random.below(2 * kBuckets + 2) - kBuckets - 1));
      std::iota(sorted.begin(), sorted.end(), 0);
      order = lay_out(p.layout(), sorted, buckets);
    } else {
      for (int t = 0; t < length; ++t) order.insert(order.begin() + random.below(t + 1), t);
      if (c.selection == kOneRun) order = lay_out(p.layout(), order, {});
    }
    for (int t = length; c.selection == kRing && t < p.stride; ++t) order.push_back(t);
    p.order.insert(p.order.end(), order.begin(), order.end());
  }
  return p;
}

// Tiles of 16 rows of the largest sequence.
inline int64_t tiles_of(const Problem& p) {
  const Case& c = p.c;
  int64_t tiles = 0;
  for (int b = 0; b < p.batch; ++b) {
    const int slots = p.sequences[static_cast<size_t>(p.batch + b)];
    const int length = p.sequences[static_cast<size_t>(b)];
    tiles = std::max(tiles, slots <= c.chunk ? int64_t{(length + 15) / 16}
                                             : int64_t{c.shared ? c.rounds : 1} * slots / c.chunk * ((c.chunk + 15) / 16));
  }
  return tiles;
}

inline std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

inline double largest_error(const std::vector<double>& x, const std::vector<double>& exact) {
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) error = std::max(error, std::fabs(x[i] - exact[i]));
  return error;
}

// Of all bits that the device gave, to compare runs in different orders of threads.
inline uint64_t digest = 1469598103934665603u;

inline void compare(const std::vector<float>& actual, const std::vector<double>& straight,
             const std::vector<double>& exact, const std::string& what) {
  double size = 0;
  for (const double x : exact) size = std::max(size, std::fabs(x));
  const double allowed = 2 * largest_error(straight, exact);
  const double error = largest_error({actual.begin(), actual.end()}, exact);
  bool finite = true;
  for (const float x : actual) {
    finite = finite && std::isfinite(x);
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    digest = (digest ^ bits) * 1099511628211u;
  }
  if (std::getenv("RF_TEST_ERRORS") != nullptr) {
    std::printf("%s: largest %.3g, error %.3g, straightforward %.3g\n", what.c_str(), size, error, allowed / 2);
  }
  check(finite && error <= allowed,
        what + ": error " + std::to_string(error) + ", allowed " + std::to_string(allowed));
}

}  // namespace test

#endif
