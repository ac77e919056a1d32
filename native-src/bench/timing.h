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

// Seconds per call: the median of `batches` batches of calls queued back to back, so that the latency of
// a launch hides behind the one before. The argument counts calls, to rotate inputs.
inline double seconds(const std::function<void(int)>& call, const std::function<void()>& wait) {
  const int calls = rehearsal() ? 1 : 20;
  const int batches = rehearsal() ? 1 : 7;
  call(0);
  wait();
  std::vector<double> times;
  for (int batch = 0; batch < batches; ++batch) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call(i);
    wait();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    times.push_back(passed.count() / calls);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace bench

#endif
