// What         sorted positions laid out in runs of whole chunks: a run for every bucket, or one for all.
// Shapes       runs [S, E], order, buckets [S, T]; any S, T and chunk.
// Threads      segments are shared out.
// Memory       reads order and buckets once, writes every entry once, and most of the places a second time.
// Reference    org.reformer4j.reference.LshRuns
// Measured     docs/benchmarks.md
#include "context.h"

namespace rf {

namespace {

// Positions that are worth a thread.
constexpr int64_t kPositionGrain = 1 << 13;

struct Layout {
  int64_t length, chunk, places;
  bool by_bucket, distinct;

  int64_t entries() const { return places + places / chunk + (distinct ? length : 0); }
};

void lay_out(const Layout& l, int32_t* places, const int32_t* order, const int32_t* buckets, int64_t real) {
  int32_t* const runs = places + l.places;
  int32_t* const chunks = runs + l.places / l.chunk;
  __builtin_memset(places, 0xff, static_cast<size_t>(l.entries()) * 4);
  int64_t chunk = -1;
  int64_t in_chunk = l.chunk;
  int32_t run = 0;
  for (int64_t i = 0; i < real; ++i) {
    const int32_t position = order[i];
    const int32_t own = l.by_bucket ? buckets[position] : 0;
    if (in_chunk == l.chunk || own != run) {
      runs[++chunk] = run = own;
      in_chunk = 0;
    }
    places[chunk * l.chunk + in_chunk++] = position;
    if (l.distinct) chunks[position] = static_cast<int32_t>(chunk);
  }
}

}  // namespace

}  // namespace rf

extern "C" int rf_lsh_runs(rf_context* context, int32_t* runs, const int32_t* order, const int32_t* buckets,
                           int64_t segments, int64_t length, const int32_t* lengths,
                           int64_t segments_per_sequence, int chunk, int64_t places, int by_bucket,
                           int distinct) {
  using namespace rf;
  if (chunk < 1 || places % chunk != 0 || places > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  const Layout layout = {length, chunk, places, by_bucket != 0, distinct != 0};
  parallel(*context, segments * length, kPositionGrain, [&](const Team& team) {
    const Range own = team.share(segments);
    for (int64_t i = own.from; i < own.to; ++i) {
      const int64_t real = lengths == nullptr ? length : lengths[i / segments_per_sequence];
      lay_out(layout, runs + i * layout.entries(), order + i * length, buckets + i * length, real);
    }
  });
  return take_status(*context);
}
