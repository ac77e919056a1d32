// What the benchmarks of the CPU library share: the peak of fused multiply-adds, measured between the runs because
// a shared machine is not always as fast, and speeds as the best of several runs: by the clock, and by the time that
// the processors worked for this process, which leaves out what others took meanwhile.
#ifndef REFORMER_BENCH_CPU_PEAK_H
#define REFORMER_BENCH_CPU_PEAK_H

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "reformer_kernels.h"
#include "timing.h"

namespace bench {

inline double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// GFLOP/s by the clock and by the processors' time.
struct Speed {
  double wall = 0, busy = 0;
};

// Keeps the best of `work` GFLOP on a number of threads.
inline void time_once(Speed* best, double work, int threads, const std::function<void(int)>& call, int calls) {
  const double before = processor_seconds();
  const double wall = batch_seconds(calls, call);
  const double busy = processor_seconds() - before;
  best->wall = std::max(best->wall, calls * work / wall);
  best->busy = std::max(best->busy, calls * work * threads / busy);
}

#if defined(__x86_64__)
// Reads all of an array, a multiple of 2 KB, and adds it up in eight sums.
#define READS(REGISTER, WIDTH)                                                                       \
  asm volatile("vaddps 0*" WIDTH "(%0), %%" REGISTER "0, %%" REGISTER "0\n vaddps 1*" WIDTH "(%0), %%" REGISTER   \
               "1, %%" REGISTER "1\n vaddps 2*" WIDTH "(%0), %%" REGISTER "2, %%" REGISTER "2\n vaddps 3*" WIDTH  \
               "(%0), %%" REGISTER "3, %%" REGISTER "3\n vaddps 4*" WIDTH "(%0), %%" REGISTER "4, %%" REGISTER     \
               "4\n vaddps 5*" WIDTH "(%0), %%" REGISTER "5, %%" REGISTER "5\n vaddps 6*" WIDTH "(%0), %%"        \
               REGISTER "6, %%" REGISTER "6\n vaddps 7*" WIDTH "(%0), %%" REGISTER "7, %%" REGISTER "7"            \
               ::"r"(at) : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "memory")

inline void read(const float* from, int64_t count, const std::string& isa) {
  const char* const end = reinterpret_cast<const char*>(from + count);
  const char* at = reinterpret_cast<const char*>(from);
  if (isa == "avx512") {
    for (; at < end; at += 512) READS("zmm", "64");
  } else if (isa == "avx2") {
    for (; at < end; at += 256) READS("ymm", "32");
  } else {
    for (; at < end; at += 128) READS("xmm", "16");
  }
}
#else
inline void read(const float* from, int64_t count, const std::string&) {
  float sums[64] = {};
  for (int64_t i = 0; i < count; i += 64) {
    for (int j = 0; j < 64; ++j) sums[j] += from[i + j];
  }
  for (float sum : sums) asm volatile("" ::"r"(sum));
}
#endif

inline void check(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "%s: %s\n", what, rf_status_text(status));
    std::exit(1);
  }
}

// GFLOP/s of nothing but multiply-adds by all threads of the context together.
inline void peak(Speed* best, rf_context* context, int threads) {
  const int64_t rounds = rehearsal() ? 1000 : 2000000;
  double operations = 0;
  check(rf_multiply_adds(context, 1, &operations), "rf_multiply_adds");
  const double work = static_cast<double>(rounds) * operations * 1e-9;
  time_once(best, work, threads,
            [&](int) { check(rf_multiply_adds(context, rounds, &operations), "rf_multiply_adds"); }, 1);
}

// GB/s of `calls` plain reads of an array by all threads together, each of its own part.
inline void plain_read(Speed* best, const float* from, int64_t count, const std::string& isa, int threads, int calls) {
  const int64_t part = count / threads / 512 * 512;
  time_once(
      best, 4e-9 * static_cast<double>(part * threads * calls), threads,
      [&](int) {
        const auto read_part = [&](int thread) {
          for (int i = 0; i < calls; ++i) read(from + thread * part, part, isa);
        };
        std::vector<std::thread> others;
        for (int i = 1; i < threads; ++i) others.emplace_back(read_part, i);
        read_part(0);
        for (std::thread& other : others) other.join();
      },
      1);
}

inline float* floats(rf_context* context, int64_t count) {
  void* address = nullptr;
  check(rf_allocate(context, count * 4, &address), "rf_allocate");
  check(rf_fill(context, address, count, RF_F32, 1, count, 0.5f), "rf_fill");
  return static_cast<float*>(address);
}

// Prints the description of a context, and returns the instruction set in it.
inline std::string isa_of(rf_context* context) {
  char text[200];
  check(rf_context_describe(context, text, sizeof text), "rf_context_describe");
  std::printf("%s\n", text);
  const char* const comma = std::strchr(text, ' ');
  return std::string(comma + 1, std::strcspn(comma + 1, ","));
}

// How often every number is measured.
inline int runs() {
  const char* const wanted = std::getenv("RF_BENCH_RUNS");
  return rehearsal() ? 1 : wanted != nullptr ? std::atoi(wanted) : 15;
}

// Calls measure(threads) for the numbers of threads among the arguments, or for 1 and 2.
template <class Measure>
void for_threads(int count, char** arguments, const Measure& measure) {
  for (int i = 1; i < count; ++i) measure(std::atoi(arguments[i]));
  if (count < 2) {
    for (int threads : {1, 2}) measure(threads);
  }
}

}  // namespace bench

#endif
