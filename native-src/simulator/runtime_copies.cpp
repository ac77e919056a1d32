// Copies, pinned host memory and events. A copy out of pinned memory is put off until something uses the
// device or waits for it, so that a buffer that is filled again too early gives wrong results here, too.
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "runtime_device.h"
#include "runtime_state.h"

using sim::Device;
using sim::device;
using sim::finish;

struct CUevent_st {
  // Number of copies that had been queued when the event was recorded.
  uint64_t copies;
  bool timed;
  bool recorded = false;
  // Calls have done their work when they return: the time of the record is that of the device.
  std::chrono::steady_clock::time_point time = {};
};

namespace {

using Lock = std::lock_guard<std::mutex>;

uintptr_t number(const void* address) { return reinterpret_cast<uintptr_t>(address); }

// Bytes from the first to behind the last one of a matrix with a pitch.
size_t extent(size_t pitch, size_t width, size_t height) {
  return width == 0 || height == 0 ? 0 : pitch * (height - 1) + width;
}

void run(const Device::Copy& copy) {
  for (size_t row = 0; row < copy.height; ++row) {
    std::memcpy(static_cast<char*>(copy.target) + row * copy.target_pitch,
                static_cast<const char*>(copy.source) + row * copy.source_pitch, copy.width);
  }
}

// Whether the device's memory still has the address; if not, a graph that is launched loses the device.
bool still_holds(const void* address, size_t bytes) {
  const bool held = device().holds(address, bytes);
  if (!held) device().lost = cudaErrorIllegalAddress;
  return held;
}

// A copy within the device, as a part of a graph.
cudaError_t copy_again(const Device::Copy& copy) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess ||
      !still_holds(copy.target, extent(copy.target_pitch, copy.width, copy.height)) ||
      !still_holds(copy.source, extent(copy.source_pitch, copy.width, copy.height))) {
    return device().lost;
  }
  device().run_copies();
  run(copy);
  return cudaSuccess;
}

cudaError_t set_again(void* target, int value, size_t bytes) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess || !still_holds(target, bytes)) return device().lost;
  device().run_copies();
  std::memset(target, value, bytes);
  return cudaSuccess;
}

cudaError_t copy_rows(const Device::Copy& copy, cudaMemcpyKind kind, cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  if (copy.width > copy.target_pitch || copy.width > copy.source_pitch) {
    return finish(cudaErrorInvalidValue);
  }
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const size_t read = extent(copy.source_pitch, copy.width, copy.height);
  if (to_device &&
      !device().holds(copy.target, extent(copy.target_pitch, copy.width, copy.height))) {
    return finish(cudaErrorInvalidValue);
  }
  if (from_device && !device().holds(copy.source, read)) {
    return finish(cudaErrorInvalidValue);
  }
  if (device().captures(stream)) {
    return finish(kind == cudaMemcpyDeviceToDevice
                      ? device().capture(stream, [copy] { return copy_again(copy); })
                      : device().refuse_in_capture(stream));
  }
  if (kind == cudaMemcpyHostToDevice && device().pinned(copy.source, read)) {
    device().copies.push_back(copy);
    return cudaSuccess;
  }
  device().run_copies();
  run(copy);
  return cudaSuccess;
}

}  // namespace

namespace sim {

bool Device::pinned(const void* address, size_t bytes) const {
  auto next = host.upper_bound(number(address));
  if (next == host.begin()) return false;
  const auto& [begin, size] = *--next;
  const size_t offset = number(address) - begin;
  return offset <= size && bytes <= size - offset;
}

void Device::run_copies(uint64_t until) {
  while (!copies.empty() && copies_done < until) {
    run(copies.front());
    copies.pop_front();
    ++copies_done;
  }
}

void run_queued_copies() {
  Lock lock(device().mutex);
  device().run_copies();
}

}  // namespace sim

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned int) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const cudaError_t refused = device().refuse_while_capturing();
  if (refused != cudaSuccess) return finish(refused);
  *address = bytes == 0 ? nullptr : std::malloc(bytes);
  if (*address == nullptr) return finish(cudaErrorMemoryAllocation);
  device().host[number(*address)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* address) {
  Lock lock(device().mutex);
  if (address == nullptr) return cudaSuccess;
  device().run_copies();
  if (device().host.erase(number(address)) == 0) return finish(cudaErrorInvalidValue);
  std::free(address);
  return finish(device().status());
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  *event = new CUevent_st{0, (flags & cudaEventDisableTiming) == 0};
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const cudaError_t refused = device().refuse_in_capture(stream);
  if (refused != cudaSuccess) return finish(refused);
  event->copies = device().copies_done + device().copies.size();
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  const cudaError_t refused = device().refuse_while_capturing();
  if (refused != cudaSuccess) return finish(refused);
  device().run_copies(event->copies);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  if (!start->timed || !end->timed || !start->recorded || !end->recorded) {
    return finish(cudaErrorInvalidResourceHandle);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source,
                              size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  // The largest pitch of a device (cudaDevAttrMaxPitch).
  if (target_pitch > INT32_MAX || source_pitch > INT32_MAX) {
    Lock lock(device().mutex);
    return finish(cudaErrorInvalidPitchValue);
  }
  return copy_rows({target, target_pitch, source, source_pitch, width, height}, kind, stream);
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy_rows({target, bytes, source, bytes, bytes, 1}, kind, stream);
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) {
  Lock lock(device().mutex);
  if (device().status() != cudaSuccess) return finish(device().lost);
  if (!device().holds(target, bytes)) return finish(cudaErrorInvalidValue);
  if (device().captures(stream)) {
    return finish(device().capture(stream, [=] { return set_again(target, value, bytes); }));
  }
  device().run_copies();
  std::memset(target, value, bytes);
  return cudaSuccess;
}
