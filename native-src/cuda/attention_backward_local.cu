// What         gradient of local attention on tensor cores for the published window, chunks of 64 that see themselves
//              and the one before: the formulas of attention_backward_block.cu.
// Shapes       as there.
// Grid         a block of eight warps walks over a run of up to 8 neighbouring chunks. The queries of chunk c meet the
//              keys of c - 1, whose dk and dv are complete then, and of c; dk and dv of c stay in registers for the
//              next step. Before a run the last chunk of the one before is met for dq only, behind it the first one of
//              the next for dk and dv only; so nothing is added across thread blocks. dO.O is found on the way, as the
//              sum of P dP over a query's keys: chunk c meets itself twice, two products more for the ten of a step.
// Memory       two tiles each of queries, dO, keys and values by cp.async: queries and dO one chunk ahead, keys and
//              values as soon as those of the chunk before are done with. A run of L chunks reads 4 L + 6 tiles. Shared
//              94 KB for K = 64 and 158 KB for K = 128.
// Determinism  the bits do not depend on the runs: dq is the chunk before, then the own one; dk and dv the own one,
//              then the chunk after; no atomics.
// Reference    org.reformer4j.reference.ChunkedAttention, AttentionHeads
// Measured     not yet run on a card
#include "attention_backward_pair.cuh"
#include "attention_local.cuh"

namespace rf {
namespace {

constexpr int kLocalRowWords = 4 * kGradientTile;

struct LocalGradientRows : LocalRows {
  Shared<float> lse;
  Shared<float> delta;
};

template <int SIZE, bool DROPOUT>
__global__ void __launch_bounds__(kGradientThreads, SIZE == 64 ? 2 : 1)
    attention_local_gradient_kernel(Attention a, AttentionGradient g) {
  constexpr int kTile = kTileElements<SIZE>;
  RF_DYNAMIC_SHARED(uint16_t, memory);
  const Shared<uint16_t> weights = memory + 8 * kTile;
  const Shared<uint16_t> d_scores = weights + kPairElements;
  const Shared<float> words = shared_cast<float>(d_scores + kPairElements);
  const Shared<float> sums = words + 3 * kLocalRowWords;
  // Known to the compiler, too.
  a.shared = false;
  g.last = true;
  const Places p = local_places(a, static_cast<int>(blockIdx.z), g.first_head + static_cast<int>(blockIdx.y));
  const ChunkWalk walk = local_walk(a, p, g.run, static_cast<int>(blockIdx.x) * g.run);
  if (walk.begin < 0) {
    return;
  }
  const float d_out_factor = a.head_mask == nullptr ? 1.0f : load(a.head_mask + p.head);
  // Step i is chunk begin - 1 + i of the ring; the first is there for its keys only, the one behind the run for its
  // queries.
  auto chunk = [&](int step) { return local_chunk(p, walk, step); };
  auto joined = [&](int step) { return (walk.joined >> (step - 1) & 1) != 0; };
  auto needed = [&](int step) { return step <= walk.count || joined(step); };
  // With dO behind the queries, and values behind the keys, either makes a tile of floats.
  auto query_tile = [&](int step) { return memory + step % 2 * 2 * kTile; };
  auto key_tile = [&](int step) { return memory + (4 + step % 2 * 2) * kTile; };
  auto rows_of = [&](int step) {
    const Shared<float> start = words + step % 3 * kLocalRowWords;
    LocalGradientRows rows;
    rows.tokens = shared_cast<int>(start);
    rows.keys = shared_cast<int>(start + kGradientTile);
    rows.factors = {key_factor(a, 0.0f)};
    rows.lse = start + 2 * kGradientTile;
    rows.delta = start + 3 * kGradientTile;
    return rows;
  };
  auto copy_queries = [&](int step) {
    copy_tile<SIZE, kGradientThreads>(p, a.queries, chunk(step), query_tile(step));
    copy_tile<SIZE, kGradientThreads>(p, g.d_out, chunk(step), query_tile(step) + kTile);
  };
  auto copy_keys = [&](int step) {
    copy_tile<SIZE, kGradientThreads>(p, a.keys, chunk(step), key_tile(step));
    copy_tile<SIZE, kGradientThreads>(p, a.values, chunk(step), key_tile(step) + kTile);
  };
  // A word of the rows for each thread; dO.O comes later.
  auto fetch = [&](int step) {
    const int what = static_cast<int>(threadIdx.x) / kGradientTile;
    const int token = local_token(p, chunk(step), static_cast<int>(threadIdx.x) % kGradientTile);
    if (what == 2 && token >= 0) {
      return __float_as_uint(load(g.lse + (static_cast<int64_t>(p.batch) * a.heads + p.head) * a.stride + token));
    }
    return static_cast<uint32_t>(what == 1 && token >= 0 && is_masked(a, p, token) ? -1 : token);
  };
  auto put = [&](int step, uint32_t fetched) {
    shared_cast<uint32_t>(words)[step % 3 * kLocalRowWords + static_cast<int>(threadIdx.x)] = fetched;
  };
  if (joined(1)) {
    copy_keys(0);
  }
  copy_queries(1);
  copy_keys(1);
  copy_async_commit();
  put(0, fetch(0));
  put(1, fetch(1));
  RowSums<SIZE> d_query;
  RowSums<SIZE> d_key;
  RowSums<SIZE> d_value;
  clear<SIZE>(d_key);
  clear<SIZE>(d_value);
  for (int step = 1; step <= walk.count + 1; ++step) {
    const LocalGradientRows rows = rows_of(step);
    const LocalGradientRows before_rows = rows_of(step - 1);
    const Shared<uint16_t> queries = query_tile(step);
    const Shared<uint16_t> d_outs = queries + kTile;
    const Shared<uint16_t> keys = key_tile(step);
    const Shared<uint16_t> values = keys + kTile;
    const Shared<uint16_t> before_keys = key_tile(step - 1);
    const PairPlace own_place = {0, p.whole ? 0 : kGradientTile};
    const bool owned = step <= walk.count;
    float s[4][4];
    float d_weights[4][4];
    float unused[4][2] = {};
    copy_async_wait<0>();
    __syncthreads();
    if (needed(step + 1)) {
      copy_queries(step + 1);
    }
    const uint32_t fetched = fetch(step + 1);
    clear<SIZE>(d_query);
    if (joined(step)) {
      {
        // The own keys early, for dO.O alone.
        const PairBits bits = bits_of<DROPOUT, false>(a, p, rows.tokens, rows.keys, own_place);
        pair_products<SIZE>(s, d_weights, queries, d_outs, keys, values);
        put_deltas<DROPOUT>(a, rows, rows, bits, d_out_factor, s, d_weights, sums);
      }
      const PairBits bits = bits_of<DROPOUT, false>(a, p, rows.tokens, before_rows.keys, {0, 0});
      pair_products<SIZE>(s, d_weights, queries, d_outs, before_keys, before_keys + kTile);
      put_deltas<DROPOUT>(a, rows, before_rows, bits, d_out_factor, s, d_weights, sums + 2 * kGradientTile);
      __syncthreads();
      take_deltas(sums, 4, rows);
      __syncthreads();
      pair_gradients<DROPOUT, false, true>(a, rows, before_rows, bits, d_out_factor, s, d_weights, weights, d_scores,
                                           unused);
      __syncthreads();
      if (owned) {
        add_product<SIZE, false>(d_query, d_scores, before_keys);
      }
      if (step > 1) {
        add_product<SIZE, true>(d_key, d_scores, queries);
        add_product<SIZE, true>(d_value, weights, d_outs);
      }
    }
    __syncthreads();
    if (step > 1) {
      const Shared<float> stage = shared_cast<float>(before_keys);
      stage_sums<SIZE>(d_key, stage);
      __syncthreads();
      write_rows<SIZE>(a, p, g, before_rows.tokens, stage, nullptr, g.d_keys, [](float(&)[4], int, int) {});
      __syncthreads();
      stage_sums<SIZE>(d_value, stage);
      __syncthreads();
      write_rows<SIZE>(a, p, g, before_rows.tokens, stage, nullptr, g.d_values, [=](float(&quad)[4], int, int) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          quad[j] = mul(quad[j], d_out_factor);
        }
      });
      __syncthreads();
    }
    if (needed(step + 1)) {
      copy_keys(step + 1);
    }
    copy_async_commit();
    if (!owned) {
      return;
    }
    const PairBits bits = bits_of<DROPOUT, false>(a, p, rows.tokens, rows.keys, own_place);
    pair_products<SIZE>(s, d_weights, queries, d_outs, keys, values);
    if (!joined(step)) {
      put_deltas<DROPOUT>(a, rows, rows, bits, d_out_factor, s, d_weights, sums);
      __syncthreads();
      take_deltas(sums, 2, rows);
      __syncthreads();
    }
    pair_gradients<DROPOUT, false, true>(a, rows, rows, bits, d_out_factor, s, d_weights, weights, d_scores, unused);
    __syncthreads();
    clear<SIZE>(d_key);
    clear<SIZE>(d_value);
    add_product<SIZE, false>(d_query, d_scores, keys);
    add_product<SIZE, true>(d_key, d_scores, queries);
    add_product<SIZE, true>(d_value, weights, d_outs);
    __syncthreads();
    stage_sums<SIZE>(d_query, shared_cast<float>(queries));
    __syncthreads();
    write_rows<SIZE>(a, p, g, rows.tokens, shared_cast<float>(queries), nullptr, g.d_queries,
                     [](float(&)[4], int, int) {});
    put(step + 1, fetched);
  }
}

}  // namespace

int launch_local_gradient(const Attention& a, const AttentionGradient& g, const dim3& grid, cudaStream_t stream) {
  return with_constants(a, g, false, [&](auto size, auto, auto dropout, auto) {
    constexpr int kSize = decltype(size)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    constexpr int kBytes =
        (8 * kTileElements<kSize> + 2 * kPairElements) * 2 + (3 * kLocalRowWords + 4 * kGradientTile) * 4;
    static_assert(kBytes <= kMostShared<kSize>);
    int status = RF_STATUS_OK;
    RF_LAUNCH_SHARED(status, (attention_local_gradient_kernel<kSize, kDropout>), grid, kGradientThreads, kBytes, stream,
                     a, g);
    return status;
  });
}

}  // namespace rf
