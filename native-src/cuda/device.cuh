// What kernels may use, with two meanings: CUDA under nvcc, the simulator under g++ and clang++.
//
// Rules for kernels, so that the simulator sees everything they do:
// * Launch with RF_LAUNCH; declare shared memory with RF_SHARED_ARRAY or RF_DYNAMIC_SHARED, never with
//   __shared__: every array is checked for bounds and races on its own.
// * Take the address of a place in shared memory as array + i: array[i] is an access.
// * Touch global memory through rf::load and rf::store, so that bytes and sectors are counted.
// * Where bits matter write rf::mul, rf::add and fmaf: nvcc contracts a*b+c, g++ does not.
#ifndef REFORMER_DEVICE_CUH
#define REFORMER_DEVICE_CUH

#include <cstdint>

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define RF_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  (kernel)<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
// One array of a length known at compile time; each use is a separate array.
#define RF_SHARED_ARRAY(T, name, count) __shared__ __align__(16) T name[count]
// The one array whose bytes the launch gives.
#define RF_DYNAMIC_SHARED(T, name)                                      \
  extern __shared__ __align__(128) unsigned char rf_dynamic_shared_[]; \
  T* name = reinterpret_cast<T*>(rf_dynamic_shared_)

namespace rf {

// A type of shared arrays in parameters of device functions.
template <class T>
using Shared = T*;

// The same shared memory as elements of another type.
template <class U, class T>
__device__ __forceinline__ U* shared_cast(T* array) {
  return reinterpret_cast<U*>(array);
}

template <class T>
__device__ __forceinline__ T load(const T* p) {
  return *p;
}

template <class T>
__device__ __forceinline__ void store(T* p, T value) {
  *p = value;
}

// Product and sum that are not contracted to a fused multiply-add.
__device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }

// Upper 32 bits of the product.
__device__ __forceinline__ uint32_t mul_high(uint32_t a, uint32_t b) { return __umulhi(a, b); }

// Nearest integer, ties to even, saturated.
__device__ __forceinline__ int32_t to_int(float x) { return __float2int_rn(x); }

// Bits of bfloat16, rounded to nearest even.
__device__ __forceinline__ uint16_t to_bf16(float x) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

// Two of them in one word, the first in the lower half.
__device__ __forceinline__ uint32_t to_bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return static_cast<uint32_t>(__bfloat16_as_ushort(pair.x)) |
         static_cast<uint32_t>(__bfloat16_as_ushort(pair.y)) << 16;
}

// 2^x, off by up to 2 units in the last place; 0 for x below -126.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// 16 bytes from global to shared memory, done at the wait for its group.
__device__ __forceinline__ void copy_async16(void* shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
               "l"(global)
               : "memory");
}
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most `pending` of this thread's newest groups are unfinished.
template <int pending>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// Four 8x8 blocks of 16-bit elements; lane l gives the address of row l % 8 of block l / 8.
__device__ __forceinline__ void ldmatrix4(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared_row)))
               : "memory");
}

// The same with every block transposed.
__device__ __forceinline__ void ldmatrix4_transposed(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared_row)))
               : "memory");
}

// d += a * b, m16n8k32, int8 operands in the PTX fragment layout.
__device__ __forceinline__ void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4],
                                       const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d += a * b, m16n8k16, bfloat16 operands, float sums, in the PTX fragment layout.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace rf

#else

#include "simulator.h"

#endif

namespace rf {

__device__ __forceinline__ float from_bf16(uint16_t bits) {
  return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace rf

#endif
