// Times of queued work, and the table that the benchmarks print.
#ifndef REFORMER_BENCH_TIMING_H
#define REFORMER_BENCH_TIMING_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace bench {

// Over the simulator sizes shrink and one repetition suffices: the run proves the program, not a speed.
inline bool rehearsal() { return std::getenv("RF_BENCH_REHEARSAL") != nullptr; }

// A clock: start() before calls are queued; stop() waits for them and gives the seconds in between.
struct Clock {
  std::function<void()> start;
  std::function<double()> stop;
};

// Seconds of `calls` calls queued back to back, so that the latency of a launch hides behind the one
// before. The argument counts calls, to rotate inputs.
inline double batch_seconds(int calls, const std::function<void(int)>& call, const Clock& clock) {
  clock.start();
  for (int i = 0; i < calls; ++i) call(i);
  return clock.stop();
}

// By the host's clock, for calls that return when they are done.
inline double batch_seconds(int calls, const std::function<void(int)>& call) {
  std::chrono::steady_clock::time_point start;
  return batch_seconds(calls, call, {[&] { start = std::chrono::steady_clock::now(); },
                                     [&] {
                                       return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
                                           .count();
                                     }});
}

// Seconds per call: the median of 21 batches of at least 3 ms, after 50 ms that raise the clocks. A call of
// more than 70 ms gets fewer batches, at least three.
inline double seconds(const std::function<void(int)>& call, const Clock& clock) {
  double warm = batch_seconds(1, call, clock);
  if (rehearsal()) {
    return warm;
  }
  int calls = 1;
  for (double spent = 0; spent < 0.05; spent += calls * warm) {
    // A device's clock may say 0 for one short call.
    warm = std::max(batch_seconds(calls, call, clock) / calls, 1e-9);
    calls = std::clamp(static_cast<int>(0.003 / warm) + 1, 1, 20000);
  }
  const int batches = std::clamp(static_cast<int>(1.5 / (calls * warm)), 3, 21);
  std::vector<double> times;
  for (int batch = 0; batch < batches; ++batch) {
    times.push_back(batch_seconds(calls, call, clock) / calls);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace bench

#endif
