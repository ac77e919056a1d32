// What         operations that are issued once and again at the cost of one launch: a CUDA graph.
// Memory       the graph keeps addresses, not blocks: whoever records must keep those until it is destroyed.
// Determinism  the graph is one chain, in the order in which the operations were issued.
// Reference    org.reformer4j.api.Recording
#include "context.h"

using rf::clear;

extern "C" {

int rf_record_begin(rf_context* context) {
  if (context->recording) {
    return static_cast<int>(cudaErrorIllegalState);
  }
  int status = rf::enter(context);
  if (status == 0) {
    // Of this thread: its calls that no graph can hold fail, as they should; those of other threads, which have
    // nothing to do with this stream, neither fail nor spoil the recording.
    status = clear(cudaStreamBeginCapture(context->stream, cudaStreamCaptureModeThreadLocal));
  }
  context->recording = status == 0;
  context->spoilt = false;
  return status;
}

int rf_record_end(rf_context* context, void** recording) {
  if (recording != nullptr) {
    *recording = nullptr;
  }
  if (!context->recording) {
    return static_cast<int>(cudaErrorIllegalState);
  }
  int status = rf::enter(context);
  cudaGraph_t graph = nullptr;
  if (status == 0) {
    status = clear(cudaStreamEndCapture(context->stream, &graph));
  }
  context->recording = status == static_cast<int>(cudaErrorStreamCaptureWrongThread);
  if (status == 0 && context->spoilt) {
    status = static_cast<int>(cudaErrorStreamCaptureInvalidated);
  }
  if (status == 0 && recording != nullptr) {
    cudaGraphExec_t executable = nullptr;
    status = clear(cudaGraphInstantiate(&executable, graph, 0));
    *recording = status == 0 ? executable : nullptr;
  }
  if (graph != nullptr) {
    clear(cudaGraphDestroy(graph));
  }
  return status;
}

int rf_replay(rf_context* context, void* recording) {
  const int status = rf::enter_unrecorded(context);
  return status != 0 ? status : clear(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), context->stream));
}

int rf_recording_destroy(rf_context* context, void* recording) {
  if (recording == nullptr) {
    return RF_STATUS_OK;
  }
  const int status = rf::enter(context);
  const int destroyed = clear(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording)));
  return status != 0 ? status : destroyed;
}

}  // extern "C"
