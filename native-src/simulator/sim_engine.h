// What the engine offers to the headers around it and to tests: configuration, launches, barriers,
// collectives of a warp, asynchronous copies, counters.
#ifndef REFORMER_SIM_ENGINE_H
#define REFORMER_SIM_ENGINE_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sim_runtime.h"
#include "sim_types.h"

// The place of the caller, as the last parameters of a function.
#define SIM_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace sim {

enum class Order { kForward, kReverse, kRandom };
enum class Async { kLazy, kEager };

// How launches run. Change it between launches only.
struct Config {
  // Order of the blocks of a grid and of the threads of a block between two barriers. With
  // ThreadSanitizer it is random unless SIM_ORDER says otherwise.
  Order order = Order::kForward;
  uint64_t seed = 1;
  // When copy_async16 copies: at the wait for it (finds a missing wait) or at once (finds a missing
  // barrier before the memory is used again).
  Async async = Async::kLazy;
  // Whether a __syncthreads that some threads never reach because they have left the kernel is an
  // error. Devices let it pass; it is hardly ever meant.
  bool all_threads_at_barriers = true;
  // Whether launches are counted, see Counters. Slow.
  bool count = false;
  // Whether each counted launch is also printed to stderr, by the kernel's name.
  bool print_counters = false;
  // Bytes of stack of a CUDA thread.
  size_t stack_bytes = 256 * 1024;
};

// First read from SIM_ORDER (forward, reverse, random), SIM_SEED, SIM_ASYNC (lazy, eager) and
// SIM_COUNT (1: count and print).
Config& config();

// Sums over the launches since the last reset that ran with config().count.
struct Counters {
  uint64_t launches = 0;
  uint64_t blocks = 0;
  uint64_t threads = 0;
  // Through rf::load, rf::store and copy_async16. A request is one access of all lanes of a warp;
  // it touches sectors of 32 bytes.
  uint64_t global_read_bytes = 0;
  uint64_t global_read_requests = 0;
  uint64_t global_read_sectors = 0;
  uint64_t global_written_bytes = 0;
  uint64_t global_write_requests = 0;
  uint64_t global_written_sectors = 0;
  // Requests of warps to shared memory, and passes over the banks beyond the ones that their width
  // needs anyway.
  uint64_t shared_requests = 0;
  uint64_t shared_extra_wavefronts = 0;
  uint64_t mma = 0;       // warp-wide tensor core instructions
  uint64_t barriers = 0;  // __syncthreads, once per block
  uint64_t collectives =
      0;                 // shuffles, ballots, __syncwarp, ldmatrix4, mma: once per group of lanes
  uint64_t atomics = 0;  // per thread
};

Counters counters();
void reset_counters();

// True while a launch that is to be counted runs.
extern bool counting;
// Both know the access by its place in the program and by how often the thread came there before.
void count_global(const void* address, size_t bytes, bool write, const char* file, int line);
void count_shared(const void* address, size_t bytes);
void count_shared_at(const void* address, size_t bytes, const char* file, int line);
void count_mma();
void count_atomic();

// What the lanes of a warp gave to a collective.
struct LaneValues {
  static constexpr size_t kBytes = 32;
  alignas(16) unsigned char bytes[32][kBytes];
  uint32_t lanes;  // that gave a value: those of the mask that the warp has

  template <class T>
  T get(int lane) const {
    T value;
    std::memcpy(&value, bytes[lane], sizeof value);
    return value;
  }
};

struct Copy {
  void* target;
  const void* source;
};
struct Copies {
  const Copy* first;
  size_t count;
};

// Of the running CUDA thread.
int lane();
void barrier(const char* file, int line);
void fence();
// Gives `bytes` bytes to all lanes of `mask` and waits for theirs. The result stays valid until the
// thread's next collective.
const LaneValues& collective(const char* what, uint32_t mask, const void* value, size_t bytes,
                             const char* file, int line);
// Whether to copy now; otherwise copy_async_finish gives the copy back when it is waited for.
bool copy_async(void* target, const void* source, const char* file, int line);
void copy_async_commit();
Copies copy_async_finish(int pending);
// The array of the running block that belongs to `key`. Null: the dynamic one.
void* shared_array(const void* key, size_t bytes, const char* name, const char* file, int line);
// Reports a mistake of the kernel with the state of its block and aborts.
[[noreturn]] void fail(const char* message, const char* file, int line);

struct LaunchSpec {
  const char* name;
  const void* kernel;
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
  void (*run)(void*);  // runs the kernel's body for one thread
  void* argument;
};
// Runs a grid to its end. Errors of the launch itself are left for cudaGetLastError.
void run_grid(const LaunchSpec& spec);
// Whether a launch on the stream belongs to a graph; such a one is kept, with its argument, which is then the
// graph's. (No smart pointer here: what the standard library says of its types would be exported by kernel libraries.)
bool capturing(cudaStream_t stream);
void capture_grid(cudaStream_t stream, const LaunchSpec& spec, void (*destroy)(void*));

// A kernel with its arguments, converted once, as a launch does; every thread then gets a copy.
template <class... Parameters>
struct KernelCall {
  void (*kernel)(Parameters...);
  std::tuple<std::remove_cv_t<Parameters>...> values;

  static void run(void* call) {
    std::apply(static_cast<KernelCall*>(call)->kernel, static_cast<KernelCall*>(call)->values);
  }
  static void destroy(void* call) { delete static_cast<KernelCall*>(call); }
};

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            size_t shared_bytes, cudaStream_t stream, Arguments&&... arguments) {
  using Call = KernelCall<Parameters...>;
  Call call{kernel, {std::forward<Arguments>(arguments)...}};
  LaunchSpec spec{name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, &Call::run, &call};
  if (!capturing(stream)) return run_grid(spec);
  spec.argument = new Call(call);
  capture_grid(stream, spec, &Call::destroy);
}

}  // namespace sim

#define RF_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::sim::launch(#kernel, kernel, (grid), (block), (shared_bytes), (stream), ##__VA_ARGS__)

#endif
