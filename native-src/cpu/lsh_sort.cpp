// What         order[s] = 0..T-1 sorted by bucket[s], stable: a counting sort, digit by digit from the lowest
//              where there are more than 4095 buckets.
// Shapes       order, buckets [S, T] with S = B*H*R segments; any S, T and number of buckets.
// Threads      segments are shared out.
// Memory       per digit reads the keys twice and writes the order once; counts and the order of a digit stay in
//              the cache.
// Determinism  integer counts; stable by construction.
// Reference    org.reformer4j.reference.LshSort
// Measured     docs/benchmarks.md
#include "context.h"

namespace rf {

namespace {

constexpr int64_t kMostBins = 4096;
// Keys that are worth a thread.
constexpr int64_t kKeyGrain = 1 << 13;

// How the digits are cut: one where kMostBins suffice, else several of equal bits.
struct Digits {
  int passes, bits;
  int64_t bins;
};

Digits digits_of(int64_t bucket_count) {
  if (bucket_count < kMostBins) {
    return {1, 0, bucket_count + 1};
  }
  int bits = 0;
  while (bucket_count >> bits != 0) ++bits;
  const int passes = (bits + 11) / 12;
  const int each = (bits + passes - 1) / passes;
  return {passes, each, int64_t{1} << each};
}

struct Segment {
  const int32_t* buckets;
  int64_t length;
  int64_t read;  // the keys behind are the padding bucket
  uint32_t padding;
};

uint32_t digit_at(const Segment& s, const Digits& d, int pass, int32_t place) {
  const uint32_t key = place < s.read ? static_cast<uint32_t>(s.buckets[place]) : s.padding;
  const uint32_t digit = d.passes == 1 ? key : key >> (pass * d.bits) & static_cast<uint32_t>(d.bins - 1);
  // A number that is no bucket lands in the last one instead of outside of memory.
  return digit < d.bins ? digit : static_cast<uint32_t>(d.bins - 1);
}

// One digit; `from` is the order so far, or null for the identity.
void sort_digit(const Segment& s, const Digits& d, int pass, const int32_t* from, int32_t* to, int32_t* counts) {
  for (int64_t bin = 0; bin < d.bins; ++bin) counts[bin] = 0;
  for (int64_t i = 0; i < s.length; ++i) {
    ++counts[digit_at(s, d, pass, from == nullptr ? static_cast<int32_t>(i) : from[i])];
  }
  int32_t before = 0;
  for (int64_t bin = 0; bin < d.bins; ++bin) {
    const int32_t count = counts[bin];
    counts[bin] = before;
    before += count;
  }
  for (int64_t i = 0; i < s.length; ++i) {
    const int32_t place = from == nullptr ? static_cast<int32_t>(i) : from[i];
    to[counts[digit_at(s, d, pass, place)]++] = place;
  }
}

}  // namespace

}  // namespace rf

extern "C" int64_t rf_lsh_sort_workspace(int64_t segments, int64_t length, int64_t bucket_count) {
  const rf::Digits d = rf::digits_of(bucket_count);
  return segments * (d.bins + (d.passes > 1 ? length : 0)) * 4;
}

extern "C" int rf_lsh_sort(rf_context* context, int32_t* order, const int32_t* buckets, int64_t segments,
                           int64_t length, int64_t bucket_count, const int32_t* lengths,
                           int64_t segments_per_sequence, void* workspace) {
  using namespace rf;
  if (length > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  const Digits d = digits_of(bucket_count);
  const int64_t per_segment = d.bins + (d.passes > 1 ? length : 0);
  parallel(*context, segments * length, kKeyGrain, [&](const Team& team) {
    const Range own = team.share(segments);
    for (int64_t i = own.from; i < own.to; ++i) {
      const int64_t real = lengths == nullptr ? length : lengths[i / segments_per_sequence];
      const Segment s = {buckets + i * length, length, real, static_cast<uint32_t>(bucket_count)};
      int32_t* const counts = static_cast<int32_t*>(workspace) + i * per_segment;
      int32_t* const second = counts + d.bins;
      const int32_t* from = nullptr;
      for (int pass = 0; pass < d.passes; ++pass) {
        int32_t* const to = (d.passes - 1 - pass) % 2 == 0 ? order + i * length : second;
        sort_digit(s, d, pass, from, to, counts);
        from = to;
      }
    }
  });
  return take_status(*context);
}
