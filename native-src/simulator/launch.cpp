// Configuration, launches, and the functions that kernels call.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "block.h"
#include "counters.h"
#include "runtime_state.h"
#include "shared_memory.h"
#include "sim_engine.h"

uint3 threadIdx = {0, 0, 0};
uint3 blockIdx = {0, 0, 0};
dim3 blockDim;
dim3 gridDim;

namespace sim {
namespace {

[[noreturn]] void refuse_setting(const char* name, const char* value) {
  std::fprintf(stderr, "simulator: %s=%s is not a known setting\n", name, value);
  std::abort();
}

Config config_from_environment() {
  Config c;
  // ThreadSanitizer keeps 255 threads in mind at a time. In a wider block it misses every race if the
  // threads always take turns in the same order.
  if (kThreadSanitizer) c.order = Order::kRandom;
  if (const char* order = std::getenv("SIM_ORDER")) {
    if (std::strcmp(order, "forward") == 0) {
      c.order = Order::kForward;
    } else if (std::strcmp(order, "reverse") == 0) {
      c.order = Order::kReverse;
    } else if (std::strcmp(order, "random") == 0) {
      c.order = Order::kRandom;
    } else {
      refuse_setting("SIM_ORDER", order);
    }
  }
  if (const char* seed = std::getenv("SIM_SEED")) {
    char* end = nullptr;
    c.seed = std::strtoull(seed, &end, 10);
    if (end == seed || *end != 0) refuse_setting("SIM_SEED", seed);
  }
  if (const char* async = std::getenv("SIM_ASYNC")) {
    if (std::strcmp(async, "lazy") == 0) {
      c.async = Async::kLazy;
    } else if (std::strcmp(async, "eager") == 0) {
      c.async = Async::kEager;
    } else {
      refuse_setting("SIM_ASYNC", async);
    }
  }
  if (const char* count = std::getenv("SIM_COUNT")) {
    if (std::strcmp(count, "1") != 0) refuse_setting("SIM_COUNT", count);
    c.count = true;
    c.print_counters = true;
  }
  return c;
}

// One launch at a time in the process: kernels see their thread in global variables.
std::mutex& launch_mutex() {
  static std::mutex* const mutex = new std::mutex;
  return *mutex;
}

cudaError_t check(const LaunchSpec& spec) {
  const dim3 g = spec.grid;
  const dim3 b = spec.block;
  if (g.x == 0 || g.y == 0 || g.z == 0 || b.x == 0 || b.y == 0 || b.z == 0) {
    return cudaErrorInvalidConfiguration;
  }
  if (g.x > 0x7fffffffu || g.y > 0xffffu || g.z > 0xffffu) return cudaErrorInvalidConfiguration;
  const uint64_t threads = static_cast<uint64_t>(b.x) * b.y * b.z;
  if (b.x > 1024 || b.y > 1024 || b.z > 64 || threads > 1024) return cudaErrorInvalidConfiguration;
  if (spec.shared_bytes > dynamic_shared_limit(spec.kernel)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

#if defined(RF_SIM_ADDRESS)
void explain_address_report(const char*) {
  const void* address = __asan_get_report_address();
  if (address == nullptr) return;
  if (!shared_memory().describe(address, stderr)) describe_device_memory(address, stderr);
  std::fflush(stderr);
}
#endif

void run_blocks(const LaunchSpec& spec) {
  const dim3 grid = spec.grid;
  const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
  std::vector<uint64_t> shuffled;
  const Order order = config().order;
  if (order == Order::kRandom) {
    for (uint64_t i = 0; i < blocks; ++i) shuffled.push_back(i);
    std::shuffle(shuffled.begin(), shuffled.end(), block().random());
  }
  for (uint64_t i = 0; i < blocks; ++i) {
    uint64_t n = i;
    if (order == Order::kReverse) n = blocks - 1 - i;
    if (order == Order::kRandom) n = shuffled[i];
    shared_memory().begin_block();
    block().run({static_cast<unsigned int>(n % grid.x),
                 static_cast<unsigned int>(n / grid.x % grid.y),
                 static_cast<unsigned int>(n / grid.x / grid.y)});
    if (counting) count_end_of_block();
  }
  if (counting) count_launch(blocks, blocks * spec.block.x * spec.block.y * spec.block.z);
}

}  // namespace

Config& config() {
  static Config c = config_from_environment();
  return c;
}

void capture_grid(cudaStream_t stream, const LaunchSpec& spec, void (*destroy)(void*)) {
  const std::shared_ptr<void> argument(spec.argument, destroy);
  const cudaError_t checked = check(spec);
  const cudaError_t status = checked != cudaSuccess ? checked : capture(stream, [spec, argument] {
    run_grid(spec);
    return device_status();
  });
  if (status != cudaSuccess) set_last_error(status);
}

void run_grid(const LaunchSpec& spec) {
  const cudaError_t status = device_status();
  if (status != cudaSuccess) return set_last_error(status);
  const cudaError_t checked = check(spec);
  if (checked != cudaSuccess) return set_last_error(checked);
  run_queued_copies();

  std::lock_guard<std::mutex> lock(launch_mutex());
#if defined(RF_SIM_ADDRESS)
  __asan_set_error_report_callback(&explain_address_report);
#endif
  gridDim = spec.grid;
  blockDim = spec.block;
  counting = config().count;
  shared_memory().begin_launch(spec.shared_bytes);
  block().begin_launch(spec);
  const Counters before = counters();
  run_blocks(spec);
  if (counting && config().print_counters) print_counters(spec.name, before);
  block().end_launch();
  shared_memory().end_launch();
  counting = false;
}

// ---- called by kernels --------------------------------------------------------------------------

int lane() { return block().running_number() % 32; }
void barrier(const char* file, int line) { block().barrier(file, line); }
void fence() { block().fence(); }
void fail(const char* message, const char* file, int line) { block().fail(message, file, line); }

const LaneValues& collective(const char* what, uint32_t mask, const void* value, size_t bytes,
                             const char* file, int line) {
  return block().collective(what, mask, value, bytes, file, line);
}

void* shared_array(const void* key, size_t bytes, const char* name, const char* file, int line) {
  Quiet quiet;
  return shared_memory().array(key, bytes, name, file, line);
}

bool copy_async(void* target, const void* source, const char* file, int line) {
  Quiet quiet;
  const uintptr_t bits = reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source);
  if (bits % 16 != 0) fail("copy_async16 of addresses that are not multiples of 16", file, line);
  if (config().async == Async::kEager) return true;
  block().running().copies.push_back({target, source});
  return false;
}

void copy_async_commit() {
  Quiet quiet;
  Thread& thread = block().running();
  thread.groups.push_back(thread.copies.size());
}

Copies copy_async_finish(int pending) {
  Quiet quiet;
  Thread& thread = block().running();
  const size_t keep = static_cast<size_t>(pending);
  if (thread.groups.size() <= keep) return {nullptr, 0};
  const size_t groups = thread.groups.size() - keep;
  const size_t count = thread.groups[groups - 1];
  const auto end = thread.copies.begin() + static_cast<std::ptrdiff_t>(count);
  thread.finished.assign(thread.copies.begin(), end);
  thread.copies.erase(thread.copies.begin(), end);
  thread.groups.erase(thread.groups.begin(),
                      thread.groups.begin() + static_cast<std::ptrdiff_t>(groups));
  for (size_t& group : thread.groups) group -= count;
  return {thread.finished.data(), count};
}

}  // namespace sim
