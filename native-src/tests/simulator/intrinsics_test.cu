// Types, collectives of a warp, atomics and numbers, as CUDA defines them.
#include <cmath>

#include "check.h"

namespace {

constexpr uint32_t kAll = 0xffffffffu;

__device__ int thread() { return static_cast<int>(threadIdx.x); }

__global__ void shuffles(int* bad) {
  const int t = thread();
  const int lane = t % 32;
  int wrong = 0;
  wrong += __shfl_sync(kAll, t, 5) != t - lane + 5;
  wrong += __shfl_sync(kAll, lane, 3, 8) != lane / 8 * 8 + 3;
  wrong += __shfl_xor_sync(kAll, lane, 17) != (lane ^ 17);
  wrong += __shfl_up_sync(kAll, lane, 2u) != (lane < 2 ? lane : lane - 2);
  wrong += __shfl_up_sync(kAll, lane, 1u, 4) != (lane % 4 == 0 ? lane : lane - 1);
  wrong += __shfl_down_sync(kAll, lane, 3u) != (lane > 28 ? lane : lane + 3);
  const float x = __shfl_xor_sync(kAll, static_cast<float>(lane), 1);
  wrong += static_cast<int>(x) != (lane ^ 1);
  const uint64_t wide = static_cast<uint64_t>(lane) << 40;
  wrong += __shfl_sync(kAll, wide, 7) != uint64_t{7} << 40;
  // Halves of a warp work on their own, and in their own time.
  const uint32_t half = lane < 16 ? 0xffffu : 0xffff0000u;
  int sum = 1;
  for (int i = 0; i < (lane < 16 ? 3 : 1); ++i) {
    for (int bits = 8; bits > 0; bits /= 2) sum += __shfl_xor_sync(half, sum, bits);
  }
  wrong += sum != (lane < 16 ? 4096 : 16);
  // A value of a lane that takes no part does not exist.
  if (lane < 16) wrong += __shfl_sync(0xffffu, lane, 20) != -1;
  atomicAdd(bad, wrong);
}

__global__ void votes(int* bad) {
  const int lane = thread() % 32;
  int wrong = 0;
  wrong += __ballot_sync(kAll, lane % 3 == 0) != 0x49249249u;
  wrong += __any_sync(kAll, lane == 9) != 1;
  wrong += __any_sync(kAll, 0) != 0;
  wrong += __all_sync(kAll, lane < 32) != 1;
  wrong += __all_sync(kAll, lane < 31) != 0;
  wrong += __match_any_sync(kAll, lane / 8) != 0xffu << lane / 8 * 8;
  const uint32_t odd = 0xaaaaaaaau;
  if (lane % 2 == 1) wrong += __match_any_sync(odd, 1.5f) != odd;
  __syncwarp();
  atomicAdd(bad, wrong);
}

// 48 threads: the second warp has 16 lanes, and the full mask is legal there.
__global__ void short_warp(int* bad) {
  const int expected = thread() < 32 ? 32 : 16;
  atomicAdd(bad, __popc(__ballot_sync(kAll, 1)) != expected);
}

__global__ void atomics(int* i, unsigned int* u, float* f) {
  const unsigned int t = threadIdx.x;
  atomicAdd(i, -1);
  atomicAdd(u, 2u);
  atomicAdd(f, 0.5f);
  atomicMax(i + 1, static_cast<int>(t) - 5);
  atomicMax(u + 1, t);
  atomicOr(u + 2, 1u << t % 32);
  atomicOr(i + 2, 4);
  atomicExch(u + 3, 77u);
  atomicExch(i + 3, -7);
  atomicMin(i + 4, -static_cast<int>(t));
  atomicCAS(u + 4, 0u, 5u);
}

__global__ void indices(int* seen) {
  const unsigned int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned int inner = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  seen[block * blockDim.x * blockDim.y * blockDim.z + inner] += 1;
}

template <int N>
__device__ int filled() {
  RF_SHARED_ARRAY(int, array, N);
  if (threadIdx.x == 0) array[0] = N;
  __syncthreads();
  return array[0];
}

// Every instance of a template has an array of its own, and so has every use of the macro.
__global__ void arrays(int* out) {
  RF_SHARED_ARRAY(char, first, 3);
  RF_SHARED_ARRAY(char, second, 3);
  const int a = filled<4>();
  const int b = filled<8>();
  rf::Shared<int> all = rf::shared_cast<int>(first + 0);
  const bool apart = all.get() != rf::shared_cast<int>(second).get();
  if (threadIdx.x == 0)
    out[blockIdx.x] = a + 10 * b + (apart ? 100 : 0) + (first[0] == -1 ? 1000 : 0);
}

// The last of the blocks adds up what all have written.
__global__ void last_block(int* parts, unsigned int* arrived, int* sum) {
  parts[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
  __threadfence();
  if (atomicAdd(arrived, 1u) + 1 == gridDim.x) {
    __threadfence();
    for (unsigned int i = 0; i < gridDim.x; ++i) *sum += parts[i];
  }
}

void test_kernels() {
  const test::Device<int> bad(std::vector<int>(1, 0));
  RF_LAUNCH(shuffles, 2, 96, 0, nullptr, bad.get());
  RF_LAUNCH(votes, 2, 64, 0, nullptr, bad.get());
  RF_LAUNCH(short_warp, 1, 48, 0, nullptr, bad.get());
  CHECK(bad.values()[0] == 0);

  const test::Device<int> i(std::vector<int>(5, 0));
  const test::Device<unsigned int> u(std::vector<unsigned int>(5, 0));
  const test::Device<float> f(std::vector<float>(1, 0.0f));
  RF_LAUNCH(atomics, 2, 64, 0, nullptr, i.get(), u.get(), f.get());
  CHECK((i.values() == std::vector<int>{-128, 58, 4, -7, -63}));
  CHECK((u.values() == std::vector<unsigned int>{256, 63, 0xffffffffu, 77, 5}));
  CHECK(f.values()[0] == 64.0f);

  const test::Device<int> seen(std::vector<int>(24 * 24, 0));
  RF_LAUNCH(indices, dim3(2, 3, 4), dim3(4, 3, 2), 0, nullptr, seen.get());
  CHECK(seen.values() == std::vector<int>(24 * 24, 1));

  const test::Device<int> out(3);
  RF_LAUNCH(arrays, 3, 2, 0, nullptr, out.get());
  CHECK(out.values() == std::vector<int>(3, 1184));

  const test::Device<int> parts(8);
  const test::Device<unsigned int> arrived(std::vector<unsigned int>(1, 0));
  const test::Device<int> sum(std::vector<int>(1, 0));
  RF_LAUNCH(last_block, 8, 1, 0, nullptr, parts.get(), arrived.get(), sum.get());
  CHECK(sum.values()[0] == 36);
}

void test_types() {
  static_assert(sizeof(float4) == 16 && alignof(float4) == 16, "as CUDA");
  static_assert(sizeof(int4) == 16 && alignof(uint4) == 16 && alignof(int4) == 16, "as CUDA");
  static_assert(sizeof(float2) == 8 && alignof(float2) == 8 && alignof(uint2) == 8, "as CUDA");
  static_assert(sizeof(char4) == 4 && alignof(char4) == 4 && sizeof(uint3) == 12, "as CUDA");
  CHECK(make_float4(1, 2, 3, 4).w == 4.0f && make_char4(1, 2, 3, -4).w == -4);
  CHECK(dim3(7).y == 1 && dim3(7, 8).z == 1);
}

void test_numbers() {
  CHECK(rf::to_int(0.5f) == 0 && rf::to_int(1.5f) == 2 && rf::to_int(-2.5f) == -2);
  CHECK(rf::to_int(NAN) == 0 && rf::to_int(3e9f) == INT32_MAX && rf::to_int(-3e9f) == INT32_MIN);
  CHECK(rf::to_int(INFINITY) == INT32_MAX && rf::to_int(-2147483648.0f) == INT32_MIN);
  CHECK(rf::to_bf16(1.0f) == 0x3f80 && rf::to_bf16(NAN) == 0x7fff && rf::to_bf16(-NAN) == 0x7fff);
  CHECK(rf::to_bf16(__uint_as_float(0x3f808000u)) == 0x3f80);  // a tie, to even
  CHECK(rf::to_bf16(__uint_as_float(0x3f818000u)) == 0x3f82);
  CHECK(rf::to_bf16(__uint_as_float(0x3f808001u)) == 0x3f81);
  CHECK(rf::to_bf16(3.4e38f) == 0x7f80 && rf::to_bf16(-INFINITY) == 0xff80);
  CHECK(rf::mul_high(0xffffffffu, 0xffffffffu) == 0xfffffffeu);
  // Not a fused multiply-add, which would keep the rest of the product.
  const float x = 1.0f + 0x1p-12f;
  CHECK(rf::add(rf::mul(x, x), -(1.0f + 0x1p-11f)) == 0.0f);
  CHECK(fmaf(x, x, -(1.0f + 0x1p-11f)) == 0x1p-24f);
  CHECK(__popc(0xf0f0u) == 8 && __ffs(0) == 0 && __ffs(8) == 4 && __clz(0) == 32 && __clz(1) == 31);
  CHECK(__float_as_int(-0.0f) == INT32_MIN && __int_as_float(0x3f800000) == 1.0f);
  CHECK(min(-1, 2) == -1 && max(-1, 2u) == 0xffffffffu && max(1.0f, NAN) == 1.0f);
  CHECK(min(int64_t{5}, int64_t{4}) == 4 && rsqrtf(4.0f) == 0.5f);
}

}  // namespace

int main() {
  test_types();
  test_numbers();
  test::in_all_modes(test_kernels);
}
