// rf_decode_attention against the formula in double.
#include "harness.h"

namespace {

using namespace test;

struct Case {
  int batch, heads, head_size, rounds, window, cache;
  bool shared, masked;
  int input_type, out_type, gap;
};

std::string name_of(const Case& c) {
  return "B=" + std::to_string(c.batch) + " H=" + std::to_string(c.heads) +
         " K=" + std::to_string(c.head_size) + " R=" + std::to_string(c.rounds) +
         " W=" + std::to_string(c.window) + (c.shared ? " shared" : "") +
         " in=" + std::to_string(c.input_type) + " out=" + std::to_string(c.out_type) +
         " gap=" + std::to_string(c.gap);
}

// Lists with holes, repeated rows and the own row; the last head of each sequence finds nothing else.
std::vector<int32_t> lists(const Case& c, const std::vector<int32_t>& own, Random& random) {
  std::vector<int32_t> rows;
  for (int b = 0; b < c.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      for (int i = 0; i < c.rounds * c.window; ++i) {
        const int kind = random.below(8);
        if (h == c.heads - 1 && c.heads > 1) {
          rows.push_back(kind < 4 && c.shared ? own[static_cast<size_t>(b)] : -1);
        } else {
          rows.push_back(kind == 0 ? -1 : kind == 1 ? own[static_cast<size_t>(b)]
                                                    : random.below(c.cache));
        }
      }
    }
  }
  return rows;
}

void attend(std::vector<double>& out, const Case& c, const std::vector<float>& queries,
            const std::vector<float>& keys, const std::vector<float>& values,
            const std::vector<int32_t>& rows, const std::vector<int32_t>& own,
            const std::vector<float>& mask) {
  const int entries = c.rounds * c.window;
  const auto at = [&c](int row, int h) { return static_cast<size_t>((row * c.heads + h) * c.head_size); };
  for (int b = 0; b < c.batch; ++b) {
    for (int h = 0; h < c.heads; ++h) {
      const int self = c.shared ? own[static_cast<size_t>(b)] : -1;
      std::vector<double> sums(static_cast<size_t>(c.head_size));
      double total = 0;
      for (int i = 0; i < entries; ++i) {
        const int row = rows[static_cast<size_t>((b * c.heads + h) * entries + i)];
        if (row < 0 || row == self) continue;
        double product = 0, square = 0;
        for (size_t d = 0; d < sums.size(); ++d) {
          product += static_cast<double>(queries[at(b, h) + d]) * keys[at(row, h) + d];
          square += static_cast<double>(keys[at(row, h) + d]) * keys[at(row, h) + d];
        }
        const double rms = c.shared ? std::sqrt(square / c.head_size + 1e-6) : 1;
        const double weight = std::exp(product / (rms * std::sqrt(c.head_size)));
        total += weight;
        for (size_t d = 0; d < sums.size(); ++d) sums[d] += weight * values[at(row, h) + d];
      }
      const double factor = c.masked ? mask[static_cast<size_t>(h)] : 1;
      for (size_t d = 0; d < sums.size(); ++d) {
        const double alone = self < 0 ? 0 : values[at(self, h) + d];
        out[at(b, h) + d] = factor * (total == 0 ? alone : sums[d] / total);
      }
    }
  }
}

void compare(Device& device, const Case& c) {
  const std::string name = name_of(c);
  Random random(static_cast<uint64_t>(c.head_size * 1000 + c.window + c.batch));
  const int64_t width = int64_t{c.heads} * c.head_size;
  const std::vector<float> queries = random.normals(c.batch * width, c.input_type);
  const std::vector<float> keys = random.normals(c.cache * width, c.input_type);
  const std::vector<float> values = random.normals(c.cache * width, c.input_type);
  const std::vector<float> mask = random.normals(c.heads);
  std::vector<int32_t> own;
  for (int b = 0; b < c.batch; ++b) own.push_back(random.below(c.cache));
  const std::vector<int32_t> rows = lists(c, own, random);
  std::vector<double> expected(static_cast<size_t>(c.batch * width));
  attend(expected, c, queries, keys, values, rows, own, mask);

  Matrix out(device, c.out_type, c.batch, width, width + c.gap);
  Matrix queries_on(device, c.input_type, c.batch, width, width + c.gap);
  Matrix keys_on(device, c.input_type, c.cache, width, width + c.gap);
  Matrix values_on(device, c.input_type, c.cache, width, width + c.gap);
  Matrix rows_on(device, RF_FIXED, 1, static_cast<int64_t>(rows.size()));
  Matrix own_on(device, RF_FIXED, 1, c.batch);
  Matrix mask_on(device, RF_F32, 1, c.heads);
  queries_on.put(queries), keys_on.put(keys), values_on.put(values);
  rows_on.put(rows), own_on.put(own), mask_on.put(mask);
  std::vector<float> first;
  for (int call = 0; call < 2; ++call) {
    ok(rf_decode_attention(device.context, out.data(), out.stride, c.out_type, queries_on.data(),
                           queries_on.stride, keys_on.data(), keys_on.stride, values_on.data(),
                           values_on.stride, c.input_type, rows_on.ints(),
                           c.shared ? own_on.ints() : nullptr, c.masked ? mask_on.floats() : nullptr,
                           c.batch, c.heads, c.head_size, c.rounds, c.window, c.shared),
       "rf_decode_attention " + name);
    if (call == 0) first = out.get();
  }
  // One rounding to bfloat16 is 2^-9 of the value.
  nearly(first, expected, c.out_type == RF_BF16 ? 4e-3 : 3e-6, "out " + name);
  same(out.get(), first, "the same bits again " + name);
}

}  // namespace

int main() {
  Device device;
  compare(device, {1, 1, 8, 1, 1, 5, false, false, RF_F32, RF_F32, 0});
  compare(device, {2, 2, 5, 1, 19, 11, false, true, RF_F32, RF_F32, 3});
  compare(device, {2, 3, 16, 2, 24, 40, true, false, RF_F32, RF_F32, 0});
  compare(device, {1, 2, 64, 4, 40, 70, true, true, RF_BF16, RF_BF16, 4});
  if (!small()) {
    compare(device, {3, 2, 64, 4, 130, 300, true, true, RF_F32, RF_F32, 4});
    compare(device, {1, 2, 128, 1, 300, 200, true, false, RF_BF16, RF_F32, 0});
    compare(device, {1, 2, 128, 1, 300, 200, true, false, RF_F32, RF_F32, 0});
    compare(device, {2, 4, 128, 1, 128, 200, false, false, RF_BF16, RF_BF16, 0});
    compare(device, {2, 2, 127, 2, 33, 50, false, true, RF_F32, RF_F32, 1});
    compare(device, {2, 2, 127, 2, 33, 50, false, true, RF_BF16, RF_F32, 1});
  }
  check(rf_decode_attention(device.context, nullptr, 0, RF_F32, nullptr, 0, nullptr, 0, nullptr, 0, RF_F32,
                            nullptr, nullptr, nullptr, 1, 1, 129, 1, 1, 0) == RF_STATUS_UNSUPPORTED,
        "heads of more than 128");
  return finish("decode_attention_test");
}
