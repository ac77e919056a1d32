// Matrix products of the CPU library on the shapes of a Reformer, as a share of what the processor can do:
// the peak of fused multiply-adds is measured between them, because a shared machine is not always as fast.
// Both are the best of several runs: by the clock, and by the time that the processors worked for this
// process, which leaves out what others took meanwhile.
//
//   RF_BENCH_RUNS=20 cpu_bench [threads...]
#include <algorithm>
#include <ctime>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "reformer_kernels.h"
#include "timing.h"

namespace {

using bench::batch_seconds;

double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// GFLOP/s by the clock and by the processors' time.
struct Speed {
  double wall = 0, busy = 0;
};

// Keeps the best of `work` GFLOP on a number of threads.
void time_once(Speed* best, double work, int threads, const std::function<void(int)>& call, int calls) {
  const double before = processor_seconds();
  const double wall = batch_seconds(calls, call, [] {});
  const double busy = processor_seconds() - before;
  best->wall = std::max(best->wall, calls * work / wall);
  best->busy = std::max(best->busy, calls * work * threads / busy);
}

#if defined(__x86_64__)
// Twelve independent chains of the widest fused multiply-adds there are: more than latency times width.
#define CHAINS(REGISTER)                                                                                      \
  asm volatile(                                                                                               \
      "vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER "0\n vfmadd231ps %%" REGISTER             \
      "12, %%" REGISTER "13, %%" REGISTER "1\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER   \
      "2\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER "3\n vfmadd231ps %%" REGISTER         \
      "12, %%" REGISTER "13, %%" REGISTER "4\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER   \
      "5\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER "6\n vfmadd231ps %%" REGISTER         \
      "12, %%" REGISTER "13, %%" REGISTER "7\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER   \
      "8\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER "9\n vfmadd231ps %%" REGISTER         \
      "12, %%" REGISTER "13, %%" REGISTER "10\n vfmadd231ps %%" REGISTER "12, %%" REGISTER "13, %%" REGISTER  \
      "11\n" ::                                                                                               \
          : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11")

void chains(int64_t rounds, bool wide) {
  asm volatile("vxorps %%xmm12, %%xmm12, %%xmm12\n vxorps %%xmm13, %%xmm13, %%xmm13\n" ::: "xmm12", "xmm13");
  if (wide) {
    for (int64_t i = 0; i < rounds; ++i) CHAINS("zmm");
  } else {
    for (int64_t i = 0; i < rounds; ++i) CHAINS("ymm");
  }
}

// All threads together; nothing where the instruction set has no such instructions.
void peak(Speed* best, const std::string& isa, int threads) {
  const bool wide = isa == "avx512";
  if (!wide && isa != "avx2") {
    return;
  }
  const int64_t rounds = bench::rehearsal() ? 1000 : 2000000;
  time_once(
      best, threads * static_cast<double>(rounds) * 12 * (wide ? 16 : 8) * 2e-9, threads,
      [&](int) {
        std::vector<std::thread> others;
        for (int i = 1; i < threads; ++i) others.emplace_back([&] { chains(rounds, wide); });
        chains(rounds, wide);
        for (std::thread& other : others) other.join();
      },
      1);
}
#else
void peak(Speed*, const std::string&, int) {}
#endif

struct Shape {
  int64_t m, n, k;
  bool transpose_a, transpose_b;
  const char* what;
};

const Shape kShapes[] = {
    {16384, 256, 256, false, true, "x W^T"},      {16384, 1024, 256, false, true, "x W1^T"},
    {16384, 256, 1024, false, true, "h W2^T"},    {16384, 256, 1024, false, false, "dh W1"},
    {16384, 1024, 256, false, false, "dy W2"},    {1024, 256, 16384, true, false, "dW1 = dh^T x"},
    {256, 1024, 16384, true, false, "dW2 = dy^T h"}, {256, 256, 16384, true, false, "dW = dy^T x"},
    {2048, 2048, 2048, false, false, "square"},   {64, 256, 256, false, true, "64 rows"},
    {1, 1024, 256, false, true, "one row"},
};

void check(int status, const char* what) {
  if (status != 0) {
    std::fprintf(stderr, "%s: %s\n", what, rf_status_text(status));
    std::exit(1);
  }
}

float* floats(rf_context* context, int64_t count) {
  void* address = nullptr;
  check(rf_allocate(context, count * 4, &address), "rf_allocate");
  check(rf_fill(context, address, count, RF_F32, 1, count, 0.5f), "rf_fill");
  return static_cast<float*>(address);
}

void measure(rf_context* context, const std::string& isa, int threads, int runs) {
  check(rf_context_threads(context, threads), "rf_context_threads");
  std::printf("%d thread%s\n%-16s %20s %26s %26s\n", threads, threads == 1 ? "" : "s", "product", "M x N x K",
              "GFLOP/s, peak, share", "by processor time");
  for (Shape s : kShapes) {
    if (bench::rehearsal()) s.m = std::min<int64_t>(s.m, 64), s.k = std::min<int64_t>(s.k, 64);
    float* const c = floats(context, s.m * s.n);
    float* const a = floats(context, s.m * s.k);
    float* const b = floats(context, s.k * s.n);
    const double work = 2e-9 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    const int calls = bench::rehearsal() ? 1 : std::max(1, static_cast<int>(1 / work));
    Speed best, highest;
    for (int run = 0; run < runs; ++run) {
      peak(&highest, isa, threads);
      time_once(
          &best, work, threads,
          [&](int) {
            check(rf_gemm(context, c, s.n, a, s.transpose_a ? s.m : s.k, s.transpose_a, b,
                          s.transpose_b ? s.k : s.n, s.transpose_b, 1, 0, s.m, s.n, s.k),
                  "rf_gemm");
          },
          calls);
    }
    const std::string size = std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k);
    std::printf("%-16s %20s %8.1f %8.1f %6.1f%% %8.1f %8.1f %6.1f%%\n", s.what, size.c_str(), best.wall,
                highest.wall, 100 * best.wall / highest.wall, best.busy, highest.busy,
                100 * best.busy / highest.busy);
    for (float* block : {c, a, b}) check(rf_free(context, block), "rf_free");
  }
}

}  // namespace

int main(int count, char** arguments) {
  rf_context* context = nullptr;
  check(rf_context_create(0, &context), "rf_context_create");
  char text[200];
  check(rf_context_describe(context, text, sizeof text), "rf_context_describe");
  std::printf("%s\n", text);
  const char* const comma = std::strchr(text, ' ');
  const std::string isa(comma + 1, std::strcspn(comma + 1, ","));
  const char* const wanted = std::getenv("RF_BENCH_RUNS");
  const int runs = bench::rehearsal() ? 1 : wanted != nullptr ? std::atoi(wanted) : 15;
  for (int i = 1; i < count; ++i) measure(context, isa, std::atoi(arguments[i]), runs);
  if (count < 2) {
    for (int threads : {1, 2}) measure(context, isa, threads, runs);
  }
  check(rf_context_destroy(context), "rf_context_destroy");
}
