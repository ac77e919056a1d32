// What         enters a new token of each sequence in the tables of an LSH layer and lists the cached rows that it
//              attends to. Position t stands at rank start[bucket[t]] + ranks[t] in the order of (bucket, position),
//              start = positions in lower buckets, and a round lists a window of ranks: nothing is sorted or moved.
// Shapes       listed [S, W], places [B, C], buckets, ranks [S, C], counts [S, nb + 1] with S = B*H*R; any of them.
// Grid         two launches. Enter: a block per segment sums the counts, 1024 buckets at a time; the thread that owns
//              the token's bucket enters it and finds the window; all clear the slots. List: a block per segment and
//              1024 positions; one behind the length ends at once, for the grid must not depend on lengths: launches
//              are recorded and repeated while these grow.
// Memory       reads 8 bytes per position and segment, coalesced, and the window's places; reads the counts and
//              writes as many sums, which the gathers of the second launch find in the caches. Shared 32 bytes.
// Determinism  integers, no atomics; every slot is written by one thread.
// Reference    org.reformer4j.reference.LshDecodeLists
// Measured     not yet run on a card
#include "context.h"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kItems = 4;  // buckets or positions of a thread at a time
constexpr int kTile = kThreads * kItems;

struct Lists {
  int32_t *listed, *places, *buckets, *ranks, *counts;
  const int32_t *hashed, *own, *lengths;
  int32_t* starts;   // [S, numbers]
  int32_t* windows;  // [S, 2]: first rank, number of ranks
  int batch, heads, rounds, capacity, numbers, width, chunk, chunks_before, window_chunks, pieces;
  bool by_bucket, distinct;
};

__device__ __forceinline__ int sequence_of(const Lists& l, int64_t segment) {
  return static_cast<int>(segment) / (l.heads * l.rounds);
}

// What a token at `last` sees that is number `count` of a bucket whose first rank is `start`.
__device__ __forceinline__ void find_window(const Lists& l, int64_t segment, int last, int start, int count) {
  int first;
  int length;
  if (l.by_bucket) {
    const int skipped = max(0, count / l.chunk - l.chunks_before) * l.chunk;
    first = start + skipped;
    length = count + 1 - skipped;
  } else {
    first = ((start + count) / l.chunk - l.chunks_before) * l.chunk;
    length = l.window_chunks * l.chunk;
    if (l.distinct) {
      // Chunks form no ring then.
      length = min(first + length, last + 1) - max(first, 0);
      first = max(first, 0);
    }
  }
  store(l.windows + 2 * segment, first);
  store(l.windows + 2 * segment + 1, length);
}

__global__ void __launch_bounds__(kThreads) decode_enter_kernel(Lists l) {
  RF_SHARED_ARRAY(int, warp_sums, kWarps);
  const int64_t segment = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x);
  const int b = sequence_of(l, segment);
  const int list = static_cast<int>(segment) - b * l.heads * l.rounds;
  for (int i = thread; i < l.width; i += kThreads) {
    store(l.listed + segment * l.width + i, -1);
  }
  const int last = load(l.lengths + b);
  if (last < 0 || last >= l.capacity) {
    return;  // nothing is entered where there is no room, and nothing listed
  }
  const int bucket = load(l.hashed + static_cast<int64_t>(list) * l.batch + b);
  if (thread == 0 && list == 0) {
    store(l.places + static_cast<int64_t>(b) * l.capacity + last, load(l.own + b));
  }
  int32_t* const counts = l.counts + segment * l.numbers;
  int32_t* const starts = l.starts + segment * l.numbers;
  int before = 0;
  for (int from = 0; from < l.numbers; from += kTile) {
    const int first = from + thread * kItems;
    int items[kItems];
    int own = 0;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      items[i] = first + i < l.numbers ? load(counts + first + i) : 0;
      own += items[i] + (first + i == bucket ? 1 : 0);
    }
    int total;
    int start = before + exclusive_sum(own, total, warp_sums, kWarps);
    before += total;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (first + i < l.numbers) {
        store(starts + first + i, start);
        if (first + i == bucket) {
          const int64_t at = segment * l.capacity + last;
          store(l.buckets + at, bucket);
          store(l.ranks + at, items[i]);
          store(counts + bucket, items[i] + 1);
          find_window(l, segment, last, start, items[i]);
        }
        start += items[i] + (first + i == bucket ? 1 : 0);
      }
    }
  }
}

// The first slot of a position in a window; behind the window where the position is not in it.
__device__ __forceinline__ int slot_of(int rank, int first, int positions) {
  // A window begins no more than all positions behind a rank, but may begin any number of times before rank 0.
  const int slot = rank < first ? rank - first + positions : rank - first;
  return slot < positions ? slot : slot % positions;
}

// Whether a round of the head before this one lists the position.
__device__ __forceinline__ bool listed_before(const Lists& l, int64_t segment, int position, int positions) {
  const int round = static_cast<int>(segment) % l.rounds;
  for (int64_t other = segment - round; other < segment; ++other) {
    const int64_t at = other * l.capacity + position;
    const int rank = load(l.starts + other * l.numbers + load(l.buckets + at)) + load(l.ranks + at);
    if (slot_of(rank, load(l.windows + 2 * other), positions) < load(l.windows + 2 * other + 1)) {
      return true;
    }
  }
  return false;
}

__global__ void __launch_bounds__(kThreads) decode_list_kernel(Lists l) {
  const int64_t segment = blockIdx.x / static_cast<unsigned>(l.pieces);
  const int from = static_cast<int>(blockIdx.x % static_cast<unsigned>(l.pieces)) * kTile;
  const int b = sequence_of(l, segment);
  const int last = load(l.lengths + b);
  if (last < from || last >= l.capacity) {
    return;
  }
  const int positions = last + 1;
  const int32_t* const buckets = l.buckets + segment * l.capacity;
  const int32_t* const ranks = l.ranks + segment * l.capacity;
  const int32_t* const starts = l.starts + segment * l.numbers;
  const int32_t* const places = l.places + static_cast<int64_t>(b) * l.capacity;
  const int first = load(l.windows + 2 * segment);
  const int length = load(l.windows + 2 * segment + 1);
  int bucket[kItems];
  int rank[kItems];
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int t = from + i * kThreads + static_cast<int>(threadIdx.x);
    bucket[i] = t < positions ? load(buckets + t) : -1;
    rank[i] = t < positions ? load(ranks + t) : 0;
  }
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    rank[i] += bucket[i] >= 0 ? load(starts + bucket[i]) : 0;
  }
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int t = from + i * kThreads + static_cast<int>(threadIdx.x);
    int slot = bucket[i] >= 0 ? slot_of(rank[i], first, positions) : length;
    if (slot < length && !(l.distinct && listed_before(l, segment, t, positions))) {
      const int row = load(places + t);
      for (; slot < length; slot += positions) {
        store(l.listed + segment * l.width + slot, row);
      }
    }
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_decode_lists_workspace(int64_t segments, int64_t bucket_count) {
  return segments * (bucket_count + 3) * 4;
}

extern "C" int rf_decode_lists(rf_context* context, int32_t* listed, int32_t* places, int32_t* buckets,
                               int32_t* ranks, int32_t* counts, const int32_t* hashed, const int32_t* own,
                               const int32_t* lengths, int batch, int heads, int rounds, int64_t capacity,
                               int64_t bucket_count, int64_t width, int chunk, int chunks_before,
                               int window_chunks, int by_bucket, int distinct, void* workspace) {
  using namespace rf;
  const int64_t segments = int64_t{batch} * heads * rounds;
  const int64_t pieces = ceil_div(capacity, kTile);
  if (segments == 0 || capacity == 0) {
    return RF_STATUS_OK;
  }
  // Ranks, slots and buckets are sums of two such numbers at most.
  constexpr int64_t kMost = INT32_MAX / 2 - kTile;
  if (segments * pieces > INT32_MAX || capacity > kMost || width > kMost || bucket_count > kMost ||
      int64_t{chunks_before} * chunk > kMost || int64_t{window_chunks} * chunk > kMost) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (const int status = enter(context)) {
    return status;
  }
  int32_t* const starts = static_cast<int32_t*>(workspace);
  const Lists l = {listed,
                   places,
                   buckets,
                   ranks,
                   counts,
                   hashed,
                   own,
                   lengths,
                   starts,
                   starts + segments * (bucket_count + 1),
                   batch,
                   heads,
                   rounds,
                   static_cast<int>(capacity),
                   static_cast<int>(bucket_count + 1),
                   static_cast<int>(width),
                   chunk,
                   chunks_before,
                   window_chunks,
                   static_cast<int>(pieces),
                   by_bucket != 0,
                   distinct != 0};
  const cudaStream_t stream = context->stream;
  RF_LAUNCH(decode_enter_kernel, dim3(static_cast<unsigned>(segments)), dim3(kThreads), 0, stream, l);
  RF_LAUNCH(decode_list_kernel, dim3(static_cast<unsigned>(segments * pieces)), dim3(kThreads), 0, stream, l);
  return static_cast<int>(cudaGetLastError());
}
