// The simulated device: one, with a few gigabytes of memory.
#ifndef REFORMER_SIM_RUNTIME_DEVICE_H
#define REFORMER_SIM_RUNTIME_DEVICE_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "sim_runtime.h"

struct CUstream_st {
  // First, and called by libraries that stand in for NVIDIA's: does what is queued.
  void (*run_queued)();
  unsigned int flags;
};
struct CUmemPoolHandle_st {
  size_t used;
  size_t most_used;
  uint64_t release_threshold;
};

namespace sim {

// Shared by all OS threads; hold the mutex.
struct Device {
  struct Allocation {
    size_t bytes;
    cudaMemPool_t pool;
  };
  // Rows of bytes.
  struct Copy {
    void* target;
    size_t target_pitch;
    const void* source;
    size_t source_pitch;
    size_t width;
    size_t height;
  };

  std::mutex mutex;
  size_t capacity;
  size_t used = 0;
  std::map<uintptr_t, Allocation> allocations;
  std::map<uintptr_t, size_t> host;  // pinned memory: where, and how many bytes
  std::deque<Copy> copies;            // queued, out of pinned memory
  uint64_t copies_done = 0;
  std::set<cudaStream_t> streams;
  std::set<cudaMemPool_t> pools;
  std::unordered_map<const void*, size_t> dynamic_shared;  // by kernel
  // cudaSuccess, or what every call returns since the device was lost.
  cudaError_t lost = cudaSuccess;

  Device();
  // Of calls that touch memory, streams or kernels.
  cudaError_t status() const { return lost; }
  // Of calls that a program makes before it creates its first stream: once all streams of a lost
  // device are destroyed it can be set up again.
  cudaError_t setup_status() const { return streams.empty() ? cudaSuccess : lost; }
  // Whether [address, address + bytes) is inside one allocation.
  bool holds(const void* address, size_t bytes) const;
  // Whether it is inside one block of pinned host memory.
  bool pinned(const void* address, size_t bytes) const;
  // Does the first queued copies, all unless told how many there have been then.
  void run_copies(uint64_t until = UINT64_MAX);
};

Device& device();

// Leaves a failure for cudaGetLastError, too.
cudaError_t finish(cudaError_t error);

}  // namespace sim

#endif
