// The library itself: versions, devices, memory, copies with gaps, and running out of memory.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "harness.h"

namespace {

using namespace test;

// The CPU library has fewer ways to fail, and names of its own for them.
bool cuda() { return std::string(rf_description()).rfind("CUDA", 0) == 0; }

void copies(Device& device) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  Matrix wide(device, RF_F32, 3, 5), narrow(device, RF_F32, 3, 2, 5), tight(device, RF_F32, 3, 2);
  ok(rf_fill(device.context, wide.data(), 5, RF_F32, 3, 5, -1), "rf_fill");
  ok(rf_upload(device.context, wide.floats() + 1, 20, values.data(), 8, 8, 3), "rf_upload");
  same(wide.get(), {-1, 1, 2, -1, -1, -1, 3, 4, -1, -1, -1, 5, 6, -1, -1}, "upload with gaps");
  ok(rf_copy(device.context, tight.data(), 8, wide.floats() + 1, 20, 8, 3), "rf_copy");
  same(tight.get(), values, "copy with gaps");
  std::vector<float> back(6, 0);
  ok(rf_download(device.context, back.data(), 8, wide.floats() + 1, 20, 8, 3), "rf_download");
  same(back, values, "download with gaps");
  ok(rf_copy(device.context, tight.data(), 8, wide.data(), 20, 0, 0), "nothing to copy");
}

// The source may be filled again as soon as an upload returns, however many are queued.
void uploads_in_a_row(Device& device) {
  constexpr int64_t kColumns = 300 << 10;  // 1.2 MB a row
  constexpr int64_t kRows = 7;
  Matrix target(device, RF_F32, kRows, kColumns);
  std::vector<float> source(kColumns), expected;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t i = 0; i < kColumns; ++i) {
      source[static_cast<size_t>(i)] = static_cast<float>(row * kColumns + i);
    }
    expected.insert(expected.end(), source.begin(), source.end());
    const int64_t bytes = kColumns * 4;
    ok(rf_upload(device.context, target.floats() + row * kColumns, bytes, source.data(), bytes, bytes,
                 1),
       "rf_upload");
  }
  same(target.get(), expected, "uploads in a row");
  // More than a slot of the staging memory at once.
  ok(rf_upload(device.context, target.data(), kRows * kColumns * 4, expected.data(),
               kRows * kColumns * 4, kRows * kColumns * 4, 1),
     "a large upload");
  same(target.get(), expected, "a large upload");
}

void limits(Device& device) {
  // Others may use the device meanwhile.
  constexpr int64_t kNoise = 64 << 20;
  constexpr int64_t kBlock = 1 << 28;
  int64_t available = 0, total = 0, later = 0;
  ok(rf_synchronize(device.context), "rf_synchronize");
  ok(rf_memory(device.context, &available, &total), "rf_memory");
  check(available > 0 && available <= total, "free and total bytes");
  void* address = nullptr;
  const int status = rf_allocate(device.context, total + 1, &address);
  check(status == 2 && address == nullptr, "more than there is: " + std::to_string(status));
  check(rf_status_fatal(status) == 0, "out of memory is not fatal");
  check(std::string(rf_status_name(status)) == (cuda() ? "cudaErrorMemoryAllocation" : "outOfMemory"), "its name");
  {
    Block block(device, kBlock);
    ok(rf_memory(device.context, &later, &total), "rf_memory");
    check(later <= available - kBlock + kNoise, "allocated memory is not free");
  }
  ok(rf_synchronize(device.context), "rf_synchronize");
  ok(rf_memory(device.context, &later, &total), "rf_memory");
  check(later + kNoise >= available, "freed memory is free");
  // One row may be longer than the largest pitch of CUDA's copies in two dimensions.
  const int64_t far = (int64_t{1} << 31) + 4;
  Matrix cell(device, RF_F32, 1, 1);
  const float number = 3;
  ok(rf_upload(device.context, cell.data(), far, &number, far, 4, 1), "a pitch beyond 2^31");
  same(cell.get(), {3}, "a pitch beyond 2^31");
  // Host rows that far apart: only the two pages that are touched exist.
  const size_t mapped = static_cast<size_t>(far) + 4;
  void* const host = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(host != MAP_FAILED, "mmap");
  *static_cast<float*>(host) = 1;
  *reinterpret_cast<float*>(static_cast<char*>(host) + far) = 2;
  Matrix pair(device, RF_F32, 2, 1);
  ok(rf_upload(device.context, pair.data(), 4, host, far, 4, 2), "rows 2 GiB apart");
  same(pair.get(), {1, 2}, "rows 2 GiB apart");
  munmap(host, mapped);
  Block empty(device, 0);
  check(empty.address != nullptr, "an empty block has an address");
}

// A card with little shared memory leaves heads of 128 to the generic kernels.
void paths_of_attention(Device& device) {
  if (std::strcmp(rf_description(), "CUDA kernels on the simulator") != 0) {
    return;
  }
  const auto fast = [](rf_context* context, int size) { return rf_attention_fast(context, RF_BF16, size, 64, 0, 0); };
  check(fast(device.context, 64) == 1 && fast(device.context, 128) == 1, "fast attention");
  setenv("SIM_SMALL_SHARED", "1", 1);
  {
    Device small;
    check(fast(small.context, 64) == 1 && fast(small.context, 128) == 0, "fast attention in 99 KiB");
  }
  unsetenv("SIM_SMALL_SHARED");
}

}  // namespace

int main() {
  check(rf_abi_version() == RF_ABI_VERSION, "ABI version");
  int count = 0;
  ok(rf_device_count(&count), "rf_device_count");
  check(count >= 1, "a device");
  rf_context* none = nullptr;
  const int status = rf_context_create(count, &none);
  check(status == 101 && none == nullptr, "a device that is not there: " + std::to_string(status));
  check(rf_status_fatal(700) == (cuda() ? 1 : 0) && rf_status_fatal(0) == 0, "which errors are fatal");
  {
    Device device;
    char text[200];
    ok(rf_context_describe(device.context, text, sizeof text), "rf_context_describe");
    std::printf("%s: %s\n", rf_description(), text);
    check(cuda() ? rf_context_cache(device.context) >= 256 << 10 : rf_context_cache(device.context) == 0,
          "bytes of the cache");
    double idle = -1, busy = -1;
    check(rf_timer_stop(device.context, &idle) == RF_STATUS_UNSUPPORTED, "a timer that was not started");
    ok(rf_timer_start(device.context), "rf_timer_start");
    ok(rf_timer_stop(device.context, &idle), "rf_timer_stop");
    {
      // Few blocks: the race detector takes a millisecond for each of their threads.
      Matrix large(device, RF_F32, 2, 1 << 10);
      ok(rf_timer_start(device.context), "rf_timer_start");
      for (int i = 0; i < 8; ++i) {
        ok(rf_fill(device.context, large.data(), large.stride, RF_F32, 2, 1 << 10, 1), "rf_fill");
      }
      ok(rf_timer_stop(device.context, &busy), "rf_timer_stop");
    }
    check(idle >= 0 && busy > idle && busy < 60,
          "times " + std::to_string(idle) + " and " + std::to_string(busy));
    copies(device);
    uploads_in_a_row(device);
    limits(device);
    paths_of_attention(device);
  }
  return finish("memory");
}
