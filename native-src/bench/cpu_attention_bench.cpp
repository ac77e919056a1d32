// LSH attention of the CPU library, as a share of what the processor can do: only the multiply-adds of its matrix
// products count, two of them forward and five backward; see cpu_peak.h. Chunks of 64, windows of 128, causal; of
// floats, and of bfloat16, against the same peak, where the processor multiplies it. Then the time, by turns with that,
// where keys count once, and where every bucket has chunks of its own and a window of 192.
//
//   RF_BENCH_RUNS=20 cpu_attention_bench [threads...]
#include <random>

#include "cpu_peak.h"

namespace {

using namespace bench;

struct Shape {
  int length, heads, size, rounds;
};

const Shape kShapes[] = {{4096, 4, 64, 1}, {4096, 4, 64, 4}, {16384, 4, 64, 1}, {16384, 4, 64, 4}};
constexpr int kChunk = 64;

// An order of the tokens; without run_places the plain one.
struct Order {
  const char* name;
  int before;
  int by_bucket, distinct;
  int buckets;
  int64_t run_places;
  int32_t *entries, *sequence;
};

void report(const char* what, const Shape& s, const Speed& best, const Speed& highest) {
  std::printf("%-9s %6d x %d x %d, %d rounds %8.1f %8.1f %6.1f%% %8.1f %8.1f %6.1f%%\n", what, s.length, s.heads,
              s.size, s.rounds, best.wall, highest.wall, 100 * best.wall / highest.wall, best.busy, highest.busy,
              100 * best.busy / highest.busy);
}

// Numbers of a type, in room for as many floats.
float* normals(rf_context* context, int64_t count, int type) {
  std::mt19937_64 engine(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(engine);
  std::vector<uint16_t> halves;
  if (type == RF_BF16) {
    for (const float value : values) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      halves.push_back(static_cast<uint16_t>(bits >> 16));
    }
  }
  float* const address = floats(context, count);
  const int64_t bytes = count * (type == RF_BF16 ? 2 : 4);
  const void* const source = type == RF_BF16 ? static_cast<const void*>(halves.data()) : values.data();
  check(rf_upload(context, address, bytes, source, bytes, bytes, 1), "rf_upload");
  return address;
}

void measure(rf_context* context, int type, int threads, Shape s) {
  if (rehearsal()) s.length = 256;
  check(rf_context_threads(context, threads), "rf_context_threads");
  const int64_t width = int64_t{s.heads} * s.size;
  const int64_t count = s.length * width;
  const int64_t segments = int64_t{s.heads} * s.rounds;
  const int32_t factors[] = {s.length / 32};
  const int64_t columns = s.rounds * factors[0] / 2;
  float* const q = normals(context, count, type);
  float* const v = normals(context, count, type);
  float* const d_out = normals(context, count, type);
  float* const rotations = normals(context, width * columns, RF_F32);
  std::vector<float*> blocks = {q, v, d_out, rotations};
  const auto make = [&](int64_t size) {
    blocks.push_back(floats(context, size));
    return blocks.back();
  };
  float *const out = make(count), *const dq = make(count), *const dv = make(count);
  float* const lse = make(s.length * s.heads);
  int32_t* const buckets = reinterpret_cast<int32_t*>(make(segments * s.length));
  int32_t* const sorted = reinterpret_cast<int32_t*>(make(segments * s.length));
  const int64_t own_places = s.length + std::min(s.length / 128 + 1, s.length) * int64_t{kChunk - 1};
  Order orders[] = {{"sorted", 1, 0, 0, factors[0], 0, nullptr, nullptr},
                    {"distinct", 1, 0, 1, factors[0], s.length, nullptr, nullptr},
                    {"causal", 2, 1, 0, s.length / 128, own_places / kChunk * kChunk, nullptr, nullptr}};
  for (Order& order : orders) {
    const int64_t places = order.run_places;
    const int64_t entries = places == 0 ? s.length : places + places / kChunk + order.distinct * s.length;
    order.entries = reinterpret_cast<int32_t*>(make(segments * entries));
    order.sequence = reinterpret_cast<int32_t*>(make(2));
    const int32_t lengths[] = {s.length, static_cast<int32_t>(std::max<int64_t>(places, s.length))};
    check(rf_upload(context, order.sequence, 8, lengths, 8, 8, 1), "rf_upload");
  }
  const int fast = rf_attention_fast(context, type, s.size, kChunk, 0, 0);
  float* const workspace = make(std::max(
      {rf_attention_workspace(1, s.length, s.heads, s.size, s.rounds, s.heads, fast),
       rf_attention_backward_workspace(1, s.length, s.heads, s.size, s.rounds, type, s.heads, fast),
       rf_lsh_sort_workspace(segments, s.length, factors[0])}));
  const int64_t chunks = int64_t{s.rounds} * s.length / kChunk;
  const double product = 2e-9 * static_cast<double>(chunks * s.heads * s.size) * kChunk * 2 * kChunk;
  const double hash = 2e-9 * static_cast<double>(count * columns);
#define ATTENTION                                                                                                    \
  q, width, q, width, v, width, type, order.entries, order.run_places, order.distinct, order.sequence, nullptr, nullptr, \
      1, s.length, s.heads, s.size, s.rounds, kChunk, order.before, order.before + 1, 1, 1,                           \
      std::max(s.rounds * order.run_places / kChunk, chunks) * 4, s.heads, 0, 0, 0, 0, 1.0f, 0
  const auto hash_into = [&](int32_t bucket_count) {
    check(rf_lsh_hash(context, buckets, q, width, type, rotations, RF_F32, nullptr, nullptr, 1, s.length, s.heads,
                      s.size, s.rounds, &bucket_count, 1),
          "rf_lsh_hash");
  };
  const auto sort = [&](int32_t* to, int32_t bucket_count) {
    check(rf_lsh_sort(context, to, buckets, segments, s.length, bucket_count, nullptr, segments, workspace),
          "rf_lsh_sort");
  };
  for (const Order& order : orders) {
    hash_into(order.buckets);
    sort(order.run_places == 0 ? order.entries : sorted, order.buckets);
    if (order.run_places != 0) {
      check(rf_lsh_runs(context, order.entries, sorted, buckets, segments, s.length, nullptr, segments, kChunk,
                        order.run_places, order.by_bucket, order.distinct),
            "rf_lsh_runs");
    }
  }
  Speed highest, hashed, sorting, forward[3], backward[3];
  for (int run = 0; run < runs(); ++run) {
    peak(&highest, context, threads);
    time_once(&hashed, hash, threads, [&](int) { hash_into(factors[0]); }, 1);
    time_once(&sorting, 1e-9 * static_cast<double>(segments * s.length), threads, [&](int) { sort(sorted, factors[0]); },
              1);
    for (int i = 0; i < 3; ++i) {
      const Order& order = orders[i];
      time_once(&forward[i], 2 * product, threads,
                [&](int) {
                  check(rf_attention(context, out, width, type, lse, ATTENTION, workspace), "rf_attention");
                },
                1);
      time_once(&backward[i], 5 * product, threads,
                [&](int) {
                  check(rf_attention_backward(context, dq, width, nullptr, 0, dv, width, d_out, width, out, width, type,
                                              lse, ATTENTION, workspace),
                        "rf_attention_backward");
                },
                1);
    }
  }
  report("forward", s, forward[0], highest);
  report("backward", s, backward[0], highest);
  report("hash", s, hashed, highest);
  std::printf("%-9s %.2f ns per key\n", "sort", 1 / sorting.wall);
  for (int i = 1; i < 3; ++i) {
    std::printf("%-9s %.2f of the time forward, %.2f backward\n", orders[i].name, forward[0].wall / forward[i].wall,
                backward[0].wall / backward[i].wall);
  }
  for (float* block : blocks) check(rf_free(context, block), "rf_free");
}

}  // namespace

int main(int count, char** arguments) {
  rf_context* context = nullptr;
  check(rf_context_create(0, &context), "rf_context_create");
  isa_of(context);
  for_threads(count, arguments, [&](int threads) {
    std::printf("%d thread%s: GFLOP/s, peak, share; the same by processor time\n", threads, threads == 1 ? "" : "s");
    for (const int type : {RF_F32, RF_BF16}) {
      if (rf_context_computes(context, type) == 0) continue;
      std::printf("%s\n", type == RF_BF16 ? "bfloat16" : "float32");
      for (const Shape& shape : kShapes) measure(context, type, threads, shape);
    }
  });
  check(rf_context_destroy(context), "rf_context_destroy");
}
