// What rf_lsh_runs gives for a segment, from its definition.
#ifndef REFORMER_RUN_LAYOUT_H
#define REFORMER_RUN_LAYOUT_H

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace test {

struct RunLayout {
  int stride, chunk;
  int64_t places;
  bool by_bucket, distinct;

  size_t chunks() const { return static_cast<size_t>(places / chunk); }
  size_t entries() const {
    return static_cast<size_t>(places) + chunks() + static_cast<size_t>(distinct ? stride : 0);
  }
};

// Places that hold any `stride` positions of buckets 0 .. bucket_count, each in chunks of its own.
inline int64_t bucket_places(int stride, int64_t bucket_count, int chunk) {
  return (stride + std::min<int64_t>(bucket_count + 1, stride) * (chunk - 1)) / chunk * chunk;
}

// sorted: the positions of the segment's tokens by bucket; buckets: by position.
inline std::vector<int32_t> lay_out(const RunLayout& layout, const std::vector<int32_t>& sorted,
                                    const std::vector<int32_t>& buckets) {
  std::vector<int32_t> entries(layout.entries(), -1);
  std::map<int32_t, std::vector<int32_t>> runs;
  for (const int32_t t : sorted) runs[layout.by_bucket ? buckets[static_cast<size_t>(t)] : 0].push_back(t);
  const size_t chunk = static_cast<size_t>(layout.chunk);
  size_t first = 0;
  for (const auto& [run, positions] : runs) {
    for (size_t i = 0; i < positions.size(); ++i) {
      const size_t own = first + i / chunk;
      entries[own * chunk + i % chunk] = positions[i];
      entries[static_cast<size_t>(layout.places) + own] = run;
      if (layout.distinct) {
        entries[static_cast<size_t>(layout.places) + layout.chunks() + static_cast<size_t>(positions[i])] =
            static_cast<int32_t>(own);
      }
    }
    first += (positions.size() + chunk - 1) / chunk;
  }
  return entries;
}

}  // namespace test

#endif
