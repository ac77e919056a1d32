// Runs every operation once over the counting simulator and prints, per operation, what it moves:
//   operation bytes-per-element sector-use extra-wavefronts-per-shared-request
// An element is one of the [N, D] matrix, one key of the sort, or one element of the hashed vectors. Sector
// use is the share of the bytes of touched 32-byte sectors that were asked for.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "reformer_kernels.h"
#include "simulator.h"

namespace {

rf_context* context = nullptr;

void require(int status) {
  if (status != 0) {
    std::fprintf(stderr, "kernel_counters: %s\n", rf_status_text(status));
    std::exit(1);
  }
}

template <class T>
T* device(int64_t count) {
  void* address = nullptr;
  require(rf_allocate(context, count * static_cast<int64_t>(sizeof(T)), &address));
  std::vector<T> values(static_cast<size_t>(count));
  uint32_t state = 1;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<T>(static_cast<int32_t>(state >> 24) - 128);
  }
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  require(rf_upload(context, address, bytes, values.data(), bytes, bytes, 1));
  return static_cast<T*>(address);
}

double count(const char* operation, int64_t elements, const std::function<int()>& call) {
  sim::reset_counters();
  sim::config().count = true;
  require(call());
  sim::config().count = false;
  const sim::Counters c = sim::counters();
  const double bytes = static_cast<double>(c.global_read_bytes + c.global_written_bytes);
  const double sectors = static_cast<double>(c.global_read_sectors + c.global_written_sectors);
  std::printf("%s %.2f %.2f %.2f\n", operation, bytes / static_cast<double>(elements),
              sectors == 0 ? 1.0 : bytes / (32 * sectors),
              c.shared_requests == 0 ? 0.0
                                     : static_cast<double>(c.shared_extra_wavefronts) /
                                           static_cast<double>(c.shared_requests));
  return bytes / static_cast<double>(elements);
}

void require_near(double bytes, double planned, const char* operation) {
  if (bytes < 0.9 * planned || bytes > 1.1 * planned) {
    std::fprintf(stderr, "kernel_counters: %s moves %.2f bytes per element, planned are %.2f\n", operation, bytes, planned);
    std::exit(1);
  }
}

void elementwise(int64_t columns, const char* suffix) {
  const int64_t rows = 64;
  const int64_t n = rows * columns;
  int32_t* const fixed = device<int32_t>(n);
  float* const stream = device<float>(n);
  float* const gradient = device<float>(n);
  float* const row = device<float>(columns);
  float* const sums = device<float>(columns);
  uint16_t* const y = device<uint16_t>(n);
  uint16_t* const out = device<uint16_t>(n);
  int8_t* const space = device<int8_t>(rf_layer_norm_backward_workspace(rows, columns) +
                                       rf_residual_backward_workspace(rows, columns));
  const std::string tail = suffix;
  for (const int type : {RF_F32, RF_FIXED}) {
    void* const acc = type == RF_F32 ? static_cast<void*>(stream) : fixed;
    const std::string kind = (type == RF_F32 ? "_float" : "_fixed") + tail;
    count(("residual_norm" + kind).c_str(), n, [&] {
      return rf_residual_norm(context, out, columns, RF_BF16, acc, columns, type, y, columns, RF_BF16,
                              row, row, row, 1e-5f, 1, rows, columns, 0, 0, 0, 0, 1.0f, 0, nullptr);
    });
    count(("layer_norm_backward" + kind).c_str(), n, [&] {
      return rf_layer_norm_backward(context, gradient, columns, sums, row, y, columns, RF_BF16, acc,
                                    columns, type, row, 1e-5f, rows, columns, space);
    });
    count(("residual_backward" + kind).c_str(), n, [&] {
      return rf_residual_backward(context, acc, columns, type, out, columns, RF_BF16, sums, y, columns,
                                  RF_BF16, row, gradient, columns, rows, columns, 0, 0, 0, 0, 1.0f, 0,
                                  nullptr, space);
    });
  }
}

void feed_forward() {
  const int64_t rows = 64;
  const int64_t columns = 4096;
  const int64_t n = rows * columns;
  float* const x = device<float>(n);
  float* const slope = device<float>(n);
  float* const bias = device<float>(columns);
  uint16_t* const hidden = device<uint16_t>(n);
  int8_t* const space = device<int8_t>(rf_activation_backward_workspace(rows, columns));
  for (const bool backward : {false, true}) {
    count(backward ? "activation_slope" : "activation", n, [&] {
      return rf_activation(context, hidden, columns, RF_BF16, backward ? slope : nullptr, columns, x,
                           columns, bias, RF_GELU, rows, columns, 0, 0, 0, 0, 1.0f, 0);
    });
  }
  count("activation_backward", n, [&] {
    return rf_activation_backward(context, x, columns, RF_F32, bias, x, columns, slope, columns, rows,
                                  columns, space);
  });
}

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

void training(int64_t columns, const std::string& suffix) {
  const int64_t rows = 64;
  const int64_t n = rows * columns;
  float* const x = device<float>(n);
  float* const gradient = device<float>(n);
  float* const first = device<float>(n);
  float* const second = device<float>(n);
  double* const sum = device<double>(1);
  int8_t* const space = device<int8_t>(rf_sum_of_squares_workspace(rows, columns));
  count(("sum_of_squares" + suffix).c_str(), n, [&] {
    return rf_sum_of_squares(context, sum, x, columns, rows, columns, space);
  });
  count(("adam_w" + suffix).c_str(), n, [&] {
    return rf_adam_w(context, x, gradient, first, second, n, 0.1, 0.9, 0.1f, 0.1f, 0.5, 1e-8f, 1.0f);
  });
  std::vector<int32_t> targets(static_cast<size_t>(rows), 1);
  int32_t* const targets_on = device<int32_t>(rows);
  require(rf_upload(context, targets_on, rows * 4, targets.data(), rows * 4, rows * 4, 1));
  count(("cross_entropy" + suffix).c_str(), n, [&] {
    return rf_cross_entropy(context, first, gradient, columns, x, columns, targets_on, -1, 1.0f, rows,
                            columns);
  });
  float* const rows_moments = device<float>(rows);
  float* const column_moments = device<float>(columns);
  int8_t* const adafactor_space = device<int8_t>(rf_adafactor_workspace(rows, columns));
  count(("adafactor" + suffix).c_str(), n, [&] {
    return rf_adafactor(context, x, gradient, rows_moments, column_moments, rows, columns, 0.1f, 0.9f,
                        1e-30f, 1e-3f, 1.0f, 0.0f, 1.0f, adafactor_space);
  });
  const int64_t vocabulary = 16;
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<int32_t>(i * 7 % 16);
  require(rf_upload(context, targets_on, rows * 4, targets.data(), rows * 4, rows * 4, 1));
  int8_t* const embed_space = device<int8_t>(rf_embed_backward_workspace(rows, vocabulary));
  count(("embed" + suffix).c_str(), n, [&] {
    return rf_embed(context, gradient, columns, targets_on, 1, x, columns, vocabulary, columns, rows,
                    columns, 0, 1, 0, 0, 0, 0, 1.0f, 0, 1, 0, 1);
  });
  count(("embed_backward" + suffix).c_str(), n, [&] {
    return rf_embed_backward(context, x, columns, gradient, columns, targets_on, 1, vocabulary, columns,
                             rows, columns, 0, 0, 0, 0, 0, 1.0f, 0, 1, 0, 1, embed_space);
  });
  count(("index_check" + suffix).c_str(), n, [&] {
    return rf_index_check(context, targets_on, reinterpret_cast<int32_t*>(x), n, 10, 0, 0);
  });
}

// One head in bfloat16: LSH attention, or local attention where there are no rounds.
void attention(int length, int head_size, int rounds, int chunk, const char* suffix) {
  const int64_t n = int64_t{length} * head_size;
  uint16_t* const rows[] = {device<uint16_t>(n), device<uint16_t>(n), device<uint16_t>(n),
                            device<uint16_t>(n), device<uint16_t>(n)};
  uint16_t* const gradients[] = {device<uint16_t>(n), device<uint16_t>(n), device<uint16_t>(n)};
  float* const lse = device<float>(length);
  const int lists = rounds == 0 ? 1 : rounds;
  std::vector<int32_t> order;
  for (int i = 0; i < lists * length; ++i) {
    // 1021 is prime: a permutation of a length that is a power of two.
    order.push_back(static_cast<int32_t>(int64_t{i} * 1021 % length));
  }
  const std::vector<int32_t> sequences = {length, length};
  const auto upload = [](const std::vector<int32_t>& values) {
    int32_t* const on = device<int32_t>(static_cast<int64_t>(values.size()));
    const int64_t bytes = static_cast<int64_t>(values.size()) * 4;
    require(rf_upload(context, on, bytes, values.data(), bytes, bytes, 1));
    return on;
  };
  const int32_t* const order_on = upload(order);
  const int32_t* const sequences_on = upload(sequences);
  int8_t* const space = device<int8_t>(
      rf_attention_backward_workspace(1, length, 1, head_size, lists, RF_BF16, 1, 1) +
      rf_attention_workspace(1, length, 1, head_size, lists, 1, 1));
#define ATTENTION                                                                                             \
  rows[0], head_size, rounds == 0 ? rows[1] : rows[0], head_size, rows[2], head_size, RF_BF16,                \
      rounds == 0 ? nullptr : order_on, 0, 0, sequences_on, nullptr, nullptr, 1, length, 1, head_size, lists, chunk, \
      1, 2, 1, rounds != 0, int64_t{lists} * length / 16, 1, 0, 0, 0, 0, 1.0f, 0, space
  const double forward = count((std::string("attention_forward_") + suffix).c_str(), n,
        [&] { return rf_attention(context, rows[4], head_size, RF_BF16, lse, ATTENTION); });
  const double backward = count((std::string("attention_backward_") + suffix).c_str(), n, [&] {
    return rf_attention_backward(context, gradients[0], head_size, gradients[1], head_size, gradients[2],
                                 head_size, rows[3], head_size, rows[4], head_size, RF_BF16, lse, ATTENTION);
  });
#undef ATTENTION
  // The plan for runs of 8 chunks (docs/kernels.md).
  if (chunk == 64 && rounds > 0 && head_size == 128) {
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

}  // namespace

int main() {
  require(rf_context_create(0, &context));
  elementwise(1024, "_1024");
  elementwise(512, "_512");
  elementwise(2048, "_2048");
  feed_forward();
  lsh(64, RF_I8, "lsh_hash_integer_64");
  lsh(128, RF_I8, "lsh_hash_integer_128");
  lsh(64, RF_F32, "lsh_hash_float_64");
  sort(256, "lsh_sort_256");
  sort(2048, "lsh_sort_2048");
  training(1024, "_1024");
  // Long enough for runs of 8 chunks.
  attention(4096, 128, 1, 64, "128_1");
  attention(4096, 128, 4, 64, "128_4");
  attention(2048, 64, 1, 64, "64_1");
  attention(512, 64, 1, 128, "wide_64_1");
  attention(512, 128, 0, 128, "local_128");
  decode_attention(64, "decode_attention_64");
  decode_attention(128, "decode_attention_128");
  // The process ends here: what the device holds goes with it.
  return 0;
}
