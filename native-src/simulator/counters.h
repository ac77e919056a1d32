// Counting of what the running launch does.
#ifndef REFORMER_SIM_COUNTERS_H
#define REFORMER_SIM_COUNTERS_H

#include <cstdint>

#include "sim_engine.h"

namespace sim {

void count_launch(uint64_t blocks, uint64_t threads);
// Forms the requests of warps out of the accesses of a block's threads.
void count_end_of_block();
void count_barrier();
void count_collective();
// Prints what has been counted since `before`.
void print_counters(const char* kernel, const Counters& before);

}  // namespace sim

#endif
