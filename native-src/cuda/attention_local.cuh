// What the kernels of local attention over chunks of 64 and the one before share. Tokens stand in their order, so rows
// are read where they lie; a factor for all keys makes scores.
#ifndef REFORMER_ATTENTION_LOCAL_CUH
#define REFORMER_ATTENTION_LOCAL_CUH

#include "attention_tiles.cuh"

namespace rf {

// In place of a list of factors.
struct ConstantFactor {
  float value;

  __device__ __forceinline__ float operator[](int) const { return value; }
};

// As KeyRows.
struct LocalRows {
  Shared<int> tokens;
  Shared<int> keys;
  ConstantFactor factors;
};

__device__ __forceinline__ Places local_places(const Attention& a, int batch, int head) {
  Places p = places_of(a, batch, head);
  p.rounds = 1;
  p.runs = false;
  return p;
}

// The walk from chunk `first` on over those that have tokens. The first chunk sees the last one, which a causal
// query would not.
__device__ __forceinline__ ChunkWalk local_walk(const Attention& a, const Places& p, int run, int first) {
  const int filled = (p.length + p.chunk - 1) / p.chunk;
  if (first >= filled) {
    return {-1, 0, 0};
  }
  const int count = min(run, filled - first);
  const bool ring = !p.whole && !a.causal && filled * p.chunk == p.per_round;
  const uint32_t inner = (1u << count) - 2;
  const uint32_t begin = first > 0 || ring ? 1 : 0;
  const uint32_t end = first + count < filled || ring ? 1u << count : 0;
  return {first, count, begin | inner | end};
}

// The chunk of a step of a walk: step 1 is its first one. On the ring of all chunks.
__device__ __forceinline__ int local_chunk(const Places& p, const ChunkWalk& walk, int step) {
  const int chunk = walk.begin - 1 + step;
  return chunk < 0 ? p.chunks - 1 : chunk == p.chunks ? 0 : chunk;
}

// The token at a row of a chunk, -1 where there is none.
__device__ __forceinline__ int local_token(const Places& p, int chunk, int row) {
  const int token = chunk * kTileTokens + row;
  return token < p.length ? token : -1;
}

// As gather_tile, of a chunk.
template <int SIZE, int THREADS>
__device__ __forceinline__ void copy_tile(const Places& p, const Matrix& source, int chunk, Shared<uint16_t> tile) {
  const int part = static_cast<int>(threadIdx.x) % 8 * 8;
#pragma unroll
  for (int pass = 0; pass < kTileTokens * 8 / THREADS; ++pass) {
    const int row = static_cast<int>(threadIdx.x) / 8 + pass * (THREADS / 8);
    const int token = local_token(p, chunk, row);
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

}  // namespace rf

#endif
