// Graphs by stream capture. Operations on a capturing stream are kept with what they were given, and done in
// their order when the graph is launched: an address that does not hold any more what it held then is used as it is.
#include <cstring>
#include <utility>

#include "runtime_device.h"
#include "runtime_state.h"
#include "sim_engine.h"

using sim::device;
using sim::finish;

namespace {

using Lock = std::lock_guard<std::mutex>;

cudaError_t fail_capture(cudaStream_t stream) {
  const bool failed = stream->capture == cudaStreamCaptureStatusInvalidated;
  stream->capture = cudaStreamCaptureStatusInvalidated;
  stream->captured.clear();
  return failed ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnsupported;
}

// The error of a call on a stream that is not there or belongs to a lost device.
cudaError_t check_stream(cudaStream_t stream) {
  if (device().status() != cudaSuccess) return device().lost;
  return device().streams.count(stream) != 0 ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

}  // namespace

namespace sim {

bool Device::captures(cudaStream_t stream) const {
  return streams.count(stream) != 0 && stream->capture != cudaStreamCaptureStatusNone;
}

cudaError_t Device::capture(cudaStream_t stream, std::function<cudaError_t()> operation) {
  if (stream->capture != cudaStreamCaptureStatusActive) return cudaErrorStreamCaptureInvalidated;
  stream->captured.push_back(std::move(operation));
  return cudaSuccess;
}

cudaError_t Device::refuse_in_capture(cudaStream_t stream) {
  return captures(stream) ? fail_capture(stream) : cudaSuccess;
}

cudaError_t Device::refuse_while_capturing() {
  cudaError_t result = cudaSuccess;
  for (cudaStream_t stream : streams) {
    if (!captures(stream) || stream->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool own = stream->capturer == std::this_thread::get_id();
    if (own || stream->mode == cudaStreamCaptureModeGlobal) result = fail_capture(stream);
  }
  return result;
}

bool capturing(cudaStream_t stream) {
  Lock lock(device().mutex);
  return device().captures(stream);
}

cudaError_t capture(cudaStream_t stream, std::function<cudaError_t()> operation) {
  Lock lock(device().mutex);
  return device().status() != cudaSuccess ? device().lost : device().capture(stream, std::move(operation));
}

int keep_work(cudaStream_t stream, void (*work)(void*), const void* argument, size_t bytes) {
  if (!capturing(stream)) return 0;
  const auto* first = static_cast<const unsigned char*>(argument);
  std::vector<unsigned char> copy(first, first + bytes);
  const cudaError_t status = capture(stream, [work, copy]() mutable {
    run_queued_copies();
    work(copy.data());
    return device_status();
  });
  return status == cudaSuccess ? 1 : -1;
}

size_t device_graphs() {
  Lock lock(device().mutex);
  return device().graphs.size() + device().executables.size();
}

}  // namespace sim

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  Lock lock(device().mutex);
  const cudaError_t status = check_stream(stream);
  if (status != cudaSuccess) return finish(status);
  if (device().captures(stream)) return finish(cudaErrorIllegalState);
  stream->capture = cudaStreamCaptureStatusActive;
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Lock lock(device().mutex);
  *graph = nullptr;
  const cudaError_t status = check_stream(stream);
  if (status != cudaSuccess) return finish(status);
  if (!device().captures(stream)) return finish(cudaErrorIllegalState);
  if (stream->mode != cudaStreamCaptureModeRelaxed && stream->capturer != std::this_thread::get_id()) {
    return finish(cudaErrorStreamCaptureWrongThread);
  }
  const bool complete = stream->capture == cudaStreamCaptureStatusActive;
  stream->capture = cudaStreamCaptureStatusNone;
  sim::Operations captured = std::exchange(stream->captured, {});
  if (!complete) return finish(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(captured)};
  device().graphs.insert(*graph);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  Lock lock(device().mutex);
  *status = device().captures(stream) ? stream->capture : cudaStreamCaptureStatusNone;
  return finish(check_stream(stream));
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  Lock lock(device().mutex);
  *executable = nullptr;
  if (device().status() != cudaSuccess) return finish(device().lost);
  if (device().graphs.count(graph) == 0) return finish(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{graph->operations};
  device().executables.insert(*executable);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  {
    Lock lock(device().mutex);
    cudaError_t status = check_stream(stream);
    if (status == cudaSuccess) status = device().refuse_in_capture(stream);
    if (status == cudaSuccess && device().executables.count(executable) == 0) status = cudaErrorInvalidValue;
    if (status != cudaSuccess) return finish(status);
  }
  for (const auto& operation : executable->operations) {
    const cudaError_t status = operation();
    if (status != cudaSuccess) return finish(status);
  }
  return cudaSuccess;
}

// Destroys graphs of a lost device as well, and still says that it is lost.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  Lock lock(device().mutex);
  if (device().executables.erase(executable) == 0) return finish(cudaErrorInvalidValue);
  delete executable;
  return finish(device().status());
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  Lock lock(device().mutex);
  if (device().graphs.erase(graph) == 0) return finish(cudaErrorInvalidValue);
  delete graph;
  return finish(device().status());
}
