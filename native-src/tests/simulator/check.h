// What the tests of the simulator share: checks, device memory, every mode of execution.
#ifndef REFORMER_SIMULATOR_CHECK_H
#define REFORMER_SIMULATOR_CHECK_H

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "device.cuh"

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (false)

namespace test {

inline cudaMemPool_t pool() {
  static const cudaMemPool_t created = [] {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location = {cudaMemLocationTypeDevice, 0};
    cudaMemPool_t p = nullptr;
    CHECK(cudaMemPoolCreate(&p, &properties) == cudaSuccess);
    return p;
  }();
  return created;
}

// An array in device memory.
template <class T>
class Device {
 public:
  explicit Device(size_t count) : count_(count) {
    void* memory = nullptr;
    CHECK(cudaMallocFromPoolAsync(&memory, count * sizeof(T), pool(), nullptr) == cudaSuccess);
    memory_ = static_cast<T*>(memory);
  }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    for (size_t i = 0; i < count_; ++i) memory_[i] = values[i];
  }
  ~Device() { cudaFreeAsync(memory_, nullptr); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  T* get() const { return memory_; }
  std::vector<T> values() const { return std::vector<T>(memory_, memory_ + count_); }

 private:
  size_t count_;
  T* memory_;
};

// Calls run() in every order of threads and with both kinds of asynchronous copies.
template <class Run>
void in_all_modes(Run run) {
  const sim::Config before = sim::config();
  for (sim::Async async : {sim::Async::kLazy, sim::Async::kEager}) {
    sim::config().async = async;
    for (sim::Order order : {sim::Order::kForward, sim::Order::kReverse, sim::Order::kRandom}) {
      sim::config().order = order;
      for (uint64_t seed = 1; seed <= (order == sim::Order::kRandom ? 3u : 1u); ++seed) {
        sim::config().seed = seed;
        run();
        CHECK(cudaGetLastError() == cudaSuccess);
      }
    }
  }
  sim::config() = before;
}

}  // namespace test

#endif
