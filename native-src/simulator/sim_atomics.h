// Atomic functions. Inline, so that ThreadSanitizer sees atomic operations of the kernel.
#ifndef REFORMER_SIM_ATOMICS_H
#define REFORMER_SIM_ATOMICS_H

#include <cstdint>
#include <cstring>

#include "sim_engine.h"

namespace sim {

inline void note_atomic() {
  if (__builtin_expect(counting, false)) count_atomic();
}

// old = *p; *p = change(old), for any type of 4 or 8 bytes.
template <class Bits, class T, class Change>
T atomic_update(T* p, Change change) {
  static_assert(sizeof(Bits) == sizeof(T), "of the same size");
  note_atomic();
  Bits* target = reinterpret_cast<Bits*>(p);
  Bits expected = __atomic_load_n(target, __ATOMIC_RELAXED);
  for (;;) {
    T old;
    std::memcpy(&old, &expected, sizeof old);
    const T value = change(old);
    Bits desired;
    std::memcpy(&desired, &value, sizeof desired);
    if (__atomic_compare_exchange_n(target, &expected, desired, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      return old;
    }
  }
}

}  // namespace sim

inline int atomicAdd(int* p, int v) {
  sim::note_atomic();
  return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
inline unsigned int atomicAdd(unsigned int* p, unsigned int v) {
  sim::note_atomic();
  return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
inline unsigned long long atomicAdd(unsigned long long* p, unsigned long long v) {
  sim::note_atomic();
  return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
inline float atomicAdd(float* p, float v) {
  return sim::atomic_update<uint32_t>(p, [v](float old) { return old + v; });
}

inline int atomicMax(int* p, int v) {
  return sim::atomic_update<uint32_t>(p, [v](int old) { return old > v ? old : v; });
}
inline unsigned int atomicMax(unsigned int* p, unsigned int v) {
  return sim::atomic_update<uint32_t>(p, [v](unsigned int old) { return old > v ? old : v; });
}
inline int atomicMin(int* p, int v) {
  return sim::atomic_update<uint32_t>(p, [v](int old) { return old < v ? old : v; });
}
inline unsigned int atomicMin(unsigned int* p, unsigned int v) {
  return sim::atomic_update<uint32_t>(p, [v](unsigned int old) { return old < v ? old : v; });
}

inline int atomicOr(int* p, int v) {
  sim::note_atomic();
  return __atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}
inline unsigned int atomicOr(unsigned int* p, unsigned int v) {
  sim::note_atomic();
  return __atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}
inline int atomicExch(int* p, int v) {
  sim::note_atomic();
  return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);
}
inline unsigned int atomicExch(unsigned int* p, unsigned int v) {
  sim::note_atomic();
  return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);
}
inline int atomicCAS(int* p, int expected, int v) {
  return sim::atomic_update<uint32_t>(p, [=](int old) { return old == expected ? v : old; });
}
inline unsigned int atomicCAS(unsigned int* p, unsigned int expected, unsigned int v) {
  return sim::atomic_update<uint32_t>(p,
                                      [=](unsigned int old) { return old == expected ? v : old; });
}

#endif
