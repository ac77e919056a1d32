// Graphs by stream capture: what is kept, what is refused as CUDA does, and what a launch does with memory that
// has changed or gone.
#include <thread>

#include "check.h"
#include "runtime_device.h"

namespace {

struct Pair {
  float first;
  float second;
};

__global__ void add(float* out, const float* in, Pair pair) {
  out[threadIdx.x] = in[threadIdx.x] * pair.first + pair.second;
}

cudaStream_t stream() {
  static const cudaStream_t created = [] {
    cudaStream_t s = nullptr;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking) == cudaSuccess);
    return s;
  }();
  return created;
}

void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) {
  CHECK(cudaStreamBeginCapture(stream(), mode) == cudaSuccess);
}

cudaStreamCaptureStatus status() {
  cudaStreamCaptureStatus now = cudaStreamCaptureStatusNone;
  CHECK(cudaStreamIsCapturing(stream(), &now) == cudaSuccess);
  return now;
}

cudaGraphExec_t end() {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaStreamEndCapture(stream(), &graph) == cudaSuccess && status() == cudaStreamCaptureStatusNone);
  CHECK(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess && cudaGraphDestroy(graph) == cudaErrorInvalidValue);
  cudaGetLastError();
  return executable;
}

void test_replay() {
  const test::Device<float> a({1, 2}), b({0, 0}), c({0, 0, 0});
  begin();
  CHECK(status() == cudaStreamCaptureStatusActive);
  Pair pair = {10, 1};
  RF_LAUNCH(add, 1, 2, 0, stream(), b.get(), a.get(), pair);
  // What a kernel was given counts, not what the caller's variables hold later.
  pair = {0, 0};
  CHECK(cudaMemsetAsync(c.get(), 0, 12, stream()) == cudaSuccess);
  CHECK(cudaMemcpyAsync(c.get() + 1, b.get(), 8, cudaMemcpyDeviceToDevice, stream()) == cudaSuccess);
  const cudaGraphExec_t graph = end();
  CHECK(b.values() == std::vector<float>({0, 0}) && sim::device_graphs() == 1);
  for (float x : {1.0f, 2.0f, 3.0f}) {
    a.get()[0] = x;
    c.get()[0] = -1;
    CHECK(cudaGraphLaunch(graph, stream()) == cudaSuccess);
    CHECK(c.values() == std::vector<float>({0, 10 * x + 1, 21}));
  }
  CHECK(cudaGraphExecDestroy(graph) == cudaSuccess && cudaGraphExecDestroy(graph) == cudaErrorInvalidValue);
  CHECK(cudaGraphLaunch(graph, stream()) == cudaErrorInvalidValue && sim::device_graphs() == 0);
  cudaGetLastError();
}

// A copy out of pinned memory that was queued before is done before a graph reads what it writes.
void test_queued_copies() {
  const test::Device<float> a({1, 1}), b({0, 0});
  void* host = nullptr;
  CHECK(cudaHostAlloc(&host, 8, cudaHostAllocDefault) == cudaSuccess);
  static_cast<float*>(host)[0] = static_cast<float*>(host)[1] = 5;
  begin();
  RF_LAUNCH(add, 1, 2, 0, stream(), b.get(), a.get(), Pair{1, 0});
  const cudaGraphExec_t graph = end();
  CHECK(cudaMemcpyAsync(a.get(), host, 8, cudaMemcpyHostToDevice, stream()) == cudaSuccess && a.values()[0] == 1);
  CHECK(cudaGraphLaunch(graph, stream()) == cudaSuccess && b.values()[1] == 5);
  CHECK(cudaGraphExecDestroy(graph) == cudaSuccess && cudaFreeHost(host) == cudaSuccess);
}

void test_refusals() {
  const test::Device<float> a({1, 2});
  float host[2] = {0, 0};
  void* memory = nullptr;
  cudaEvent_t event = nullptr;
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDefault) == cudaSuccess);
  begin();
  const cudaGraphExec_t empty = end();
  const std::vector<std::function<cudaError_t()>> calls = {
      [] { return cudaStreamSynchronize(stream()); },
      [] { return cudaDeviceSynchronize(); },
      [&] { return cudaMallocFromPoolAsync(&memory, 8, test::pool(), stream()); },
      [&] { return cudaFreeAsync(a.get(), stream()); },
      [&] { return cudaMemcpyAsync(a.get(), host, 8, cudaMemcpyHostToDevice, stream()); },
      [&] { return cudaMemcpyAsync(host, a.get(), 8, cudaMemcpyDeviceToHost, stream()); },
      [&] { return cudaHostAlloc(&memory, 8, cudaHostAllocDefault); },
      [&] { return cudaEventRecord(event, stream()); },
      [&] { return cudaEventSynchronize(event); },
      [&] { return cudaGraphLaunch(empty, stream()); },
  };
  for (const auto& call : calls) {
    begin();
    CHECK(call() == cudaErrorStreamCaptureUnsupported && status() == cudaStreamCaptureStatusInvalidated);
    cudaGetLastError();
    // The stream does nothing until the capture is ended.
    RF_LAUNCH(add, 1, 2, 0, stream(), a.get(), a.get(), Pair{0, 9});
    CHECK(cudaGetLastError() == cudaErrorStreamCaptureInvalidated);
    CHECK(cudaMemsetAsync(a.get(), 0, 8, stream()) == cudaErrorStreamCaptureInvalidated);
    CHECK(cudaStreamSynchronize(stream()) == cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = reinterpret_cast<cudaGraph_t>(host);
    CHECK(cudaStreamEndCapture(stream(), &graph) == cudaErrorStreamCaptureInvalidated && graph == nullptr);
    CHECK(a.values() == std::vector<float>({1, 2}) && cudaStreamSynchronize(stream()) == cudaSuccess);
    cudaGetLastError();
  }
  CHECK(memory == nullptr && cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(empty) == cudaSuccess);

  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream(), &graph) == cudaErrorIllegalState);
  begin();
  CHECK(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal) == cudaErrorIllegalState);
  RF_LAUNCH(add, 0, 2, 0, stream(), a.get(), a.get(), Pair{0, 9});
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  // Other streams and other threads go on.
  RF_LAUNCH(add, 1, 1, 0, nullptr, a.get(), a.get(), Pair{0, 3});
  CHECK(a.values()[0] == 3);
  std::thread([&] {
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
    CHECK(cudaStreamEndCapture(stream(), &graph) == cudaErrorStreamCaptureWrongThread);
  }).join();
  CHECK(cudaGraphExecDestroy(end()) == cudaSuccess);
  begin(cudaStreamCaptureModeRelaxed);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(cudaGraphExecDestroy(end()) == cudaSuccess);
  begin(cudaStreamCaptureModeGlobal);
  std::thread([] { CHECK(cudaDeviceSynchronize() == cudaErrorStreamCaptureUnsupported); }).join();
  CHECK(cudaStreamEndCapture(stream(), &graph) == cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
}

void store(void* argument) {
  const auto* values = static_cast<float**>(argument);
  values[0][0] = values[1][0] + 1;
}

// What libraries that stand in for NVIDIA's queue themselves.
void test_work_of_libraries() {
  const test::Device<float> a(std::vector<float>{1}), b(std::vector<float>{0});
  float* argument[2] = {b.get(), a.get()};
  CHECK(stream()->keep(stream(), store, argument, sizeof argument) == 0);
  begin();
  CHECK(stream()->keep(stream(), store, argument, sizeof argument) == 1);
  argument[0] = argument[1] = nullptr;
  const cudaGraphExec_t graph = end();
  CHECK(b.values()[0] == 0);
  a.get()[0] = 7;
  CHECK(cudaGraphLaunch(graph, stream()) == cudaSuccess && b.values()[0] == 8);
  CHECK(cudaGraphExecDestroy(graph) == cudaSuccess);
  begin();
  CHECK(cudaStreamSynchronize(stream()) == cudaErrorStreamCaptureUnsupported);
  CHECK(stream()->keep(stream(), store, argument, sizeof argument) == -1);
  cudaGraph_t none = nullptr;
  CHECK(cudaStreamEndCapture(stream(), &none) == cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
}

// A mistake for AddressSanitizer: what a graph reads has been freed.
void read_freed_memory() {
  auto* gone = new test::Device<float>({1, 2});
  const test::Device<float> a({0, 0});
  begin();
  RF_LAUNCH(add, 1, 2, 0, stream(), a.get(), gone->get(), Pair{1, 0});
  const cudaGraphExec_t graph = end();
  delete gone;
  cudaGraphLaunch(graph, stream());
}

// The last test: the device is lost.
void test_freed_memory() {
  auto* gone = new test::Device<float>({1, 2});
  const test::Device<float> a({0, 0});
  begin();
  CHECK(cudaMemcpyAsync(a.get(), gone->get(), 8, cudaMemcpyDeviceToDevice, stream()) == cudaSuccess);
  const cudaGraphExec_t graph = end();
  delete gone;
  CHECK(cudaGraphLaunch(graph, stream()) == cudaErrorIllegalAddress);
  CHECK(cudaStreamSynchronize(stream()) == cudaErrorIllegalAddress);
  CHECK(cudaGraphExecDestroy(graph) == cudaErrorIllegalAddress && sim::device_graphs() == 0);
  CHECK(cudaStreamDestroy(stream()) == cudaErrorIllegalAddress);
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) {
    read_freed_memory();
    return 0;
  }
  test::in_all_modes(test_replay);
  test_queued_copies();
  test_refusals();
  test_work_of_libraries();
  test_freed_memory();
}
