// Elements of the types of rf_type as vectors of floats, and the dropout mask.
#ifndef REFORMER_CPU_ELEMENTS_H
#define REFORMER_CPU_ELEMENTS_H

#include "reformer_kernels.h"
#include "simd.h"

namespace rf {

constexpr float kFixedScale = static_cast<float>(1 << RF_FRACTION_BITS);
constexpr float kFixedStep = 1.0f / kFixedScale;

struct Matrix {
  void* data;
  int64_t stride;
  int type;
};

inline Matrix matrix(const void* data, int64_t stride, int type) {
  return {const_cast<void*>(data), stride, type};
}

static inline int64_t type_bytes(int type) { return type == RF_BF16 ? 2 : type == RF_I8 ? 1 : 4; }

// A dropout mask (org.reformer4j.api.Dropout).
struct Dropout {
  uint64_t seed;
  uint32_t step, stream, threshold;
  float scale;
  int64_t first_row;
};

#define RF_DROPOUT_ARGUMENTS                                                                 \
  {dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale, dropout_first_row}

namespace RF_ISA {

// Elements that are worth a thread.
constexpr int64_t kElementGrain = 1 << 15;

typedef uint16_t H __attribute__((vector_size(2 * kLanes)));

RF_INLINE F from_bf16(H half) { return bits<F>(__builtin_convertvector(half, U) << 16); }

// Rounds to nearest, ties to even; NaN becomes 0x7fff, as in the other backends.
RF_INLINE H to_bf16(F x) {
  const U u = bits<U>(x);
  const U rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  return __builtin_convertvector(x == x ? rounded : U{} + 0x7fffu, H);
}

// Elements column .. column + kLanes - 1 of a row; what lies behind `columns` reads as 0.
RF_INLINE F load_elements(const Matrix& m, int64_t row, int64_t column, int64_t columns) {
  const int64_t at = row * m.stride + column;
  const int64_t rest = columns - column;
  if (m.type == RF_F32) {
    const float* const p = static_cast<const float*>(m.data) + at;
    return rest >= kLanes ? load(p) : load_part(p, rest);
  }
  if (m.type == RF_BF16) {
    H half = {};
    const uint16_t* const p = static_cast<const uint16_t*>(m.data) + at;
    if (rest >= kLanes) {
      __builtin_memcpy(&half, p, sizeof half);
    } else {
      for (int i = 0; i < kLanes; ++i) half[i] = i < rest ? p[i] : uint16_t{0};
    }
    return from_bf16(half);
  }
  const float* const p = reinterpret_cast<const float*>(static_cast<const int32_t*>(m.data) + at);
  return floats(bits<I>(rest >= kLanes ? load(p) : load_part(p, rest))) * kFixedStep;
}

// Stores elements as RF_F32 or RF_BF16, none behind `columns`.
RF_INLINE void store_elements(const Matrix& m, int64_t row, int64_t column, int64_t columns, F value) {
  const int64_t at = row * m.stride + column;
  const int64_t rest = columns - column;
  if (m.type == RF_F32) {
    float* const p = static_cast<float*>(m.data) + at;
    rest >= kLanes ? store(p, value) : store_part(p, value, rest);
    return;
  }
  const H half = to_bf16(value);
  uint16_t* const p = static_cast<uint16_t*>(m.data) + at;
  if (rest >= kLanes) {
    __builtin_memcpy(p, &half, sizeof half);
  } else {
    for (int i = 0; i < kLanes; ++i) {
      if (i < rest) p[i] = half[i];
    }
  }
}

// The same of a vector of floats, or null for zeros.
RF_INLINE F load_row(const float* data, int64_t column, int64_t columns) {
  if (data == nullptr) {
    return F{};
  }
  const int64_t rest = columns - column;
  return rest >= kLanes ? load(data + column) : load_part(data + column, rest);
}

}  // namespace RF_ISA
}  // namespace rf

#endif
