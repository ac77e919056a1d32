// Counters of access patterns whose numbers are known.
#include "check.h"

namespace {

__device__ int thread() { return static_cast<int>(threadIdx.x); }

template <class T>
__global__ void read_strided(const T* in, T* out, int stride) {
  const T value = rf::load(in + thread() * stride);
  rf::store(out + thread(), value);
}

// Every lane takes a row of the same column.
__global__ void read_column(int pitch) {
  RF_SHARED_ARRAY(float, tile, 32 * 33);
  float sum = 0.0f;
  sum += tile[thread() * pitch];
  if (sum == 1.0f) __syncthreads();
}

// Elements one after the other: broadcast, or whole rows of banks.
template <class T>
__global__ void read_shared(int stride) {
  RF_SHARED_ARRAY(T, tile, 64);
  const T value = tile[thread() * stride];
  if (reinterpret_cast<const unsigned char&>(value) == 1) __syncthreads();
}

// 32 rows of 16 bytes with a pitch.
__global__ void read_matrix(int pitch) {
  RF_SHARED_ARRAY(unsigned char, tile, 32 * 144);
  uint32_t r[4];
  rf::ldmatrix4(r, tile + thread() * pitch);
}

__global__ void copy_and_multiply(const float* in) {
  RF_SHARED_ARRAY(float, tile, 128);
  rf::copy_async16(tile + thread() * 4, in + thread() * 4);
  rf::copy_async_commit();
  rf::copy_async_wait<0>();
  __syncthreads();
  float d[4] = {};
  rf::mma_bf16(d, {0, 0, 0, 0}, {0, 0});
  __syncthreads();
}

template <class Launch>
sim::Counters count(Launch launch) {
  sim::reset_counters();
  sim::config().count = true;
  launch();
  sim::config().count = false;
  CHECK(cudaGetLastError() == cudaSuccess);
  return sim::counters();
}

void test_global() {
  const test::Device<float> in(32 * 32);
  const test::Device<float> out(64);
  sim::Counters c =
      count([&] { RF_LAUNCH(read_strided<float>, 1, 32, 0, nullptr, in.get(), out.get(), 1); });
  CHECK(c.launches == 1 && c.blocks == 1 && c.threads == 32);
  CHECK(c.global_read_requests == 1 && c.global_read_bytes == 128 && c.global_read_sectors == 4);
  CHECK(c.global_write_requests == 1 && c.global_written_bytes == 128);
  CHECK(c.global_written_sectors == 4);
  c = count([&] { RF_LAUNCH(read_strided<float>, 1, 32, 0, nullptr, in.get(), out.get(), 2); });
  CHECK(c.global_read_sectors == 8);
  c = count([&] { RF_LAUNCH(read_strided<float>, 1, 32, 0, nullptr, in.get(), out.get(), 32); });
  CHECK(c.global_read_sectors == 32);
  c = count([&] { RF_LAUNCH(read_strided<float>, 1, 32, 0, nullptr, in.get(), out.get(), 0); });
  CHECK(c.global_read_sectors == 1);
  // Two warps; and a warp of 16 bytes a lane.
  c = count([&] { RF_LAUNCH(read_strided<float>, 1, 64, 0, nullptr, in.get(), out.get(), 1); });
  CHECK(c.global_read_requests == 2 && c.global_read_sectors == 8);
  const test::Device<float4> wide(64);
  c = count(
      [&] { RF_LAUNCH(read_strided<float4>, 1, 32, 0, nullptr, wide.get(), wide.get() + 32, 1); });
  CHECK(c.global_read_requests == 1 && c.global_read_sectors == 16);
}

void test_shared() {
  sim::Counters c = count([] { RF_LAUNCH(read_column, 1, 32, 0, nullptr, 32); });
  CHECK(c.shared_requests == 1 && c.shared_extra_wavefronts == 31);
  c = count([] { RF_LAUNCH(read_column, 1, 32, 0, nullptr, 33); });
  CHECK(c.shared_requests == 1 && c.shared_extra_wavefronts == 0);
  c = count([] { RF_LAUNCH(read_shared<float>, 1, 32, 0, nullptr, 0); });
  CHECK(c.shared_extra_wavefronts == 0);
  c = count([] { RF_LAUNCH(read_shared<float>, 1, 32, 0, nullptr, 2); });
  CHECK(c.shared_extra_wavefronts == 1);
  c = count([] { RF_LAUNCH(read_shared<float2>, 1, 32, 0, nullptr, 1); });
  CHECK(c.shared_extra_wavefronts == 0);
  c = count([] { RF_LAUNCH(read_shared<float4>, 1, 32, 0, nullptr, 1); });
  CHECK(c.shared_extra_wavefronts == 0);
  c = count([] { RF_LAUNCH(read_shared<float4>, 1, 32, 0, nullptr, 2); });
  CHECK(c.shared_extra_wavefronts == 4);
  c = count([] { RF_LAUNCH(read_matrix, 1, 32, 0, nullptr, 128); });
  CHECK(c.shared_requests == 1 && c.shared_extra_wavefronts == 4 * 7);
  c = count([] { RF_LAUNCH(read_matrix, 1, 32, 0, nullptr, 144); });
  CHECK(c.shared_extra_wavefronts == 0);
}

void test_the_rest() {
  const test::Device<float> in(128);
  const sim::Counters c = count([&] { RF_LAUNCH(copy_and_multiply, 3, 32, 0, nullptr, in.get()); });
  CHECK(c.blocks == 3 && c.mma == 3 && c.barriers == 6 && c.collectives == 3);
  CHECK(c.global_read_bytes == 3 * 512 && c.global_read_sectors == 3 * 16);
  sim::reset_counters();
  RF_LAUNCH(copy_and_multiply, 3, 32, 0, nullptr, in.get());
  CHECK(sim::counters().launches == 0 && sim::counters().mma == 0);
}

}  // namespace

int main() {
  test::in_all_modes([] {
    test_global();
    test_shared();
    test_the_rest();
  });
}
