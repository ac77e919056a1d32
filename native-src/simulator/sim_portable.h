// The simulator's half of device.cuh: the functions of namespace rf.
#ifndef REFORMER_SIM_PORTABLE_H
#define REFORMER_SIM_PORTABLE_H

#include <cmath>
#include <cstdint>

#include "sim_engine.h"
#include "sim_intrinsics.h"
#include "sim_shared.h"

namespace rf {

template <class T>
__forceinline__ T load(const T* p, SIM_PLACE) {
  if (__builtin_expect(sim::counting, false)) sim::count_global(p, sizeof(T), false, file, line);
  return *p;
}

template <class T>
__forceinline__ void store(T* p, T value, SIM_PLACE) {
  if (__builtin_expect(sim::counting, false)) sim::count_global(p, sizeof(T), true, file, line);
  *p = value;
}

// Kernels are compiled with -ffp-contract=off.
inline float mul(float a, float b) { return a * b; }
inline float add(float a, float b) { return a + b; }

inline uint32_t mul_high(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32);
}

inline int32_t to_int(float x) {
  if (x != x) return 0;
  if (x >= 2147483648.0f) return INT32_MAX;
  if (x <= -2147483648.0f) return INT32_MIN;
  return static_cast<int32_t>(rintf(x));
}

inline uint16_t to_bf16(float x) {
  if (x != x) return 0x7fff;
  const uint32_t bits = __float_as_uint(x);
  // Half a step less one, and one more where the last kept bit is odd: ties go to even.
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

inline uint32_t to_bf16_pair(float low, float high) {
  return to_bf16(low) | static_cast<uint32_t>(to_bf16(high)) << 16;
}

// The device's is off by up to 2 units in the last place.
inline float exp2_fast(float x) { return x < -126.0f ? 0.0f : exp2f(x); }

// ---- asynchronous copies ------------------------------------------------------------------------

// Here and not in the engine, so that the sanitizers see the kernel read and write.
__forceinline__ void copy16(void* target, const void* source) {
  *static_cast<uint4*>(target) = *static_cast<const uint4*>(source);
}

inline void copy_async16(void* shared, const void* global, SIM_PLACE) {
  if (__builtin_expect(sim::counting, false)) {
    sim::count_global(global, 16, false, file, line);
    sim::count_shared_at(shared, 16, file, line);
  }
  if (sim::copy_async(shared, global, file, line)) copy16(shared, global);
}
inline void copy_async_commit() { sim::copy_async_commit(); }
template <int pending>
void copy_async_wait() {
  const sim::Copies copies = sim::copy_async_finish(pending);
  for (size_t i = 0; i < copies.count; ++i) {
    copy16(copies.first[i].target, copies.first[i].source);
  }
}

// ---- tensor cores -------------------------------------------------------------------------------

inline void ldmatrix4(uint32_t (&r)[4], const void* shared_row, SIM_PLACE) {
  if (reinterpret_cast<uintptr_t>(shared_row) % 16 != 0) {
    sim::fail("ldmatrix4 of a row that is not aligned to 16 bytes", file, line);
  }
  if (__builtin_expect(sim::counting, false)) sim::count_shared_at(shared_row, 16, file, line);
  const sim::LaneValues& rows =
      sim::collective("ldmatrix4", 0xffffffffu, &shared_row, sizeof shared_row, file, line);
  const int lane = sim::lane();
  for (int block = 0; block < 4; ++block) {
    r[block] = rows.get<const uint32_t*>(block * 8 + lane / 4)[lane % 4];
  }
}

inline void ldmatrix4_transposed(uint32_t (&r)[4], const void* shared_row, SIM_PLACE) {
  if (reinterpret_cast<uintptr_t>(shared_row) % 16 != 0) {
    sim::fail("ldmatrix4_transposed of a row that is not aligned to 16 bytes", file, line);
  }
  if (__builtin_expect(sim::counting, false)) sim::count_shared_at(shared_row, 16, file, line);
  const sim::LaneValues& rows = sim::collective("ldmatrix4_transposed", 0xffffffffu, &shared_row,
                                                sizeof shared_row, file, line);
  const int lane = sim::lane();
  for (int block = 0; block < 4; ++block) {
    const int row = block * 8 + lane % 4 * 2;
    r[block] = rows.get<const uint16_t*>(row)[lane / 4] |
               static_cast<uint32_t>(rows.get<const uint16_t*>(row + 1)[lane / 4]) << 16;
  }
}

// The operands of one lane.
struct MmaOperands {
  uint32_t a[4];
  uint32_t b[2];
};

// Element (row, column) of d is held by lane row % 8 * 4 + column / 2 as register
// row / 8 * 2 + column % 2. With w = k / elements of a register: row `row` of a is in lanes
// row % 8 * 4 + w % 4, register row / 8 + w / 4 * 2, and column `column` of b is in lanes
// column * 4 + w % 4, register w / 4.
//
// add_products(sum, a, b) adds the products of one register with another.
template <class Sum, class AddProducts>
void mma(const char* what, Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
         AddProducts add_products, const char* file, int line) {
  const MmaOperands own = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const sim::LaneValues& all = sim::collective(what, 0xffffffffu, &own, sizeof own, file, line);
  const int lane = sim::lane();
  for (int i = 0; i < 4; ++i) {
    const int high_row = i / 2;
    const int column = lane % 4 * 2 + i % 2;
    Sum sum = d[i];
    for (int w = 0; w < 8; ++w) {
      const uint32_t left = all.get<MmaOperands>(lane / 4 * 4 + w % 4).a[high_row + w / 4 * 2];
      const uint32_t right = all.get<MmaOperands>(column * 4 + w % 4).b[w / 4];
      sum = add_products(sum, left, right);
    }
    d[i] = sum;
  }
  if (__builtin_expect(sim::counting, false) && lane == 0) sim::count_mma();
}

inline void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SIM_PLACE) {
  mma(
      "mma_s8", d, a, b,
      [](int32_t sum, uint32_t left, uint32_t right) {
        for (int byte = 0; byte < 4; ++byte) {
          const int product = static_cast<int8_t>(left >> 8 * byte & 0xff) *
                              static_cast<int8_t>(right >> 8 * byte & 0xff);
          // Unsigned: the device's sum wraps around.
          sum = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(product));
        }
        return sum;
      },
      file, line);
}

// Products are exact and every sum is rounded once, in ascending k. A device adds several products
// before it rounds: compare its results with a tolerance.
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SIM_PLACE) {
  mma(
      "mma_bf16", d, a, b,
      [](float sum, uint32_t left, uint32_t right) {
        sum += __uint_as_float(left << 16) * __uint_as_float(right << 16);
        return sum + __uint_as_float(left & 0xffff0000u) * __uint_as_float(right & 0xffff0000u);
      },
      file, line);
}

}  // namespace rf

#endif
