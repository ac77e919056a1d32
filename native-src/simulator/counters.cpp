#include "counters.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <tuple>
#include <vector>

#include "block.h"
#include "sanitizers.h"
#include "sim_engine.h"

namespace sim {

bool counting = false;

namespace {

enum class Kind : uint8_t { kGlobalRead, kGlobalWrite, kShared };

// An access of a thread to memory: lanes of a warp that come to the same place for the same time
// make one request, whenever they come.
struct Access {
  int lane;
  uintptr_t address;
  size_t bytes;
};
using Place = std::tuple<Kind, const void*, int>;
struct RequestKey {
  int warp;
  Place place;
  uint64_t visit;
  bool operator<(const RequestKey& other) const {
    return std::tie(warp, place, visit) < std::tie(other.warp, other.place, other.visit);
  }
};

Counters g_counters;
std::map<RequestKey, std::vector<Access>> g_requests;  // of the running block
std::map<std::pair<int, Place>, uint64_t> g_visits;    // by thread and place

void note(Kind kind, const void* address, size_t bytes, const void* place, int line) {
  const int thread = block().running_number();
  const Place where(kind, place, line);
  const uint64_t visit = g_visits[{thread, where}]++;
  g_requests[{thread / 32, where, visit}].push_back(
      {thread % 32, reinterpret_cast<uintptr_t>(address), bytes});
}

uint64_t sectors(const std::vector<Access>& request) {
  constexpr uintptr_t kSector = 32;
  std::vector<uintptr_t> touched;
  for (const Access& access : request) {
    const uintptr_t last = (access.address + access.bytes - 1) / kSector;
    for (uintptr_t s = access.address / kSector; s <= last; ++s) touched.push_back(s);
  }
  std::sort(touched.begin(), touched.end());
  return static_cast<uint64_t>(std::unique(touched.begin(), touched.end()) - touched.begin());
}

// Passes over the banks that some lanes need together: as many as the bank with the most different
// words has. Lanes that want the same word share it.
uint64_t wavefronts(std::vector<uintptr_t> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::array<uint64_t, 32> per_bank = {};
  for (const uintptr_t word : words) ++per_bank[word % 32];
  return *std::max_element(per_bank.begin(), per_bank.end());
}

// A request of up to 4 bytes a lane is served at once, of 8 bytes by half warps, of 16 by quarters.
uint64_t extra_wavefronts(const std::vector<Access>& request) {
  size_t widest = 0;
  for (const Access& access : request) widest = std::max(widest, access.bytes);
  const int lanes = widest <= 4 ? 32 : widest <= 8 ? 16 : 8;
  uint64_t extra = 0;
  for (int first = 0; first < 32; first += lanes) {
    std::vector<uintptr_t> words;
    for (const Access& access : request) {
      if (access.lane < first || access.lane >= first + lanes) continue;
      const uintptr_t last = (access.address + access.bytes - 1) / 4;
      for (uintptr_t word = access.address / 4; word <= last; ++word) words.push_back(word);
    }
    if (!words.empty()) extra += wavefronts(words) - 1;
  }
  return extra;
}

}  // namespace

Counters counters() { return g_counters; }
void reset_counters() { g_counters = Counters(); }

void count_global(const void* address, size_t bytes, bool write, const char* file, int line) {
  Quiet quiet;
  note(write ? Kind::kGlobalWrite : Kind::kGlobalRead, address, bytes, file, line);
}

// The return address tells the place: an operator cannot have the caller's line as a parameter.
__attribute__((noinline)) void count_shared(const void* address, size_t bytes) {
  Quiet quiet;
  note(Kind::kShared, address, bytes, __builtin_return_address(0), 0);
}

void count_shared_at(const void* address, size_t bytes, const char* file, int line) {
  Quiet quiet;
  note(Kind::kShared, address, bytes, file, line);
}

void count_mma() { ++g_counters.mma; }
void count_atomic() { ++g_counters.atomics; }
void count_barrier() { ++g_counters.barriers; }
void count_collective() { ++g_counters.collectives; }

void count_launch(uint64_t blocks, uint64_t threads) {
  ++g_counters.launches;
  g_counters.blocks += blocks;
  g_counters.threads += threads;
}

void count_end_of_block() {
  for (const auto& [key, request] : g_requests) {
    uint64_t bytes = 0;
    for (const Access& access : request) bytes += access.bytes;
    switch (std::get<Kind>(key.place)) {
      case Kind::kGlobalRead:
        g_counters.global_read_bytes += bytes;
        ++g_counters.global_read_requests;
        g_counters.global_read_sectors += sectors(request);
        break;
      case Kind::kGlobalWrite:
        g_counters.global_written_bytes += bytes;
        ++g_counters.global_write_requests;
        g_counters.global_written_sectors += sectors(request);
        break;
      case Kind::kShared:
        ++g_counters.shared_requests;
        g_counters.shared_extra_wavefronts += extra_wavefronts(request);
        break;
    }
  }
  g_requests.clear();
  g_visits.clear();
}

void print_counters(const char* kernel, const Counters& before) {
  const Counters& now = g_counters;
  auto since = [&](uint64_t Counters::* counter) {
    return static_cast<unsigned long long>(now.*counter - before.*counter);
  };
  std::fprintf(stderr,
               "simulator: %s: %llu blocks; read %llu bytes, %llu sectors, %llu requests; "
               "written %llu bytes, %llu sectors, %llu requests; shared %llu requests, %llu extra "
               "wavefronts; %llu mma, %llu barriers, %llu collectives, %llu atomics\n",
               kernel, since(&Counters::blocks), since(&Counters::global_read_bytes),
               since(&Counters::global_read_sectors), since(&Counters::global_read_requests),
               since(&Counters::global_written_bytes), since(&Counters::global_written_sectors),
               since(&Counters::global_write_requests), since(&Counters::shared_requests),
               since(&Counters::shared_extra_wavefronts), since(&Counters::mma),
               since(&Counters::barriers), since(&Counters::collectives),
               since(&Counters::atomics));
}

}  // namespace sim
