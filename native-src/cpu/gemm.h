// A matrix product, and which kernel runs it.
#ifndef REFORMER_CPU_GEMM_H
#define REFORMER_CPU_GEMM_H

#include "context.h"
#include "elements.h"

namespace rf {

struct Gemm {
  float* c;
  int64_t c_stride;
  const float* a;
  int64_t a_stride;
  bool transpose_a;
  const float* b;
  int64_t b_stride;
  bool transpose_b;
  float alpha, beta;
  int64_t rows, columns, terms;
};

// The same of bfloat16 factors.
struct GemmBf16 {
  Matrix c;  // RF_F32 or RF_BF16
  const uint16_t* a;
  int64_t a_stride;
  bool transpose_a;
  const uint16_t* b;
  int64_t b_stride;
  bool transpose_b;
  float alpha, beta;
  int64_t rows, columns, terms;
};

// So few rows are multiplied with b where it lies: a panel would be read as often as it is written.
constexpr int64_t kFewRows = 8;

RF_DECLARE_KERNEL(gemm, Gemm)
RF_DECLARE_KERNEL(gemm_few_rows, Gemm)
RF_DECLARE_BF16_KERNEL(gemm_bf16, GemmBf16)

}  // namespace rf

#endif
