// Stages of LSH attention: hash, sort, runs of chunks, attention forward and backward; and of local attention.
#include "stages.h"

namespace bench {
namespace {

constexpr int kChunk = 64;
constexpr int kWindow = 2;  // own chunk and the one before
constexpr int kTile = 16;   // queries of a block of the kernels that take every shape

struct Shape {
  int length, heads, head_size, rounds;

  int64_t width() const { return int64_t{heads} * head_size; }
  int64_t elements() const { return length * width(); }
  int64_t keys() const { return int64_t{heads} * rounds * length; }
  std::string text() const {
    return "T=" + std::to_string(length) + " H=" + std::to_string(heads) + " K=" + std::to_string(head_size) +
           " R=" + std::to_string(rounds);
  }
};

// Buckets as Hugging Face chooses them: 2 T / 64, as two factors.
std::vector<int32_t> factors_of(int length) {
  int exponent = 1;
  while ((2 << exponent) < 2 * length / kChunk) ++exponent;
  return {1 << ((exponent + 1) / 2), 1 << ((exponent + 2) / 2)};
}

int64_t buckets_of(int length) {
  const std::vector<int32_t> factors = factors_of(length);
  return int64_t{factors[0]} * factors[1];
}

// Sorted tokens of sets of inputs; none for tokens as they stand.
struct Order {
  std::vector<int32_t*> numbers, order;
  int64_t places = 0;  // of a round where it is laid out in runs of chunks
};

struct Tensors {
  std::vector<void*> q, v, out, d_out, d_q, d_v;
  std::vector<float*> lse;
};

// Attention on tokens in an order, or as they stand with one round where that is empty.
void attention(Bench& bench, const Shape& s, int type, const Order& sorted, const char* kind) {
  const std::vector<int32_t*>& order = sorted.order;
  const int64_t places = sorted.places;
  const int64_t n = s.elements();
  const int64_t size = type == RF_BF16 ? 2 : 4;
  const int sets = Bench::sets_of(6 * n * size);
  const bool lsh = !order.empty();
  Tensors t;
  const auto numbers = [&]() -> void* {
    return type == RF_BF16 ? static_cast<void*>(bench.bf16_numbers(n)) : static_cast<void*>(bench.floats(n));
  };
  for (int i = 0; i < sets; ++i) {
    t.q.push_back(numbers());
    t.v.push_back(numbers());
    t.d_out.push_back(numbers());
    t.out.push_back(bench.allocate(size * n));
    t.d_q.push_back(bench.allocate(size * n));
    t.d_v.push_back(bench.allocate(size * n));
    t.lse.push_back(static_cast<float*>(bench.allocate(int64_t{4} * s.heads * s.length)));
  }
  // Separate keys of local attention, whose gradients nobody reads here.
  void* const keys = lsh ? nullptr : numbers();
  void* const d_keys = lsh ? nullptr : bench.allocate(size * n);
  const int64_t slots = places == 0 ? s.length : places;
  const int32_t host[2] = {s.length, static_cast<int32_t>(slots)};
  int32_t* const sequences = static_cast<int32_t*>(bench.allocate(sizeof host));
  require(rf_upload(bench.context, sequences, sizeof host, host, sizeof host, sizeof host, 1), "rf_upload");
  const int64_t w = s.width();
  // As the Java backend groups heads: 512 MiB of partial results of rounds.
  const int64_t per_head = int64_t{s.length} * std::max(1, s.rounds - 1) * s.head_size * 4;
  const int group = static_cast<int>(std::clamp<int64_t>((int64_t{512} << 20) / per_head, 1, s.heads));
  const int fast = rf_attention_fast(bench.context, type, s.head_size, kChunk, 0, w * 2);
  void* const space = bench.allocate(
      std::max(rf_attention_workspace(1, s.length, s.heads, s.head_size, s.rounds, group, fast),
               rf_attention_backward_workspace(1, s.length, s.heads, s.head_size, s.rounds, type, group, fast)));
  const int64_t tiles = int64_t{s.rounds} * slots / kChunk * (kChunk / kTile);
#define BENCH_ATTENTION(set)                                                                                 \
  t.q[set], w, lsh ? t.q[set] : keys, w, t.v[set], w, type, lsh ? order[(set) % order.size()] : nullptr,     \
      places, 0, sequences, nullptr, nullptr, 1, s.length, s.heads, s.head_size, s.rounds, kChunk, 1, kWindow, 1,       \
      lsh ? 1 : 0, tiles, group, BENCH_NO_DROPOUT
  // A run is a chunk or two: most see no chunk before.
  const double pairs = static_cast<double>(s.keys()) * kChunk * (places == 0 ? kWindow : 1);
  const double rows = static_cast<double>(n) * static_cast<double>(size);
  const double rounds = s.rounds;
  const double inputs = lsh ? 2 : 3;
  // Per round the inputs once, partial outputs written and read again where rounds are merged.
  const double forward_bytes = rows * (inputs * rounds + 2 * rounds - 1) + 4.0 * static_cast<double>(s.keys()) * (lsh ? 1 : 0);
  const double backward_bytes = rows * ((inputs + 2) * rounds + inputs * (2 * rounds - 1));
  const std::string name(kind);
  const bool tuned = type == RF_BF16 && places == 0;
  const double share = tuned ? 0.6 : 0;
  // On tensor cores one for what lies behind the sequences, one for dO.O where it is a pass of its own, and one for
  // each round of each group of heads; else two and three for each group.
  const int groups = (s.heads + group - 1) / group;
  const int forward_launches = fast != 0 ? 1 + s.rounds * groups : 2 * groups;
  const int backward_launches = fast != 0 ? (s.rounds == 1 ? 1 : 2) + s.rounds * groups : 3 * groups;
  bench.print((name + " forward").c_str(), s.text(),
              {forward_bytes, 4 * pairs * s.head_size, share, forward_launches},
              [&](int i) {
                const size_t set = static_cast<size_t>(i % sets);
                return rf_attention(bench.context, t.out[set], w, type, t.lse[set], BENCH_ATTENTION(set), space);
              });
  bench.print((name + " backward").c_str(), s.text(),
              {backward_bytes, 10 * pairs * s.head_size, tuned ? 0.45 : 0, backward_launches},
              [&](int i) {
                const size_t set = static_cast<size_t>(i % sets);
                return rf_attention_backward(bench.context, t.d_q[set], w, d_keys, w, t.d_v[set], w, t.d_out[set],
                                             w, t.out[set], w, type, t.lse[set], BENCH_ATTENTION(set), space);
              });
#undef BENCH_ATTENTION
}

// Hash and sort; leaves the buckets and the sorted orders.
Order order_of(Bench& bench, const Shape& s) {
  const std::vector<int32_t> factors = factors_of(s.length);
  const int columns = (factors[0] + factors[1]) / 2;
  const int64_t buckets = buckets_of(s.length);
  const std::string shape = s.text() + " " + std::to_string(factors[0]) + "x" + std::to_string(factors[1]);
  const int sets = Bench::sets_of(2 * s.elements() + 4 * s.keys());
  std::vector<void*> x;
  Order sorted;
  std::vector<int32_t*>& numbers = sorted.numbers;
  std::vector<int32_t*>& order = sorted.order;
  for (int i = 0; i < sets; ++i) {
    x.push_back(bench.bf16_numbers(s.elements()));
    numbers.push_back(static_cast<int32_t*>(bench.allocate(4 * s.keys())));
    order.push_back(static_cast<int32_t*>(bench.allocate(4 * s.keys())));
  }
  void* const rotations = bench.bytes(s.width() * columns * s.rounds);
  const double keys = static_cast<double>(s.keys());
  const auto hash = [&](int i) {
    const size_t set = static_cast<size_t>(i % sets);
    return rf_lsh_hash(bench.context, numbers[set], x[set], s.width(), RF_BF16, rotations, RF_I8, nullptr,
                       nullptr, 1, s.length, s.heads, s.head_size, s.rounds, factors.data(), 2);
  };
  // Also where the table was cut: sorting needs numbers in every set.
  for (int i = 0; i < sets; ++i) require(hash(i), "hash");
  // The high half of each product is a second one of 8-bit integers, which run at twice the rate of bf16.
  bench.print("hash, integer", shape,
              {2.0 * static_cast<double>(s.elements()) + 4 * keys,
               2.0 * static_cast<double>(s.elements()) * columns * s.rounds * 2, 0.5, 1, 2 * kFlops},
              hash);
  const int64_t segments = int64_t{s.heads} * s.rounds;
  void* const space = bench.allocate(rf_lsh_sort_workspace(segments, s.length, buckets));
  const bool one_digit = buckets < 1024;
  const auto sort = [&](int i) {
    const size_t set = static_cast<size_t>(i % sets);
    return rf_lsh_sort(bench.context, order[set], numbers[set], segments, s.length, buckets, nullptr, 1, space);
  };
  for (int i = 0; i < sets; ++i) require(sort(i), "sort");
  bench.print("sort", shape, {(one_digit ? 12.0 : 32.0) * keys, 0, 0.25, one_digit ? 3 : 6}, sort);
  return sorted;
}

// Every bucket in chunks of its own.
Order runs_of(Bench& bench, const Shape& s, const Order& sorted) {
  const int64_t segments = int64_t{s.heads} * s.rounds;
  Order laid_out;
  laid_out.places = (s.length + std::min<int64_t>(buckets_of(s.length) + 1, s.length) * (kChunk - 1)) / kChunk * kChunk;
  const int64_t entries = laid_out.places + laid_out.places / kChunk;
  for (size_t i = 0; i < sorted.order.size(); ++i) {
    laid_out.order.push_back(static_cast<int32_t*>(bench.allocate(4 * segments * entries)));
  }
  const auto runs = [&](int i) {
    const size_t set = static_cast<size_t>(i) % sorted.order.size();
    return rf_lsh_runs(bench.context, laid_out.order[set], sorted.order[set], sorted.numbers[set], segments, s.length,
                       nullptr, 1, kChunk, laid_out.places, 1, 0);
  };
  for (size_t i = 0; i < sorted.order.size(); ++i) require(runs(static_cast<int>(i)), "runs");
  bench.print("runs of chunks", s.text(),
              {8.0 * static_cast<double>(s.keys()) + 4.0 * static_cast<double>(segments * entries), 0, 0, 1}, runs);
  return laid_out;
}

}  // namespace

void lsh(Bench& bench, int length, int heads, int head_size, int rounds) {
  if (!bench.time_left()) return;
  const Shape shape = {length, heads, head_size, rounds};
  bench.attempt("LSH layer " + shape.text(), [&] {
    const Order order = order_of(bench, shape);
    attention(bench, shape, RF_BF16, order, "LSH attention, bf16,");
    if (rounds == 1) attention(bench, shape, RF_BF16, {}, "local attention, bf16,");
    // Longer ones would take memory that the ring needs, and say nothing else.
    if (length <= 64 << 10) {
      attention(bench, shape, RF_BF16, runs_of(bench, shape, order), "causal LSH attention, bf16,");
    }
    bench.release();
  });
}

void generic_attention(Bench& bench, int length, int heads, int head_size, int rounds) {
  if (!bench.time_left()) return;
  const Shape shape = {length, heads, head_size, rounds};
  attention(bench, shape, RF_F32, order_of(bench, shape), "LSH attention, float,");
  bench.release();
}

}  // namespace bench
