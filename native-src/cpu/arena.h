// Memory of a context: taken from the system in large pieces with huge pages and never given back before the
// context ends, because a fresh page costs more than most kernels do with it.
#ifndef REFORMER_CPU_ARENA_H
#define REFORMER_CPU_ARENA_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rf {

class Arena {
 public:
  // Blocks begin at multiples of this.
  static constexpr size_t kAlignment = 256;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Null where the system has no memory left.
  void* allocate(size_t bytes);
  void free(void* block);

  // Bytes of the blocks that are allocated.
  int64_t used() const { return used_; }

 private:
  struct Piece {
    char* begin;
    size_t bytes;
    void* mapping;
    size_t mapped;
  };

  bool grow(size_t bytes);
  void insert(char* begin, size_t bytes);
  void erase(std::map<char*, size_t>::iterator free_block);

  std::vector<Piece> pieces_;
  // Free blocks by address, to join neighbours, and by size, to find the smallest that suffices.
  std::map<char*, size_t> free_;
  std::set<std::pair<size_t, char*>> by_size_;
  std::unordered_map<char*, size_t> allocated_;
  int64_t used_ = 0;
};

}  // namespace rf

#endif
