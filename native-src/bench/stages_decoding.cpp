// A step of cached decoding: what one new token needs beside products and norms.
#include "stages.h"

namespace bench {
namespace {

constexpr int kChunk = 64;
constexpr int kPositionsOfBucket = 32;  // on average, as with Hugging Face's number of buckets

int32_t* upload(Bench& bench, const std::vector<int32_t>& values) {
  const int64_t bytes = static_cast<int64_t>(values.size()) * 4;
  void* const address = bench.allocate(bytes);
  require(rf_upload(bench.context, address, bytes, values.data(), bytes, bytes, 1), "rf_upload");
  return static_cast<int32_t*>(address);
}

}  // namespace

void decoding(Bench& bench, int length, int heads, int head_size, int rounds) {
  if (!bench.time_left()) return;
  const std::string shape = "T=" + std::to_string(length) + " H=" + std::to_string(heads) +
                            " K=" + std::to_string(head_size) + " R=" + std::to_string(rounds);
  bench.attempt("decoding " + shape, [&] {
    const int64_t segments = int64_t{heads} * rounds;
    const int64_t width = int64_t{heads} * head_size;
    const int buckets = std::max(2, length / kPositionsOfBucket);
    const int window = 2 * kChunk;
    // Positions take the buckets in turn; the last one is the new token. A repeated call counts it again in
    // bucket 0, whose ranks are the lowest and stay far below the number of positions.
    std::vector<int32_t> bucket_of, rank_of, count_of, places;
    for (int64_t s = 0; s < segments; ++s) {
      for (int t = 0; t < length; ++t) {
        bucket_of.push_back(t % buckets);
        rank_of.push_back(t / buckets);
      }
      for (int g = 0; g <= buckets; ++g) {
        count_of.push_back(g == buckets ? 0 : (length - 2 - g) / buckets + 1);
      }
    }
    for (int t = 0; t < length; ++t) places.push_back(t);
    int32_t* const bucket = upload(bench, bucket_of);
    int32_t* const rank = upload(bench, rank_of);
    int32_t* const count = upload(bench, count_of);
    int32_t* const place = upload(bench, places);
    int32_t* const hashed = upload(bench, std::vector<int32_t>(static_cast<size_t>(segments), 0));
    int32_t* const own = upload(bench, {length - 1});
    int32_t* const listed = static_cast<int32_t*>(bench.allocate(4 * segments * window));
    void* const space = bench.allocate(rf_decode_lists_workspace(segments, buckets));
    const auto lists = [&](int) {
      return rf_decode_lists(bench.context, listed, place, bucket, rank, count, hashed, own, own, 1, heads, rounds,
                             length, buckets, window, kChunk, 1, 2, 0, 0, space);
    };
    // Also where the table was cut: attention needs lists.
    require(lists(0), "decode lists");
    bench.print("decode lists", shape, {8.0 * static_cast<double>(segments) * length, 0, 0.5, 2}, lists);
    void* const keys = bench.bf16_numbers(length * width);
    void* const values = bench.bf16_numbers(length * width);
    void* const query = bench.bf16_numbers(width);
    void* const out = bench.allocate(2 * width);
    bench.print("decode attention, bf16", shape,
                {4.0 * static_cast<double>(rounds) * window * static_cast<double>(width), 0, 0, 1}, [&](int) {
                  return rf_decode_attention(bench.context, out, width, RF_BF16, query, width, keys, width, values,
                                             width, RF_BF16, listed, own, nullptr, 1, heads, head_size, rounds,
                                             window, 1);
                });
    bench.print("stored row, bf16", shape, {4.0 * static_cast<double>(width), 0, 0, 1}, [&](int) {
      return rf_store_rows(bench.context, keys, width, query, width, RF_BF16, own, 1, width);
    });
    bench.release();
  });
}

}  // namespace bench
