// What         sorted positions in runs of chunks: place = places of the buckets before, each filled up to whole
//              chunks, + rank in its bucket; and the run of every chunk and the chunk of every position.
// Shapes       runs [S, E] with E = places + places / chunk (+ T); order, buckets [S, T]; any S, T and chunk.
// Grid         a block per segment: it fills its entries with -1, then walks over the sorted list, 4096 positions at a
//              time. Where buckets begin is a ballot per 32 positions; the places before one are an exclusive sum of
//              the filled up sizes over warp, block and walk.
// Memory       reads order and buckets once, 8 bytes per position; writes 4 E + 4 T bytes, with chunks of positions
//              4 T more, and a run per chunk. Shared 128 bytes.
// Determinism  integers, no atomics.
// Reference    org.reformer4j.reference.LshRuns
// Measured     not yet run on a card
#include "context.h"

namespace rf {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
constexpr int kSteps = 8;  // positions of a thread at a time
constexpr int kTile = kThreads * kSteps;

struct Runs {
  int32_t* runs;
  const int32_t* order;
  const int32_t* buckets;
  const int32_t* lengths;  // per sequence, or null
  int64_t segments_per_sequence, entries, places;
  int length, chunk;
  bool by_bucket, distinct;
};

__device__ __forceinline__ int bucket_at(const Runs& r, int64_t segment, int position) {
  return r.by_bucket ? load(r.buckets + segment * r.length + position) : 0;
}

// Index of the highest bit that is set, from `first` on; `otherwise` where none is.
__device__ __forceinline__ int last_start(uint32_t starts, int first, int otherwise) {
  return starts == 0 ? otherwise : first + 31 - __clz(static_cast<int>(starts));
}

__global__ void __launch_bounds__(kThreads) lsh_runs_kernel(Runs r) {
  RF_SHARED_ARRAY(int, warp_starts, kWarps);
  RF_SHARED_ARRAY(int, warp_places, kWarps);
  const int64_t segment = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const int32_t* const order = r.order + segment * r.length;
  int32_t* const positions = r.runs + segment * r.entries;
  int32_t* const runs = positions + r.places;
  int32_t* const chunks = runs + r.places / r.chunk;
  const int length = r.lengths == nullptr ? r.length : load(r.lengths + segment / r.segments_per_sequence);
  for (int64_t i = thread; i < r.entries; i += kThreads) {
    store(positions + i, -1);
  }
  __syncthreads();
  int start = 0;   // index of the first position of the bucket that the walk is in
  int filled = 0;  // places that the buckets before it take
  for (int first = 0; first < length; first += kTile) {
    const int from = first + warp * kSteps * 32;
    int position[kSteps];
    int bucket[kSteps];
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int i = from + s * 32 + lane;
      position[s] = i < length ? load(order + i) : -1;
    }
    int before = 0;
    if (lane == 0 && from > 0 && from < length) {
      before = bucket_at(r, segment, load(order + from - 1));
    }
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      bucket[s] = position[s] >= 0 ? bucket_at(r, segment, position[s]) : 0;
    }
    // Which positions begin a bucket; index 0 begins none, since nothing needs to be filled before it.
    uint32_t starts[kSteps];
    int own_start = -1;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int last = __shfl_up_sync(0xffffffffu, bucket[s], 1);
      const int index = from + s * 32 + lane;
      starts[s] = __ballot_sync(0xffffffffu,
                                position[s] >= 0 && index > 0 && bucket[s] != (lane == 0 ? before : last));
      own_start = last_start(starts[s], from + s * 32, own_start);
      before = __shfl_sync(0xffffffffu, bucket[s], 31);
    }
    if (lane == 0) {
      warp_starts[warp] = own_start;
    }
    __syncthreads();
    int current = start;
    for (int w = 0; w < kWarps; ++w) {
      const int last = warp_starts[w];
      current = w < warp && last >= 0 ? last : current;
      start = last >= 0 ? last : start;
    }
    // Now how many places the buckets fill that end in this warp, for every position what stands before.
    int place[kSteps];
    int own = 0;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int index = from + s * 32 + lane;
      const bool starts_here = (starts[s] >> lane & 1) != 0;
      const int previous = last_start(starts[s] & ((1u << lane) - 1), from + s * 32, current);
      if (starts[s] != 0) {
        int sum = starts_here ? (index - previous + r.chunk - 1) / r.chunk * r.chunk : 0;
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
          const int other = __shfl_up_sync(0xffffffffu, sum, static_cast<unsigned>(distance));
          sum += lane >= distance ? other : 0;
        }
        place[s] = own + sum;
        own += __shfl_sync(0xffffffffu, sum, 31);
      } else {
        place[s] = own;
      }
      place[s] += starts_here ? 0 : index - previous;
      current = last_start(starts[s], from + s * 32, current);
    }
    if (lane == 0) {
      warp_places[warp] = own;
    }
    __syncthreads();
    int offset = filled;
    for (int w = 0; w < kWarps; ++w) {
      const int sum = warp_places[w];
      offset += w < warp ? sum : 0;
      filled += sum;
    }
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      if (position[s] >= 0) {
        const int at = offset + place[s];
        store(positions + at, position[s]);
        if (at % r.chunk == 0) {
          store(runs + at / r.chunk, bucket[s]);
        }
        if (r.distinct) {
          store(chunks + position[s], at / r.chunk);
        }
      }
    }
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_lsh_runs(rf_context* context, int32_t* runs, const int32_t* order, const int32_t* buckets,
                           int64_t segments, int64_t length, const int32_t* lengths,
                           int64_t segments_per_sequence, int chunk, int64_t places, int by_bucket,
                           int distinct) {
  using namespace rf;
  if (segments == 0 || length == 0) {
    return RF_STATUS_OK;
  }
  if (segments > INT32_MAX || places > INT32_MAX - kTile) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (const int status = enter(context)) {
    return status;
  }
  const int64_t entries = places + places / chunk + (distinct != 0 ? length : 0);
  const Runs r = {runs,   order,  buckets, lengths, segments_per_sequence,
                  entries, places, static_cast<int>(length), chunk, by_bucket != 0,
                  distinct != 0};
  RF_LAUNCH(lsh_runs_kernel, dim3(static_cast<unsigned>(segments)), dim3(kThreads), 0, context->stream, r);
  return static_cast<int>(cudaGetLastError());
}
