// What         gradient of the attention on tensor cores, any window: what attention_backward.cu says, in
//              bfloat16 with float sums. LSH: dq += c dk - c^2 t q with t = sum of dS s over a key's queries.
// Shapes       d_out, queries, keys, values bfloat16 [B*T, H*K], K 64 or 128; gradients float or bfloat16;
//              chunks of a multiple of 64.
// Grid         a block of eight warps owns 64 places of one round. As queries they meet the key blocks of their
//              window (dq), then as keys the query blocks whose window holds them (dk, dv): every pair of blocks
//              is multiplied twice, and nothing is added across thread blocks.
//              In a layout of runs (rf_lsh_runs) it meets only blocks of its run.
// Memory       per pair of blocks two tiles of 64 rows, by cp.async through the sorted list, one step ahead; a
//              tile is read once by each block of a window, which the L2 serves while neighbours run together.
//              Rounds before the last leave bfloat16 partial results, the last one adds them and writes the
//              gradients. Shared 96 KB for K = 64 and 160 KB for K = 128.
// Determinism  blocks of the window in their order, then rounds in their order; no atomics.
// Reference    org.reformer4j.reference.ChunkedAttention, KeyRule, AttentionHeads
// Measured     not yet run on a card
#include "attention_backward_pair.cuh"

namespace rf {
namespace {

// What a step of the walk multiplies the own block with.
struct Step {
  int distance;  // of its chunk
  int block;
  PairPlace place;
};

// The walk of one block: steps 0 .. pairs - 1 as queries, the others as keys.
struct Walk {
  int own, pairs;
  Sight sight;  // of the own chunk, on both sides as far as a window reaches on one
  // Tokens in their order: pairs above the diagonal can be left out.
  bool ordered;
};

__device__ __forceinline__ Step step_at(const Places& p, const Walk& walk, int step) {
  const int per_chunk = blocks_per_chunk(p);
  const int own_chunk = walk.own / per_chunk;
  const int i = step % walk.pairs;
  const int w = i / per_chunk;
  const int part = i % per_chunk;
  if (step < walk.pairs) {
    return {w - p.before,
            chunk_at(p, own_chunk, w - p.before) * per_chunk + part,
            {own_chunk * p.chunk / p.per_round, w * p.chunk + part * kGradientTile}};
  }
  const int other = chunk_at(p, own_chunk, p.before - w);
  return {p.before - w,
          other * per_chunk + part,
          {other * p.chunk / p.per_round, w * p.chunk + walk.own % per_chunk * kGradientTile}};
}

// The first step from `step` on with something to do; only shared rows stand in runs.
template <bool SHARED>
__device__ __forceinline__ int useful_step(const Attention& a, const Places& p, const Walk& walk,
                                           int step) {
  for (; step < 2 * walk.pairs; ++step) {
    const Step at = step_at(p, walk, step);
    const int other = at.block;
    const bool seen = !SHARED || (at.distance >= walk.sight.low && at.distance <= walk.sight.high);
    const bool above =
        a.causal && walk.ordered && (step < walk.pairs ? other > walk.own : other < walk.own);
    if (seen && !above && !is_empty_block(a, p, other)) {
      break;
    }
  }
  return step;
}

// Two blocks on a multiprocessor where 128 registers suffice.
template <int SIZE, bool DISTINCT, bool SHARED, bool DROPOUT>
constexpr int kBlocks = SIZE == 64 && (SHARED || !DROPOUT) && !DISTINCT ? 2 : 1;

template <int SIZE, bool DISTINCT, bool SHARED, bool DROPOUT>
__global__ void __launch_bounds__(kGradientThreads, kBlocks<SIZE, DISTINCT, SHARED, DROPOUT>)
    attention_block_gradient_kernel(Attention a, AttentionGradient g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  // Two stages of two tiles; at the end two tiles of floats.
  const Shared<uint16_t> stages = memory;
  const Shared<uint16_t> own_queries = memory + 4 * kTile;
  const Shared<uint16_t> own_d_outs = memory + 5 * kTile;
  const Shared<uint16_t> own_values = memory + 6 * kTile;
  const Shared<uint16_t> own_keys = SHARED ? own_queries : memory + 7 * kTile;
  const Shared<uint16_t> weights = memory + (SHARED ? 7 : 8) * kTile;
  const Shared<uint16_t> d_scores = weights + kPairElements;
  const Shared<float> words = shared_cast<float>(d_scores + kPairElements);
  const Shared<float> sums = words + 4 * kBlockRowWords;
  Places p = places_of(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  p.runs = SHARED && p.runs;
  const int own = own_block(a, p, g, static_cast<int>(blockIdx.x));
  if (own < 0) {
    return;
  }
  const int reach = max(p.before, p.window_chunks - 1 - p.before);
  const Walk walk = {own, p.window_chunks * blocks_per_chunk(p),
                     sight_of(a, p, own / blocks_per_chunk(p), {-reach, reach}), p.whole || a.order == nullptr};
  const float d_out_factor = a.head_mask == nullptr ? 1.0f : load(a.head_mask + p.head);
  const int steps = 2 * walk.pairs;
  int step = useful_step<SHARED>(a, p, walk, 0);
  int next = useful_step<SHARED>(a, p, walk, step + 1);
  const BlockRows own_rows = block_rows(words, 3);
  // Slots in turn: rows of this step, of the next, tokens of the one after.
  int slot = 0;
  {
    const int which = static_cast<int>(threadIdx.x) / kGradientTile;
    const int row = static_cast<int>(threadIdx.x) % kGradientTile;
    const int block = which == 0 ? own
                      : which == 1 ? step_at(p, walk, step).block
                      : next < steps ? step_at(p, walk, next).block : -1;
    const Shared<int> tokens = which == 0 ? own_rows.tokens : block_rows(words, which - 1).tokens;
    if (which < 3) {
      tokens[row] = block < 0 ? -1 : token_in_block(a, p, block, row);
    }
  }
  __syncthreads();
  gather_tile<SIZE>(p, a.queries, own_rows.tokens, own_queries);
  gather_tile<SIZE>(p, g.d_out, own_rows.tokens, own_d_outs);
  gather_tile<SIZE>(p, a.values, own_rows.tokens, own_values);
  if (!SHARED) {
    gather_tile<SIZE>(p, a.keys, own_rows.tokens, own_keys);
  }
  auto gather_step = [&](int of, int stage, Shared<int> tokens) {
    const bool as_keys = of < walk.pairs;
    const Shared<uint16_t> target = stages + stage * 2 * kTile;
    gather_tile<SIZE>(p, as_keys ? a.keys : a.queries, tokens, target);
    gather_tile<SIZE>(p, as_keys ? a.values : g.d_out, tokens, target + kTile);
  };
  gather_step(step, 0, block_rows(words, 0).tokens);
  copy_async_commit();
  put_block_rows(fetch_block_rows(a, p, g, -1, own_rows.tokens), block_rows(words, 2), own_rows);
  put_block_rows(fetch_block_rows(a, p, g, -1, block_rows(words, 0).tokens), block_rows(words, 2),
           block_rows(words, 0));
  // Of shared rows both in d_query.
  RowSums<SIZE> d_query;
  RowSums<SIZE> d_key;
  RowSums<SIZE> d_value;
  float key_sums[4][2] = {};
  clear<SIZE>(d_query);
  clear<SIZE>(d_key);
  clear<SIZE>(d_value);
  int stage = 0;
  bool first = true;
  while (step < steps) {
    const BlockRows rows = block_rows(words, slot);
    const BlockRows next_rows = block_rows(words, (slot + 1) % 3);
    const BlockRows after_rows = block_rows(words, (slot + 2) % 3);
    const Shared<uint16_t> tile = stages + stage * 2 * kTile;
    copy_async_wait<0>();
    __syncthreads();
    if (first) {
      put_factors<SIZE>(a, own_keys, own_rows.factors);
      first = false;
    }
    const bool as_queries = step < walk.pairs;
    if (as_queries) {
      put_factors<SIZE>(a, tile, rows.factors);
    }
    const int after = next < steps ? useful_step<SHARED>(a, p, walk, next + 1) : steps;
    if (next < steps) {
      gather_step(next, 1 - stage, next_rows.tokens);
    }
    copy_async_commit();
    const uint32_t fetched = fetch_block_rows(
        a, p, g, after < steps ? step_at(p, walk, after).block : -1, next_rows.tokens);
    __syncthreads();
    const PairBits bits = bits_of<DROPOUT, DISTINCT>(a, p, as_queries ? own_rows.tokens : rows.tokens,
                                                     as_queries ? rows.keys : own_rows.keys,
                                                     step_at(p, walk, step).place);
    float s[4][4];
    float d_weights[4][4];
    if (as_queries) {
      float unused[4][2] = {};
      pair_products<SIZE>(s, d_weights, own_queries, own_d_outs, tile, tile + kTile);
      pair_gradients<DROPOUT, DISTINCT, false>(a, own_rows, rows, bits, d_out_factor, s, d_weights, weights,
                                               d_scores, unused);
      __syncthreads();
      add_product<SIZE, false>(d_query, d_scores, tile);
    } else {
      pair_products<SIZE>(s, d_weights, tile, tile + kTile, own_keys, own_values);
      pair_gradients<DROPOUT, DISTINCT, true>(a, rows, own_rows, bits, d_out_factor, s, d_weights, weights,
                                              d_scores, key_sums);
      __syncthreads();
      add_product<SIZE, true>(d_value, weights, tile + kTile);
      add_product<SIZE, true>(SHARED ? d_query : d_key, d_scores, tile);
    }
    put_block_rows(fetched, after_rows, next_rows);
    step = next;
    next = after;
    stage = 1 - stage;
    slot = (slot + 1) % 3;
  }
  // Of the walk nothing is needed any more; the own rows are.
  __syncthreads();
  const Shared<float> results = shared_cast<float>(stages);
  const Shared<float> more_results = results + kTile;
  if (SHARED) {
    put_key_sums(key_sums, sums);
  } else {
    stage_sums<SIZE>(d_key, more_results);
  }
  stage_sums<SIZE>(d_query, results);
  __syncthreads();
  write_query_rows<SIZE, SHARED>(a, p, g, own_rows, results, own_queries, sums);
  if (!SHARED) {
    write_rows<SIZE>(a, p, g, own_rows.tokens, more_results, nullptr, g.d_keys,
                     [](float(&)[4], int, int) {});
    __syncthreads();
  }
  stage_sums<SIZE>(d_value, more_results);
  __syncthreads();
  write_value_rows<SIZE>(a, p, g, own_rows, more_results, own_d_outs, d_out_factor);
}

}  // namespace

int launch_block_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, a.shared, [&](auto size, auto flag, auto dropout, auto distinct) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kShared = decltype(flag)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr bool kDistinct = kShared && decltype(distinct)::value;
    constexpr int kBytes = ((kShared ? 7 : 8) * kTileElements<kSize> + 2 * kPairElements) * 2 +
                           (4 * kBlockRowWords + 4 * kGradientTile) * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_block_gradient_kernel<kSize, kDistinct, kShared, kDropout>), grid,
                     kGradientThreads, kBytes, stream, a, g);
    return status;
  });
}

}  // namespace rf
