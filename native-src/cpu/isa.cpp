#include "isa.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace rf {

namespace {

bool has(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (isa) {
    case Isa::avx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Isa::avx2:
      return avx2;
    default:
      return true;
  }
#else
  return isa == Isa::generic;
#endif
}

}  // namespace

bool has_bf16_products() {
#if defined(__x86_64__)
  return has(Isa::avx512) && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

const char* isa_name(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "generic";
}

bool choose_isa(Isa* out) {
  const char* const name = std::getenv("RF_CPU_ISA");
  for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::generic}) {
    if (name == nullptr || *name == 0 ? has(isa) : std::strcmp(name, isa_name(isa)) == 0) {
      *out = isa;
      return has(isa);
    }
  }
  return false;
}

}  // namespace rf
