#include "pool.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace rf {

namespace {

// About 30 us: longer than the Java code between two operations, shorter than anyone notices as load.
constexpr int kSpins = 1000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How often this process is a forked child: threads of an earlier generation do not exist.
std::atomic<int> generation{0};

void count_forks() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  });
}

}  // namespace

struct Workers {
  std::vector<std::thread> threads;
  int born = 0;

  // The job: written before `epoch` is raised, read after it was seen raised.
  void (*function)(const void*, const Team&) = nullptr;
  const void* body = nullptr;
  int wanted = 0;
  bool ends = false;

  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<int> running{0};
  alignas(64) std::atomic<int> arrived{0};
  alignas(64) std::atomic<uint32_t> round{0};

  std::mutex mutex;
  std::condition_variable raised, finished;

  // Spins until `ready`, then sleeps.
  template <class Ready>
  void wait(std::condition_variable& condition, const Ready& ready) {
    for (int i = 0; i < kSpins; ++i) {
      if (ready()) {
        return;
      }
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex);
    condition.wait(lock, ready);
  }

  void raise() {
    {
      // The lock makes sure that nobody is between looking and falling asleep.
      const std::lock_guard<std::mutex> lock(mutex);
      epoch.fetch_add(1, std::memory_order_release);
    }
    raised.notify_all();
  }

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      wait(raised, [&] { return epoch.load(std::memory_order_acquire) != seen; });
      ++seen;
      if (ends) {
        return;
      }
      if (thread < wanted) {
        function(body, Team{thread, wanted, this});
      }
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        { const std::lock_guard<std::mutex> lock(mutex); }
        finished.notify_one();
      }
    }
  }
};

void Team::barrier() const {
  if (threads == 1) {
    return;
  }
  const uint32_t round = workers->round.load(std::memory_order_relaxed);
  if (workers->arrived.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
    workers->arrived.store(0, std::memory_order_relaxed);
    workers->round.store(round + 1, std::memory_order_release);
    return;
  }
  for (int i = 0; workers->round.load(std::memory_order_acquire) == round; ++i) {
    // Somebody of the team may wait for a processor.
    i < kSpins ? pause() : static_cast<void>(sched_yield());
  }
}

void Pool::set_threads(int threads) {
  if (threads != threads_) {
    stop();
    threads_ = threads;
  }
}

void Pool::stop() {
  if (workers_ == nullptr) {
    return;
  }
  if (workers_->born != generation.load(std::memory_order_relaxed)) {
    // Threads of the parent process can neither be joined nor destroyed.
    workers_ = nullptr;
    return;
  }
  workers_->ends = true;
  workers_->raise();
  for (std::thread& thread : workers_->threads) {
    thread.join();
  }
  delete workers_;
  workers_ = nullptr;
}

bool Pool::start(int threads, Function function, const void* body) {
  if (threads <= 1) {
    function(body, Team{0, 1, nullptr});
    return true;
  }
  count_forks();
  if (workers_ != nullptr && workers_->born != generation.load(std::memory_order_relaxed)) {
    workers_ = nullptr;
  }
  if (workers_ == nullptr) {
    workers_ = new Workers;
    workers_->born = generation.load(std::memory_order_relaxed);
    try {
      for (int i = 1; i < threads_; ++i) {
        workers_->threads.emplace_back([workers = workers_, i] { workers->work(i); });
      }
    } catch (const std::system_error&) {
      stop();
      return false;
    }
  }
  workers_->function = function;
  workers_->body = body;
  workers_->wanted = threads;
  workers_->running.store(threads_ - 1, std::memory_order_relaxed);
  workers_->raise();
  function(body, Team{0, threads, workers_});
  workers_->wait(workers_->finished,
                 [&] { return workers_->running.load(std::memory_order_acquire) == 0; });
  return true;
}

}  // namespace rf
