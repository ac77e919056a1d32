// What         nothing but fused multiply-adds in registers: what other kernels are measured against.
// Threads      all of them do the same work.
// Memory       none.
// Reference    none; the sums are thrown away.
// Measured     docs/benchmarks.md
#include "context.h"
#include "simd.h"

namespace rf {

struct MultiplyAdds {
  int64_t rounds;
  double* operations;
};

RF_DECLARE_KERNEL(multiply_adds, MultiplyAdds)

namespace RF_ISA {
namespace {

// More independent chains than the latency of a multiply-add times the multiply-adds that begin in a cycle.
constexpr int kChains = 12;

}  // namespace

void multiply_adds(rf_context& context, const MultiplyAdds& p) {
  const int threads = context.pool.threads();
  parallel(context, threads, 1, [&](const Team&) {
    F sums[kChains] = {};
    F a = set(1e-3f);
    // The compiler must not know that all chains are alike.
    asm volatile("" : : "r"(sums), "r"(&a) : "memory");
    for (int64_t round = 0; round < p.rounds; ++round) {
#pragma GCC unroll 12
      for (int i = 0; i < kChains; ++i) sums[i] = fma(a, a, sums[i]);
    }
    F total = {};
    for (int i = 0; i < kChains; ++i) total += sums[i];
    // Otherwise the compiler leaves out what nobody reads.
    asm volatile("" : : "r"(&total) : "memory");
  });
  *p.operations = 2.0 * kChains * kLanes * threads * static_cast<double>(p.rounds);
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_multiply_adds(rf_context* context, int64_t rounds, double* operations) {
  const rf::MultiplyAdds p = {rounds, operations};
  RF_RUN(*context, multiply_adds, p);
  return rf::take_status(*context);
}
#endif
