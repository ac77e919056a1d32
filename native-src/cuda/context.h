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

#endif
