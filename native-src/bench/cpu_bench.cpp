// Matrix products of the CPU library on the shapes of a Reformer, as a share of what the processor can do:
// see cpu_peak.h. Products of few rows, as in decoding, as a share of the speed of a plain read of the weights.
//
//   RF_BENCH_RUNS=20 RF_BENCH_ROWS=1 cpu_bench [threads...]
//
// RF_BENCH_ROWS=1 for these alone.
#include "cpu_peak.h"

namespace {

using namespace bench;

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
};

// Rows by weights, which come from a cache, and as in decoding, where every layer has its own, from memory.
const Shape kRowShapes[] = {
    {1, 1024, 256, false, true, "x W^T, cached"},   {1, 1024, 256, false, false, "x W, cached"},
    {4, 1024, 256, false, true, "x W^T, cached"},   {4, 1024, 256, false, false, "x W, cached"},
    {1, 1024, 1024, false, true, "x W^T, memory"},  {1, 1024, 1024, false, false, "x W, memory"},
    {4, 1024, 1024, false, true, "x W^T, memory"},  {4, 1024, 1024, false, false, "x W, memory"},
    {1, 4096, 1024, false, true, "x W^T, memory"},  {1, 4096, 1024, false, false, "x W, memory"},
};
// Elements of all weights that are used in turn.
constexpr int64_t kMemory = 1 << 26;

void print(const Shape& s, const Speed& best, const Speed& highest) {
  const std::string size = std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k);
  std::printf("%-16s %20s %8.1f %8.1f %6.1f%% %8.1f %8.1f %6.1f%%\n", s.what, size.c_str(), best.wall, highest.wall,
              100 * best.wall / highest.wall, best.busy, highest.busy, 100 * best.busy / highest.busy);
}

void measure(rf_context* context, int type, int threads, int runs) {
  check(rf_context_threads(context, threads), "rf_context_threads");
  std::printf("%s\n", type == RF_BF16 ? "bfloat16, against the float32 peak" : "float32");
  std::printf("%-16s %20s %26s %26s\n", "product", "M x N x K",
              "GFLOP/s, peak, share", "by processor time");
  for (Shape s : kShapes) {
    if (bench::rehearsal()) s.m = std::min<int64_t>(s.m, 64), s.k = std::min<int64_t>(s.k, 64);
    // Of bfloat16, half of each is used; products of weights' gradients stay float32.
    float* const c = floats(context, s.m * s.n);
    float* const a = floats(context, s.m * s.k);
    float* const b = floats(context, s.k * s.n);
    const int c_type = s.transpose_a ? RF_F32 : type;
    const double work = 2e-9 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    const int calls = bench::rehearsal() ? 1 : std::max(1, static_cast<int>(1 / work));
    Speed best, highest;
    for (int run = 0; run < runs; ++run) {
      peak(&highest, context, threads);
      time_once(
          &best, work, threads,
          [&](int) {
            check(rf_gemm(context, c, s.n, c_type, a, s.transpose_a ? s.m : s.k, s.transpose_a, b,
                          s.transpose_b ? s.k : s.n, s.transpose_b, type, 1, 0, s.m, s.n, s.k),
                  "rf_gemm");
          },
          calls);
    }
    print(s, best, highest);
    for (float* block : {c, a, b}) check(rf_free(context, block), "rf_free");
  }
}

void measure_rows(rf_context* context, const std::string& isa, int threads, int runs) {
  check(rf_context_threads(context, threads), "rf_context_threads");
  std::printf("%-16s %20s %26s %26s\n", "few rows", "M x N x K", "GB/s, plain read, share", "by processor time");
  for (Shape s : kRowShapes) {
    if (bench::rehearsal()) s.n = 512, s.k = 64;
    const int64_t size = s.n * s.k;
    const bool cached = bench::rehearsal() || std::strstr(s.what, "cached") != nullptr;
    const int64_t copies = cached ? 1 : kMemory / size;
    float* const c = floats(context, s.m * s.n);
    float* const a = floats(context, s.m * s.k);
    float* const b = floats(context, copies * size);
    const double work = 4e-9 * static_cast<double>(size);
    const int passes = cached && !bench::rehearsal() ? static_cast<int>(0.2 / work) : 1;
    Speed best, highest;
    for (int run = 0; run < runs; ++run) {
      plain_read(&highest, b, copies * size, isa, threads, passes);
      time_once(
          &best, work, threads,
          [&](int call) {
            check(rf_gemm(context, c, s.n, RF_F32, a, s.k, 0, b + call % copies * size, s.transpose_b ? s.k : s.n,
                          s.transpose_b, RF_F32, 1, 0, s.m, s.n, s.k),
                  "rf_gemm");
          },
          passes * static_cast<int>(copies));
    }
    print(s, best, highest);
    for (float* block : {c, a, b}) check(rf_free(context, block), "rf_free");
  }
}

}  // namespace

int main(int count, char** arguments) {
  rf_context* context = nullptr;
  check(rf_context_create(0, &context), "rf_context_create");
  const std::string isa = isa_of(context);
  for_threads(count, arguments, [&](int threads) {
    std::printf("%d thread%s\n", threads, threads == 1 ? "" : "s");
    for (int type : {RF_F32, RF_BF16}) {
      if (std::getenv("RF_BENCH_ROWS") == nullptr && rf_context_computes(context, type) != 0) {
        measure(context, type, threads, runs());
      }
    }
    measure_rows(context, isa, threads, runs());
  });
  check(rf_context_destroy(context), "rf_context_destroy");
}
