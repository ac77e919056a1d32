// What         the library, its devices and their memory.
// Memory       a stream-ordered pool that keeps what is freed: an allocation costs microseconds and
//              never waits. Freed memory is reused in stream order, so a kernel queued before the free
//              is safe.
// Reference    org.reformer4j.reference.ArrayMemory
#include "context.h"

#include <cstdio>
#include <cstring>
#include <new>

using rf::clear;

extern "C" {

int rf_abi_version(void) { return RF_ABI_VERSION; }

const char* rf_description(void) {
#ifdef __CUDACC__
  return "CUDA kernels for sm_80, sm_90 and newer";
#else
  return "CUDA kernels on the simulator";
#endif
}

int rf_device_count(int* count) {
  *count = 0;
  const int status = clear(cudaGetDeviceCount(count));
  if (status != 0) {
    *count = 0;
  }
  return status;
}

const char* rf_status_name(int status) {
  switch (status) {
    case RF_STATUS_UNSUPPORTED:
      return "RF_STATUS_UNSUPPORTED";
    case RF_STATUS_HOST_MEMORY:
      return "RF_STATUS_HOST_MEMORY";
    default:
      return cudaGetErrorName(static_cast<cudaError_t>(status));
  }
}

const char* rf_status_text(int status) {
  switch (status) {
    case RF_STATUS_UNSUPPORTED:
      return "there is no kernel for these types or sizes";
    case RF_STATUS_HOST_MEMORY:
      return "the host has no memory left";
    default:
      return cudaGetErrorString(static_cast<cudaError_t>(status));
  }
}

int rf_status_fatal(int status) {
  // After these CUDA refuses every further call of the process, or its results mean nothing.
  switch (status) {
    case 4:    // cudaErrorCudartUnloading
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 226:  // cudaErrorContained
    case 700:  // cudaErrorIllegalAddress
    case 702:  // cudaErrorLaunchTimeout
    case 709:  // cudaErrorContextIsDestroyed
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case 719:  // cudaErrorLaunchFailure
    case 721:  // cudaErrorTensorMemoryLeak
    case 810:  // cudaErrorMpsClientTerminated
    case 911:  // cudaErrorExternalDevice
    case 999:  // cudaErrorUnknown
      return 1;
    default:
      return 0;
  }
}

int rf_context_create(int device, rf_context** out) {
  *out = nullptr;
  rf_context* const context = new (std::nothrow) rf_context{device};
  if (context == nullptr) {
    return RF_STATUS_HOST_MEMORY;
  }
  cudaError_t error = cudaSetDevice(device);
  int major = 0;
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  }
  if (error == cudaSuccess && major < 8) {
    error = cudaErrorNoKernelImageForDevice;
  }
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&context->processors, cudaDevAttrMultiProcessorCount, device);
  }
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&context->cache, cudaDevAttrL2CacheSize, device);
  }
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&context->shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  }
  if (error == cudaSuccess) {
    error = cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking);
  }
  if (error == cudaSuccess) {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = device;
    error = cudaMemPoolCreate(&context->pool, &properties);
  }
  if (error == cudaSuccess) {
    uint64_t keep_everything = UINT64_MAX;
    error = cudaMemPoolSetAttribute(context->pool, cudaMemPoolAttrReleaseThreshold,
                                    &keep_everything);
  }
  if (error != cudaSuccess) {
    const int status = clear(error);
    rf_context_destroy(context);
    return status;
  }
  *out = context;
  return RF_STATUS_OK;
}

int rf_context_destroy(rf_context* context) {
  if (context == nullptr) {
    return RF_STATUS_OK;
  }
  if (context->recording) {
    rf_record_end(context, nullptr);
  }
  int status = rf::enter(context);
  if (context->stream != nullptr) {
    const int waited = clear(cudaStreamSynchronize(context->stream));
    status = status == 0 ? waited : status;
    clear(cudaStreamDestroy(context->stream));
  }
  for (cudaEvent_t copied : context->copied) {
    if (copied != nullptr) {
      clear(cudaEventDestroy(copied));
    }
  }
  for (cudaEvent_t time : {context->started, context->stopped}) {
    if (time != nullptr) {
      clear(cudaEventDestroy(time));
    }
  }
  if (context->staging != nullptr) {
    clear(cudaFreeHost(context->staging));
  }
  if (context->pool != nullptr) {
    clear(cudaMemPoolDestroy(context->pool));
  }
  delete context;
  return status;
}

void* rf_context_stream(rf_context* context) { return context->stream; }

int rf_context_threads(rf_context*, int) { return RF_STATUS_OK; }

int64_t rf_context_cache(rf_context* context) {
  return context->cache > 0 ? context->cache : rf::kUnknownCache;
}

int rf_context_describe(rf_context* context, char* text, int capacity) {
  cudaDeviceProp properties;
  int status = clear(cudaGetDeviceProperties(&properties, context->device));
  int driver = 0;
  if (status == 0) {
    status = clear(cudaDriverGetVersion(&driver));
  }
  if (status == 0) {
    std::snprintf(text, static_cast<size_t>(capacity), "%s, sm_%d%d, driver %d.%d", properties.name,
                  properties.major, properties.minor, driver / 1000, driver % 1000 / 10);
  }
  return status;
}

int rf_synchronize(rf_context* context) {
  const int status = rf::enter_unrecorded(context);
  return status != 0 ? status : clear(cudaStreamSynchronize(context->stream));
}

int rf_timer_start(rf_context* context) {
  int status = rf::enter_unrecorded(context);
  for (cudaEvent_t* time : {&context->started, &context->stopped}) {
    if (status == 0 && *time == nullptr) {
      status = clear(cudaEventCreateWithFlags(time, cudaEventDefault));
    }
  }
  return status != 0 ? status : clear(cudaEventRecord(context->started, context->stream));
}

int rf_timer_stop(rf_context* context, double* seconds) {
  *seconds = 0;
  if (context->stopped == nullptr) {
    return RF_STATUS_UNSUPPORTED;
  }
  float milliseconds = 0;
  int status = rf::enter_unrecorded(context);
  if (status == 0) {
    status = clear(cudaEventRecord(context->stopped, context->stream));
  }
  if (status == 0) {
    status = clear(cudaEventSynchronize(context->stopped));
  }
  if (status == 0) {
    status = clear(cudaEventElapsedTime(&milliseconds, context->started, context->stopped));
  }
  *seconds = 1e-3 * static_cast<double>(milliseconds);
  return status;
}

int rf_allocate(rf_context* context, int64_t bytes, void** address) {
  *address = nullptr;
  const int status = rf::enter_unrecorded(context);
  if (status != 0) {
    return status;
  }
  // An empty tensor still has an address of its own.
  const size_t size = bytes > 0 ? static_cast<size_t>(bytes) : 1;
  cudaError_t error = cudaMallocFromPoolAsync(address, size, context->pool, context->stream);
  if (error == cudaErrorMemoryAllocation) {
    // What the pool keeps may lie in pieces that do not fit: give it back and try once more.
    cudaGetLastError();
    error = cudaStreamSynchronize(context->stream);
    if (error == cudaSuccess) {
      error = cudaMemPoolTrimTo(context->pool, 0);
    }
    if (error == cudaSuccess) {
      error = cudaMallocFromPoolAsync(address, size, context->pool, context->stream);
    }
  }
  return clear(error);
}

int rf_free(rf_context* context, void* address) {
  const int status = rf::enter_unrecorded(context);
  return status != 0 ? status : clear(cudaFreeAsync(address, context->stream));
}

int rf_memory(rf_context* context, int64_t* free_bytes, int64_t* total_bytes) {
  size_t available = 0;
  size_t total = 0;
  uint64_t reserved = 0;
  uint64_t used = 0;
  int status = rf::enter(context);
  if (status == 0) {
    status = clear(cudaMemGetInfo(&available, &total));
  }
  if (status == 0) {
    status = clear(
        cudaMemPoolGetAttribute(context->pool, cudaMemPoolAttrReservedMemCurrent, &reserved));
  }
  if (status == 0) {
    status = clear(cudaMemPoolGetAttribute(context->pool, cudaMemPoolAttrUsedMemCurrent, &used));
  }
  *free_bytes = static_cast<int64_t>(available + (reserved - used));
  *total_bytes = static_cast<int64_t>(total);
  return status;
}

int rf_context_computes(rf_context*, int type) { return type == RF_F32 || type == RF_BF16 ? 1 : 0; }

int rf_multiply_adds(rf_context*, int64_t, double*) { return RF_STATUS_UNSUPPORTED; }

int64_t rf_feed_forward_workspace(rf_context*, int64_t, int64_t, int) { return 0; }

int rf_feed_forward(rf_context*, void*, int64_t, int, const void*, int64_t, const void*, int64_t, const float*,
                    const void*, int64_t, int, int, int64_t, int64_t, int64_t, uint64_t, uint32_t, uint32_t, uint32_t,
                    float, int64_t, void*) {
  return RF_STATUS_UNSUPPORTED;
}

int64_t rf_feed_forward_backward_workspace(rf_context*, int64_t, int64_t, int64_t, int) { return 0; }

int rf_feed_forward_backward(rf_context*, void*, int64_t, int, void*, int64_t, int, float*, int64_t, float*, float*,
                             int64_t, const void*, int64_t, const void*, int64_t, const void*, int64_t, const float*,
                             const void*, int64_t, int, int, int64_t, int64_t, int64_t, int64_t, uint64_t, uint32_t,
                             uint32_t, uint32_t, float, int64_t, void*) {
  return RF_STATUS_UNSUPPORTED;
}

int rf_gemm(rf_context*, void*, int64_t, int, const void*, int64_t, int, const void*, int64_t, int, int, float,
            float, int64_t, int64_t, int64_t) {
  return RF_STATUS_UNSUPPORTED;
}

}  // extern "C"
