// CUDA's own names: barriers, collectives of a warp, bit functions, min and max.
#ifndef REFORMER_SIM_INTRINSICS_H
#define REFORMER_SIM_INTRINSICS_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "sim_engine.h"

// ---- barriers -----------------------------------------------------------------------------------

inline void __syncthreads(SIM_PLACE) { sim::barrier(file, line); }
inline void __syncwarp(uint32_t mask = 0xffffffffu, SIM_PLACE) {
  sim::collective("__syncwarp", mask, nullptr, 0, file, line);
}
inline void __threadfence() { sim::fence(); }
inline void __threadfence_block() { sim::fence(); }

// ---- shuffles -----------------------------------------------------------------------------------

namespace sim {

// The value of lane `source`. A lane that takes no part has none: all bits set, a NaN.
template <class T>
T lane_value(const LaneValues& values, int source) {
  if ((values.lanes >> source & 1) != 0) return values.get<T>(source);
  T nothing;
  std::memset(&nothing, 0xff, sizeof nothing);
  return nothing;
}

// select(own lane, first lane of the segment, last lane of the segment) is the lane to read from.
template <class T, class Select>
T shuffle(const char* what, uint32_t mask, T value, int width, Select select, const char* file,
          int line) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) >= 4, "the types that CUDA can shuffle");
  if (width < 1 || width > 32 || (width & (width - 1)) != 0) {
    fail("a width of a shuffle that is not a power of two up to 32", file, line);
  }
  const LaneValues& values = collective(what, mask, &value, sizeof value, file, line);
  const int own = lane();
  const int first = own & ~(width - 1);
  const int source = select(own, first, first + width - 1);
  return lane_value<T>(values, source);
}

}  // namespace sim

template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32, SIM_PLACE) {
  return sim::shuffle(
      "__shfl_sync", mask, value, width,
      [=](int, int first, int) { return first | (source & (width - 1)); }, file, line);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32, SIM_PLACE) {
  return sim::shuffle(
      "__shfl_xor_sync", mask, value, width,
      [=](int own, int, int last) { return (own ^ bits) <= last ? (own ^ bits) : own; }, file,
      line);
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned int delta, int width = 32, SIM_PLACE) {
  const int d = static_cast<int>(delta);
  return sim::shuffle(
      "__shfl_up_sync", mask, value, width,
      [=](int own, int first, int) { return own - d >= first ? own - d : own; }, file, line);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned int delta, int width = 32, SIM_PLACE) {
  const int d = static_cast<int>(delta);
  return sim::shuffle(
      "__shfl_down_sync", mask, value, width,
      [=](int own, int, int last) { return own + d <= last ? own + d : own; }, file, line);
}

// ---- votes --------------------------------------------------------------------------------------

namespace sim {

// The lanes for whose value `holds` is true.
template <class T, class Holds>
uint32_t vote(const char* what, uint32_t mask, T value, Holds holds, const char* file, int line) {
  const LaneValues& values = collective(what, mask, &value, sizeof value, file, line);
  uint32_t lanes = 0;
  for (int i = 0; i < 32; ++i) {
    if ((values.lanes >> i & 1) != 0 && holds(values.get<T>(i))) lanes |= 1u << i;
  }
  return lanes;
}

}  // namespace sim

inline uint32_t __ballot_sync(uint32_t mask, int predicate, SIM_PLACE) {
  return sim::vote("__ballot_sync", mask, predicate, [](int v) { return v != 0; }, file, line);
}
inline int __any_sync(uint32_t mask, int predicate, SIM_PLACE) {
  return sim::vote("__any_sync", mask, predicate, [](int v) { return v != 0; }, file, line) != 0;
}
inline int __all_sync(uint32_t mask, int predicate, SIM_PLACE) {
  return sim::vote("__all_sync", mask, predicate, [](int v) { return v == 0; }, file, line) == 0;
}
template <class T>
uint32_t __match_any_sync(uint32_t mask, T value, SIM_PLACE) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "the types that CUDA can match");
  // Bits are compared, not values: NaN matches NaN.
  return sim::vote(
      "__match_any_sync", mask, value,
      [&](T other) { return std::memcmp(&other, &value, sizeof value) == 0; }, file, line);
}

// ---- bits and numbers ---------------------------------------------------------------------------

namespace sim {

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "of the same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace sim

inline float __uint_as_float(unsigned int x) { return sim::bits_as<float>(x); }
inline float __int_as_float(int x) { return sim::bits_as<float>(x); }
inline unsigned int __float_as_uint(float x) { return sim::bits_as<unsigned int>(x); }
inline int __float_as_int(float x) { return sim::bits_as<int>(x); }

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned int>(x)); }
inline int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}

inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
// The device's is off by up to 2 units in the last place; this one is nearly exact.
inline float rsqrtf(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }

template <class T>
T __ldg(const T* p, SIM_PLACE) {
  if (__builtin_expect(sim::counting, false)) sim::count_global(p, sizeof(T), false, file, line);
  return *p;
}

// CUDA's overloads: int with unsigned int is unsigned, floats ignore a NaN.
#define SIM_MIN_MAX(T)                                \
  constexpr T min(T a, T b) { return b < a ? b : a; } \
  constexpr T max(T a, T b) { return a < b ? b : a; }
SIM_MIN_MAX(int)
SIM_MIN_MAX(unsigned int)
SIM_MIN_MAX(long)
SIM_MIN_MAX(unsigned long)
SIM_MIN_MAX(long long)
SIM_MIN_MAX(unsigned long long)
#undef SIM_MIN_MAX
constexpr unsigned int min(int a, unsigned int b) { return min(static_cast<unsigned int>(a), b); }
constexpr unsigned int min(unsigned int a, int b) { return min(a, static_cast<unsigned int>(b)); }
constexpr unsigned int max(int a, unsigned int b) { return max(static_cast<unsigned int>(a), b); }
constexpr unsigned int max(unsigned int a, int b) { return max(a, static_cast<unsigned int>(b)); }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

#endif
