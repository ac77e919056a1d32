// Elements of the types of rf_type as floats, four at a time, and the dropout mask.
#ifndef REFORMER_ELEMENTS_CUH
#define REFORMER_ELEMENTS_CUH

#include "device.cuh"
#include "reformer_kernels.h"

namespace rf {

constexpr float kFixedScale = static_cast<float>(1 << RF_FRACTION_BITS);
constexpr float kFixedStep = 1.0f / kFixedScale;

inline int64_t type_bytes(int type) {
  switch (type) {
    case RF_BF16:
      return 2;
    case RF_I8:
      return 1;
    default:
      return 4;
  }
}

// A matrix in device memory. `vector` says that every row starts on a boundary of four elements and
// has a multiple of four of them, so that four can be moved at once.
struct Matrix {
  void* data;
  int64_t stride;
  int type;
  bool vector;
};

inline Matrix matrix(const void* data, int64_t stride, int type, int64_t columns) {
  const int64_t quad = 4 * type_bytes(type);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(quad) == 0;
  return {const_cast<void*>(data), stride, type, aligned && stride % 4 == 0 && columns % 4 == 0};
}

__device__ __forceinline__ float load_element(const Matrix& m, int64_t index) {
  switch (m.type) {
    case RF_F32:
      return load(static_cast<const float*>(m.data) + index);
    case RF_BF16:
      return from_bf16(load(static_cast<const uint16_t*>(m.data) + index));
    default:
      return static_cast<float>(load(static_cast<const int32_t*>(m.data) + index)) * kFixedStep;
  }
}

__device__ __forceinline__ void store_element(const Matrix& m, int64_t index, float value) {
  if (m.type == RF_F32) {
    store(static_cast<float*>(m.data) + index, value);
  } else {
    store(static_cast<uint16_t*>(m.data) + index, to_bf16(value));
  }
}

// Elements column..column+3 of a row as floats; what lies behind `columns` reads as 0.
__device__ __forceinline__ void load_quad(float (&v)[4], const Matrix& m, int64_t row,
                                          int64_t column, int64_t columns) {
  const int64_t at = row * m.stride + column;
  if (!m.vector) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      v[j] = column + j < columns ? load_element(m, at + j) : 0.0f;
    }
  } else if (m.type == RF_F32) {
    const float4 q = load(reinterpret_cast<const float4*>(static_cast<const float*>(m.data) + at));
    v[0] = q.x, v[1] = q.y, v[2] = q.z, v[3] = q.w;
  } else if (m.type == RF_BF16) {
    const uint2 q = load(reinterpret_cast<const uint2*>(static_cast<const uint16_t*>(m.data) + at));
    v[0] = from_bf16(static_cast<uint16_t>(q.x & 0xffff));
    v[1] = from_bf16(static_cast<uint16_t>(q.x >> 16));
    v[2] = from_bf16(static_cast<uint16_t>(q.y & 0xffff));
    v[3] = from_bf16(static_cast<uint16_t>(q.y >> 16));
  } else {
    const int4 q = load(reinterpret_cast<const int4*>(static_cast<const int32_t*>(m.data) + at));
    v[0] = static_cast<float>(q.x) * kFixedStep, v[1] = static_cast<float>(q.y) * kFixedStep;
    v[2] = static_cast<float>(q.z) * kFixedStep, v[3] = static_cast<float>(q.w) * kFixedStep;
  }
}

// Stores elements column..column+3 of a row as RF_F32 or RF_BF16, none behind `columns`.
__device__ __forceinline__ void store_quad(const Matrix& m, int64_t row, int64_t column,
                                           int64_t columns, const float (&v)[4]) {
  const int64_t at = row * m.stride + column;
  if (!m.vector) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j < columns) {
        store_element(m, at + j, v[j]);
      }
    }
  } else if (m.type == RF_F32) {
    store(reinterpret_cast<float4*>(static_cast<float*>(m.data) + at),
          make_float4(v[0], v[1], v[2], v[3]));
  } else {
    const uint32_t low = to_bf16(v[0]) | static_cast<uint32_t>(to_bf16(v[1])) << 16;
    const uint32_t high = to_bf16(v[2]) | static_cast<uint32_t>(to_bf16(v[3])) << 16;
    store(reinterpret_cast<uint2*>(static_cast<uint16_t*>(m.data) + at), make_uint2(low, high));
  }
}

// A float vector of D elements, or null for zeros.
__device__ __forceinline__ void load_row(float (&v)[4], const float* data, bool vector,
                                         int64_t column, int64_t columns) {
  if (data == nullptr) {
    v[0] = v[1] = v[2] = v[3] = 0.0f;
    return;
  }
  const Matrix m = {const_cast<float*>(data), 0, RF_F32, vector};
  load_quad(v, m, 0, column, columns);
}

inline bool row_is_vector(const float* data, int64_t columns) {
  return matrix(data, 0, RF_F32, columns).vector;
}

// ---- dropout (org.reformer4j.api.Dropout) -------------------------------------------------------

struct Dropout {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  uint32_t threshold;
  float scale;
  int64_t first_row;
};

// Philox4x32-10 (Salmon et al. 2011); org.reformer4j.api.Philox defines the counter.
__device__ __forceinline__ void philox_quad(uint32_t (&words)[4], const Dropout& d, int64_t quad) {
  uint32_t c0 = static_cast<uint32_t>(quad);
  uint32_t c1 = static_cast<uint32_t>(static_cast<uint64_t>(quad) >> 32);
  uint32_t c2 = d.step;
  uint32_t c3 = d.stream;
  uint32_t k0 = static_cast<uint32_t>(d.seed);
  uint32_t k1 = static_cast<uint32_t>(d.seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = mul_high(0xD2511F53u, c0);
    const uint32_t high1 = mul_high(0xCD9E8D57u, c2);
    const uint32_t n0 = high1 ^ c1 ^ k0;
    const uint32_t n2 = high0 ^ c3 ^ k1;
    c1 = 0xCD9E8D57u * c2;
    c3 = 0xD2511F53u * c0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

// Factors (0 or scale) of elements column..column+3 of a row of `columns`.
__device__ __forceinline__ void dropout_quad(float (&factors)[4], const Dropout& d, int64_t row,
                                             int64_t column, int64_t columns) {
  if (d.threshold == 0) {
    factors[0] = factors[1] = factors[2] = factors[3] = 1.0f;
    return;
  }
  const int64_t element = (d.first_row + row) * columns + column;
  uint32_t words[8];
  uint32_t block[4];
  philox_quad(block, d, element >> 2);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    words[j] = block[j];
  }
  const int first = static_cast<int>(element & 3);
  if (first != 0) {
    philox_quad(block, d, (element >> 2) + 1);
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    words[4 + j] = block[j];
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    // A select over constant places keeps the words in registers.
    uint32_t word = words[j];
#pragma unroll
    for (int shift = 1; shift < 4; ++shift) {
      word = first == shift ? words[j + shift] : word;
    }
    factors[j] = word >= d.threshold ? d.scale : 0.0f;
  }
}

// ---- one step of a residual stream --------------------------------------------------------------

// acc[row, column..+3] += sign * factor * (y + bias), as floats in x. On RF_FIXED the addend is
// rounded to the grid; a sum or addend out of range is saturated and raises the flag.
__device__ __forceinline__ void residual_quad(float (&x)[4], const Matrix& acc, const Matrix& y,
                                              const float (&bias)[4], const float (&factors)[4],
                                              float sign, int64_t row, int64_t column,
                                              int64_t columns, int32_t* overflow) {
  float f[4];
  load_quad(f, y, row, column, columns);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    f[j] = mul(add(f[j], bias[j]), factors[j]);
  }
  if (acc.type == RF_F32) {
    load_quad(x, acc, row, column, columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      x[j] = add(x[j], mul(sign, f[j]));
    }
    store_quad(acc, row, column, columns, x);
    return;
  }
  int32_t* const cells = static_cast<int32_t*>(acc.data) + row * acc.stride + column;
  int32_t sums[4];
  if (acc.vector) {
    const int4 q = load(reinterpret_cast<const int4*>(cells));
    sums[0] = q.x, sums[1] = q.y, sums[2] = q.z, sums[3] = q.w;
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums[j] = column + j < columns ? load(cells + j) : 0;
    }
  }
  bool outside = false;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float scaled = f[j] * kFixedScale;
    // Rounded before the sign, so that forward and inverse move by the same steps.
    const int64_t sum = sums[j] + static_cast<int64_t>(sign) * to_int(scaled);
    const int64_t low = INT32_MIN;
    const int64_t high = INT32_MAX;
    const int64_t kept = sum < low ? low : (sum > high ? high : sum);
    // The comparison is also false for NaN.
    const bool fits = fabsf(scaled) < 2147483648.0f && kept == sum;
    outside = outside || (column + j < columns && !fits);
    sums[j] = static_cast<int32_t>(kept);
    x[j] = static_cast<float>(sums[j]) * kFixedStep;
  }
  if (acc.vector) {
    store(reinterpret_cast<int4*>(cells), make_int4(sums[0], sums[1], sums[2], sums[3]));
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (column + j < columns) {
        store(cells + j, sums[j]);
      }
    }
  }
  if (outside && overflow != nullptr) {
    atomicExch(overflow, 1);
  }
}

}  // namespace rf

#endif
