// Reports of mistakes: what stands still, where, and who has left.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "block.h"

namespace sim {
namespace {

bool waits(const Thread& thread) {
  return thread.state == State::kAtBarrier || thread.state == State::kInCollective;
}

bool same_wait(const Thread& a, const Thread& b) {
  return a.state == b.state && a.line == b.line && a.mask == b.mask &&
         std::strcmp(a.what, b.what) == 0 && std::strcmp(a.file, b.file) == 0;
}

const char* plural(int count) { return count == 1 ? "thread" : "threads"; }

}  // namespace

void Block::fail(const char* message, const char* file, int line) {
  Quiet quiet;
  std::fprintf(stderr, "simulator: %s at %s:%d\n", message, file, line);
  describe_running(stderr);
  std::fflush(stderr);
  std::abort();
}

void Block::fail_blocked(const char* message) {
  std::fprintf(stderr, "simulator: %s\n", message);
  describe_running(stderr);
  for (size_t i = 0; i < threads_.size(); ++i) {
    if (!waits(threads_[i])) continue;
    bool first = true;
    for (size_t j = 0; j < i && first; ++j) {
      first = !waits(threads_[j]) || !same_wait(threads_[i], threads_[j]);
    }
    if (!first) continue;
    int count = 0;
    for (const Thread& other : threads_) count += waits(other) && same_wait(threads_[i], other);
    std::fprintf(stderr, "  %d %s (first: %zu) %s in %s at %s:%d", count, plural(count), i,
                 count == 1 ? "waits" : "wait", threads_[i].what, threads_[i].file,
                 threads_[i].line);
    if (threads_[i].state == State::kInCollective) {
      std::fprintf(stderr, ", mask 0x%08x", threads_[i].mask);
    }
    std::fprintf(stderr, "\n");
  }
  if (done_ > 0) {
    size_t first = 0;
    while (threads_[first].state != State::kDone) ++first;
    std::fprintf(stderr, "  %d %s (first: %zu) %s left the kernel\n", done_, plural(done_), first,
                 done_ == 1 ? "has" : "have");
  }
  std::fflush(stderr);
  std::abort();
}

const char* Block::why_nothing_runs() const {
  for (size_t i = 0; i < threads_.size(); ++i) {
    for (size_t j = i / 32 * 32; j < i; ++j) {
      const Thread& a = threads_[i];
      const Thread& b = threads_[j];
      if (a.state == State::kInCollective && b.state == State::kInCollective && a.mask != b.mask &&
          (a.mask & b.mask) != 0) {
        return "lanes of one warp wait with different masks that overlap";
      }
    }
  }
  return "threads wait for ever";
}

void Block::describe_running(std::FILE* out) const {
  std::fprintf(out, "  kernel %s, block (%u,%u,%u), thread %d of %d\n", spec_.name, blockIdx.x,
               blockIdx.y, blockIdx.z, current_, count_);
}

}  // namespace sim
