// What the fast paths of attention share: blocks of 64 tokens, and their rows in shared memory.
#ifndef REFORMER_ATTENTION_TILES_CUH
#define REFORMER_ATTENTION_TILES_CUH

#include "attention.cuh"

namespace rf {

constexpr int kTileTokens = 64;  // places of a block, as queries and as keys
constexpr float kLog2E = 1.4426950408889634f;

// A tile of 64 gathered rows as bfloat16; as floats it is a staging tile for results.
template <int SIZE>
constexpr int kRowPitch = SIZE + 8;
template <int SIZE>
constexpr int kTileElements = kTileTokens * kRowPitch<SIZE>;
// Bytes of shared memory of the hungriest kernel, backward: what a device must give to a block. Cards with 99 KB
// (sm_86, sm_89, sm_120) take heads of 64.
template <int SIZE>
constexpr int kMostShared = SIZE == 64 ? 98304 : 163840;

inline int64_t alignment_of(const Matrix& m) {
  return static_cast<int64_t>(reinterpret_cast<uintptr_t>(m.data)) | m.stride * type_bytes(m.type);
}

__device__ __forceinline__ int blocks_per_chunk(const Places& p) {
  return (p.chunk + kTileTokens - 1) / kTileTokens;
}

// The token at a row of a block, -1 where there is none.
__device__ __forceinline__ int token_in_block(const Attention& a, const Places& p, int block, int row) {
  const int per_chunk = blocks_per_chunk(p);
  const int i = block % per_chunk * kTileTokens + row;
  return i < p.chunk ? token_at(a, p, block / per_chunk * p.chunk + i) : -1;
}

// Whether a block has no token at all; a chunk that is cut into several blocks has no rest.
__device__ __forceinline__ bool is_empty_block(const Attention& a, const Places& p, int block) {
  return block * kTileTokens % p.per_round >= p.filled || (p.runs && token_in_block(a, p, block, 0) < 0);
}

// The block of the round that a thread block of the launch begins with, -1 where it has none. `first` counts
// blocks from the round's start.
template <class Part>
__device__ __forceinline__ int own_block(const Attention& a, const Places& p, const Part& part, int first) {
  const int per_round = p.per_round / p.chunk * blocks_per_chunk(p);
  if (first >= per_round || (p.whole && !part.last)) {
    return -1;
  }
  const int block = (p.whole ? 0 : part.round * per_round) + first;
  return is_empty_block(a, p, block) ? -1 : block;
}

// Distances to the chunks that a chunk sees, among those of a range.
struct Sight {
  int low, high;
};

// In runs these are the neighbours of the same round and run; all lanes of a warp come here.
__device__ __forceinline__ Sight sight_of(const Attention& a, const Places& p, int chunk, const Sight& range) {
  if (!p.runs) {
    return range;
  }
  const int per_round = p.per_round / p.chunk;
  const int run = run_of(a, p, chunk);
  Sight seen = {range.high, range.low};
  for (int first = range.low; first <= range.high; first += 32) {
    const int distance = first + static_cast<int>(threadIdx.x) % 32;
    const int in_round = chunk % per_round + distance;
    const bool exists = distance <= range.high && in_round >= 0 && in_round < per_round;
    const uint32_t same = __ballot_sync(0xffffffffu, exists && run_of(a, p, chunk + distance) == run);
    if (same != 0) {
      seen.low = min(seen.low, first + __ffs(static_cast<int>(same)) - 1);
      seen.high = max(seen.high, first + 31 - __clz(static_cast<int>(same)));
    }
  }
  return seen;
}

// Neighbouring chunks of a round that a thread block walks over.
struct ChunkWalk {
  int begin, count;  // begin is -1 where there is none
  uint32_t joined;   // bit i: chunk begin + i sees the one before it
};

// `first` counts chunks from the round's start; all lanes of a warp come here.
template <class Part>
__device__ __forceinline__ ChunkWalk chunk_walk(const Attention& a, const Places& p, const Part& part,
                                                int first) {
  const int per_round = p.per_round / p.chunk;
  if (first >= per_round || (p.whole && !part.last)) {
    return {-1, 0, 0};
  }
  const int begin = (p.whole ? 0 : part.round * per_round) + first;
  const int most = min(part.run, per_round - first);
  if (!p.runs) {
    return {is_empty_block(a, p, begin) ? -1 : begin, most, p.whole ? 0 : UINT32_MAX};
  }
  // Lane 0 has the chunk before, the last of them the one behind.
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int in_round = first - 1 + lane;
  const bool exists = lane <= most + 1 && in_round >= 0 && in_round < per_round;
  const int run = exists ? run_of(a, p, begin - 1 + lane) : -1;
  const int before = __shfl_up_sync(0xffffffffu, run, 1);
  const uint32_t present = __ballot_sync(0xffffffffu, run >= 0) >> 1;
  const uint32_t joined = __ballot_sync(0xffffffffu, lane > 0 && run >= 0 && run == before) >> 1;
  // Empty chunks stand at the end of a round.
  const int count = min(most, __ffs(static_cast<int>(~present)) - 1);
  return {count == 0 ? -1 : begin, count, joined};
}

// Starts to copy the rows of 64 tokens; absent ones are zero, since 0 * NaN is not. Eight threads share a
// row, so a quarter of a warp writes to all banks.
template <int SIZE, int THREADS = 256>
__device__ __forceinline__ void gather_tile(const Places& p, const Matrix& source, Shared<int> tokens,
                                            Shared<uint16_t> tile) {
  const int part = static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
  for (int pass = 0; pass < kTileTokens * 8 / THREADS; ++pass) {
    const int row = static_cast<int>(threadIdx.x) / 8 + pass * (THREADS / 8);
    const int token = tokens[row];
    const int64_t from = (p.first_row + token) * source.stride + p.first_column + part;
#pragma unroll
    for (int column = 0; column < SIZE; column += 64) {
      const Shared<uint16_t> to = tile + (row * kRowPitch<SIZE> + part + column);
      if (token >= 0) {
        copy_async16(to, static_cast<const uint16_t*>(source.data) + from + column);
      } else {
        *shared_cast<uint4>(to) = make_uint4(0, 0, 0, 0);
      }
    }
  }
}

__device__ __forceinline__ float square_sum(uint32_t word) {
  const float low = __uint_as_float(word << 16);
  const float high = __uint_as_float(word & 0xffff0000u);
  return fmaf(high, high, mul(low, low));
}

// The factors that make keys of the rows of a tile, times `unit`; eight threads share a row.
template <int SIZE, int THREADS = 256>
__device__ __forceinline__ void put_factors(const Attention& a, Shared<uint16_t> tile,
                                            Shared<float> factors, float unit = 1.0f) {
  const int part = static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
  for (int pass = 0; pass < kTileTokens * 8 / THREADS; ++pass) {
    const int row = static_cast<int>(threadIdx.x) / 8 + pass * (THREADS / 8);
    float sum = 0.0f;
    if (a.shared) {
#pragma unroll
      for (int column = 0; column < SIZE; column += 64) {
        const uint4 q = *shared_cast<uint4>(tile + (row * kRowPitch<SIZE> + part + column));
        sum = add(sum, add(add(square_sum(q.x), square_sum(q.y)), add(square_sum(q.z), square_sum(q.w))));
      }
#pragma unroll
      for (int distance = 1; distance < 8; distance *= 2) {
        sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
      }
    }
    if (part == 0) {
      factors[row] = mul(key_factor(a, sum), unit);
    }
  }
}

// What is known of the 64 rows of a block as keys.
struct KeyRows {
  Shared<int> tokens;     // -1: none
  Shared<int> keys;       // the same, also -1 where masked
  Shared<float> factors;  // what makes keys of the rows
};

// Starts the loads for rows to come, so that they run beside the products: the first 64 threads bring the
// tokens of `block` (none where it is negative), the next whether `tokens` are masked. The result goes to
// put_rows.
__device__ __forceinline__ int fetch_rows(const Attention& a, const Places& p, int block,
                                          Shared<int> tokens) {
  const int row = static_cast<int>(threadIdx.x) % kTileTokens;
  if (static_cast<int>(threadIdx.x) < kTileTokens) {
    return block < 0 ? -1 : token_in_block(a, p, block, row);
  }
  const int token = tokens[row];
  return token < 0 || is_masked(a, p, token) ? -1 : token;
}

__device__ __forceinline__ void put_rows(int fetched, const KeyRows& tokens, const KeyRows& keys) {
  const int row = static_cast<int>(threadIdx.x) % kTileTokens;
  if (static_cast<int>(threadIdx.x) < kTileTokens) {
    tokens.tokens[row] = fetched;
  } else {
    keys.keys[row] = fetched;
  }
}

// Which probabilities of a thread are kept, a bit each: those of two rows, `first_row` and the eighth after,
// and of PAIRS pairs of columns, eight apart, from `place` of the window on. Bit 2 (PAIRS half + pair) + e.
// In a rolled loop before the products, so that no registers are taken from them.
template <int PAIRS>
__device__ __forceinline__ uint32_t kept_bits(const Attention& a, const Places& p, Shared<int> queries,
                                              int first_row, int round, int place) {
  uint32_t bits = 0;
#pragma unroll 1
  for (int i = 0; i < 2 * PAIRS; ++i) {
    const int query = queries[first_row + i / PAIRS * 8];
    // Even, so that both elements are of one quad.
    const int64_t element = mask_row(a, p, round, query) + place + i % PAIRS * 8;
    uint32_t words[4];
    philox_quad(words, a.dropout, element >> 2);
    const bool second = (element & 2) != 0;
    bits |= static_cast<uint32_t>((second ? words[2] : words[0]) >= a.dropout.threshold) << (2 * i);
    bits |= static_cast<uint32_t>((second ? words[3] : words[1]) >= a.dropout.threshold) << (2 * i + 1);
  }
  return bits;
}

// Which keys two of the thread's queries have met in a round before `round`: bits as those of kept_bits. A lane finds
// out about one or two of the warp's 8 PAIRS keys, and how far one of its 16 queries saw to one side.
template <int PAIRS>
__device__ __forceinline__ uint32_t met_bits(const Attention& a, const Places& p, Shared<int> queries,
                                             Shared<int> keys, int round) {
  constexpr int kKeys = PAIRS / 4;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int query = queries[lane % 16];
  const int side = lane < 16 ? -1 : 1;
  const int reach = query < 0 ? 0 : lane < 16 ? a.before : a.window_chunks - 1 - a.before;
  const int per_round = p.per_round / p.chunk;
  uint32_t bits = 0;
#pragma unroll 1
  for (int r = 0; r < round; ++r) {
    const int32_t* const runs = round_entries(a, p, r) + a.run_places;
    const int32_t* const chunks = runs + a.run_places / a.chunk;
    int key_chunks[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      const int key = keys[lane + i * 32];
      key_chunks[i] = key < 0 ? -1 : load(chunks + key);
    }
    int limit = query < 0 ? 0 : load(chunks + query);
    const int run = load(runs + limit);
#pragma unroll 1
    for (int i = 0; i < reach; ++i) {
      const int next = limit + side;
      if (next < 0 || next >= per_round || load(runs + next) != run) {
        break;
      }
      limit = next;
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = half * 8 + lane / 4;
      const int low = __shfl_sync(0xffffffffu, limit, row);
      const uint32_t width = static_cast<uint32_t>(__shfl_sync(0xffffffffu, limit, 16 + row) - low);
#pragma unroll
      for (int i = 0; i < 2 * PAIRS; ++i) {
        const int column = i / 2 * 8 + lane % 4 * 2 + i % 2;
        const int chunk = __shfl_sync(0xffffffffu, key_chunks[i / 8], column % 32);
        bits |= static_cast<uint32_t>(static_cast<uint32_t>(chunk - low) <= width) << (2 * PAIRS * half + i);
      }
    }
  }
  return bits;
}

// What is known of the pairs of a thread before their product: which are kept, with dropout, and which were met
// before, with distinct keys.
struct PairBits {
  uint32_t kept, met;
};

}  // namespace rf

#endif
