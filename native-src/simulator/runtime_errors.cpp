#include "runtime_state.h"

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

#define SIM_ERROR(error, text) {error, #error, text}
constexpr ErrorText kErrors[] = {
    SIM_ERROR(cudaSuccess, "no error"),
    SIM_ERROR(cudaErrorInvalidValue, "invalid argument"),
    SIM_ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    SIM_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    SIM_ERROR(cudaErrorInitializationError, "initialization error"),
    SIM_ERROR(cudaErrorCudartUnloading, "driver shutting down"),
    SIM_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    SIM_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    SIM_ERROR(cudaErrorInsufficientDriver,
              "CUDA driver version is insufficient for CUDA runtime version"),
    SIM_ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    SIM_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    SIM_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    SIM_ERROR(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    SIM_ERROR(cudaErrorNoKernelImageForDevice,
              "no kernel image is available for execution on the device"),
    SIM_ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    SIM_ERROR(cudaErrorNvlinkUncorrectable, "uncorrectable NVLink error detected"),
    SIM_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    SIM_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    SIM_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    SIM_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    SIM_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    SIM_ERROR(cudaErrorAssert, "device-side assert triggered"),
    SIM_ERROR(cudaErrorHardwareStackError, "hardware stack error"),
    SIM_ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    SIM_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    SIM_ERROR(cudaErrorInvalidAddressSpace,
              "operation not supported on global/shared address space"),
    SIM_ERROR(cudaErrorInvalidPc, "invalid program counter"),
    SIM_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    SIM_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    SIM_ERROR(cudaErrorNotSupported, "operation not supported"),
    SIM_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    SIM_ERROR(cudaErrorStreamCaptureInvalidated,
              "operation failed due to a previous error during capture"),
    SIM_ERROR(cudaErrorStreamCaptureWrongThread,
              "attempt to terminate a thread-local capture sequence from another thread"),
    SIM_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef SIM_ERROR

// The error of the last launch or call that failed in this OS thread, until somebody asks.
thread_local cudaError_t t_last_error = cudaSuccess;

}  // namespace

namespace sim {

void set_last_error(cudaError_t error) { t_last_error = error; }

}  // namespace sim

const char* cudaGetErrorName(cudaError_t error) {
  for (const ErrorText& e : kErrors) {
    if (e.error == error) return e.name;
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  for (const ErrorText& e : kErrors) {
    if (e.error == error) return e.text;
  }
  return "unrecognized error code";
}

cudaError_t cudaPeekAtLastError() {
  const cudaError_t lost = sim::device_status();
  return lost != cudaSuccess ? lost : t_last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  t_last_error = cudaSuccess;
  return error;
}
