// The threads of a context: a fixed team that divides every operation statically. The calling thread is one
// of the team, so a pool of one has no threads of its own.
#ifndef REFORMER_CPU_POOL_H
#define REFORMER_CPU_POOL_H

#include <cstdint>

namespace rf {

struct Workers;

struct Range {
  int64_t from, to;
};

// A thread's place in the team that runs one operation.
struct Team {
  int thread, threads;
  Workers* workers;

  // Waits for the whole team. What was written before it is seen after it.
  void barrier() const;

  // This thread's part of 0..count-1: contiguous, cut at multiples of `unit`.
  Range share(int64_t count, int64_t unit = 1) const {
    const int64_t units = (count + unit - 1) / unit;
    const int64_t from = units * thread / threads * unit;
    const int64_t to = units * (thread + 1) / threads * unit;
    return {from < count ? from : count, to < count ? to : count};
  }
};

// Used by one thread at a time. Threads start with the first operation that wants them; in a forked child,
// which has none of its parent's threads, they start anew.
class Pool {
 public:
  Pool() = default;
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }
  // Takes effect with the next operation.
  void set_threads(int threads);

  // As many threads as have `grain` units of work each, at least one.
  int threads_for(int64_t work, int64_t grain) const {
    const int64_t wanted = work / (grain > 0 ? grain : 1);
    return wanted < 1 ? 1 : wanted < threads_ ? static_cast<int>(wanted) : threads_;
  }

  // Calls body(team) on `threads` threads, at most threads(), and waits for them. False where a thread cannot
  // be started: then nothing has been done.
  template <class Body>
  bool run(int threads, const Body& body) {
    return start(threads, [](const void* b, const Team& team) { (*static_cast<const Body*>(b))(team); },
                 &body);
  }

 private:
  using Function = void (*)(const void*, const Team&);
  bool start(int threads, Function function, const void* body);
  void stop();

  int threads_ = 1;
  Workers* workers_ = nullptr;
};

}  // namespace rf

#endif
