// rf_lsh_hash against scalar code, rf_lsh_sort against std::stable_sort and rf_lsh_runs against its definition, with ==.
#include <algorithm>
#include <numeric>

#include "harness.h"
#include "run_layout.h"

namespace {

using namespace test;

struct Case {
  int batch, length, heads, head_size, rounds;
  std::vector<int32_t> factors;
  int type;
  bool mask, lengths;
  int gap;
};

std::string name(const Case& c) {
  std::string text = "B=" + std::to_string(c.batch) + " T=" + std::to_string(c.length) +
                     " H=" + std::to_string(c.heads) + " K=" + std::to_string(c.head_size) +
                     " R=" + std::to_string(c.rounds) + " x=" + std::to_string(c.type) + " factors";
  for (int32_t f : c.factors) text += " " + std::to_string(f);
  return text;
}

int32_t product(const std::vector<int32_t>& factors) {
  return std::accumulate(factors.begin(), factors.end(), 1, std::multiplies<>());
}

// Index of the first maximum of [v; -v].
template <class V>
int32_t first_maximum(const std::vector<V>& v) {
  std::vector<V> both = v;
  for (V value : v) both.push_back(-value);
  return static_cast<int32_t>(std::max_element(both.begin(), both.end()) - both.begin());
}

std::vector<int> quantised(const std::vector<float>& x) {
  float largest = 0;
  for (float value : x) largest = std::isnan(value) ? largest : std::max(largest, std::fabs(value));
  int exponent = 0;
  std::frexp(largest, &exponent);
  exponent = largest == 0 ? -114 : std::max(exponent - 1, -114);
  if (std::isinf(largest)) exponent = 128;
  std::vector<int> q;
  for (float value : x) {
    const double scaled = std::nearbyint(std::ldexp(static_cast<double>(value), 13 - exponent));
    q.push_back(std::isnan(value) ? 0 : static_cast<int>(std::clamp(scaled, -16384.0, 16384.0)));
  }
  return q;
}

void hash(Device& device, const Case& c, bool integer, bool strange) {
  Random random(static_cast<uint64_t>(c.length * 7 + c.head_size));
  const int64_t rows = int64_t{c.batch} * c.length;
  const int64_t width = int64_t{c.heads} * c.head_size;
  std::vector<float> x = random.normals(rows * width, c.type, 0.37f);
  // Rows that are zero, subnormal or huge: ties and the ends of the exponent range.
  std::fill_n(x.begin(), width, 0.0f);
  if (c.length > 3) {
    for (int64_t i = 0; i < width; ++i) {
      x[static_cast<size_t>(width + i)] *= 0x1p-120f;
      x[static_cast<size_t>(2 * width + i)] *= integer ? 0x1p126f : 0x1p60f;
    }
    if (strange) {
      x[static_cast<size_t>(3 * width)] = INFINITY;
      x[static_cast<size_t>(3 * width + 1)] = NAN;
    }
  }
  int round_columns = 0;
  for (int32_t f : c.factors) round_columns += f / 2;
  const int all_columns = round_columns * c.rounds;
  const int64_t rotation_count = width * all_columns;
  const std::vector<float> rotations = random.normals(rotation_count);
  std::vector<int8_t> bytes;
  for (float value : rotations) {
    bytes.push_back(static_cast<int8_t>(std::clamp(std::nearbyint(value * 32), -127.0f, 127.0f)));
  }
  std::vector<int32_t> mask, lengths;
  for (int64_t i = 0; i < rows; ++i) mask.push_back(random.below(5) == 0 ? 0 : 1);
  for (int b = 0; b < c.batch; ++b) lengths.push_back(c.length - b * c.length / 4);

  std::vector<int32_t> expected;
  for (int b = 0; b < c.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      for (int r = 0; r < c.rounds; ++r) {
        for (int t = 0; t < c.length; ++t) {
          const int64_t row = int64_t{b} * c.length + t;
          if ((c.mask && mask[static_cast<size_t>(row)] == 0) ||
              (c.lengths && t >= lengths[static_cast<size_t>(b)])) {
            expected.push_back(product(c.factors));
            continue;
          }
          const auto first = x.begin() + row * width + h * c.head_size;
          const std::vector<float> token(first, first + c.head_size);
          const std::vector<int> q = quantised(token);
          int32_t bucket = 0, scale = 1;
          int column = r * round_columns;
          for (int32_t f : c.factors) {
            std::vector<float> floats;
            std::vector<int> ints;
            for (int i = 0; i < f / 2; ++i, ++column) {
              float sum = 0;
              int total = 0;
              for (int k = 0; k < c.head_size; ++k) {
                const size_t s = static_cast<size_t>(k);
                sum = std::fmaf(token[s],
                                rotations[static_cast<size_t>((h * c.head_size + k) * all_columns + column)],
                                sum);
                total += q[s] * bytes[static_cast<size_t>((h * all_columns + column) * c.head_size + k)];
              }
              floats.push_back(sum);
              ints.push_back(total);
            }
            bucket += scale * (integer ? first_maximum(ints) : first_maximum(floats));
            scale *= f;
          }
          expected.push_back(bucket);
        }
      }
    }
  }
  Matrix x_on(device, c.type, rows, width, width + c.gap);
  Matrix rotations_on(device, integer ? RF_I8 : RF_F32, 1, rotation_count);
  Matrix buckets(device, RF_I32, 1, static_cast<int64_t>(expected.size()));
  Matrix mask_on(device, RF_I32, 1, rows), lengths_on(device, RF_I32, 1, c.batch);
  x_on.put(x), mask_on.put(mask), lengths_on.put(lengths);
  integer ? rotations_on.put(bytes) : rotations_on.put(rotations);
  ok(rf_lsh_hash(device.context, buckets.ints(), x_on.data(), x_on.stride, c.type,
                 rotations_on.data(), rotations_on.type, c.mask ? mask_on.ints() : nullptr,
                 c.lengths ? lengths_on.ints() : nullptr, c.batch, c.length, c.heads, c.head_size,
                 c.rounds, c.factors.data(), static_cast<int>(c.factors.size())),
     "rf_lsh_hash");
  same(buckets.get_ints(), expected, (integer ? "integer hash " : "float hash ") + name(c));
}

std::vector<Case> hash_cases() {
  if (small()) {
    return {{1, 70, 1, 64, 2, {16, 8}, RF_BF16, true, false, 0}, {1, 9, 2, 20, 1, {6}, RF_F32, false, true, 1}};
  }
  return {{2, 130, 2, 64, 2, {16, 32}, RF_BF16, true, true, 0},
          {1, 64, 1, 128, 1, {64}, RF_BF16, false, false, 0},
          {1, 65, 3, 16, 8, {4, 6, 2}, RF_F32, true, false, 0},
          {1, 1, 1, 16, 1, {2}, RF_F32, false, false, 0},
          {3, 33, 1, 96, 3, {2, 2}, RF_F32, false, true, 4},
          {1, 40, 2, 20, 1, {10}, RF_BF16, true, false, 1},
          {1, 37, 1, 17, 2, {12, 2}, RF_F32, false, false, 3},
          {1, 31, 1, 127, 1, {258}, RF_F32, false, false, 0},
          {1, 64, 1, 32, 1, {148, 4}, RF_F32, true, true, 0}};
}

void sort(Device& device, int64_t segments, int64_t length, int64_t buckets, bool skewed) {
  Random random(static_cast<uint64_t>(length + buckets));
  std::vector<int32_t> keys, expected;
  for (int64_t s = 0; s < segments; ++s) {
    std::vector<int32_t> segment, order(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) {
      const int bound = static_cast<int>(buckets < INT32_MAX ? buckets + 1 : buckets);
      segment.push_back(skewed && random.below(3) != 0 ? static_cast<int32_t>(buckets) : random.below(bound));
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return segment[static_cast<size_t>(a)] < segment[static_cast<size_t>(b)];
    });
    keys.insert(keys.end(), segment.begin(), segment.end());
    expected.insert(expected.end(), order.begin(), order.end());
  }
  Matrix keys_on(device, RF_I32, segments, length), order_on(device, RF_I32, segments, length);
  Block workspace(device, rf_lsh_sort_workspace(segments, length, buckets));
  keys_on.put(keys);
  ok(rf_lsh_sort(device.context, order_on.ints(), keys_on.ints(), segments, length, buckets, nullptr, 1,
                 workspace.address),
     "rf_lsh_sort");
  same(order_on.get_ints(), expected,
        "sort S=" + std::to_string(segments) + " T=" + std::to_string(length) +
            " buckets=" + std::to_string(buckets));
}

// Two sequences of `heads` segments each, the second of half the length.
void runs(Device& device, int heads, int length, int buckets, int chunk, bool by_bucket, bool distinct) {
  Random random(static_cast<uint64_t>(length * 3 + chunk));
  const RunLayout layout = {length, chunk,
                            by_bucket ? bucket_places(length, buckets, chunk) : (length + chunk - 1) / chunk * chunk,
                            by_bucket, distinct};
  const std::vector<int32_t> lengths = {length, (length + 1) / 2};
  std::vector<int32_t> all, order, expected;
  for (int s = 0; s < 2 * heads; ++s) {
    std::vector<int32_t> own, sorted(static_cast<size_t>(lengths[static_cast<size_t>(s / heads)]));
    // Every second one in a few buckets, which have several chunks then.
    for (int t = 0; t < length; ++t) own.push_back(random.below(t % 2 == 0 ? buckets + 1 : std::min(buckets, 3)));
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
      return own[static_cast<size_t>(a)] < own[static_cast<size_t>(b)];
    });
    const std::vector<int32_t> entries = lay_out(layout, sorted, own);
    expected.insert(expected.end(), entries.begin(), entries.end());
    // What stands behind a sequence is not read.
    sorted.resize(static_cast<size_t>(length), INT32_MAX);
    all.insert(all.end(), own.begin(), own.end());
    order.insert(order.end(), sorted.begin(), sorted.end());
  }
  Matrix runs_on(device, RF_I32, 1, static_cast<int64_t>(expected.size()));
  Matrix order_on(device, RF_I32, 2 * heads, length), buckets_on(device, RF_I32, 2 * heads, length);
  Matrix lengths_on(device, RF_I32, 1, 2);
  order_on.put(order), buckets_on.put(all), lengths_on.put(lengths);
  runs_on.put(std::vector<int32_t>(expected.size(), 77));
  ok(rf_lsh_runs(device.context, runs_on.ints(), order_on.ints(), buckets_on.ints(), 2 * heads, length,
                 lengths_on.ints(), heads, chunk, layout.places, by_bucket, distinct),
     "rf_lsh_runs");
  same(runs_on.get_ints(), expected,
       "runs T=" + std::to_string(length) + " buckets=" + std::to_string(buckets) + " C=" + std::to_string(chunk) +
           (by_bucket ? " by bucket" : "") + (distinct ? " distinct" : ""));
}

}  // namespace

int main() {
  {
    Device device;
    for (const Case& c : hash_cases()) {
      hash(device, c, true, c.length % 2 == 0);
      hash(device, c, false, false);
    }
    if (small()) {
      sort(device, 1, 300, 16, true);
      sort(device, 1, 100, 3000, false);
      runs(device, 1, 300, 7, 16, true, true);
    } else {
      sort(device, 3, 1, 1, false);
      sort(device, 2, 33, 2, true);
      sort(device, 4, 1000, 64, false);
      sort(device, 2, 4096, 1023, false);
      sort(device, 2, 4097, 1024, true);
      sort(device, 1, 9000, 200, true);
      sort(device, 1, 5000, 100000, false);
      sort(device, 1, 2000, (int64_t{1} << 31) - 2, true);
      runs(device, 1, 1, 2, 4, true, true);
      runs(device, 3, 700, 20, 1, true, false);
      runs(device, 1, 2048, 3, 64, true, true);
      runs(device, 2, 4500, 1000, 5, true, true);
      runs(device, 1, 2500, 4096, 64, true, false);
      runs(device, 2, 97, 9, 20, false, true);
      runs(device, 1, 2100, 5, 64, false, true);
    }
  }
  return finish("lsh");
}
