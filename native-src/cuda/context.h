// A device with one ordered stream and its own memory pool.
#ifndef REFORMER_CONTEXT_H
#define REFORMER_CONTEXT_H

#include "device.cuh"
#include "reformer_kernels.h"

namespace rf {

constexpr int kUnknownCache = 32 << 20;  // where a device does not say
constexpr int kStagingSlots = 2;
constexpr int64_t kStagingBytes = 4 << 20;  // of a slot
constexpr int64_t kStagingAlignment = 256;

}  // namespace rf

struct rf_context {
  int device;
  int processors = 0;  // multiprocessors of the device
  int cache = 0;       // bytes of its L2 cache
  int shared = 0;      // bytes of shared memory that a block may ask for
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;
  // Pinned slots that uploads fill, in turn; an event each: its last copy, when it was full. Made when first used.
  char* staging = nullptr;
  cudaEvent_t copied[rf::kStagingSlots] = {};
  int slot = 0;  // in use
  // Of the stopwatch; made when first used.
  cudaEvent_t started = nullptr;
  cudaEvent_t stopped = nullptr;
  int64_t staged = 0;  // bytes of the slot in use that uploads have filled
  bool recording = false;
  bool spoilt = false;  // the recording, by a call that it cannot hold
};

namespace rf {

// The code of an error. The two runtimes of a process keep separate last errors; this one must not leak
// into later calls.
inline int clear(cudaError_t error) {
  if (error != cudaSuccess) {
    cudaGetLastError();
  }
  return static_cast<int>(error);
}

// Makes the context's device the one of this thread: calls may come from any thread of the JVM, and a
// kernel is refused on the stream of another device.
inline int enter(const rf_context* context) {
  return clear(cudaSetDevice(context->device));
}

// The same for calls that a recording cannot hold: they would be done once and not again, or again with host memory
// and addresses that are somebody else's by then. CUDA itself takes some of them for a graph.
inline int enter_unrecorded(rf_context* context) {
  if (context->recording) {
    context->spoilt = true;
    return static_cast<int>(cudaErrorStreamCaptureUnsupported);
  }
  return enter(context);
}

}  // namespace rf

#endif
