// The simulated device: one, with a few gigabytes of memory.
#ifndef REFORMER_SIM_RUNTIME_DEVICE_H
#define REFORMER_SIM_RUNTIME_DEVICE_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "sim_runtime.h"

namespace sim {

// What a graph does, one after the other. They take the device's mutex themselves.
using Operations = std::vector<std::function<cudaError_t()>>;

}  // namespace sim

struct CUstream_st {
  // These two first: libraries that stand in for NVIDIA's call them. Does what is queued.
  void (*run_queued)();
  // Keeps work with a copy of its argument for the graph that is being captured: 1 if so, 0 if there is none
  // and the caller does the work, -1 if the capture has failed.
  int (*keep)(cudaStream_t stream, void (*work)(void*), const void* argument, size_t bytes);
  unsigned int flags;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id capturer = {};
  sim::Operations captured = {};
};
struct CUgraph_st {
  sim::Operations operations;
};
struct CUgraphExec_st {
  sim::Operations operations;
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
  std::set<cudaGraph_t> graphs;
  std::set<cudaGraphExec_t> executables;
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
  // Whether what is queued on the stream belongs to a graph.
  bool captures(cudaStream_t stream) const;
  // Adds to the graph that the stream captures, unless the capture has failed.
  cudaError_t capture(cudaStream_t stream, std::function<cudaError_t()> operation);
  // Of calls on a stream that no graph can hold: ends a capture of it in failure.
  cudaError_t refuse_in_capture(cudaStream_t stream);
  // The same of calls that no stream sees, while this thread captures.
  cudaError_t refuse_while_capturing();
};

Device& device();

// Leaves a failure for cudaGetLastError, too.
cudaError_t finish(cudaError_t error);

}  // namespace sim

#endif
