// What the counting of operations shares: a device, its memory, and the line of an operation.
#ifndef REFORMER_COUNTING_H
#define REFORMER_COUNTING_H

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "reformer_kernels.h"
#include "simulator.h"

inline rf_context* context = nullptr;

inline void require(int status) {
  if (status != 0) {
    std::fprintf(stderr, "kernel_counters: %s\n", rf_status_text(status));
    std::exit(1);
  }
}

template <class T>
T* device(int64_t count) {
  void* address = nullptr;
  require(rf_allocate(context, count * static_cast<int64_t>(sizeof(T)), &address));
  std::vector<T> values(static_cast<size_t>(count));
  uint32_t state = 1;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<T>(static_cast<int32_t>(state >> 24) - 128);
  }
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  require(rf_upload(context, address, bytes, values.data(), bytes, bytes, 1));
  return static_cast<T*>(address);
}

inline double count(const char* operation, int64_t elements, const std::function<int()>& call) {
  sim::reset_counters();
  sim::config().count = true;
  require(call());
  sim::config().count = false;
  const sim::Counters c = sim::counters();
  const double bytes = static_cast<double>(c.global_read_bytes + c.global_written_bytes);
  const double sectors = static_cast<double>(c.global_read_sectors + c.global_written_sectors);
  std::printf("%s %.2f %.2f %.2f\n", operation, bytes / static_cast<double>(elements),
              sectors == 0 ? 1.0 : bytes / (32 * sectors),
              c.shared_requests == 0 ? 0.0
                                     : static_cast<double>(c.shared_extra_wavefronts) /
                                           static_cast<double>(c.shared_requests));
  return bytes / static_cast<double>(elements);
}

inline void require_near(double bytes, double planned, const char* operation) {
  if (bytes < 0.9 * planned || bytes > 1.1 * planned) {
    std::fprintf(stderr, "kernel_counters: %s moves %.2f bytes per element, planned are %.2f\n", operation, bytes, planned);
    std::exit(1);
  }
}

inline int32_t* uploaded(const std::vector<int32_t>& values) {
  int32_t* const on = device<int32_t>(static_cast<int64_t>(values.size()));
  const int64_t bytes = static_cast<int64_t>(values.size()) * 4;
  require(rf_upload(context, on, bytes, values.data(), bytes, bytes, 1));
  return on;
}

// Hash, sort, runs, attention and decoding.
void lsh_operations();

#endif
