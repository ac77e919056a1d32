// Device, streams, and launches' attributes.
#include <cstdio>
#include <cstdlib>

#include "runtime_device.h"
#include "runtime_state.h"
#include "shared_memory.h"

namespace sim {
namespace {

constexpr size_t kDefaultMemory = size_t{4} << 30;

size_t memory_from_environment() {
  const char* text = std::getenv("SIM_MEMORY");
  if (text == nullptr) return kDefaultMemory;
  char* end = nullptr;
  const unsigned long long bytes = std::strtoull(text, &end, 10);
  if (end == text || *end != 0) {
    std::fprintf(stderr, "simulator: SIM_MEMORY=%s is not a number of bytes\n", text);
    std::abort();
  }
  return static_cast<size_t>(bytes);
}

}  // namespace

Device::Device() : capacity(memory_from_environment()) {}

Device& device() {
  static Device* const instance = new Device;
  return *instance;
}

cudaError_t finish(cudaError_t error) {
  if (error != cudaSuccess) set_last_error(error);
  return error;
}

cudaError_t device_status() {
  std::lock_guard<std::mutex> lock(device().mutex);
  return device().status();
}

size_t dynamic_shared_limit(const void* kernel) {
  std::lock_guard<std::mutex> lock(device().mutex);
  const auto found = device().dynamic_shared.find(kernel);
  return found == device().dynamic_shared.end() ? kDefaultDynamicShared : found->second;
}

}  // namespace sim

using sim::Device;
using sim::device;
using sim::finish;

namespace {

using Lock = std::lock_guard<std::mutex>;

bool get_attribute(cudaDeviceAttr attribute, int* value) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      return true;
    case cudaDevAttrWarpSize:
      *value = 32;
      return true;
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return true;
    case cudaDevAttrL2CacheSize:
      *value = 512 << 10;
      return true;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 8;
      return true;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = std::getenv("SIM_SMALL_SHARED") != nullptr ? 99 << 10 : static_cast<int>(sim::kMostShared);
      return true;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      return true;
  }
  return false;
}

}  // namespace

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  Lock lock(device().mutex);
  *count = 1;
  return finish(device().setup_status());
}

cudaError_t cudaSetDevice(int number) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  return finish(number == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int* number) {
  Lock lock(device().mutex);
  *number = 0;
  return finish(device().setup_status());
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  if (number != 0) return finish(cudaErrorInvalidDevice);
  return finish(get_attribute(attribute, value) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  if (number != 0) return finish(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp();
  std::snprintf(properties->name, sizeof properties->name, "Simulated CUDA device");
  properties->totalGlobalMem = device().capacity;
  properties->sharedMemPerBlock = sim::kDefaultDynamicShared;
  properties->sharedMemPerBlockOptin = sim::kMostShared;
  get_attribute(cudaDevAttrWarpSize, &properties->warpSize);
  get_attribute(cudaDevAttrMaxThreadsPerBlock, &properties->maxThreadsPerBlock);
  get_attribute(cudaDevAttrComputeCapabilityMajor, &properties->major);
  get_attribute(cudaDevAttrComputeCapabilityMinor, &properties->minor);
  get_attribute(cudaDevAttrMultiProcessorCount, &properties->multiProcessorCount);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const cudaError_t refused = device().refuse_while_capturing();
  if (refused == cudaSuccess) device().run_copies();
  return finish(refused);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  device().lost = cudaSuccess;
  *stream = new CUstream_st{&sim::run_queued_copies, &sim::keep_work, flags};
  device().streams.insert(*stream);
  return cudaSuccess;
}

// Destroys the stream of a lost device as well, and still says that it is lost.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().streams.erase(stream) == 0) return finish(cudaErrorInvalidResourceHandle);
  delete stream;
  return finish(device().status());
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const bool known = stream == nullptr || device().streams.count(stream) != 0;
  const cudaError_t refused = device().refuse_in_capture(stream);
  if (refused != cudaSuccess) return finish(refused);
  device().run_copies();
  return finish(known ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > sim::kMostShared) {
    return finish(cudaErrorInvalidValue);
  }
  device().dynamic_shared[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}
