// The one block that runs: its threads, who of them may go on, and what the others wait for.
#ifndef REFORMER_SIM_BLOCK_H
#define REFORMER_SIM_BLOCK_H

#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "fiber.h"
#include "sanitizers.h"
#include "sim_engine.h"

namespace sim {

// A collective of the lanes in `mask` while they arrive, and its result until all have read it.
struct Meeting {
  uint32_t mask = 0;
  uint32_t arrived = 0;
  uint32_t readers = 0;
  LaneValues values;
};

enum class State : uint8_t { kNew, kReady, kAtBarrier, kInCollective, kDone };

struct Thread {
  uint3 index = {0, 0, 0};
  State state = State::kNew;
  Fiber* fiber = nullptr;
  // Where it waits, or waited last.
  const char* what = nullptr;
  const char* file = nullptr;
  int line = 0;
  uint32_t mask = 0;
  // Of its last collective.
  Meeting* meeting = nullptr;
  // Asynchronous copies in order; the ends of committed groups; what the last wait gave back.
  std::vector<Copy> copies;
  std::vector<size_t> groups;
  std::vector<Copy> finished;
};

struct Warp {
  uint32_t live = 0;     // lanes that have not left the kernel
  uint32_t exist = 0;    // lanes that the block has
  uint32_t waiting = 0;  // lanes in a collective
};

// Fibers are given only to threads that wait: one fiber runs thread after thread until one blocks,
// keeps that one, and the next thread starts on another fiber. A kernel without barriers is a loop.
class Block {
 public:
  void begin_launch(const LaunchSpec& spec);
  void run(uint3 index);
  void end_launch();

  // Called by the running thread.
  void barrier(const char* file, int line);
  const LaneValues& collective(const char* what, uint32_t mask, const void* value, size_t bytes,
                               const char* file, int line);
  void fence();
  [[noreturn]] void fail(const char* message, const char* file, int line);

  // Which thread of which block of which kernel runs, as a line of a report.
  void describe_running(std::FILE* out) const;

  Thread& running() { return threads_[static_cast<size_t>(current_)]; }
  int running_number() const { return current_; }
  // Of the launch, in all modes the same numbers for the same seed.
  std::mt19937_64& random() { return random_; }

 private:
  static void run_threads();
  void run_threads_on_this_fiber();
  void finish_running();
  void wait();
  void make_ready(const int* threads, int count);
  int take_ready();
  void make_running(int thread);
  Fiber& fiber_to_resume(int thread);
  void complete_barrier();
  Meeting* join_meeting(Warp& warp, int lane, const char* what, uint32_t mask, bool exchanges,
                        const char* file, int line);
  void leave_meeting(Thread& thread, int lane);
  Fiber* new_fiber();
  const char* why_nothing_runs() const;
  [[noreturn]] void fail_blocked(const char* message);

  // Of the launch.
  LaunchSpec spec_ = {};
  Fiber launcher_;
  std::mt19937_64 random_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Meeting*> free_meetings_;
  std::vector<Fiber*> idle_;
  // ThreadSanitizer: what threads have run on. They stay to the end of the launch, because with a
  // thread its races are forgotten, and because threads that share a stack would seem to race.
  std::vector<Fiber*> spent_;
  // Addresses for ThreadSanitizer: the end of threads before the end of the launch, and fences.
  std::unique_ptr<char[]> launch_order_;
  std::unique_ptr<char[]> fence_order_;

  // Of the block.
  Fiber* fiber_ = nullptr;  // the running one
  int current_ = 0;         // the running thread
  int count_ = 0;
  int done_ = 0;
  int at_barrier_ = 0;
  const char* barrier_file_ = nullptr;  // where those wait
  int barrier_line_ = 0;
  std::vector<int> ready_;  // a stack: the last one goes on first
  unsigned int barrier_number_ = 0;
  // Two addresses for the order of barriers in turn: with one, a thread that is still at a barrier
  // would seem to wait for what a faster thread did before the next one.
  std::vector<std::unique_ptr<char[]>> barrier_order_;
};

Block& block();

}  // namespace sim

#endif
