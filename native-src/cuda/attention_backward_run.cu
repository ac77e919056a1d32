// What         gradient of LSH attention on tensor cores for the published window, chunks of 64 that see themselves
//              and the one before: the formulas of attention_backward_block.cu.
// Shapes       as there.
// Grid         a block of eight warps walks over a run of up to 8 neighbouring chunks of one round. Chunk c meets
//              the queries of c and of c + 1: that completes its dk, dv and, with what the chunk before left in
//              registers, its dq. Before a run the last chunk of the one before is met once more, for dq only; so
//              nothing is added across thread blocks. Where there is one round, dO.O is found on the way, as the sum
//              of P dP over a query's keys: chunk c + 1 meets itself twice, two products more for the ten of a step.
//              In a layout of runs (rf_lsh_runs) a chunk meets the one after only where that is of its run, and the walk
//              ends at the first empty chunk; in later rounds with distinct keys one block fits for K = 64.
// Memory       a ring of three tiles of rows, three of dO and two of values, gathered by cp.async one chunk ahead;
//              a run of L chunks reads 3 L + 4 tiles (+1 for dO.O). Rounds before the last leave bfloat16 partial
//              results, the last one adds them and writes the gradients. Shared 96 KB for K = 64 and 160 KB for K = 128.
// Determinism  the bits do not depend on the runs: dq is the chunk before, then the own one; dk and dv the own one,
//              then the chunk after; rounds in their order; no atomics.
// Reference    org.reformer4j.reference.ChunkedAttention, KeyRule, AttentionHeads
// Measured     not yet run on a card
#include "attention_backward_pair.cuh"

namespace rf {
namespace {

// The steps of a walk, in one register.
struct Steps {
  uint32_t word;

  __device__ __forceinline__ int count() const { return static_cast<int>(word >> 28); }
  // Whether a step is an own one, the first own one sees it, or it sees the last one.
  __device__ __forceinline__ bool needs(int step) const { return (word >> step & 1) != 0; }
  // Whether a step, from 1 on, sees the one before it.
  __device__ __forceinline__ bool joined(int step) const { return (word >> (13 + step) & 1) != 0; }
};

// Step 0 is the chunk before the walk.
__device__ __forceinline__ Steps steps_of(const ChunkWalk& walk) {
  const uint32_t end = walk.count + 1u;
  const uint32_t needed = ((1u << end) - 2) | (walk.joined << 1 & 1u << end) | (walk.joined & 1);
  return {end << 28 | (walk.joined & 0x3fff) << 14 | needed};
}

// Two blocks on a multiprocessor where 128 registers suffice.
template <int SIZE, bool DISTINCT>
constexpr int kBlocks = SIZE == 64 && !DISTINCT ? 2 : 1;

template <int SIZE, bool DISTINCT, bool DROPOUT, bool FINDS_DELTA>
__global__ void __launch_bounds__(kGradientThreads, kBlocks<SIZE, DISTINCT>)
    attention_run_gradient_kernel(Attention a, AttentionGradient g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  const Shared<uint16_t> queries = memory;
  const Shared<uint16_t> d_outs = memory + 3 * kTile;
  // P and dS lie between the two tiles of values: with either they make a tile of floats.
  const Shared<uint16_t> values = memory + 6 * kTile;
  const Shared<uint16_t> weights = values + kTile;
  const Shared<uint16_t> d_scores = weights + kPairElements;
  constexpr int kValueStep = kTile + 2 * kPairElements;
  const Shared<float> words = shared_cast<float>(values + (kValueStep + kTile));
  const Shared<float> sums = words + 4 * kBlockRowWords;
  const Places p = places_of(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  const int in_round = static_cast<int>(blockIdx.x) * g.run;
  const ChunkWalk walk = chunk_walk(a, p, g, in_round);
  if (walk.begin < 0) {
    return;
  }
  const float d_out_factor = a.head_mask == nullptr ? 1.0f : load(a.head_mask + p.head);
  // Step i is chunk before + i of the ring or of the round; the first is met for the dq of the run's first chunk
  // only. A sequence of one chunk meets only itself.
  const int before = walk.begin - 1;
  const Steps steps = steps_of(walk);
  auto chunk = [&](int step) { return steps.needs(step) ? chunk_at(p, before, step) : -1; };
  auto round_of = [&](int step) { return FINDS_DELTA ? 0 : chunk(step) * p.chunk / p.per_round; };
  // Tokens are known two chunks ahead of the products, the rest of the rows and the tiles one.
  auto rows_of = [&](int step) { return block_rows(words, step % 4); };
  auto gather_rows = [&](int step) {
    const Shared<int> tokens = rows_of(step).tokens;
    gather_tile<SIZE>(p, a.queries, tokens, queries + step % 3 * kTile);
    gather_tile<SIZE>(p, g.d_out, tokens, d_outs + step % 3 * kTile);
  };
  auto gather_values = [&](int step) {
    gather_tile<SIZE>(p, a.values, rows_of(step).tokens, values + step % 2 * kValueStep);
  };
  {
    const int step = static_cast<int>(threadIdx.x) / kGradientTile;
    const int row = static_cast<int>(threadIdx.x) % kGradientTile;
    const int block = chunk(step);
    rows_of(step).tokens[row] = block < 0 ? -1 : token_in_block(a, p, block, row);
  }
  __syncthreads();
  // Of the chunk before the run only keys and values are needed.
  gather_tile<SIZE>(p, a.queries, rows_of(0).tokens, queries);
  gather_rows(1);
  gather_values(0);
  copy_async_commit();
  put_block_rows(fetch_block_rows(a, p, g, chunk(2), rows_of(0).tokens), rows_of(2), rows_of(0));
  put_block_rows(fetch_block_rows(a, p, g, chunk(2), rows_of(1).tokens), rows_of(2), rows_of(1));
  copy_async_wait<0>();
  __syncthreads();
  put_factors<SIZE>(a, queries, rows_of(0).factors);
  // Gradient of the shared rows of this chunk and of the next, and of the values of this one.
  RowSums<SIZE> d_rows;
  RowSums<SIZE> d_next;
  RowSums<SIZE> d_value;
  clear<SIZE>(d_next);
  for (int step = 0; step < steps.count(); ++step) {
    const BlockRows rows = rows_of(step);
    const BlockRows next_rows = rows_of(step + 1);
    const Shared<uint16_t> key_tile = queries + step % 3 * kTile;
    const Shared<uint16_t> value_tile = values + step % 2 * kValueStep;
    const Shared<uint16_t> d_out_tile = d_outs + step % 3 * kTile;
    const Shared<uint16_t> next_tile = queries + (step + 1) % 3 * kTile;
    const Shared<uint16_t> next_d_out_tile = d_outs + (step + 1) % 3 * kTile;
    const bool owned = step > 0;
    copy_async_wait<0>();
    __syncthreads();
    put_factors<SIZE>(a, next_tile, next_rows.factors);
    if (FINDS_DELTA ? steps.needs(step + 1) : step + 1 < steps.count()) {
      gather_values(step + 1);
    }
    copy_async_commit();
    if (step + 2 <= steps.count()) {
      gather_rows(step + 2);
    }
    copy_async_commit();
    const uint32_t fetched = fetch_block_rows(a, p, g, chunk(step + 3), rows_of(step + 2).tokens);
#pragma unroll
    for (int n = 0; n < SIZE / 16; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        d_rows[n][e] = d_next[n][e];
        d_next[n][e] = 0.0f;
      }
    }
    clear<SIZE>(d_value);
    float key_sums[4][2] = {};
    float s[4][4];
    float d_weights[4][4];
    if (owned) {
      const PairPlace place = {round_of(step), p.whole ? 0 : kGradientTile};
      const PairBits bits = bits_of<DROPOUT, DISTINCT>(a, p, rows.tokens, rows.keys, place);
      pair_products<SIZE>(s, d_weights, key_tile, d_out_tile, key_tile, value_tile);
      if (FINDS_DELTA && !steps.joined(step)) {
        put_deltas<DROPOUT>(a, rows, rows, bits, d_out_factor, s, d_weights, sums);
        __syncthreads();
        take_deltas(sums, 2, rows);
        __syncthreads();
      }
      pair_gradients<DROPOUT, DISTINCT, true>(a, rows, rows, bits, d_out_factor, s, d_weights, weights, d_scores,
                                    key_sums);
      __syncthreads();
      add_product<SIZE, false>(d_rows, d_scores, key_tile);
      add_product<SIZE, true>(d_rows, d_scores, key_tile);
      add_product<SIZE, true>(d_value, weights, d_out_tile);
      __syncthreads();
    }
    if (steps.joined(step + 1)) {
      if (FINDS_DELTA) {
        // The next chunk's queries meet their own keys early, for dO.O alone.
        copy_async_wait<1>();
        __syncthreads();
        const PairPlace own = {round_of(step + 1), kGradientTile};
        const PairBits bits = bits_of<DROPOUT, false>(a, p, next_rows.tokens, next_rows.keys, own);
        pair_products<SIZE>(s, d_weights, next_tile, next_d_out_tile, next_tile,
                            values + (step + 1) % 2 * kValueStep);
        put_deltas<DROPOUT>(a, next_rows, next_rows, bits, d_out_factor, s, d_weights, sums);
      }
      const PairPlace place = {round_of(step + 1), 0};
      const PairBits bits = bits_of<DROPOUT, DISTINCT>(a, p, next_rows.tokens, rows.keys, place);
      pair_products<SIZE>(s, d_weights, next_tile, next_d_out_tile, key_tile, value_tile);
      if (FINDS_DELTA) {
        put_deltas<DROPOUT>(a, next_rows, rows, bits, d_out_factor, s, d_weights, sums + 2 * kGradientTile);
        __syncthreads();
        take_deltas(sums, 4, next_rows);
        __syncthreads();
      }
      pair_gradients<DROPOUT, DISTINCT, true>(a, next_rows, rows, bits, d_out_factor, s, d_weights, weights,
                                    d_scores, key_sums);
      __syncthreads();
      // The queries behind the run belong to another one.
      if (step + 1 < steps.count()) {
        add_product<SIZE, false>(d_next, d_scores, key_tile);
      }
      if (owned) {
        add_product<SIZE, true>(d_rows, d_scores, next_tile);
        add_product<SIZE, true>(d_value, weights, next_d_out_tile);
      }
    }
    if (owned) {
      const Shared<float> stage = shared_cast<float>(step % 2 == 0 ? value_tile : weights);
      __syncthreads();
      put_key_sums(key_sums, sums);
      stage_sums<SIZE>(d_rows, stage);
      __syncthreads();
      write_query_rows<SIZE, true>(a, p, g, rows, stage, key_tile, sums);
      __syncthreads();
      stage_sums<SIZE>(d_value, stage);
      __syncthreads();
      write_value_rows<SIZE>(a, p, g, rows, stage, d_out_tile, d_out_factor);
    }
    put_block_rows(fetched, rows_of(step + 3), rows_of(step + 2));
  }
}

}  // namespace

int launch_run_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, g.delta == nullptr, [&](auto size, auto flag, auto dropout, auto distinct) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kFindsDelta = decltype(flag)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr bool kDistinct = !kFindsDelta && decltype(distinct)::value;
    constexpr int kBytes = (8 * kTileElements<kSize> + 2 * kPairElements) * 2 +
                           (4 * kBlockRowWords + 4 * kGradientTile) * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_run_gradient_kernel<kSize, kDistinct, kDropout, kFindsDelta>), grid,
                     kGradientThreads, kBytes, stream, a, g);
    return status;
  });
}

}  // namespace rf
