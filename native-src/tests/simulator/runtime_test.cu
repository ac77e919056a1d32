// The runtime: memory that is counted and limited, launches that are refused, a device that is
// lost, launches from many OS threads.
#include <cstring>
#include <thread>

#include "check.h"

namespace {

__global__ void fill(float* out, float value) {
  RF_DYNAMIC_SHARED(float, copy);
  copy[threadIdx.x] = value;
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = copy[blockDim.x - 1 - threadIdx.x];
}

void* allocate(size_t bytes, cudaError_t expected = cudaSuccess) {
  void* memory = nullptr;
  CHECK(cudaMallocFromPoolAsync(&memory, bytes, test::pool(), nullptr) == expected);
  CHECK(cudaGetLastError() == expected);
  return memory;
}

cudaStream_t create_stream() {
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  return stream;
}

void test_device() {
  int value = 0;
  CHECK(cudaGetDeviceCount(&value) == cudaSuccess && value == 1);
  CHECK(cudaSetDevice(0) == cudaSuccess && cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice && cudaGetLastError() == cudaSuccess);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  CHECK(value == 8);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(std::strcmp(properties.name, "Simulated CUDA device") == 0);
  CHECK(std::strcmp(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation") == 0);
  CHECK(std::strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0);
  CHECK(cudaGetErrorName(static_cast<cudaError_t>(12345)) != nullptr);
}

void test_memory() {
  size_t free_before = 0;
  size_t total = 0;
  CHECK(cudaMemGetInfo(&free_before, &total) == cudaSuccess && total == size_t{4} << 30);
  void* a = allocate(1000);
  CHECK(reinterpret_cast<uintptr_t>(a) % 256 == 0);
  CHECK(static_cast<unsigned char*>(a)[999] == 0xff);
  size_t free_now = 0;
  cudaMemGetInfo(&free_now, &total);
  CHECK(free_now == free_before - 1000);
  CHECK(sim::device_allocations() == 1 && sim::device_bytes() == 1000);
  uint64_t used = 0;
  CHECK(cudaMemPoolGetAttribute(test::pool(), cudaMemPoolAttrUsedMemCurrent, &used) == cudaSuccess);
  CHECK(used == 1000);
  allocate(total, cudaErrorMemoryAllocation);
  allocate(0, cudaErrorInvalidValue);

  // Rows with a pitch: 3 rows of 4 bytes.
  const char source[] = "abcd..efgh..ijkl";
  CHECK(cudaMemcpy2DAsync(a, 10, source, 6, 4, 3, cudaMemcpyHostToDevice) == cudaSuccess);
  char back[16] = "...............";
  CHECK(cudaMemcpy2DAsync(back, 5, a, 10, 4, 3, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(std::memcmp(back, "abcd.efgh.ijkl.", 16) == 0);
  CHECK(cudaMemcpyAsync(a, back, 1001, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy2DAsync(a, 3, source, 6, 4, 3, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(a, 7, 1000) == cudaSuccess && static_cast<char*>(a)[999] == 7);
  CHECK(cudaFreeAsync(a, nullptr) == cudaSuccess);
  CHECK(cudaFreeAsync(a, nullptr) == cudaErrorInvalidValue);
  cudaGetLastError();
  CHECK(sim::device_allocations() == 0 && sim::device_bytes() == 0);
}

void test_launches() {
  const test::Device<float> out(64);
  auto status = [&](dim3 grid, dim3 block, size_t shared) {
    RF_LAUNCH(fill, grid, block, shared, nullptr, out.get(), 1.0f);
    return cudaGetLastError();
  };
  CHECK(status(1, 64, 256) == cudaSuccess && out.values()[63] == 1.0f);
  CHECK(status(0, 64, 256) == cudaErrorInvalidConfiguration);
  CHECK(status(1, 1025, 256) == cudaErrorInvalidConfiguration);
  CHECK(status(dim3(1, 65536), 64, 256) == cudaErrorInvalidConfiguration);
  CHECK(status(1, 64, 64 * 1024) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(fill, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024) ==
        cudaSuccess);
  CHECK(status(1, 64, 64 * 1024) == cudaSuccess);
  CHECK(cudaFuncSetAttribute(fill, cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20) ==
        cudaErrorInvalidValue);
  cudaGetLastError();
}

__global__ void leave_early(float* out) {
  if (threadIdx.x > 0) return;
  __syncthreads();
  out[0] = 3.0f;
}

void test_early_exit() {
  const test::Device<float> out(1);
  sim::config().all_threads_at_barriers = false;
  RF_LAUNCH(leave_early, 1, 64, 0, nullptr, out.get());
  sim::config().all_threads_at_barriers = true;
  CHECK(cudaGetLastError() == cudaSuccess && out.values()[0] == 3.0f);
}

// The time between two events, only of events that have been recorded and were made for it.
void test_times() {
  float milliseconds = -1;
  cudaEvent_t first = nullptr, second = nullptr, untimed = nullptr;
  CHECK(cudaEventCreateWithFlags(&first, cudaEventDefault) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&second, cudaEventDefault) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming) == cudaSuccess);
  CHECK(cudaEventRecord(first) == cudaSuccess && cudaEventRecord(untimed) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, first, second) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(second) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, first, untimed) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventElapsedTime(&milliseconds, first, second) == cudaSuccess && milliseconds >= 0);
  cudaGetLastError();
  for (cudaEvent_t event : {first, second, untimed}) CHECK(cudaEventDestroy(event) == cudaSuccess);
}

void test_lost_device() {
  const cudaStream_t first = create_stream();
  const cudaStream_t second = create_stream();
  void* memory = allocate(64);
  float* values = static_cast<float*>(memory);
  allocate(sim::kLoseDevice + cudaErrorLaunchTimeout, cudaErrorLaunchTimeout);
  values[0] = 5.0f;
  RF_LAUNCH(fill, 1, 1, 4, first, values, 1.0f);
  CHECK(values[0] == 5.0f && cudaGetLastError() == cudaErrorLaunchTimeout);
  CHECK(cudaStreamSynchronize(first) == cudaErrorLaunchTimeout);
  CHECK(cudaSetDevice(0) == cudaErrorLaunchTimeout);
  allocate(64, cudaErrorLaunchTimeout);
  // Freeing works and says what is the matter.
  CHECK(cudaFreeAsync(memory, first) == cudaErrorLaunchTimeout);
  CHECK(sim::device_allocations() == 0);
  CHECK(cudaStreamDestroy(first) == cudaErrorLaunchTimeout);
  cudaStream_t third = nullptr;
  CHECK(cudaStreamCreateWithFlags(&third, 0) == cudaErrorLaunchTimeout);
  CHECK(cudaStreamDestroy(second) == cudaErrorLaunchTimeout);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaStreamSynchronize(nullptr) == cudaErrorLaunchTimeout);
  third = create_stream();
  cudaGetLastError();
  CHECK(cudaStreamSynchronize(third) == cudaSuccess && cudaGetLastError() == cudaSuccess);
  CHECK(cudaStreamDestroy(third) == cudaSuccess);
}

void test_threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      const test::Device<float> out(64);
      for (int turn = 0; turn < 20; ++turn) {
        const float value = static_cast<float>(100 * i + turn);
        RF_LAUNCH(fill, 2, 32, 128, nullptr, out.get(), value);
        CHECK(out.values() == std::vector<float>(64, value));
      }
      // Every thread has its own last error.
      RF_LAUNCH(fill, 0, 32, 128, nullptr, out.get(), 0.0f);
      CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(cudaGetLastError() == cudaSuccess);
}

}  // namespace

int main() {
  test_device();
  test_memory();
  test_launches();
  test::in_all_modes(test_early_exit);
  test_times();
  test_lost_device();
  test::in_all_modes(test_threads);
  CHECK(cudaMemPoolDestroy(test::pool()) == cudaSuccess);
}
