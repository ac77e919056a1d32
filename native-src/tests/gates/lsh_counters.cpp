// Hash, sort, runs of chunks, attention and decoding.
#include <algorithm>

#include "counting.h"

namespace {

void lsh(int head_size, int rotation_type, const char* operation) {
  const int length = 256;
  const int32_t factors[2] = {16, 32};
  uint16_t* const x = device<uint16_t>(int64_t{length} * head_size);
  void* const rotations = rotation_type == RF_I8 ? static_cast<void*>(device<int8_t>(24 * head_size))
                                                 : device<float>(24 * head_size);
  int32_t* const buckets = device<int32_t>(length);
  count(operation, int64_t{length} * head_size, [&] {
    return rf_lsh_hash(context, buckets, x, head_size, RF_BF16, rotations, rotation_type, nullptr,
                       nullptr, 1, length, 1, head_size, 1, factors, 2);
  });
}

void sort(int64_t buckets, const char* operation) {
  const int64_t length = 8192;
  std::vector<int32_t> keys;
  uint32_t state = 1;
  for (int64_t i = 0; i < length; ++i) {
    state = state * 1664525u + 1013904223u;
    keys.push_back(static_cast<int32_t>(state >> 8) % static_cast<int32_t>(buckets));
  }
  int32_t* const keys_on = device<int32_t>(length);
  require(rf_upload(context, keys_on, length * 4, keys.data(), length * 4, length * 4, 1));
  int32_t* const order = device<int32_t>(length);
  int8_t* const space = device<int8_t>(rf_lsh_sort_workspace(1, length, buckets));
  count(operation, length, [&] {
    return rf_lsh_sort(context, order, keys_on, 1, length, buckets, nullptr, 1, space);
  });
}

// Keys of a number of buckets, sorted: the keys and the sorted positions.
struct Sorted {
  std::vector<int32_t> keys, order;
};

Sorted sorted(int length, int buckets) {
  Sorted s;
  uint32_t state = 1;
  for (int i = 0; i < length; ++i) {
    state = state * 1664525u + 1013904223u;
    s.keys.push_back(static_cast<int32_t>(state >> 8) % buckets);
    s.order.push_back(i);
  }
  std::stable_sort(s.order.begin(), s.order.end(), [&](int32_t a, int32_t b) {
    return s.keys[static_cast<size_t>(a)] < s.keys[static_cast<size_t>(b)];
  });
  return s;
}

constexpr int64_t places_of(int64_t length, int64_t buckets, int64_t chunk) {
  return (length + (buckets + 1) * (chunk - 1)) / chunk * chunk;
}

// An element is a place of a chunk.
void runs(int length, int buckets, const char* operation) {
  const int chunk = 64;
  const int64_t places = places_of(length, buckets, chunk);
  const Sorted s = sorted(length, buckets);
  int32_t* const runs_on = device<int32_t>(places + places / chunk + length);
  const int32_t* const order = uploaded(s.order);
  const int32_t* const keys = uploaded(s.keys);
  count(operation, places, [&] {
    return rf_lsh_runs(context, runs_on, order, keys, 1, length, nullptr, 1, chunk, places, 1, 1);
  });
}

// One head in bfloat16: LSH attention, or local attention where there are no rounds.
struct Window {
  int chunk, before;
  // Of LSH attention over runs of chunks: so many buckets a round, each key of a query once or in every round.
  int buckets = 0;
  bool distinct = false;
};

void attention(int length, int head_size, int rounds, const Window& window, const char* suffix) {
  const int64_t n = int64_t{length} * head_size;
  uint16_t* const rows[] = {device<uint16_t>(n), device<uint16_t>(n), device<uint16_t>(n),
                            device<uint16_t>(n), device<uint16_t>(n)};
  uint16_t* const gradients[] = {device<uint16_t>(n), device<uint16_t>(n), device<uint16_t>(n)};
  float* const lse = device<float>(length);
  const int lists = rounds == 0 ? 1 : rounds;
  const int chunk = window.chunk;
  const int64_t places = window.buckets == 0 ? 0 : places_of(length, window.buckets, chunk);
  const int64_t slots = places == 0 ? length : places;
  int32_t* order_on = nullptr;
  if (places == 0) {
    std::vector<int32_t> order;
    for (int i = 0; i < lists * length; ++i) {
      // 1021 is prime: a permutation of a length that is a power of two.
      order.push_back(static_cast<int32_t>(int64_t{i} * 1021 % length));
    }
    order_on = uploaded(order);
  } else {
    const Sorted s = sorted(lists * length, window.buckets);
    std::vector<int32_t> order;
    for (int list = 0; list < lists; ++list) {
      for (const int32_t i : s.order) {
        if (i / length == list) order.push_back(i % length);
      }
    }
    order_on = device<int32_t>(lists * (places + places / chunk + length));
    require(rf_lsh_runs(context, order_on, uploaded(order), uploaded(s.keys), lists, length, nullptr, 1, chunk,
                        places, 1, window.distinct));
  }
  const int32_t* const sequences_on = uploaded({length, static_cast<int32_t>(slots)});
  int8_t* const space = device<int8_t>(
      rf_attention_backward_workspace(1, length, 1, head_size, lists, RF_BF16, 1, 1) +
      rf_attention_workspace(1, length, 1, head_size, lists, 1, 1));
#define ATTENTION                                                                                             \
  rows[0], head_size, rounds == 0 ? rows[1] : rows[0], head_size, rows[2], head_size, RF_BF16,                \
      rounds == 0 ? nullptr : order_on, places, window.distinct, sequences_on, nullptr, nullptr, 1, length, 1,  \
      head_size, lists, chunk, window.before, window.before + 1, 1, rounds != 0, lists * slots / 16, 1, 0, 0, \
      0, 0, 1.0f, 0, space
  const double forward = count((std::string("attention_forward_") + suffix).c_str(), n,
        [&] { return rf_attention(context, rows[4], head_size, RF_BF16, lse, ATTENTION); });
  const double backward = count((std::string("attention_backward_") + suffix).c_str(), n, [&] {
    return rf_attention_backward(context, gradients[0], head_size, gradients[1], head_size, gradients[2],
                                 head_size, rows[3], head_size, rows[4], head_size, RF_BF16, lse, ATTENTION);
  });
#undef ATTENTION
  // The plans for runs of 8 chunks (docs/kernels.md).
  if (chunk == 64 && rounds == 0) {
    require_near(forward, 8.5 + 4.0 / head_size, "attention_forward");
    require_near(backward, 15.5 + 4.5 / head_size, "attention_backward");
  }
  if (chunk == 64 && rounds > 0 && head_size == 128 && places == 0) {
    require_near(forward, 4.5 * rounds + 8.0 * rounds / head_size + (2 * rounds - 1) * (2 + 4.0 / head_size),
                 "attention_forward");
    require_near(backward, 6.75 * rounds + 16.0 * rounds / head_size + 4 * (2 * rounds - 1), "attention_backward");
  }
}

// Heads of a new token in bfloat16 and two rounds of windows in a long cache.
void decode_attention(int head_size, const char* operation) {
  const int heads = 8;
  const int rounds = 2;
  const int window = 128;
  const int64_t width = int64_t{heads} * head_size;
  const int64_t cache = 4096;
  const int64_t entries = int64_t{heads} * rounds * window;
  uint16_t* const query = device<uint16_t>(width);
  uint16_t* const out = device<uint16_t>(width);
  uint16_t* const keys = device<uint16_t>(cache * width);
  uint16_t* const values = device<uint16_t>(cache * width);
  std::vector<int32_t> rows;
  for (int64_t i = 0; i < entries; ++i) rows.push_back(static_cast<int32_t>(i * 1021 % cache));
  int32_t* const rows_on = device<int32_t>(entries);
  require(rf_upload(context, rows_on, entries * 4, rows.data(), entries * 4, entries * 4, 1));
  count(operation, entries * head_size, [&] {
    return rf_decode_attention(context, out, width, RF_BF16, query, width, keys, width, values, width,
                               RF_BF16, rows_on, nullptr, nullptr, 1, heads, head_size, rounds, window, 1);
  });
}

// An element is a position of one of two rounds; a query sees two chunks of its bucket in each.
void decode_lists(int length, int buckets, const char* operation) {
  const int rounds = 2;
  const int chunk = 64;
  const int width = 2 * chunk;
  const Sorted s = sorted(rounds * (length + 1), buckets);
  std::vector<int32_t> ranks, counts(static_cast<size_t>(rounds * (buckets + 1)));
  for (int i = 0; i < rounds * (length + 1); ++i) {
    const int bucket = s.keys[static_cast<size_t>(i)];
    const bool entered = i % (length + 1) < length;
    int32_t& count = counts[static_cast<size_t>(i / (length + 1) * (buckets + 1) + bucket)];
    ranks.push_back(entered ? count++ : 0);
  }
  int32_t* const listed = device<int32_t>(rounds * width);
  int32_t* const places = device<int32_t>(length + 1);
  int32_t* const buckets_on = uploaded(s.keys);
  int32_t* const ranks_on = uploaded(ranks);
  int32_t* const counts_on = uploaded(counts);
  const int32_t* const hashed = uploaded({1, 2});
  const int32_t* const own = uploaded({0});
  const int32_t* const lengths = uploaded({length});
  int8_t* const space = device<int8_t>(rf_decode_lists_workspace(rounds, buckets));
  count(operation, int64_t{rounds} * length, [&] {
    return rf_decode_lists(context, listed, places, buckets_on, ranks_on, counts_on, hashed, own, lengths, 1, 1, rounds,
                           length + 1, buckets, width, chunk, 1, 2, 1, 1, space);
  });
}

void store_rows(int count_of_rows, int width, const char* operation) {
  uint16_t* const target = device<uint16_t>(int64_t{2} * count_of_rows * width);
  uint16_t* const source = device<uint16_t>(int64_t{count_of_rows} * width);
  std::vector<int32_t> rows;
  for (int i = 0; i < count_of_rows; ++i) rows.push_back(2 * i);
  const int32_t* const rows_on = uploaded(rows);
  count(operation, int64_t{count_of_rows} * width, [&] {
    return rf_store_rows(context, target, width, source, width, RF_BF16, rows_on, count_of_rows, width);
  });
}

}  // namespace

void lsh_operations() {
  lsh(64, RF_I8, "lsh_hash_integer_64");
  lsh(128, RF_I8, "lsh_hash_integer_128");
  lsh(64, RF_F32, "lsh_hash_float_64");
  sort(256, "lsh_sort_256");
  sort(2048, "lsh_sort_2048");
  runs(8192, 256, "lsh_runs_256");
  // Long enough for runs of 8 chunks.
  attention(4096, 128, 1, {64, 1}, "128_1");
  attention(4096, 128, 4, {64, 1}, "128_4");
  attention(2048, 64, 1, {64, 1}, "64_1");
  attention(512, 64, 1, {128, 1}, "wide_64_1");
  attention(4096, 64, 0, {64, 1}, "local_64");
  attention(4096, 128, 0, {64, 1}, "local_128");
  attention(512, 128, 0, {128, 1}, "local_wide_128");
  // Two chunks a bucket, on average.
  attention(2048, 64, 1, {64, 1, 16}, "causal_64_1");
  attention(2048, 64, 2, {64, 2, 16, true}, "distinct_64_2");
  decode_attention(64, "decode_attention_64");
  decode_attention(128, "decode_attention_128");
  decode_lists(8191, 256, "decode_lists_256");
  store_rows(8, 1024, "store_rows_1024");
}
