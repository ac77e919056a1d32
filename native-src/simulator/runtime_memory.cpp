// Device memory: blocks of exact size in host memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime_device.h"
#include "runtime_state.h"
#include "shared_memory.h"

using sim::Device;
using sim::device;
using sim::finish;

namespace {

using Lock = std::lock_guard<std::mutex>;

constexpr size_t kAlignment = 256;
constexpr size_t kLargestErrorCode = 999;

uintptr_t number(const void* address) { return reinterpret_cast<uintptr_t>(address); }

void release(std::map<uintptr_t, Device::Allocation>::iterator allocation) {
  device().used -= allocation->second.bytes;
  allocation->second.pool->used -= allocation->second.bytes;
  std::free(reinterpret_cast<void*>(allocation->first));
  device().allocations.erase(allocation);
}

}  // namespace

namespace sim {

bool Device::holds(const void* address, size_t bytes) const {
  auto next = allocations.upper_bound(number(address));
  if (next == allocations.begin()) return false;
  const auto& [begin, allocation] = *--next;
  const size_t offset = number(address) - begin;
  return offset <= allocation.bytes && bytes <= allocation.bytes - offset;
}

size_t device_allocations() {
  Lock lock(device().mutex);
  return device().allocations.size();
}

size_t device_bytes() {
  Lock lock(device().mutex);
  return device().used;
}

// Without the mutex: the report of an error must not wait for the thread that made it.
bool describe_device_memory(const void* address, std::FILE* out) {
  for (const auto& [begin, allocation] : device().allocations) {
    const void* memory = reinterpret_cast<const void*>(begin);
    if (!is_near(address, memory, allocation.bytes)) continue;
    std::fprintf(out, "simulator: ");
    describe_distance(address, memory, allocation.bytes, out);
    std::fprintf(out, "device memory of %zu bytes\n", allocation.bytes);
    return true;
  }
  return false;
}

}  // namespace sim

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  if (properties->allocType != cudaMemAllocationTypePinned ||
      properties->location.type != cudaMemLocationTypeDevice || properties->location.id != 0) {
    return finish(cudaErrorInvalidValue);
  }
  *pool = new CUmemPoolHandle_st{0, 0, 0};
  device().pools.insert(*pool);
  return cudaSuccess;
}

// Frees what is left in the pool, of a lost device as well.
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  Lock lock(device().mutex);
  if (device().pools.erase(pool) == 0) return finish(cudaErrorInvalidValue);
  auto& allocations = device().allocations;
  for (auto i = allocations.begin(); i != allocations.end();) {
    const auto allocation = i++;
    if (allocation->second.pool == pool) release(allocation);
  }
  delete pool;
  return finish(device().status());
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  if (device().pools.count(pool) == 0) return finish(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      return cudaSuccess;
    case cudaMemPoolAttrReleaseThreshold:
      pool->release_threshold = *static_cast<uint64_t*>(value);
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:  // can only be set to 0, which starts it anew
      pool->most_used = pool->used;
      return cudaSuccess;
    default:
      return finish(cudaErrorInvalidValue);
  }
}

// The pool keeps nothing that has been freed: reserved and used bytes are the same.
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  if (device().pools.count(pool) == 0) return finish(cudaErrorInvalidValue);
  uint64_t* result = static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      *result = pool->release_threshold;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *result = pool->used;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *result = pool->most_used;
      return cudaSuccess;
    default:
      return finish(cudaErrorInvalidValue);
  }
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  return finish(device().pools.count(pool) != 0 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocFromPoolAsync(void** address, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const cudaError_t refused = device().refuse_in_capture(stream);
  if (refused != cudaSuccess) return finish(refused);
  if (device().pools.count(pool) == 0 || bytes == 0) return finish(cudaErrorInvalidValue);
  if (bytes > sim::kLoseDevice && bytes <= sim::kLoseDevice + kLargestErrorCode) {
    device().lost = static_cast<cudaError_t>(bytes - sim::kLoseDevice);
    return finish(device().lost);
  }
  if (bytes > device().capacity - device().used) return finish(cudaErrorMemoryAllocation);
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) return finish(cudaErrorMemoryAllocation);
  // NaN, or -1: nobody may rely on what is there.
  std::memset(memory, 0xff, bytes);
  device().allocations[number(memory)] = {bytes, pool};
  device().used += bytes;
  pool->used += bytes;
  pool->most_used = std::max(pool->most_used, pool->used);
  *address = memory;
  return cudaSuccess;
}

// Frees memory of a lost device as well, and still says that it is lost.
cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  Lock lock(device().mutex);
  const cudaError_t refused = device().refuse_in_capture(stream);
  if (refused != cudaSuccess) return finish(refused);
  device().run_copies();
  const auto found = device().allocations.find(number(address));
  if (found == device().allocations.end()) {
    const bool lost = device().status() != cudaSuccess;
    return finish(lost ? device().lost : cudaErrorInvalidValue);
  }
  release(found);
  return finish(device().status());
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  Lock lock(device().mutex);
  if (device().setup_status() != cudaSuccess) return finish(device().lost);
  *free_bytes = device().capacity - device().used;
  *total_bytes = device().capacity;
  return cudaSuccess;
}
