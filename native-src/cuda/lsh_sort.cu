// What         order[s] = 0..T-1 sorted by bucket[s], stable: a counting sort, digit by digit from the
//              lowest where there are more than 1024 buckets.
// Shapes       order, buckets [S, T] with S = B*H*R segments; any S, T and number of buckets.
// Grid         per digit three launches. Count: a block counts the digits of 4096 keys. Scan: a block per
//              segment turns counts into first places. Scatter: a warp owns 512 neighbouring keys and ranks
//              32 at a time by comparing digits within the warp; the tile is sorted in shared memory first,
//              so that runs of a bucket leave as whole sectors.
// Memory       per digit reads the keys twice and writes the order once, 12 bytes per key (two digits: plus
//              8 for the gathered keys); counts [S, bins, tiles]. Shared 28 KB + 16 bins bytes.
// Determinism  integer counts; stable by construction. No atomics except for integer counts.
// Reference    org.reformer4j.reference.LshSort
// Measured     not yet run on a card
#include "context.h"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kTile = 4096;
constexpr int kSteps = kTile / kThreads;
constexpr int kMaxBins = 1024;
// Items of a thread in a scan: a block scans as many as there are bins at most.
constexpr int kItems = kMaxBins / kThreads;

struct Digit {
  const int32_t* buckets;
  const int32_t* order_in;  // null in the first pass: the identity
  int32_t* order_out;
  uint32_t* counts;  // [S, bins, tiles]
  int64_t length;
  int tiles, bins, shift;
  uint32_t mask;
  const int32_t* lengths;  // per sequence, or null
  int64_t segments_per_sequence;
  uint32_t padding;
};

__device__ __forceinline__ int32_t key_place(const Digit& d, int64_t segment, int64_t i) {
  return d.order_in == nullptr ? static_cast<int32_t>(i)
                               : load(d.order_in + segment * d.length + i);
}

__device__ __forceinline__ uint32_t digit_at(const Digit& d, int64_t segment, int32_t place) {
  const bool behind =
      d.lengths != nullptr && place >= load(d.lengths + segment / d.segments_per_sequence);
  const uint32_t key =
      behind ? d.padding : static_cast<uint32_t>(load(d.buckets + segment * d.length + place));
  // A number that is no bucket lands in the last one instead of outside of memory.
  return min((key >> d.shift) & d.mask, static_cast<uint32_t>(d.bins - 1));
}

__global__ void __launch_bounds__(kThreads) lsh_sort_count_kernel(Digit d) {
  RF_DYNAMIC_SHARED(uint32_t, counts);  // [bins]
  const int64_t segment = blockIdx.x / static_cast<unsigned>(d.tiles);
  const int64_t tile = blockIdx.x % static_cast<unsigned>(d.tiles);
  for (int bin = static_cast<int>(threadIdx.x); bin < d.bins; bin += kThreads) {
    counts[bin] = 0;
  }
  __syncthreads();
  const int64_t end = min(d.length, (tile + 1) * kTile);
  for (int64_t i = tile * kTile + threadIdx.x; i < end; i += kThreads) {
    atomicAdd(counts + digit_at(d, segment, key_place(d, segment, i)), 1u);
  }
  __syncthreads();
  for (int bin = static_cast<int>(threadIdx.x); bin < d.bins; bin += kThreads) {
    store(d.counts + (segment * d.bins + bin) * d.tiles + tile, static_cast<uint32_t>(counts[bin]));
  }
}

// Exclusive sums over [bins, tiles] of a segment, in place.
__global__ void __launch_bounds__(kThreads) lsh_sort_scan_kernel(Digit d) {
  RF_SHARED_ARRAY(uint32_t, warp_sums, kWarps);
  const int64_t entries = static_cast<int64_t>(d.bins) * d.tiles;
  uint32_t* const counts = d.counts + blockIdx.x * entries;
  uint32_t before = 0;
  for (int64_t start = 0; start < entries; start += kThreads * kItems) {
    const int64_t first = start + static_cast<int64_t>(threadIdx.x) * kItems;
    uint32_t items[kItems];
    uint32_t own = 0;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      items[i] = first + i < entries ? load(counts + first + i) : 0;
      own += items[i];
    }
    uint32_t total;
    uint32_t offset = before + exclusive_sum(own, total, warp_sums, kWarps);
    before += total;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (first + i < entries) {
        store(counts + first + i, offset);
        offset += items[i];
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads) lsh_sort_scatter_kernel(Digit d) {
  // How many keys of each digit a warp has seen; then how many keys of the tile come before its first.
  RF_DYNAMIC_SHARED(uint16_t, seen);  // [warps, bins]
  RF_SHARED_ARRAY(uint32_t, warp_sums, kWarps);
  // What must be added to a place in the sorted tile to find the place in the sorted segment.
  RF_SHARED_ARRAY(int32_t, shifts, kMaxBins);
  RF_SHARED_ARRAY(int32_t, sorted, kTile);
  RF_SHARED_ARRAY(uint16_t, sorted_bins, kTile);
  const int64_t segment = blockIdx.x / static_cast<unsigned>(d.tiles);
  const int64_t tile = blockIdx.x % static_cast<unsigned>(d.tiles);
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  for (int i = thread; i < kWarps * d.bins; i += kThreads) {
    seen[i] = 0;
  }
  __syncthreads();
  int32_t places[kSteps];
  uint32_t digits[kSteps];
  uint32_t ranks[kSteps];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int64_t i = tile * kTile + (warp * kSteps + s) * 32 + lane;
    const bool exists = i < d.length;
    places[s] = exists ? key_place(d, segment, i) : 0;
    digits[s] = exists ? digit_at(d, segment, places[s]) : UINT32_MAX;
    const uint32_t peers = __match_any_sync(0xffffffffu, digits[s]);
    const uint32_t before = static_cast<uint32_t>(__popc(peers & ((1u << lane) - 1)));
    uint32_t base = 0;
    if (exists) {
      base = seen[warp * d.bins + static_cast<int>(digits[s])];
    }
    ranks[s] = base + before;
    __syncwarp();
    if (exists && before == 0) {
      seen[warp * d.bins + static_cast<int>(digits[s])] =
          static_cast<uint16_t>(base + static_cast<uint32_t>(__popc(peers)));
    }
    __syncwarp();
  }
  __syncthreads();
  // A thread owns neighbouring bins.
  uint32_t sizes[kItems];
  uint32_t own = 0;
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int bin = thread * kItems + i;
    sizes[i] = 0;
    for (int w = 0; w < kWarps && bin < d.bins; ++w) {
      sizes[i] += seen[w * d.bins + bin];
    }
    own += sizes[i];
  }
  uint32_t total;
  uint32_t start = exclusive_sum(own, total, warp_sums, kWarps);
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int bin = thread * kItems + i;
    if (bin < d.bins) {
      const uint32_t first = load(d.counts + (segment * d.bins + bin) * d.tiles + tile);
      shifts[bin] = static_cast<int32_t>(first) - static_cast<int32_t>(start);
      uint32_t place = start;
      for (int w = 0; w < kWarps; ++w) {
        const uint32_t count = seen[w * d.bins + bin];
        seen[w * d.bins + bin] = static_cast<uint16_t>(place);
        place += count;
      }
      start += sizes[i];
    }
  }
  __syncthreads();
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    if (digits[s] != UINT32_MAX) {
      const uint32_t place = seen[warp * d.bins + static_cast<int>(digits[s])] + ranks[s];
      sorted[place] = places[s];
      sorted_bins[place] = static_cast<uint16_t>(digits[s]);
    }
  }
  __syncthreads();
  // Neighbouring threads now hold neighbouring keys of a bin, which go to neighbouring places.
  for (int i = thread; i < static_cast<int>(total); i += kThreads) {
    const int64_t place = i + shifts[sorted_bins[i]];
    store(d.order_out + segment * d.length + place, static_cast<int32_t>(sorted[i]));
  }
}

// How the digits are cut: one where 1024 bins suffice, else several of equal bits.
struct Plan {
  int passes, bits, bins, tiles;
};

Plan plan_of(int64_t length, int64_t bucket_count) {
  Plan plan = {1, 0, static_cast<int>(bucket_count + 1), static_cast<int>(ceil_div(length, kTile))};
  if (bucket_count < kMaxBins) {
    return plan;
  }
  int bits = 0;
  while (bucket_count >> bits != 0) {
    ++bits;
  }
  plan.passes = static_cast<int>(ceil_div(bits, 10));
  plan.bits = static_cast<int>(ceil_div(bits, plan.passes));
  plan.bins = 1 << plan.bits;
  return plan;
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_lsh_sort_workspace(int64_t segments, int64_t length, int64_t bucket_count) {
  const rf::Plan plan = rf::plan_of(length, bucket_count);
  const int64_t counts = segments * plan.bins * plan.tiles;
  const int64_t second_order = plan.passes > 1 ? segments * length : 0;
  return (counts + second_order) * 4;
}

extern "C" int rf_lsh_sort(rf_context* context, int32_t* order, const int32_t* buckets,
                           int64_t segments, int64_t length, int64_t bucket_count,
                           const int32_t* lengths, int64_t segments_per_sequence,
                           void* workspace) {
  using namespace rf;
  if (segments == 0 || length == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  const Plan plan = plan_of(length, bucket_count);
  if (segments * plan.tiles > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  Digit d = {};
  d.buckets = buckets;
  d.counts = static_cast<uint32_t*>(workspace);
  d.length = length;
  d.tiles = plan.tiles;
  d.bins = plan.bins;
  d.lengths = lengths;
  d.segments_per_sequence = segments_per_sequence;
  d.padding = static_cast<uint32_t>(bucket_count);
  d.mask = plan.passes == 1 ? UINT32_MAX : static_cast<uint32_t>(plan.bins - 1);
  int32_t* const second_order =
      static_cast<int32_t*>(workspace) + segments * plan.bins * plan.tiles;
  const dim3 grid(static_cast<unsigned>(segments * plan.tiles));
  const dim3 block(kThreads);
  const cudaStream_t stream = context->stream;
  const size_t bins = static_cast<size_t>(plan.bins);
  for (int pass = 0; pass < plan.passes; ++pass) {
    d.shift = pass * plan.bits;
    d.order_out = (plan.passes - 1 - pass) % 2 == 0 ? order : second_order;
    RF_LAUNCH(lsh_sort_count_kernel, grid, block, bins * 4, stream, d);
    RF_LAUNCH(lsh_sort_scan_kernel, dim3(static_cast<unsigned>(segments)), block, 0, stream, d);
    RF_LAUNCH(lsh_sort_scatter_kernel, grid, block, bins * 2 * kWarps, stream, d);
    d.order_in = d.order_out;
  }
  return static_cast<int>(cudaGetLastError());
}
