// What a card can do at most, as floors for the stage table: copy, gather of random rows, launches.
//   ceilings            on a card; prints one line per measurement
#include <cstdio>
#include <cstdlib>

#include "device.cuh"
#include "timing.h"

namespace {

void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    std::fprintf(stderr, "ceilings: %s: %s\n", what, cudaGetErrorString(error));
    std::exit(1);
  }
}

__global__ void __launch_bounds__(256) copy_kernel(uint4* target, const uint4* source, int64_t count) {
  // Four loads before the first store, so that they are in flight together.
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i + 3 * step < count; i += 4 * step) {
    uint4 values[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) values[j] = rf::load(source + i + j * step);
#pragma unroll
    for (int j = 0; j < 4; ++j) rf::store(target + i + j * step, values[j]);
  }
  for (; i < count; i += step) rf::store(target + i, rf::load(source + i));
}

// Reads rows of `pieces` * 16 bytes at random places; writes one value per thread, so that reads stay.
__global__ void __launch_bounds__(256)
    gather_kernel(uint32_t* sums, const uint4* table, int64_t rows, int pieces, int per_group) {
  const int group = static_cast<int>(threadIdx.x) / pieces;
  const int piece = static_cast<int>(threadIdx.x) % pieces;
  const int groups = static_cast<int>(blockDim.x) / pieces;
  uint32_t state = static_cast<uint32_t>(blockIdx.x) * 7919u + static_cast<uint32_t>(group) * 104729u + 1u;
  uint32_t sum = 0;
  for (int i = 0; i < per_group; ++i) {
    state = state * 1664525u + 1013904223u;
    const int64_t row = static_cast<int64_t>(rf::mul_high(state, static_cast<uint32_t>(rows)));
    const uint4 value = rf::load(table + row * pieces + piece);
    sum += value.x ^ value.y ^ value.z ^ value.w;
  }
  rf::store(sums + static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x,
            sum + static_cast<uint32_t>(groups));
}

__global__ void empty_kernel() {}

}  // namespace

int main() {
  cudaStream_t stream = nullptr;
  require(cudaSetDevice(0), "cudaSetDevice");
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  cudaMemPool_t pool = nullptr;
  require(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
  const auto allocate = [&](int64_t bytes) {
    void* address = nullptr;
    require(cudaMallocFromPoolAsync(&address, static_cast<size_t>(bytes), pool, stream), "allocation");
    require(cudaMemsetAsync(address, 1, static_cast<size_t>(bytes), stream), "cudaMemsetAsync");
    return address;
  };
  const auto wait = [&] { require(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); };
  cudaEvent_t started = nullptr;
  cudaEvent_t stopped = nullptr;
  for (cudaEvent_t* event : {&started, &stopped}) {
    require(cudaEventCreateWithFlags(event, cudaEventDefault), "cudaEventCreateWithFlags");
  }
  const bench::Clock clock = {[&] { require(cudaEventRecord(started, stream), "cudaEventRecord"); },
                              [&] {
                                float milliseconds = 0;
                                require(cudaEventRecord(stopped, stream), "cudaEventRecord");
                                require(cudaEventSynchronize(stopped), "cudaEventSynchronize");
                                require(cudaEventElapsedTime(&milliseconds, started, stopped), "cudaEventElapsedTime");
                                return 1e-3 * static_cast<double>(milliseconds);
                              }};
  const bool rehearsal = bench::rehearsal();
  const int64_t mega = int64_t{1} << 20;
  const unsigned blocks = rehearsal ? 2 : 132 * 8;

  const int64_t bytes = rehearsal ? mega / 16 : 2048 * mega;
  void* const source = allocate(bytes);
  void* const target = allocate(bytes);
  const double copy = bench::seconds(
      [&](int) {
        RF_LAUNCH(copy_kernel, dim3(blocks), dim3(256), 0, stream, static_cast<uint4*>(target),
                  static_cast<const uint4*>(source), bytes / 16);
      },
      clock);
  const double driver = bench::seconds(
      [&](int) {
        require(cudaMemcpyAsync(target, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                                stream),
                "cudaMemcpyAsync");
      },
      clock);
  // The better of both is the ceiling.
  std::printf("copy_GBps %.1f  (read + written, %lld MiB; kernel %.1f, driver %.1f)\n",
              2e-9 * static_cast<double>(bytes) / std::min(copy, driver),
              static_cast<long long>(bytes / mega), 2e-9 * static_cast<double>(bytes) / copy,
              2e-9 * static_cast<double>(bytes) / driver);

  uint32_t* const sums = static_cast<uint32_t*>(allocate(static_cast<int64_t>(blocks) * 256 * 4));
  for (const int64_t footprint : {int64_t{64}, int64_t{512}, int64_t{2048}}) {
    for (const int row_bytes : {128, 256, 512}) {
      const int pieces = row_bytes / 16;
      const int per_group = rehearsal ? 4 : 512;
      const int64_t rows = (rehearsal ? mega / 16 : footprint * mega) / row_bytes;
      const double time = bench::seconds(
          [&](int) {
            RF_LAUNCH(gather_kernel, dim3(blocks), dim3(256), 0, stream, sums,
                      static_cast<const uint4*>(source), rows, pieces, per_group);
          },
          clock);
      const double moved = static_cast<double>(blocks) * 256 * 16 * per_group;
      std::printf("gather_%d_B_rows_of_%lld_MiB_GBps %.1f\n", row_bytes,
                  static_cast<long long>(footprint), 1e-9 * moved / time);
    }
  }
  const double launch = bench::seconds(
      [&](int) {
        for (int i = 0; i < 100; ++i) RF_LAUNCH(empty_kernel, dim3(1), dim3(32), 0, stream);
      },
      clock);
  std::printf("launch_us %.2f\n", 1e6 * launch / 100);
  require(cudaGetLastError(), "kernels");
  for (void* address : {source, target, static_cast<void*>(sums)}) {
    require(cudaFreeAsync(address, stream), "cudaFreeAsync");
  }
  wait();
  for (cudaEvent_t event : {started, stopped}) require(cudaEventDestroy(event), "cudaEventDestroy");
  require(cudaStreamDestroy(stream), "cudaStreamDestroy");
  return 0;
}
