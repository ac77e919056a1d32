// A device with one ordered stream and its own memory pool.
#ifndef REFORMER_CONTEXT_H
#define REFORMER_CONTEXT_H

#include "device.cuh"
#include "reformer_kernels.h"

struct rf_context {
  int device;
  cudaStream_t stream;
  cudaMemPool_t pool;
};

namespace rf {

// Makes the context's device the one of this thread: calls may come from any thread of the JVM, and a
// kernel is refused on the stream of another device.
inline int enter(const rf_context* context) {
  const cudaError_t error = cudaSetDevice(context->device);
  if (error != cudaSuccess) {
    cudaGetLastError();
  }
  return static_cast<int>(error);
}

}  // namespace rf

#endif
