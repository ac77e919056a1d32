// The product as other operations call it.
#ifndef REFORMER_CPU_GEMM_H
#define REFORMER_CPU_GEMM_H

#include "context.h"

namespace rf {

// c [M, N] = alpha * op(a) * op(b) + beta * c; see rf_gemm.
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

RF_DECLARE_KERNEL(gemm, Gemm)

}  // namespace rf

#endif
