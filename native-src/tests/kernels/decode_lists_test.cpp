// rf_decode_lists against a sort of all positions at every step, and rf_store_rows against a loop, with ==.
#include <algorithm>
#include <numeric>

#include "harness.h"

namespace {

using namespace test;

struct Case {
  std::vector<int> prompts;
  int steps, capacity, heads, rounds, buckets, chunk, before, after;
  bool by_bucket, distinct;

  int batch() const { return static_cast<int>(prompts.size()); }
  int segments() const { return batch() * heads * rounds; }
  int window() const { return by_bucket ? 1 + before : 1 + before + after; }
  int width() const { return window() * chunk + 1; }
  std::string name() const {
    return "B=" + std::to_string(batch()) + " C=" + std::to_string(capacity) + " R=" + std::to_string(rounds) +
           " chunk=" + std::to_string(chunk) + (by_bucket ? " by bucket" : "") + (distinct ? " distinct" : "");
  }
};

size_t at(int64_t row, int64_t columns, int64_t column) { return static_cast<size_t>(row * columns + column); }

std::vector<int32_t> filled(int64_t count, int32_t value) {
  return std::vector<int32_t>(static_cast<size_t>(count), value);
}

// The tables, entered and listed from their definition.
struct Tables {
  explicit Tables(const Case& c)
      : c(c),
        places(filled(int64_t{c.batch()} * c.capacity, -9)),
        buckets(filled(int64_t{c.segments()} * c.capacity, -9)),
        ranks(buckets),
        counts(filled(int64_t{c.segments()} * (c.buckets + 1), 0)),
        listed(filled(int64_t{c.segments()} * c.width(), -9)) {}

  void enter(int segment, int position, int bucket) {
    int32_t& count = counts[at(segment, c.buckets + 1, bucket)];
    buckets[at(segment, c.capacity, position)] = bucket;
    ranks[at(segment, c.capacity, position)] = count++;
  }

  // The positions that a round lists for the last one.
  std::vector<int> window(int segment, int positions) const {
    const auto bucket = [&](int t) { return buckets[at(segment, c.capacity, t)]; };
    std::vector<int> order(static_cast<size_t>(positions)), found;
    std::iota(order.begin(), order.end(), 0);
    if (c.by_bucket) {
      order.erase(std::remove_if(order.begin(), order.end(), [&](int t) { return bucket(t) != bucket(positions - 1); }),
                  order.end());
    } else {
      std::stable_sort(order.begin(), order.end(), [&](int s, int t) { return bucket(s) < bucket(t); });
    }
    const int size = static_cast<int>(order.size());
    const int rank = static_cast<int>(std::find(order.begin(), order.end(), positions - 1) - order.begin());
    const int first = (rank / c.chunk - c.before) * c.chunk;
    for (int i = first; i < first + c.window() * c.chunk; ++i) {
      const bool inside = i >= 0 && i < size;
      if (inside || (!c.by_bucket && !c.distinct)) found.push_back(order[static_cast<size_t>((i % size + size) % size)]);
    }
    return found;
  }

  void list(int b, int positions) {
    for (int h = 0; h < c.heads; ++h) {
      std::vector<bool> met(static_cast<size_t>(positions));
      for (int r = 0; r < c.rounds; ++r) {
        const int segment = (b * c.heads + h) * c.rounds + r;
        const std::vector<int> found = window(segment, positions);
        for (int i = 0; i < c.width(); ++i) {
          const bool any = i < static_cast<int>(found.size()) &&
                           !(c.distinct && met[static_cast<size_t>(found[static_cast<size_t>(i)])]);
          listed[at(segment, c.width(), i)] = any ? places[at(b, c.capacity, found[static_cast<size_t>(i)])] : -1;
        }
        for (const int t : found) met[static_cast<size_t>(t)] = true;
      }
    }
  }

  const Case& c;
  std::vector<int32_t> places, buckets, ranks, counts, listed;
};

void compare(Device& device, const Case& c) {
  Random random(static_cast<uint64_t>(c.capacity * 7 + c.chunk + c.rounds));
  Tables t(c);
  const int lists = c.heads * c.rounds;
  // Rows of different sequences and positions are different ones, in no order.
  const auto row = [&](int b, int position) { return (position * c.batch() + b) ^ 1; };
  for (int b = 0; b < c.batch(); ++b) {
    for (int position = 0; position < c.prompts[static_cast<size_t>(b)]; ++position) {
      const bool masked = random.below(5) == 0;
      t.places[at(b, c.capacity, position)] = masked ? -1 : row(b, position);
      for (int i = 0; i < lists; ++i) t.enter(b * lists + i, position, masked ? c.buckets : random.below(c.buckets));
    }
  }
  Matrix listed(device, RF_I32, c.segments(), c.width()), places(device, RF_I32, c.batch(), c.capacity);
  Matrix buckets(device, RF_I32, c.segments(), c.capacity), ranks(device, RF_I32, c.segments(), c.capacity);
  Matrix counts(device, RF_I32, c.segments(), c.buckets + 1), hashed(device, RF_I32, lists, c.batch());
  Matrix own(device, RF_I32, 1, c.batch()), lengths(device, RF_I32, 1, c.batch());
  Block workspace(device, rf_decode_lists_workspace(c.segments(), c.buckets));
  listed.put(t.listed), places.put(t.places), buckets.put(t.buckets), ranks.put(t.ranks), counts.put(t.counts);
  for (int step = 0; step < c.steps; ++step) {
    std::vector<int32_t> new_buckets = filled(c.segments(), 0), new_rows, before;
    for (int b = 0; b < c.batch(); ++b) {
      const int last = c.prompts[static_cast<size_t>(b)] + step;
      new_rows.push_back(row(b, last));
      before.push_back(last);
      for (int i = 0; i < lists; ++i) {
        const int bucket = random.below(c.buckets);
        new_buckets[at(i, c.batch(), b)] = bucket;
        if (last < c.capacity) t.enter(b * lists + i, last, bucket);
      }
      if (last < c.capacity) {
        t.places[at(b, c.capacity, last)] = row(b, last);
        t.list(b, last + 1);
      } else {
        // One that is full lists nothing and stays as it is.
        std::fill_n(t.listed.begin() + int64_t{b} * lists * c.width(), int64_t{lists} * c.width(), -1);
      }
    }
    hashed.put(new_buckets), own.put(new_rows), lengths.put(before);
    ok(rf_decode_lists(device.context, listed.ints(), places.ints(), buckets.ints(), ranks.ints(), counts.ints(),
                       hashed.ints(), own.ints(), lengths.ints(), c.batch(), c.heads, c.rounds, c.capacity, c.buckets,
                       c.width(), c.chunk, c.before, 1 + c.before + c.after, c.by_bucket, c.distinct,
                       workspace.address),
       "rf_decode_lists " + c.name());
    const std::string name = c.name() + " step " + std::to_string(step);
    same(places.get_ints(), t.places, "places " + name);
    same(buckets.get_ints(), t.buckets, "buckets " + name);
    same(ranks.get_ints(), t.ranks, "ranks " + name);
    same(counts.get_ints(), t.counts, "counts " + name);
    same(listed.get_ints(), t.listed, "listed " + name);
  }
}

void store(Device& device, int type, int columns, int gap, const std::vector<int32_t>& rows) {
  Random random(static_cast<uint64_t>(columns + gap));
  const int64_t target_rows = 9;
  const int64_t count = static_cast<int64_t>(rows.size());
  const std::vector<float> source = random.normals(count * columns, type);
  std::vector<float> expected = random.normals(target_rows * columns, type);
  Matrix target_on(device, type, target_rows, columns, columns + gap), source_on(device, type, count, columns, columns + gap);
  Matrix rows_on(device, RF_I32, 1, count);
  target_on.put(expected), source_on.put(source), rows_on.put(rows);
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(source.begin() + i * columns, columns, expected.begin() + rows[static_cast<size_t>(i)] * columns);
  }
  ok(rf_store_rows(device.context, target_on.data(), target_on.stride, source_on.data(), source_on.stride, type,
                   rows_on.ints(), count, columns),
     "rf_store_rows");
  same(target_on.get(), expected,
       "stored rows type=" + std::to_string(type) + " D=" + std::to_string(columns) + " gap=" + std::to_string(gap));
}

}  // namespace

int main() {
  {
    Device device;
    store(device, RF_F32, 64, 0, {3});
    store(device, RF_BF16, 62, 1, {8, 0, 4});
    compare(device, {{0, 2}, 5, 8, 1, 2, 4, 2, 1, 0, false, false});
    compare(device, {{3, 5, 0}, 4, 8, 2, 2, 3, 2, 1, 1, false, true});
    if (!small()) {
      store(device, RF_BF16, 64, 8, {1, 2, 7, 6, 5});
      store(device, RF_F32, 1030, 2, {8, 7});
      store(device, RF_BF16, 1030, 2, {0, 1});
      compare(device, {{0}, 30, 32, 1, 1, 2, 3, 2, 1, false, false});
      compare(device, {{9, 0, 20}, 12, 32, 2, 3, 4, 4, 1, 0, true, true});
      compare(device, {{9, 0}, 12, 32, 3, 2, 4, 4, 2, 1, true, false});
      compare(device, {{1500, 1023}, 3, 2000, 1, 2, 40, 64, 1, 1, false, false});
      compare(device, {{2040, 300}, 3, 2048, 2, 2, 5000, 16, 1, 0, false, true});
      compare(device, {{1024}, 2, 1100, 1, 4, 6, 64, 1, 0, true, true});
    }
    ok(rf_store_rows(device.context, nullptr, 4, nullptr, 4, RF_F32, nullptr, 0, 4), "no rows");
    check(rf_store_rows(device.context, nullptr, 4, nullptr, 4, RF_I8, nullptr, 1, 4) == RF_STATUS_UNSUPPORTED,
          "rows of bytes");
  }
  return finish("decode_lists");
}
