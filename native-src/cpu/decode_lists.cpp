// What         enters a new token of each sequence in the tables of an LSH layer and lists the cached rows that it
//              attends to: position t stands at rank start[bucket[t]] + ranks[t] in the order of (bucket, position),
//              start = positions in lower buckets, and a round lists a window of ranks.
// Shapes       listed [B, H, R, W], places [B, C], buckets, ranks [B, H, R, C], counts [B, H, R, nb + 1]; any of them.
// Threads      (sequence, head) pairs are shared out: a round may leave out what the rounds before it list.
// Memory       reads 8 bytes per position, head and round, and the window's places.
// Reference    org.reformer4j.reference.LshDecodeLists
#include "context.h"

namespace rf {

namespace {

// Positions that are worth a thread.
constexpr int64_t kPositionGrain = 1 << 13;

struct Lists {
  int32_t *listed, *places, *buckets, *ranks, *counts;
  const int32_t *hashed, *own, *lengths;
  int64_t batch, heads, rounds, capacity, numbers, width, chunk, chunks_before, window_chunks;
  bool by_bucket, distinct;
};

// The ranks first .. first + length - 1 of a round, modulo the number of positions.
struct Window {
  const int32_t *buckets, *ranks, *starts;
  int64_t positions, first, length;

  // The first slot of a position; behind the window where the position is not in it.
  int64_t slot(int64_t position) const {
    int64_t slot = starts[buckets[position]] + ranks[position] - first;
    if (slot < 0) slot += positions;
    return slot < positions ? slot : slot % positions;
  }
  bool has(int64_t position) const { return slot(position) < length; }
};

Window enter(const Lists& l, int64_t segment, int64_t last, int32_t bucket, int32_t* starts) {
  int32_t* const counts = l.counts + segment * l.numbers;
  int32_t* const buckets = l.buckets + segment * l.capacity;
  int32_t* const ranks = l.ranks + segment * l.capacity;
  const int64_t count = counts[bucket]++;
  buckets[last] = bucket;
  ranks[last] = static_cast<int32_t>(count);
  int32_t sum = 0;
  for (int64_t g = 0; g < l.numbers; ++g) {
    starts[g] = sum;
    sum += counts[g];
  }
  Window w = {buckets, ranks, starts, last + 1, 0, l.window_chunks * l.chunk};
  if (l.by_bucket) {
    const int64_t chunks = count / l.chunk - l.chunks_before;
    const int64_t skipped = chunks > 0 ? chunks * l.chunk : 0;
    w.first = starts[bucket] + skipped;
    w.length = count + 1 - skipped;
    return w;
  }
  w.first = ((starts[bucket] + count) / l.chunk - l.chunks_before) * l.chunk;
  if (l.distinct) {
    // Chunks form no ring then.
    const int64_t end = w.first + w.length < last + 1 ? w.first + w.length : last + 1;
    w.first = w.first > 0 ? w.first : 0;
    w.length = end - w.first;
  }
  return w;
}

// Lists all rounds of a head. windows: one per round; starts [R, numbers].
void list(const Lists& l, int64_t sequence_and_head, Window* windows, int32_t* starts) {
  const int64_t b = sequence_and_head / l.heads;
  const int64_t h = sequence_and_head % l.heads;
  const int64_t last = l.lengths[b];
  __builtin_memset(l.listed + sequence_and_head * l.rounds * l.width, 0xff,
                   static_cast<size_t>(l.rounds * l.width) * 4);
  if (last < 0 || last >= l.capacity) {
    return;
  }
  const int32_t* const places = l.places + b * l.capacity;
  for (int64_t r = 0; r < l.rounds; ++r) {
    const int64_t segment = sequence_and_head * l.rounds + r;
    const Window w = enter(l, segment, last, l.hashed[(h * l.rounds + r) * l.batch + b], starts + r * l.numbers);
    windows[r] = w;
    int32_t* const listed = l.listed + segment * l.width;
    for (int64_t t = 0; t <= last; ++t) {
      int64_t slot = w.slot(t);
      if (slot >= w.length) continue;
      bool before = false;
      for (int64_t other = 0; l.distinct && other < r && !before; ++other) before = windows[other].has(t);
      for (; !before && slot < w.length; slot += w.positions) listed[slot] = places[t];
    }
  }
}

}  // namespace

}  // namespace rf

extern "C" int64_t rf_decode_lists_workspace(int64_t segments, int64_t bucket_count) {
  return segments * static_cast<int64_t>(sizeof(rf::Window)) + segments * (bucket_count + 1) * 4;
}

extern "C" int rf_decode_lists(rf_context* context, int32_t* listed, int32_t* places, int32_t* buckets,
                               int32_t* ranks, int32_t* counts, const int32_t* hashed, const int32_t* own,
                               const int32_t* lengths, int batch, int heads, int rounds, int64_t capacity,
                               int64_t bucket_count, int64_t width, int chunk, int chunks_before,
                               int window_chunks, int by_bucket, int distinct, void* workspace) {
  using namespace rf;
  if (capacity > INT32_MAX || bucket_count >= INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  const Lists l = {listed,  places,        buckets,       ranks,          counts,
                   hashed,  own,           lengths,       batch,          heads,
                   rounds,  capacity,      bucket_count + 1, width,       chunk,
                   chunks_before, window_chunks, by_bucket != 0, distinct != 0};
  const int64_t pairs = l.batch * l.heads;
  int64_t positions = 0;
  for (int64_t b = 0; b < l.batch; ++b) {
    if (lengths[b] >= 0 && lengths[b] < capacity) {
      places[b * capacity + lengths[b]] = own[b];
      positions += lengths[b] * l.heads * l.rounds;
    }
  }
  Window* const windows = static_cast<Window*>(workspace);
  int32_t* const starts = reinterpret_cast<int32_t*>(windows + pairs * l.rounds);
  parallel(*context, positions, kPositionGrain, [&](const Team& team) {
    const Range mine = team.share(pairs);
    for (int64_t i = mine.from; i < mine.to; ++i) {
      list(l, i, windows + i * l.rounds, starts + i * l.rounds * l.numbers);
    }
  });
  return take_status(*context);
}
