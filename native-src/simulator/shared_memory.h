// The shared memory of the running block.
#ifndef REFORMER_SIM_SHARED_MEMORY_H
#define REFORMER_SIM_SHARED_MEMORY_H

#include <cstddef>
#include <cstdio>
#include <vector>

namespace sim {

// What a device of compute capability 8.0 has: without asking, by cudaFuncSetAttribute, declared.
constexpr size_t kDefaultDynamicShared = 48 * 1024;
constexpr size_t kMostShared = 163 * 1024;
constexpr size_t kMostStaticShared = 48 * 1024;

// Every array is an allocation of its own and of exact size, so that AddressSanitizer sees both
// ends. It is full of 0xff when a block gets it: NaN, or -1. With a sanitizer no two blocks get the
// same memory: a block would seem to race with the one before.
class SharedMemory {
 public:
  void begin_launch(size_t dynamic_bytes);
  void begin_block();
  void end_launch();

  void* array(const void* key, size_t bytes, const char* name, const char* file, int line);
  // Prints what lies at or near the address; false if nothing does.
  bool describe(const void* address, std::FILE* out) const;

 private:
  struct Array {
    const void* key;
    size_t bytes;
    unsigned char* memory;
    const char* name;
    const char* file;
    int line;
  };

  void add(const Array& array);
  void free_arrays();

  size_t dynamic_bytes_ = 0;
  std::vector<Array> arrays_;
  std::vector<unsigned char*> old_;
};

SharedMemory& shared_memory();

// Memory of exact size; aborts if there is none.
unsigned char* allocate_exactly(size_t bytes, size_t alignment);
// "0 bytes behind the end of", for reports.
void describe_distance(const void* address, const void* begin, size_t bytes, std::FILE* out);
// Whether the address is in the block of memory or so near that it was probably meant.
bool is_near(const void* address, const void* begin, size_t bytes);

}  // namespace sim

#endif
