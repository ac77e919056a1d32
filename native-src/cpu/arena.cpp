#include "arena.h"

#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RF_ADDRESS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RF_ADDRESS_SANITIZER
#endif

#ifdef RF_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) static_cast<void>(address)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(address)
#endif

namespace rf {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLeastPiece = size_t{64} << 20;
#ifdef RF_ADDRESS_SANITIZER
// Between blocks, so that an access behind the end of one does not fall into the next.
constexpr size_t kGap = Arena::kAlignment;
#else
constexpr size_t kGap = 0;
#endif

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Arena::~Arena() {
  for (const Piece& piece : pieces_) {
    ASAN_UNPOISON_MEMORY_REGION(piece.begin, piece.bytes);
    munmap(piece.mapping, piece.mapped);
  }
}

bool Arena::grow(size_t bytes) {
  const size_t size = round_up(bytes < kLeastPiece ? kLeastPiece : bytes, kHugePage);
  const size_t mapped = size + kHugePage;
  void* const mapping =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return false;
  }
  char* const begin =
      reinterpret_cast<char*>(round_up(reinterpret_cast<size_t>(mapping), kHugePage));
#ifdef MADV_HUGEPAGE
  // Only advice: a system without huge pages is slower.
  madvise(begin, size, MADV_HUGEPAGE);
#endif
  pieces_.push_back({begin, size, mapping, mapped});
  ASAN_POISON_MEMORY_REGION(begin, size);
  insert(begin, size);
  return true;
}

void Arena::erase(std::map<char*, size_t>::iterator block) {
  by_size_.erase({block->second, block->first});
  free_.erase(block);
}

// Adds a free block, joined with free neighbours. Pieces may touch, which does no harm.
void Arena::insert(char* begin, size_t bytes) {
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && begin + bytes == next->first) {
    bytes += next->second;
    erase(next);
  }
  next = free_.lower_bound(begin);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      begin = before->first;
      bytes += before->second;
      erase(before);
    }
  }
  free_.emplace(begin, bytes);
  by_size_.emplace(bytes, begin);
}

void* Arena::allocate(size_t bytes) {
  // An empty block has an address of its own, too.
  const size_t size = round_up(bytes > 0 ? bytes : 1, kAlignment) + kGap;
  auto found = by_size_.lower_bound({size, nullptr});
  if (found == by_size_.end()) {
    if (!grow(size)) {
      return nullptr;
    }
    found = by_size_.lower_bound({size, nullptr});
  }
  char* const block = found->second;
  const size_t rest = found->first - size;
  erase(free_.find(block));
  if (rest > 0) {
    insert(block + size, rest);
  }
  allocated_.emplace(block, size);
  used_ += static_cast<int64_t>(size);
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
  return block;
}

void Arena::free(void* address) {
  const auto found = allocated_.find(static_cast<char*>(address));
  if (found == allocated_.end()) {
    return;
  }
  const auto [block, size] = *found;
  allocated_.erase(found);
  used_ -= static_cast<int64_t>(size);
  ASAN_POISON_MEMORY_REGION(block, size);
  insert(block, size);
}

}  // namespace rf
