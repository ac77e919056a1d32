// What         LSH and local attention on tensor cores for any window of chunks of 64, 128, 192, ...: the formulas of
//              attention_forward.cu.
// Shapes       queries, keys, values of bfloat16 [B*T, H*K], K 64 or 128; out of either type; lse [B, H, T].
// Grid         a block of four warps owns 64 queries and walks over the blocks of 64 keys in their window.
//              In a layout of runs (rf_lsh_runs) only over those of its run.
// Memory       two tiles of keys and two of values, gathered by cp.async one block ahead; every block of 64 queries
//              reads its window once. Rounds as in attention_forward_run.cu. Shared 49 KB for K = 64 and 90 KB for
//              K = 128.
// Determinism  the keys in the order of the window; rounds in their order.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     not yet run on a card
#include "attention_forward_fast.cuh"

namespace rf {
namespace {

template <int SIZE, bool DISTINCT, bool DROPOUT>
__global__ void __launch_bounds__(kForwardThreads, SIZE == 64 && !DROPOUT ? 3 : 2)
    attention_block_kernel(Attention a, AttentionForward g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  const Shared<uint16_t> query_tile = memory;
  const Shared<uint16_t> keys = memory + kTile;
  const Shared<uint16_t> values = memory + 3 * kTile;
  const Shared<float> words = shared_cast<float>(memory + 5 * kTile);
  const Shared<int> queries = shared_cast<int>(words + 4 * kKeyRowWords);
  const Places p = places_of(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  const int own = own_block(a, p, g, static_cast<int>(blockIdx.x));
  if (own < 0) {
    return;
  }
  const int per_chunk = blocks_per_chunk(p);
  // Blocks of the window, counted from its start, that the own one sees.
  const Sight sight = sight_of(a, p, own / per_chunk, {-p.before, p.window_chunks - 1 - p.before});
  const int begin = (sight.low + p.before) * per_chunk;
  int end = (sight.high + 1 + p.before) * per_chunk;
  auto block = [&](int i) {
    return i >= end ? -1
                    : chunk_at(p, own / per_chunk, i / per_chunk - p.before) * per_chunk + i % per_chunk;
  };
  // Behind the tokens of a run, at the end of its last chunk.
  while (p.runs && is_empty_block(a, p, block(end - 1))) {
    --end;
  }
  auto gather = [&](int i) {
    const Shared<int> tokens = key_rows(words, i).tokens;
    gather_tile<SIZE, kForwardThreads>(p, a.keys, tokens, keys + i % 2 * kTile);
    gather_tile<SIZE, kForwardThreads>(p, a.values, tokens, values + i % 2 * kTile);
  };
  {
    const int i = begin + static_cast<int>(threadIdx.x) / kTileTokens;
    const int row = static_cast<int>(threadIdx.x) % kTileTokens;
    key_rows(words, i).tokens[row] = block(i) < 0 ? -1 : token_in_block(a, p, block(i), row);
    if (i == begin) {
      queries[row] = token_in_block(a, p, own, row);
    }
  }
  __syncthreads();
  gather_tile<SIZE, kForwardThreads>(p, a.queries, queries, query_tile);
  gather(begin);
  copy_async_commit();
  put_rows(fetch_rows(a, p, block(begin + 2), key_rows(words, begin).tokens), key_rows(words, begin + 2),
           key_rows(words, begin));
  Softmax<SIZE> x;
  clear<SIZE>(x);
  for (int i = begin; i < end; ++i) {
    const KeyRows rows = key_rows(words, i);
    const Shared<uint16_t> key_tile = keys + i % 2 * kTile;
    copy_async_wait<0>();
    __syncthreads();
    put_factors<SIZE, kForwardThreads>(a, key_tile, rows.factors, kLog2E);
    if (i + 1 < end) {
      gather(i + 1);
    }
    copy_async_commit();
    const int fetched = fetch_rows(a, p, block(i + 3), key_rows(words, i + 1).tokens);
    const PairBits bits =
        bits_of<DROPOUT, DISTINCT>(a, p, queries, rows, p.whole ? 0 : g.round, i * kTileTokens);
    __syncthreads();
    attend<SIZE, DROPOUT, DISTINCT>(a, x, queries, query_tile, rows, key_tile, values + i % 2 * kTile, bits);
    put_rows(fetched, key_rows(words, i + 3), key_rows(words, i + 1));
  }
  // No warp reads the rows of another in the tile of queries.
  write_block<SIZE>(a, p, g, x, queries, query_tile);
}

}  // namespace

int launch_block_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, false, [&](auto size, auto, auto dropout, auto distinct) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr bool kDistinct = decltype(distinct)::value;
    constexpr int kBytes = 5 * kTileElements<kSize> * 2 + (4 * kKeyRowWords + kTileTokens) * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_block_kernel<kSize, kDistinct, kDropout>), grid, kForwardThreads, kBytes, stream, a, g);
    return status;
  });
}

}  // namespace rf
