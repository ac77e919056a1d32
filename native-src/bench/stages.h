// What every stage of the stage table needs: a device, memory full of numbers, timing and the printed line.
#ifndef REFORMER_BENCH_STAGES_H
#define REFORMER_BENCH_STAGES_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "reformer_kernels.h"
#include "timing.h"

namespace bench {

constexpr double kFlops = 798e12;  // measured bf16 GEMM rate of an H100, as in docs/kernels.md

constexpr int kOutOfMemory = 2;        // cudaErrorMemoryAllocation

inline void require(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "stages: %s: %s: %s\n", what, rf_status_name(status), rf_status_text(status));
    std::exit(1);
  }
}

// No dropout, as the arguments RF_DROPOUT.
#define BENCH_NO_DROPOUT 0, 0, 0, 0, 1.0f, 0

// What a call moves and computes at least, and what is expected of the kernel.
struct Cost {
  double bytes;
  double flop;            // in bf16 products, multiply-add as two
  double expected_share;  // of the floor; 0 where nobody made a prediction
  int launches;
  double rate = kFlops;   // of the units that compute it
};

class Bench {
 public:
  // seconds: the table ends before this many seconds have passed; later stages say that they were cut.
  Bench(double copy, double seconds) : copy_(copy), seconds_(seconds) {
    require(rf_context_create(0, &context), "rf_context_create");
    char text[200];
    require(rf_context_describe(context, text, sizeof text), "rf_context_describe");
    std::printf("# %s; %s; floors at %.0f GB/s\n", rf_description(), text, copy * 1e-9);
    std::printf("| stage | shape | ms | MB | MFLOP | floor ms | predicted ms | %% of floor | launches |\n");
    std::printf("|---|---|---|---|---|---|---|---|---|\n");
  }

  ~Bench() { require(rf_context_destroy(context), "rf_context_destroy"); }

  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // Sets of tensors of `bytes` that together exceed the largest L2 cache several times.
  static int sets_of(int64_t bytes) {
    return rehearsal() ? 2 : static_cast<int>(std::clamp<int64_t>((256 << 20) / bytes + 1, 2, 64));
  }

  bool time_left() const { return elapsed() < seconds_; }

  // `call` queues the stage on set number i and returns its status.
  void print(const char* stage, const std::string& shape, const Cost& cost,
             const std::function<int(int)>& call) {
    if (!time_left()) {
      std::printf("| %s | %s | cut: no time left | | | | | | |\n", stage, shape.c_str());
      return;
    }
    const double time = bench::seconds([&](int i) { require(call(i), stage); },
                                       {[&] { require(rf_timer_start(context), stage); },
                                        [&] {
                                          double time = 0;
                                          require(rf_timer_stop(context, &time), stage);
                                          return time;
                                        }});
    const double floor = std::max(cost.bytes / copy_, cost.flop / cost.rate);
    char predicted[32] = "";
    if (cost.expected_share > 0) {
      std::snprintf(predicted, sizeof predicted, "%.4f", 1e3 * floor / cost.expected_share);
    }
    std::printf("| %s | %s | %.4f | %.1f | %.1f | %.4f | %s | %.1f %% | %d |\n", stage, shape.c_str(),
                1e3 * time, 1e-6 * cost.bytes, 1e-6 * cost.flop, 1e3 * floor, predicted,
                100 * floor / time, cost.launches);
    std::fflush(stdout);
  }

  void* allocate(int64_t count) {
    void* address = nullptr;
    const int status = rf_allocate(context, std::max<int64_t>(count, 16), &address);
    if (status == kOutOfMemory) throw std::bad_alloc();
    require(status, "rf_allocate");
    blocks_.push_back(address);
    return address;
  }

  // Pseudo-random values: a million are made here, the rest are copies of them on the device.
  template <class T, class Make>
  T* numbers(int64_t count, Make make) {
    const int64_t made = std::min<int64_t>(count, 1 << 20);
    std::vector<T> values(static_cast<size_t>(made));
    uint32_t state = 1;
    for (T& value : values) {
      state = state * 1664525u + 1013904223u;
      value = make(state >> 8);
    }
    constexpr int64_t kBytes = sizeof(T);
    char* const address = static_cast<char*>(allocate(count * kBytes));
    require(rf_upload(context, address, made * kBytes, values.data(), made * kBytes, made * kBytes, 1),
            "rf_upload");
    for (int64_t done = made; done < count;) {
      const int64_t bytes = std::min(done, count - done) * kBytes;
      require(rf_copy(context, address + done * kBytes, bytes, address, bytes, bytes, 1), "rf_copy");
      done += bytes / kBytes;
    }
    return reinterpret_cast<T*>(address);
  }

  float* floats(int64_t count) {
    return numbers<float>(count, [](uint32_t r) { return static_cast<float>(r) * 0x1p-23f - 1.0f; });
  }
  // Sign, an exponent around 1, and seven bits of mantissa.
  uint16_t* bf16_numbers(int64_t count) {
    return numbers<uint16_t>(count, [](uint32_t r) {
      return static_cast<uint16_t>((r & 0x8000u) | ((125u + (r & 3u)) << 7) | (r >> 3 & 0x7fu));
    });
  }
  int8_t* bytes(int64_t count) {
    return numbers<int8_t>(count,
                           [](uint32_t r) { return static_cast<int8_t>(static_cast<int>(r % 191) - 95); });
  }
  int32_t* indices(int64_t count, int limit) {
    return numbers<int32_t>(
        count, [limit](uint32_t r) { return static_cast<int32_t>(r % static_cast<uint32_t>(limit)); });
  }

  void release() {
    for (void* address : blocks_) require(rf_free(context, address), "rf_free");
    blocks_.clear();
  }

  // Runs stages; what does not fit into the device's memory is a line, not the end of the table.
  void attempt(const std::string& what, const std::function<void()>& stages) {
    try {
      stages();
    } catch (const std::bad_alloc&) {
      release();
      std::printf("| %s | | not run: out of memory | | | | | | |\n", what.c_str());
    }
  }

  rf_context* context = nullptr;

 private:
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  double copy_;
  double seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<void*> blocks_;
};

// Residual streams and norms of [rows, columns], forward and backward.
void streams(Bench& bench, int64_t rows, int64_t columns);
// Hash, sort, LSH and local attention, forward and backward.
void lsh(Bench& bench, int length, int heads, int head_size, int rounds);
// LSH attention on floats: the kernels that take every shape.
void generic_attention(Bench& bench, int length, int heads, int head_size, int rounds);
// Lists, attention and storing of a new token of one sequence, after `length` - 1 others.
void decoding(Bench& bench, int length, int heads, int head_size, int rounds);
// Activation between the products of the feed-forward layer, for `rows` rows of a chunk.
void feed_forward(Bench& bench, int64_t rows, int64_t columns);
// Loss of `rows` rows, embedding of `tokens` tokens, optimizers of [columns, columns] parameters.
void training(Bench& bench, int64_t rows, int64_t vocabulary, int64_t tokens, int64_t columns);

}  // namespace bench

#endif
