#include "block.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "counters.h"

namespace sim {
namespace {

// ThreadSanitizer can hold about 8000 threads.
constexpr size_t kMostSpentFibers = 4096;

bool same_text(const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; }

}  // namespace

Block& block() {
  static Block* const instance = new Block;  // outlives the launches of exiting programs
  return *instance;
}

// ---- life of a launch and of a block ------------------------------------------------------------

void Block::begin_launch(const LaunchSpec& spec) {
  spec_ = spec;
  const dim3 size = spec.block;
  count_ = static_cast<int>(size.x * size.y * size.z);
  adopt_thread(launcher_);
  random_.seed(config().seed);
  threads_.resize(static_cast<size_t>(count_));
  warps_.resize(static_cast<size_t>(count_ + 31) / 32);
  for (unsigned int t = 0; t < static_cast<unsigned int>(count_); ++t) {
    threads_[t].index = {t % size.x, t / size.x % size.y, t / (size.x * size.y)};
  }
  if (kThreadSanitizer) {
    launch_order_.reset(new char[8]);
    fence_order_.reset(new char[8]);
  }
}

void Block::run(uint3 index) {
  blockIdx = index;
  done_ = 0;
  at_barrier_ = 0;
  for (size_t w = 0; w < warps_.size(); ++w) {
    const int lanes = std::min(32, count_ - static_cast<int>(w) * 32);
    const uint32_t exist = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
    warps_[w] = {exist, exist, 0};
  }
  if (kThreadSanitizer) barrier_order_.emplace_back(new char[16]);

  std::vector<int> order(threads_.size());
  for (size_t t = 0; t < threads_.size(); ++t) {
    order[t] = static_cast<int>(t);
    threads_[t].state = State::kNew;
    threads_[t].copies.clear();
    threads_[t].groups.clear();
    if (kThreadSanitizer) {
      // Created by the launching thread: a fiber inherits the order of its creator.
      threads_[t].fiber = new_fiber();
    }
  }
  ready_.clear();
  make_ready(order.data(), count_);

  const int first = take_ready();
  make_running(first);
  fiber_ = &fiber_to_resume(first);
  switch_fiber(launcher_, *fiber_);
  if (spent_.size() > kMostSpentFibers) {
    for (Fiber* fiber : spent_) destroy_fiber(fiber);
    spent_.clear();
  }
}

void Block::end_launch() {
  if (kThreadSanitizer) happens_after(launch_order_.get());
  for (Fiber* fiber : spent_) {
    forget_thread(*fiber);
    idle_.push_back(fiber);
  }
  spent_.clear();
  barrier_order_.clear();
}

// ---- running threads ----------------------------------------------------------------------------

void Block::run_threads() { block().run_threads_on_this_fiber(); }

void Block::run_threads_on_this_fiber() {
  for (;;) {
    spec_.run(spec_.argument);
    if (kThreadSanitizer) happens_before(launch_order_.get());
    Fiber* self = fiber_;
    Fiber* next_fiber = &launcher_;
    {
      Quiet quiet;
      finish_running();
      const int next = take_ready();
      if (next < 0 && done_ != count_) fail_blocked(why_nothing_runs());
      if (next >= 0) make_running(next);
      if (next >= 0 && threads_[static_cast<size_t>(next)].state == State::kNew &&
          !kThreadSanitizer) {
        continue;
      }
      (kThreadSanitizer ? spent_ : idle_).push_back(self);
      if (next >= 0) next_fiber = &fiber_to_resume(next);
    }
    fiber_ = next_fiber;
    leave_fiber(*self, *next_fiber);
  }
}

void Block::finish_running() {
  Thread& thread = running();
  const int lane = current_ % 32;
  Warp& warp = warps_[static_cast<size_t>(current_ / 32)];
  leave_meeting(thread, lane);
  thread.state = State::kDone;
  thread.fiber = nullptr;
  ++done_;
  warp.live &= ~(1u << lane);
  for (uint32_t rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const int other = current_ / 32 * 32 + __builtin_ctz(rest);
    if ((threads_[static_cast<size_t>(other)].meeting->mask >> lane & 1) != 0) {
      fail_blocked("a lane has left the kernel while lanes of its warp wait for it");
    }
  }
  if (at_barrier_ > 0 && at_barrier_ + done_ == count_) complete_barrier();
}

// The running thread has to wait. Returns when it may go on.
void Block::wait() {
  const int me = current_;
  const int next = take_ready();
  if (next < 0) fail_blocked(why_nothing_runs());
  if (next == me) return;
  Fiber* self = fiber_;
  running().fiber = self;
  make_running(next);
  fiber_ = &fiber_to_resume(next);
  switch_fiber(*self, *fiber_);
}

void Block::make_running(int thread) {
  current_ = thread;
  threadIdx = threads_[static_cast<size_t>(thread)].index;
}

Fiber& Block::fiber_to_resume(int number) {
  const Thread& thread = threads_[static_cast<size_t>(number)];
  if (thread.state != State::kNew || kThreadSanitizer) return *thread.fiber;
  return *new_fiber();
}

Fiber* Block::new_fiber() {
  if (idle_.empty()) idle_.push_back(create_fiber(config().stack_bytes));
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  prepare_fiber(*fiber, &Block::run_threads);
  return fiber;
}

void Block::make_ready(const int* threads, int count) {
  // The last one of the stack goes on first.
  const bool reverse = config().order == Order::kReverse;
  for (int i = 0; i < count; ++i) ready_.push_back(threads[reverse ? i : count - 1 - i]);
}

int Block::take_ready() {
  if (ready_.empty()) return -1;
  if (config().order == Order::kRandom) {
    std::swap(ready_[random_() % ready_.size()], ready_.back());
  }
  const int thread = ready_.back();
  ready_.pop_back();
  return thread;
}

// ---- barriers -----------------------------------------------------------------------------------

void Block::barrier(const char* file, int line) {
  Quiet quiet;
  Thread& thread = running();
  thread.what = "__syncthreads";
  thread.mask = 0;
  thread.state = State::kAtBarrier;
  thread.file = file;
  thread.line = line;
  if (at_barrier_ == 0) {
    barrier_file_ = file;
    barrier_line_ = line;
  } else if (line != barrier_line_ || !same_text(file, barrier_file_)) {
    fail_blocked("threads of one block wait at different __syncthreads");
  }
  ++at_barrier_;
  char* order = kThreadSanitizer ? &barrier_order_.back()[barrier_number_ % 2 * 8] : nullptr;
  happens_before(order);
  if (at_barrier_ + done_ == count_) complete_barrier();
  wait();
  happens_after(order);
}

void Block::complete_barrier() {
  if (done_ > 0 && config().all_threads_at_barriers) {
    fail_blocked("threads have left the kernel without a __syncthreads that others wait at");
  }
  at_barrier_ = 0;
  ++barrier_number_;
  if (counting) count_barrier();
  std::vector<int> released;
  for (size_t t = 0; t < threads_.size(); ++t) {
    if (threads_[t].state != State::kAtBarrier) continue;
    threads_[t].state = State::kReady;
    released.push_back(static_cast<int>(t));
  }
  make_ready(released.data(), static_cast<int>(released.size()));
}

void Block::fence() {
  happens_before(fence_order_.get());
  happens_after(fence_order_.get());
}

}  // namespace sim
