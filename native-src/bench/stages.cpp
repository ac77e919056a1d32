// The stage table: every kernel at the sizes of docs/kernels.md, its bytes, floor, prediction and share.
//   stages [copy_GBps]     the measured copy ceiling; 3000 without it
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "reformer_kernels.h"
#include "timing.h"

namespace {

constexpr double kFlops = 798e12;  // measured bf16 GEMM rate of an H100, as in docs/kernels.md

void require(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "stages: %s: %s: %s\n", what, rf_status_name(status), rf_status_text(status));
    std::exit(1);
  }
}

class Stages {
 public:
  explicit Stages(double copy) : copy_(copy) {
    require(rf_context_create(0, &context_), "rf_context_create");
    char text[200];
    require(rf_context_describe(context_, text, sizeof text), "rf_context_describe");
    std::printf("# %s; %s; floors at %.0f GB/s\n", rf_description(), text, copy * 1e-9);
    std::printf("| stage | shape | us | MB | MFLOP | floor us | predicted us | share of floor | launches |\n");
    std::printf("|---|---|---|---|---|---|---|---|---|\n");
  }

  ~Stages() { require(rf_context_destroy(context_), "rf_context_destroy"); }

  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  void elementwise(int64_t rows, int64_t columns) {
    const int64_t n = rows * columns;
    const std::string shape = "N=" + std::to_string(rows) + " D=" + std::to_string(columns);
    // Enough sets that none is still in the L2 cache when its turn comes again.
    const int sets = sets_of(12 * n);
    std::vector<void*> stream, y, out, gradient;
    for (int i = 0; i < sets; ++i) {
      stream.push_back(floats(n));
      y.push_back(bf16_numbers(n));
      out.push_back(allocate(2 * n));
      gradient.push_back(floats(n));
    }
    float* const row = static_cast<float*>(floats(columns));
    float* const sums = static_cast<float*>(floats(2 * columns));
    const double elements = static_cast<double>(n);
    for (const int type : {RF_F32, RF_FIXED}) {
      print(type == RF_F32 ? "residual + norm, float stream" : "residual + norm, fixed stream", shape,
            12 * elements, 0, 0.85, 1, [&](int i) {
              const size_t s = static_cast<size_t>(i % sets);
              return rf_residual_norm(context_, out[s], columns, RF_BF16, stream[s], columns, type, y[s],
                                      columns, RF_BF16, row, row, row, 1e-5f, i / sets % 2 == 0 ? 1 : -1,
                                      rows, columns, 0, 0, 0, 0, 1.0f, 0, nullptr);
            });
    }
    void* const norm_space = allocate(rf_layer_norm_backward_workspace(rows, columns));
    print("layer norm backward", shape, 14 * elements, 0, 0.85, 2, [&](int i) {
      const size_t s = static_cast<size_t>(i % sets);
      return rf_layer_norm_backward(context_, static_cast<float*>(gradient[s]), columns, sums,
                                    sums + columns, y[s], columns, RF_BF16, stream[s], columns, RF_FIXED,
                                    row, 1e-5f, rows, columns, norm_space);
    });
    void* const residual_space = allocate(rf_residual_backward_workspace(rows, columns));
    print("inverse + gradient", shape, 16 * elements, 0, 0.85, 2, [&](int i) {
      const size_t s = static_cast<size_t>(i % sets);
      return rf_residual_backward(context_, stream[s], columns, RF_FIXED, out[s], columns, RF_BF16, sums,
                                  y[s], columns, RF_BF16, row, static_cast<const float*>(gradient[s]),
                                  columns, rows, columns, 0, 0, 0, 0, 1.0f, 0, nullptr, residual_space);
    });
    release();
  }

  void lsh(int length, int heads, int head_size, int rounds) {
    // Buckets as Hugging Face chooses them: 2 T / 64, as two factors.
    int exponent = 1;
    while ((2 << exponent) < 2 * length / 64) ++exponent;
    const std::vector<int32_t> factors = {1 << ((exponent + 1) / 2), 1 << ((exponent + 2) / 2)};
    const int columns = (factors[0] + factors[1]) / 2;
    const int64_t width = int64_t{heads} * head_size;
    const int64_t buckets = int64_t{factors[0]} * factors[1];
    const int64_t keys = int64_t{heads} * rounds * length;
    const std::string shape = "T=" + std::to_string(length) + " H=" + std::to_string(heads) +
                              " K=" + std::to_string(head_size) + " R=" + std::to_string(rounds) + " " +
                              std::to_string(factors[0]) + "x" + std::to_string(factors[1]);
    const int sets = sets_of(2 * length * width + 4 * keys);
    std::vector<void*> x;
    std::vector<int32_t*> bucket_numbers, order;
    for (int i = 0; i < sets; ++i) {
      x.push_back(bf16_numbers(length * width));
      bucket_numbers.push_back(static_cast<int32_t*>(allocate(4 * keys)));
      order.push_back(static_cast<int32_t*>(allocate(4 * keys)));
    }
    void* const rotations = bytes(width * columns * rounds);
    const double tokens = length;
    print("hash, integer", shape, 2.0 * tokens * static_cast<double>(width) + 4.0 * static_cast<double>(keys),
          2.0 * tokens * static_cast<double>(width) * columns * rounds * 2, 0.5, 1, [&](int i) {
            const size_t s = static_cast<size_t>(i % sets);
            return rf_lsh_hash(context_, bucket_numbers[s], x[s], width, RF_BF16, rotations, RF_I8,
                               nullptr, nullptr, 1, length, heads, head_size, rounds, factors.data(), 2);
          });
    void* const space = allocate(rf_lsh_sort_workspace(int64_t{heads} * rounds, length, buckets));
    const bool one_digit = buckets < 1024;
    print("sort", shape, (one_digit ? 12.0 : 32.0) * static_cast<double>(keys), 0, 0.25,
          one_digit ? 3 : 6, [&](int i) {
            const size_t s = static_cast<size_t>(i % sets);
            return rf_lsh_sort(context_, order[s], bucket_numbers[s], int64_t{heads} * rounds, length,
                               buckets, nullptr, 1, space);
          });
    release();
  }

 private:
  // Sets of tensors of `bytes` that together exceed the largest L2 cache several times.
  static int sets_of(int64_t bytes) {
    return bench::rehearsal() ? 2 : static_cast<int>(std::max<int64_t>(2, (256 << 20) / bytes + 1));
  }

  void print(const char* stage, const std::string& shape, double moved, double operations,
             double expected_share, int launches, const std::function<int(int)>& call) {
    const double time = bench::seconds([&](int i) { require(call(i), stage); },
                                       [&] { require(rf_synchronize(context_), stage); });
    const double floor = std::max(moved / copy_, operations / (2 * kFlops));
    std::printf("| %s | %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.0f %% | %d |\n", stage,
                shape.c_str(), 1e6 * time, 1e-6 * moved, 1e-6 * operations, 1e6 * floor, 1e6 * floor / expected_share, 100 * floor / time,
                launches);
    std::fflush(stdout);
  }

  void* allocate(int64_t count) {
    void* address = nullptr;
    require(rf_allocate(context_, count, &address), "rf_allocate");
    blocks_.push_back(address);
    return address;
  }

  // Pseudo-random values: a million are made here, the rest are copies of them on the device.
  template <class T>
  void* numbers(int64_t count, T (*make)(uint32_t)) {
    const int64_t made = std::min<int64_t>(count, 1 << 20);
    std::vector<T> values(static_cast<size_t>(made));
    uint32_t state = 1;
    for (T& value : values) {
      state = state * 1664525u + 1013904223u;
      value = make(state >> 8);
    }
    constexpr int64_t kBytes = sizeof(T);
    char* const address = static_cast<char*>(allocate(count * kBytes));
    require(rf_upload(context_, address, made * kBytes, values.data(), made * kBytes, made * kBytes, 1),
            "rf_upload");
    for (int64_t done = made; done < count;) {
      const int64_t bytes = std::min(done, count - done) * kBytes;
      require(rf_copy(context_, address + done * kBytes, bytes, address, bytes, bytes, 1), "rf_copy");
      done += bytes / kBytes;
    }
    return address;
  }

  void* floats(int64_t count) {
    return numbers<float>(count, [](uint32_t r) { return static_cast<float>(r) * 0x1p-23f - 1.0f; });
  }
  // Sign, an exponent around 1, and seven bits of mantissa.
  void* bf16_numbers(int64_t count) {
    return numbers<uint16_t>(count, [](uint32_t r) {
      return static_cast<uint16_t>((r & 0x8000u) | ((125u + (r & 3u)) << 7) | (r >> 3 & 0x7fu));
    });
  }
  void* bytes(int64_t count) {
    return numbers<int8_t>(count, [](uint32_t r) {
      return static_cast<int8_t>(static_cast<int>(r % 191) - 95);
    });
  }

  void release() {
    for (void* address : blocks_) require(rf_free(context_, address), "rf_free");
    blocks_.clear();
  }

  rf_context* context_ = nullptr;
  double copy_;
  std::vector<void*> blocks_;
};

}  // namespace

int main(int count, char** arguments) {
  const double copy = count > 1 ? std::atof(arguments[1]) * 1e9 : 3000e9;
  Stages stages(copy > 0 ? copy : 3000e9);
  if (bench::rehearsal()) {
    stages.elementwise(20, 256);
    stages.lsh(256, 2, 64, 2);
    return 0;
  }
  for (const int64_t rows : {16 << 10, 64 << 10, 256 << 10}) {
    for (const int64_t columns : {512, 1024}) stages.elementwise(rows, columns);
  }
  for (const int length : {16 << 10, 64 << 10, 256 << 10, 1024 << 10}) {
    for (const int rounds : {1, 4, 8}) {
      stages.lsh(length, 8, 128, rounds);
      stages.lsh(length, 8, 64, rounds);
    }
  }
  return 0;
}
