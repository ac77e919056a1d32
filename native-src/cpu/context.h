// A context: memory, threads and an instruction set. Work is done when a function returns; the stream is null.
#ifndef REFORMER_CPU_CONTEXT_H
#define REFORMER_CPU_CONTEXT_H

#include <chrono>
#include "arena.h"
#include "isa.h"
#include "pool.h"
#include "reformer_kernels.h"

namespace rf {

// Statuses of this library, with the numbers that CUDA has for the same.
constexpr int kOutOfMemory = 2;
constexpr int kInvalidDevice = 101;

}  // namespace rf

struct rf_context {
  rf::Isa isa = rf::Isa::generic;
  // Whether there are products of bfloat16: AVX512_BF16.
  bool bf16 = false;
  rf::Pool pool;
  rf::Arena arena;
  // Bytes that the machine had left when the context was created.
  int64_t available = 0;
  int64_t total = 0;
  // What an operation keeps between its steps; grows, and is used by one operation at a time.
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
  // Of the stopwatch.
  bool timing = false;
  std::chrono::steady_clock::time_point started = {};
  // What a kernel could not do: becomes the status of the function that ran it.
  int status = 0;
};

namespace rf {

// At least so many bytes, aligned as blocks are, with undefined content; null, and the context's status set,
// where there is no memory. Valid until the next call.
void* scratch(rf_context& context, size_t bytes);

// The status since the last call.
inline int take_status(rf_context& context) {
  const int status = context.status;
  context.status = RF_STATUS_OK;
  return status;
}

// Runs body(team) on as many threads as have `grain` units of work each.
template <class Body>
static inline void parallel(rf_context& context, int64_t work, int64_t grain, const Body& body) {
  if (!context.pool.run(context.pool.threads_for(work, grain), body)) {
    context.status = RF_STATUS_HOST_MEMORY;
  }
}

}  // namespace rf

#endif
