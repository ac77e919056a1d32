// What         copies of rows: to the device, back, and on it.
// Memory       uploads of up to 4 MiB go through two pinned slots of that size, one behind the other until a slot is
//              full, and return without waiting for the device; only where the other slot is then still being copied
//              the caller waits. So the tables of a decoding step, some KiB each, never make the host wait.
// Determinism  everything in stream order.
// Reference    org.reformer4j.reference.ArrayMemory
#include "context.h"

#include <cstring>

namespace rf {
namespace {

// Copies rows. Pitches beyond 2^31 - 1 are refused by CUDA, so what has no gaps is copied as one piece and
// rows that far apart one by one.
int move(rf_context* context, void* target, int64_t target_pitch, const void* source,
         int64_t source_pitch, int64_t row_bytes, int64_t rows, cudaMemcpyKind kind) {
  if (rows == 0 || row_bytes == 0) {
    return RF_STATUS_OK;
  }
  const int status = rf::enter(context);
  if (status != 0) {
    return status;
  }
  if (rows == 1 || (target_pitch == row_bytes && source_pitch == row_bytes)) {
    return clear(cudaMemcpyAsync(target, source, static_cast<size_t>(row_bytes * rows), kind,
                                 context->stream));
  }
  if (target_pitch <= INT32_MAX && source_pitch <= INT32_MAX) {
    return clear(cudaMemcpy2DAsync(target, static_cast<size_t>(target_pitch), source,
                                   static_cast<size_t>(source_pitch),
                                   static_cast<size_t>(row_bytes), static_cast<size_t>(rows), kind,
                                   context->stream));
  }
  cudaError_t error = cudaSuccess;
  for (int64_t row = 0; row < rows && error == cudaSuccess; ++row) {
    error = cudaMemcpyAsync(static_cast<char*>(target) + row * target_pitch,
                            static_cast<const char*>(source) + row * source_pitch,
                            static_cast<size_t>(row_bytes), kind, context->stream);
  }
  return clear(error);
}

int make_staging(rf_context* context) {
  if (context->copied[kStagingSlots - 1] != nullptr) {
    return RF_STATUS_OK;
  }
  int status = enter(context);
  if (status == 0 && context->staging == nullptr) {
    void* memory = nullptr;
    status = clear(cudaHostAlloc(&memory, kStagingSlots * kStagingBytes, cudaHostAllocDefault));
    context->staging = static_cast<char*>(memory);
  }
  for (cudaEvent_t& copied : context->copied) {
    if (status == 0 && copied == nullptr) {
      status = clear(cudaEventCreateWithFlags(&copied, cudaEventDisableTiming));
    }
  }
  return status;
}

// Goes on to the other slot, whose copies must be done.
int change_slot(rf_context* context) {
  int status = clear(cudaEventRecord(context->copied[context->slot], context->stream));
  if (status == 0) {
    context->slot = (context->slot + 1) % kStagingSlots;
    context->staged = 0;
    status = clear(cudaEventSynchronize(context->copied[context->slot]));
  }
  return status;
}

// Packs the rows into a slot and queues their copy.
int upload_staged(rf_context* context, void* target, int64_t target_pitch, const void* source,
                  int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  int status = make_staging(context);
  if (status == 0) {
    status = enter(context);
  }
  if (status == 0 && context->staged + row_bytes * rows > kStagingBytes) {
    status = change_slot(context);
  }
  if (status != 0) {
    return status;
  }
  char* const staged = context->staging + context->slot * kStagingBytes + context->staged;
  context->staged += ceil_div(row_bytes * rows, kStagingAlignment) * kStagingAlignment;
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(staged + row * row_bytes, static_cast<const char*>(source) + row * source_pitch,
                static_cast<size_t>(row_bytes));
  }
  return move(context, target, target_pitch, staged, row_bytes, row_bytes, rows, cudaMemcpyHostToDevice);
}

}  // namespace
}  // namespace rf

extern "C" {

int rf_upload(rf_context* context, void* target, int64_t target_pitch, const void* source,
              int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  if (rows == 0 || row_bytes == 0) {
    return RF_STATUS_OK;
  }
  int status = rf::enter_unrecorded(context);
  if (status != 0) {
    return status;
  }
  if (row_bytes <= rf::kStagingBytes / rows) {
    return rf::upload_staged(context, target, target_pitch, source, source_pitch, row_bytes, rows);
  }
  status = rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows, cudaMemcpyHostToDevice);
  // CUDA may still read pageable memory when an asynchronous copy returns.
  return status != 0 ? status : rf_synchronize(context);
}

int rf_download(rf_context* context, void* target, int64_t target_pitch, const void* source,
                int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  int status = rf::enter_unrecorded(context);
  if (status == 0) {
    status = rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows, cudaMemcpyDeviceToHost);
  }
  return status != 0 ? status : rf_synchronize(context);
}

int rf_copy(rf_context* context, void* target, int64_t target_pitch, const void* source,
            int64_t source_pitch, int64_t row_bytes, int64_t rows) {
  return rf::move(context, target, target_pitch, source, source_pitch, row_bytes, rows,
                  cudaMemcpyDeviceToDevice);
}

}  // extern "C"
