// One source, several instruction sets: every file of kernels is compiled once per set, in the namespace
// RF_ISA, and which one runs is decided when a context is created.
//
// A file of kernels
//   * declares its kernel:     RF_DECLARE_KERNEL(name, Arguments), in namespace rf
//   * defines it:              namespace RF_ISA { void name(rf_context& context, const Arguments& p) {...} }
//   * calls it from the ABI:   RF_RUN(context, name, arguments), under #ifdef RF_ENTRY_POINTS, which only
//                              the baseline compilation defines
// A kernel of bfloat16 products is compiled once, in the namespace avx512_bf16, and takes RF_DECLARE_BF16_KERNEL and
// RF_RUN_BF16, which gives the status RF_STATUS_UNSUPPORTED where the context has none.
// Functions that such a file shares with others are `static inline` or in the namespace RF_ISA: an inline
// function of namespace rf could be kept in its AVX-512 version for all. Hence no templates of std either.
#ifndef REFORMER_CPU_ISA_H
#define REFORMER_CPU_ISA_H

namespace rf {

enum class Isa { generic, avx2, avx512 };

// The best that the processor has, or what the environment variable RF_CPU_ISA names. False where that is
// unknown or not there.
bool choose_isa(Isa* isa);
const char* isa_name(Isa isa);
// Whether the processor multiplies bfloat16 numbers (AVX512_BF16).
bool has_bf16_products();

}  // namespace rf

#if defined(__x86_64__)
#define RF_DECLARE_KERNEL(name, Arguments)                     \
  namespace generic {                                          \
  void name(rf_context& context, const Arguments& arguments);  \
  }                                                            \
  namespace avx2 {                                             \
  void name(rf_context& context, const Arguments& arguments);  \
  }                                                            \
  namespace avx512 {                                           \
  void name(rf_context& context, const Arguments& arguments);  \
  }
#define RF_DECLARE_BF16_KERNEL(name, Arguments)                \
  namespace avx512_bf16 {                                      \
  void name(rf_context& context, const Arguments& arguments);  \
  }
#define RF_RUN_BF16(context, name, arguments)                            \
  ((context).bf16 ? rf::avx512_bf16::name((context), (arguments))        \
                  : static_cast<void>((context).status = RF_STATUS_UNSUPPORTED))
#define RF_RUN(context, name, arguments)                                     \
  ((context).isa == rf::Isa::avx512 ? rf::avx512::name((context), (arguments)) \
   : (context).isa == rf::Isa::avx2 ? rf::avx2::name((context), (arguments))   \
                                    : rf::generic::name((context), (arguments)))
#else
#define RF_DECLARE_KERNEL(name, Arguments)                     \
  namespace generic {                                          \
  void name(rf_context& context, const Arguments& arguments);  \
  }
#define RF_RUN(context, name, arguments) rf::generic::name((context), (arguments))
#define RF_DECLARE_BF16_KERNEL(name, Arguments)
#define RF_RUN_BF16(context, name, arguments) static_cast<void>((context).status = RF_STATUS_UNSUPPORTED)
#endif

#endif
