// Decoding attention of the CPU library: the same bits for any number of threads, beside any other sequences, and
// over any content of its result; absent own rows; numbers that are not finite. Lists of new tokens and stored rows: the
// same for any number of threads.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int batch, heads, size, rounds, window, cache;
  bool shared;
};

std::string name_of(const Case& c) {
  return "B=" + std::to_string(c.batch) + " H=" + std::to_string(c.heads) + " K=" + std::to_string(c.size) +
         " R=" + std::to_string(c.rounds) + " W=" + std::to_string(c.window) + (c.shared ? " shared" : "");
}

struct Inputs {
  explicit Inputs(const Case& c)
      : random(static_cast<uint64_t>(c.size + c.window)),
        queries(random.normals(int64_t{c.batch} * c.heads * c.size)),
        keys(random.normals(int64_t{c.cache} * c.heads * c.size)),
        values(random.normals(int64_t{c.cache} * c.heads * c.size)),
        mask(random.normals(c.heads)) {
    for (int b = 0; b < c.batch; ++b) own.push_back(random.below(c.cache));
    // Lists of very different lengths.
    for (int i = 0; i < c.batch * c.heads * c.rounds * c.window; ++i) {
      const bool sparse = i / (c.rounds * c.window) % 2 == 1;
      rows.push_back(sparse && random.below(16) != 0 ? -1 : random.below(c.cache));
    }
  }

  Random random;
  std::vector<float> queries, keys, values, mask;
  std::vector<int32_t> own, rows;
};

std::vector<float> run(Device& device, const Case& c, const Inputs& in, int threads, float poison) {
  ok(rf_context_threads(device.context, threads), "rf_context_threads");
  const int64_t width = int64_t{c.heads} * c.size;
  Matrix out(device, RF_F32, c.batch, width, width + 3), queries(device, RF_F32, c.batch, width, width + 1);
  Matrix keys(device, RF_F32, c.cache, width, width + 2), values(device, RF_F32, c.cache, width);
  Matrix rows(device, RF_I32, 1, static_cast<int64_t>(in.rows.size())), own(device, RF_I32, 1, c.batch);
  Matrix mask(device, RF_F32, 1, c.heads);
  queries.put(in.queries), keys.put(in.keys), values.put(in.values);
  rows.put(in.rows), own.put(in.own), mask.put(in.mask);
  out.put(std::vector<float>(static_cast<size_t>(c.batch * width), poison));
  ok(rf_decode_attention(device.context, out.data(), out.stride, RF_F32, queries.data(), queries.stride, keys.data(),
                         keys.stride, values.data(), values.stride, RF_F32, rows.ints(), own.ints(), mask.floats(),
                         c.batch, c.heads, c.size, c.rounds, c.window, c.shared),
     "rf_decode_attention " + name_of(c));
  return out.get();
}

void threads(Device& device, const Case& c) {
  const Inputs in(c);
  const std::vector<float> one = run(device, c, in, 1, NAN);
  for (int count : {2, 3, 5}) {
    same(run(device, c, in, count, static_cast<float>(count)), one, std::to_string(count) + " threads " + name_of(c));
  }
  // The last sequence alone.
  Case last = c;
  last.batch = 1;
  Inputs alone = in;
  const auto keep = [&](auto& of) {
    of.erase(of.begin(), of.end() - static_cast<std::ptrdiff_t>(of.size() / static_cast<size_t>(c.batch)));
  };
  keep(alone.queries), keep(alone.own), keep(alone.rows);
  std::vector<float> expected = one;
  keep(expected);
  same(run(device, last, alone, 1, 7.0f), expected, "alone " + name_of(c));
}

void edges(Device& device) {
  const Case c = {2, 2, 20, 1, 3, 5, true};
  Inputs in(c);
  const auto value = [&](int row, int head, int d) {
    return in.values[static_cast<size_t>((row * c.heads + head) * c.size + d)];
  };
  // Nothing listed; only the own row listed; no own row and nothing listed; one row listed.
  in.rows = {-1, -1, -1, 4, -1, 4, -1, -5, -1, 1, -1, -1};
  in.own = {4, -1};
  std::vector<float> expected;
  for (int head = 0; head < 2; ++head) {
    for (int d = 0; d < c.size; ++d) expected.push_back(value(4, head, d) * in.mask[static_cast<size_t>(head)]);
  }
  for (int d = 0; d < c.size; ++d) expected.push_back(0);
  for (int d = 0; d < c.size; ++d) expected.push_back(value(1, 1, d) * in.mask[1]);
  in.mask[0] = std::fabs(in.mask[0]);  // zeros are positive then
  for (int d = 0; d < c.size; ++d) expected[static_cast<size_t>(d)] = value(4, 0, d) * in.mask[0];
  same(run(device, c, in, 2, NAN), expected, "lists without others");
  // A key that is no number is a result that is no number, in its head and sequence only.
  in.rows = {1, 2, 3, 1, 2, 3, 1, 3, 3, 1, 2, 3};
  in.keys[static_cast<size_t>(2 * c.heads * c.size + 3)] = NAN;
  const std::vector<float> out = run(device, c, in, 1, 0.0f);
  for (size_t i = 0; i < out.size(); ++i) {
    check(std::isnan(out[i]) == (i < static_cast<size_t>(c.size)), "NaN in a key at " + std::to_string(i));
  }
  ok(rf_decode_attention(device.context, nullptr, 0, RF_F32, nullptr, 0, nullptr, 0, nullptr, 0, RF_F32, nullptr,
                         nullptr, nullptr, 0, 2, 20, 1, 3, 1),
     "no sequences");
}

// What lists of new tokens are with so many threads: listed, places, buckets, ranks and counts.
std::vector<int32_t> lists(Device& device, int threads, bool distinct) {
  constexpr int kBatch = 2, kHeads = 3, kRounds = 4, kCapacity = 2000, kBuckets = 12, kChunk = 16;
  constexpr int kSegments = kBatch * kHeads * kRounds;
  ok(rf_context_threads(device.context, threads), "rf_context_threads");
  Random random(5);
  const std::vector<int32_t> lengths = {1900, 1500};
  std::vector<int32_t> places, buckets, ranks, counts(kSegments * (kBuckets + 1)), hashed;
  for (int i = 0; i < kBatch * kCapacity; ++i) places.push_back(i);
  for (int i = 0; i < kSegments * kCapacity; ++i) {
    const int segment = i / kCapacity;
    const int bucket = random.below(kBuckets);
    buckets.push_back(bucket);
    const bool entered = i % kCapacity < lengths[static_cast<size_t>(segment / (kHeads * kRounds))];
    int32_t& count = counts[static_cast<size_t>(segment * (kBuckets + 1) + bucket)];
    ranks.push_back(entered ? count++ : 0);
  }
  for (int i = 0; i < kSegments; ++i) hashed.push_back(random.below(kBuckets));
  Matrix listed_on(device, RF_I32, kSegments, 3 * kChunk), places_on(device, RF_I32, kBatch, kCapacity);
  Matrix buckets_on(device, RF_I32, kSegments, kCapacity), ranks_on(device, RF_I32, kSegments, kCapacity);
  Matrix counts_on(device, RF_I32, kSegments, kBuckets + 1), hashed_on(device, RF_I32, 1, kSegments);
  Matrix lengths_on(device, RF_I32, 1, kBatch), own_on(device, RF_I32, 1, kBatch);
  Block workspace(device, rf_decode_lists_workspace(kSegments, kBuckets));
  places_on.put(places), buckets_on.put(buckets), ranks_on.put(ranks), counts_on.put(counts);
  hashed_on.put(hashed), lengths_on.put(lengths), own_on.put(std::vector<int32_t>{7777, 8888});
  ok(rf_decode_lists(device.context, listed_on.ints(), places_on.ints(), buckets_on.ints(), ranks_on.ints(),
                     counts_on.ints(), hashed_on.ints(), own_on.ints(), lengths_on.ints(), kBatch, kHeads, kRounds,
                     kCapacity, kBuckets, 3 * kChunk, kChunk, 1, 3, !distinct, distinct, workspace.address),
     "rf_decode_lists");
  std::vector<int32_t> all;
  for (const Matrix* m : {&listed_on, &places_on, &buckets_on, &ranks_on, &counts_on}) {
    const std::vector<int32_t> part = m->get_ints();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::vector<float> stored(Device& device, int threads) {
  constexpr int kRows = 64, kWidth = 4096;
  ok(rf_context_threads(device.context, threads), "rf_context_threads");
  Random random(6);
  std::vector<int32_t> rows;
  for (int i = 0; i < kRows; ++i) rows.push_back((i * 37 + 5) % (2 * kRows));
  Matrix target(device, RF_F32, 2 * kRows, kWidth), source(device, RF_F32, kRows, kWidth);
  Matrix rows_on(device, RF_I32, 1, kRows);
  target.put(random.normals(int64_t{2} * kRows * kWidth)), source.put(random.normals(int64_t{kRows} * kWidth));
  rows_on.put(rows);
  ok(rf_store_rows(device.context, target.data(), target.stride, source.data(), source.stride, RF_F32, rows_on.ints(),
                   kRows, kWidth),
     "rf_store_rows");
  return target.get();
}

}  // namespace

int main() {
  {
    Device device;
    threads(device, {3, 3, 20, 2, 130, 90, true});
    if (!small()) {
      threads(device, {2, 8, 64, 4, 128, 2000, true});
      threads(device, {5, 1, 128, 1, 700, 1000, false});
      threads(device, {1, 7, 100, 1, 300, 500, false});
    }
    edges(device);
    for (const int count : {2, 5}) {
      for (const bool distinct : {false, true}) {
        same(lists(device, count, distinct), lists(device, 1, distinct), "lists of " + std::to_string(count) + " threads");
      }
      same(stored(device, count), stored(device, 1), "stored by " + std::to_string(count) + " threads");
    }
  }
  return finish("decode_threads");
}
