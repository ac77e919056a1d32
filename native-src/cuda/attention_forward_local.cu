// What         local attention on tensor cores for the published window, chunks of 64 that see themselves and the one
//              before: the formulas of attention_forward.cu.
// Shapes       queries, keys, values of bfloat16 [B*T, H*K], K 64 or 128; out of either type; lse [B, H, T].
// Grid         a block of four warps walks over a run of up to 8 neighbouring chunks; it ends at the last token.
// Memory       two tiles each of queries, keys and values by cp.async: queries one chunk ahead, keys and values as soon
//              as those of the chunk before are done with, so a run of L chunks reads 3 L + 2 tiles. Shared 55 KB for
//              K = 64 and 103 KB for K = 128.
//              With dropout, whose numbers need registers, two blocks share a multiprocessor instead of three.
// Determinism  the chunk before, then the own one; the bits do not depend on the runs.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     not yet run on a card
#include "attention_forward_fast.cuh"
#include "attention_local.cuh"

namespace rf {
namespace {

constexpr int kLocalRowWords = 2 * kTileTokens;

template <int SIZE, bool DROPOUT>
__global__ void __launch_bounds__(kForwardThreads, SIZE == 64 && !DROPOUT ? 3 : 2)
    attention_local_kernel(Attention a, AttentionForward g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  const Shared<int> words = shared_cast<int>(memory + 6 * kTile);
  // Known to the compiler, too.
  a.shared = false;
  g.last = true;
  const Places p = local_places(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  const ChunkWalk walk = local_walk(a, p, g.run, static_cast<int>(blockIdx.x) * g.run);
  if (walk.begin < 0) {
    return;
  }
  // Step i is chunk begin - 1 + i of the ring; the first is there for its keys only.
  auto chunk = [&](int step) { return local_chunk(p, walk, step); };
  auto query_tile = [&](int step) { return memory + step % 2 * kTile; };
  auto key_tile = [&](int step) { return memory + (2 + step % 2) * kTile; };
  auto value_tile = [&](int step) { return memory + (4 + step % 2) * kTile; };
  auto rows_of = [&](int step) {
    const Shared<int> start = words + step % 3 * kLocalRowWords;
    return LocalRows{start, start + kTileTokens, {mul(key_factor(a, 0.0f), kLog2E)}};
  };
  auto copy_keys = [&](int step) {
    copy_tile<SIZE, kForwardThreads>(p, a.keys, chunk(step), key_tile(step));
    copy_tile<SIZE, kForwardThreads>(p, a.values, chunk(step), value_tile(step));
  };
  // A token, or, of the second half of the threads, a key.
  auto fetch = [&](int step) {
    const int thread = static_cast<int>(threadIdx.x);
    const int token = local_token(p, chunk(step), thread % kTileTokens);
    return thread >= kTileTokens && token >= 0 && is_masked(a, p, token) ? -1 : token;
  };
  auto put = [&](int step, int fetched) { rows_of(step).tokens[static_cast<int>(threadIdx.x)] = fetched; };
  if ((walk.joined & 1) != 0) {
    copy_keys(0);
  }
  copy_tile<SIZE, kForwardThreads>(p, a.queries, chunk(1), query_tile(1));
  copy_keys(1);
  copy_async_commit();
  put(0, fetch(0));
  put(1, fetch(1));
  Softmax<SIZE> x;
  for (int step = 1; step <= walk.count; ++step) {
    const LocalRows rows = rows_of(step);
    copy_async_wait<0>();
    __syncthreads();
    if (step < walk.count) {
      copy_tile<SIZE, kForwardThreads>(p, a.queries, chunk(step + 1), query_tile(step + 1));
    }
    const int fetched = fetch(step + 1);
    clear<SIZE>(x);
    if ((walk.joined >> (step - 1) & 1) != 0) {
      const LocalRows before = rows_of(step - 1);
      const PairBits bits = bits_of<DROPOUT, false>(a, p, rows.tokens, before, 0, 0);
      attend<SIZE, DROPOUT, false>(a, x, rows.tokens, query_tile(step), before, key_tile(step - 1),
                                   value_tile(step - 1), bits);
    }
    // Everybody is done with the chunk before.
    __syncthreads();
    if (step < walk.count) {
      copy_keys(step + 1);
    }
    copy_async_commit();
    const PairBits bits = bits_of<DROPOUT, false>(a, p, rows.tokens, rows, 0, p.whole ? 0 : kTileTokens);
    attend<SIZE, DROPOUT, false>(a, x, rows.tokens, query_tile(step), rows, key_tile(step), value_tile(step), bits);
    // No warp reads the rows of another in the tile of queries.
    write_block<SIZE>(a, p, g, x, rows.tokens, query_tile(step));
    put(step + 1, fetched);
  }
}

}  // namespace

int launch_local_forward(const Attention& a, const AttentionForward& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, false, [&](auto size, auto, auto dropout, auto) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr int kBytes = 6 * kTileElements<kSize> * 2 + 3 * kLocalRowWords * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_local_kernel<kSize, kDropout>), grid, kForwardThreads, kBytes, stream, a, g);
    return status;
  });
}

}  // namespace rf
