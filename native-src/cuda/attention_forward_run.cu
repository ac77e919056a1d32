// What         LSH attention on tensor cores for the published window, chunks of 64 that see themselves and the one
//              before: the formulas of attention_forward.cu.
// Shapes       queries, values of bfloat16 [B*T, H*K], K 64 or 128; out of either type; lse [B, H, T].
// Grid         a block of four warps walks over a run of up to 8 neighbouring chunks of one round.
//              In a layout of runs (rf_lsh_runs) a chunk sees the one before only where that is of its run, and the walk
//              ends at the first empty chunk.
// Memory       a ring of three tiles of rows and three of values, gathered by cp.async one chunk ahead, so a run of L
//              chunks reads 2 (L + 1) tiles; keys are never built, their factor scales the scores. Rounds before
//              the last leave bfloat16 results and log-sum-exps, the last one combines them with its own. Shared 57 KB
//              for K = 64 and 107 KB for K = 128.
//              With dropout, whose numbers need registers, two blocks share a multiprocessor instead of three.
// Determinism  the chunk before, then the own one; rounds in their order; the bits do not depend on the runs.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     not yet run on a card
#include "attention_forward_fast.cuh"

namespace rf {
namespace {

template <int SIZE, bool DISTINCT, bool DROPOUT>
__global__ void __launch_bounds__(kForwardThreads, SIZE == 64 && !DROPOUT ? 3 : 2)
    attention_run_kernel(Attention a, AttentionForward g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  const Shared<uint16_t> queries = memory;
  const Shared<uint16_t> values = memory + 3 * kTile;
  const Shared<float> words = shared_cast<float>(memory + 6 * kTile);
  const Places p = places_of(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  const int in_round = static_cast<int>(blockIdx.x) * g.run;
  const ChunkWalk walk = chunk_walk(a, p, g, in_round);
  if (walk.begin < 0) {
    return;
  }
  // Step i is chunk begin - 1 + i of the ring or of the round; the first is there for its keys only. A sequence of
  // one chunk sees only itself.
  const int steps = walk.count;
  // Bit i: step i is an own one, or the first one sees it.
  const uint32_t needed = ((2u << steps) - 2) | (walk.joined & 1);
  auto chunk = [&](int step) {
    return (needed >> step & 1) != 0 ? chunk_at(p, walk.begin - 1, step) : -1;
  };
  auto gather = [&](int step) {
    const Shared<int> tokens = key_rows(words, step).tokens;
    gather_tile<SIZE, kForwardThreads>(p, a.queries, tokens, queries + step % 3 * kTile);
    gather_tile<SIZE, kForwardThreads>(p, a.values, tokens, values + step % 3 * kTile);
  };
  {
    const int step = static_cast<int>(threadIdx.x) / kTileTokens;
    const int row = static_cast<int>(threadIdx.x) % kTileTokens;
    key_rows(words, step).tokens[row] = chunk(step) < 0 ? -1 : token_in_block(a, p, chunk(step), row);
  }
  __syncthreads();
  gather(0);
  gather(1);
  copy_async_commit();
  put_rows(fetch_rows(a, p, chunk(2), key_rows(words, 0).tokens), key_rows(words, 2), key_rows(words, 0));
  put_rows(fetch_rows(a, p, chunk(2), key_rows(words, 1).tokens), key_rows(words, 2), key_rows(words, 1));
  copy_async_wait<0>();
  __syncthreads();
  put_factors<SIZE, kForwardThreads>(a, queries, key_rows(words, 0).factors, kLog2E);
  Softmax<SIZE> x;
  for (int step = 1; step <= steps; ++step) {
    const KeyRows rows = key_rows(words, step);
    const Shared<uint16_t> query_tile = queries + step % 3 * kTile;
    const Shared<uint16_t> before_values = values + (step - 1) % 3 * kTile;
    copy_async_wait<0>();
    __syncthreads();
    put_factors<SIZE, kForwardThreads>(a, query_tile, rows.factors, kLog2E);
    if (step < steps) {
      gather(step + 1);
    }
    copy_async_commit();
    const int fetched = fetch_rows(a, p, chunk(step + 2), key_rows(words, step + 1).tokens);
    const int round = p.whole ? 0 : g.round;
    clear<SIZE>(x);
    if ((walk.joined >> (step - 1) & 1) != 0) {
      const KeyRows before_rows = key_rows(words, step - 1);
      const PairBits bits = bits_of<DROPOUT, DISTINCT>(a, p, rows.tokens, before_rows, round, 0);
      attend<SIZE, DROPOUT, DISTINCT>(a, x, rows.tokens, query_tile, before_rows,
                                      queries + (step - 1) % 3 * kTile, before_values, bits);
    }
    // Everybody has written factors, and is done with the values of the chunk before.
    __syncthreads();
    const PairBits bits =
        bits_of<DROPOUT, DISTINCT>(a, p, rows.tokens, rows, round, p.whole ? 0 : kTileTokens);
    attend<SIZE, DROPOUT, DISTINCT>(a, x, rows.tokens, query_tile, rows, query_tile, values + step % 3 * kTile,
                                    bits);
    write_block<SIZE>(a, p, g, x, rows.tokens, before_values);
    put_rows(fetched, key_rows(words, step + 2), key_rows(words, step + 1));
  }
}

}  // namespace

int launch_run_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, false, [&](auto size, auto, auto dropout, auto distinct) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr bool kDistinct = decltype(distinct)::value;
    constexpr int kBytes = 6 * kTileElements<kSize> * 2 + 4 * kKeyRowWords * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_run_kernel<kSize, kDistinct, kDropout>), grid, kForwardThreads, kBytes, stream, a, g);
    return status;
  });
}

}  // namespace rf
