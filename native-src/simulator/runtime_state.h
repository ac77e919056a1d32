// What the engine needs to know from the runtime.
#ifndef REFORMER_SIM_RUNTIME_STATE_H
#define REFORMER_SIM_RUNTIME_STATE_H

#include <cstddef>
#include <cstdio>
#include <functional>

#include "sim_runtime.h"

namespace sim {

// cudaSuccess, or the error of a lost device.
cudaError_t device_status();
// Does the copies that were put off.
void run_queued_copies();
void set_last_error(cudaError_t error);
// Adds to the graph that the stream captures, unless the capture has failed.
cudaError_t capture(cudaStream_t stream, std::function<cudaError_t()> operation);
// CUstream_st::keep.
int keep_work(cudaStream_t stream, void (*work)(void*), const void* argument, size_t bytes);
// Most bytes of dynamic shared memory that a launch of the kernel may ask for.
size_t dynamic_shared_limit(const void* kernel);
// Prints what lies at or near the address; false if nothing does.
bool describe_device_memory(const void* address, std::FILE* out);

}  // namespace sim

#endif
