// Stand-in for libcudart.so.13: one device whose memory is the host's.
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, MEMORY_ALLOCATION = 2, INVALID_DEVICE = 101 };

int cudaGetDeviceCount(int* count) {
  *count = 1;
  return SUCCESS;
}

int cudaSetDevice(int device) { return device == 0 ? SUCCESS : INVALID_DEVICE; }

int cudaGetDevice(int* device) {
  *device = 0;
  return SUCCESS;
}

int cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return SUCCESS;
}

int cudaDriverGetVersion(int* version) {
  *version = 13000;
  return SUCCESS;
}

int cudaMalloc(void** address, size_t bytes) {
  *address = malloc(bytes);
  if (*address == NULL) {
    return MEMORY_ALLOCATION;
  }
  // Not a number as float and bfloat16, so that a read before a write shows.
  memset(*address, 0xFF, bytes);
  return SUCCESS;
}

int cudaFree(void* address) {
  free(address);
  return SUCCESS;
}

int cudaMemcpy(void* target, const void* source, size_t bytes, int kind) {
  if (kind < 0 || kind > 4) {
    return INVALID_VALUE;
  }
  memmove(target, source, bytes);
  return SUCCESS;
}

int cudaDeviceSynchronize(void) { return SUCCESS; }

int cudaStreamSynchronize(void* stream) {
  (void)stream;
  return SUCCESS;
}

int cudaGetLastError(void) { return SUCCESS; }

const char* cudaGetErrorName(int error) {
  return error == SUCCESS ? "cudaSuccess" : "a stand-in's error";
}

const char* cudaGetErrorString(int error) {
  return error == SUCCESS ? "no error" : "a stand-in's error";
}
