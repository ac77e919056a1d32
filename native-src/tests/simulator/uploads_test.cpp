// Small uploads in a row do not wait for the device, however many of them a slot of the pinned memory holds, and
// each brings what its source held when it was called. The simulator puts copies out of pinned memory off until
// somebody waits, and its device memory can be looked at.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "reformer_kernels.h"

namespace {

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "uploads_test: not true: %s\n", what);
    std::exit(1);
  }
}

}  // namespace

int main() {
  constexpr int kCount = 1300;  // of 8000 bytes: more than two slots
  constexpr int kNumbers = 2000;
  constexpr int64_t kBytes = kNumbers * 4;
  rf_context* context = nullptr;
  require(rf_context_create(0, &context) == 0, "a context");
  void* address = nullptr;
  require(rf_allocate(context, kCount * kBytes, &address) == 0, "memory");
  int32_t* const target = static_cast<int32_t*>(address);
  const int32_t before = target[0];
  std::vector<int32_t> source(kNumbers);
  for (int i = 0; i < kCount; ++i) {
    for (int j = 0; j < kNumbers; ++j) source[static_cast<size_t>(j)] = i * kNumbers + j;
    require(rf_upload(context, target + i * kNumbers, kBytes, source.data(), kBytes, kBytes, 1) == 0, "an upload");
    // Two slots of 4 MiB hold twice 512 or more of them.
    require(i >= 1000 || (target[0] == before && target[i * kNumbers] == before), "uploads that do not wait");
  }
  require(rf_synchronize(context) == 0, "rf_synchronize");
  for (int i = 0; i < kCount * kNumbers; ++i) require(target[i] == i, "what was uploaded");
  require(rf_free(context, address) == 0 && rf_context_destroy(context) == 0, "the end");
  std::printf("uploads: %d in a row\n", kCount);
  return 0;
}
