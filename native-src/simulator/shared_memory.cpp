#include "shared_memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "block.h"
#include "sanitizers.h"
#include "sim_engine.h"

namespace sim {
namespace {

// Every array begins at bank 0.
constexpr size_t kAlignment = 128;
constexpr bool kNewMemoryPerBlock = kAddressSanitizer || kThreadSanitizer;

}  // namespace

SharedMemory& shared_memory() {
  static SharedMemory* const instance = new SharedMemory;
  return *instance;
}

void SharedMemory::begin_launch(size_t dynamic_bytes) { dynamic_bytes_ = dynamic_bytes; }

void SharedMemory::begin_block() {
  if (kNewMemoryPerBlock) free_arrays();
  for (Array& array : arrays_) std::memset(array.memory, 0xff, array.bytes);
  if (arrays_.empty() && dynamic_bytes_ > 0) {
    add({nullptr, dynamic_bytes_, nullptr, "(dynamic)", "the launch", 0});
  }
}

void SharedMemory::end_launch() {
  free_arrays();
  for (unsigned char* memory : old_) std::free(memory);
  old_.clear();
}

void SharedMemory::free_arrays() {
  for (Array& array : arrays_) {
    // ThreadSanitizer: kept, so that no other block gets the address.
    if (kThreadSanitizer) {
      old_.push_back(array.memory);
    } else {
      std::free(array.memory);
    }
  }
  arrays_.clear();
}

void SharedMemory::add(const Array& array) {
  arrays_.push_back(array);
  unsigned char* memory = allocate_exactly(array.bytes, kAlignment);
  std::memset(memory, 0xff, array.bytes);
  arrays_.back().memory = memory;
}

void* SharedMemory::array(const void* key, size_t bytes, const char* name, const char* file,
                          int line) {
  size_t declared = 0;
  for (Array& array : arrays_) {
    if (array.key == key) {
      if (key == nullptr) {  // now its name is known
        array.name = name;
        array.file = file;
        array.line = line;
      }
      return array.memory;
    }
    if (array.key != nullptr) declared += array.bytes;
  }
  if (key == nullptr) {
    block().fail("RF_DYNAMIC_SHARED in a launch without bytes of shared memory", file, line);
  }
  if (declared + bytes > kMostStaticShared) {
    block().fail("more than 48 KiB in RF_SHARED_ARRAY", file, line);
  }
  if (declared + bytes + dynamic_bytes_ > kMostShared) {
    block().fail("more shared memory than a block can have", file, line);
  }
  add({key, bytes, nullptr, name, file, line});
  return arrays_.back().memory;
}

bool SharedMemory::describe(const void* address, std::FILE* out) const {
  for (const Array& array : arrays_) {
    if (!is_near(address, array.memory, array.bytes)) continue;
    std::fprintf(out, "simulator: ");
    describe_distance(address, array.memory, array.bytes, out);
    std::fprintf(out, "%s shared array '%s' of %zu bytes (%s:%d)\n",
                 array.key == nullptr ? "dynamic" : "static", array.name, array.bytes, array.file,
                 array.line);
    block().describe_running(out);
    return true;
  }
  return false;
}

unsigned char* allocate_exactly(size_t bytes, size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) {
    std::fprintf(stderr, "simulator: the host has no memory left\n");
    std::abort();
  }
  return static_cast<unsigned char*>(memory);
}

void describe_distance(const void* address, const void* begin, size_t bytes, std::FILE* out) {
  const uintptr_t a = reinterpret_cast<uintptr_t>(address);
  const uintptr_t b = reinterpret_cast<uintptr_t>(begin);
  if (a < b) {
    std::fprintf(out, "%zu bytes before the begin of ", static_cast<size_t>(b - a));
  } else if (a >= b + bytes) {
    std::fprintf(out, "%zu bytes behind the end of ", static_cast<size_t>(a - b - bytes));
  } else {
    std::fprintf(out, "%zu bytes into ", static_cast<size_t>(a - b));
  }
}

bool is_near(const void* address, const void* begin, size_t bytes) {
  constexpr uintptr_t kNear = 128;
  const uintptr_t a = reinterpret_cast<uintptr_t>(address);
  const uintptr_t b = reinterpret_cast<uintptr_t>(begin);
  return a + kNear >= b && a < b + bytes + kNear;
}

}  // namespace sim
