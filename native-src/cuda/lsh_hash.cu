// What         bucket = sum over factors f_i of (f_0 * ... * f_(i-1)) * argmax [xR_i; -xR_i].
// Shapes       buckets [B, H, R, T]; x [B*T, H*K], K <= 128; float rotations [H, K, R*C] or int8
//              [H, R*C, K]; any T, R and factors.
// Grid         integer mode: 4 warps own 64 tokens of one head; a warp multiplies its 16 tokens with 8
//              columns at a time on tensor cores. Float mode: 4 warps share 32 tokens of one head, one a
//              lane; a warp takes every fourth group of four columns.
// Memory       reads x once, writes 4 R bytes per token and head; rotations come from L2. Rotated
//              vectors stay in registers. Shared 27 KB (K = 128) or 17 KB.
// Determinism  integer products are exact; float products are chains of fmaf over k, as in Java. The
//              first maximum wins.
// Reference    org.reformer4j.reference.LshBuckets
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"

namespace rf {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int kMaxHeadSize = 128;
constexpr int kFloatTokens = 32;
constexpr int kIntegerTokens = 64;
constexpr int kColumnTile = 64;

struct LshHash {
  int32_t* buckets;
  Matrix x;
  const void* rotations;
  const int32_t* key_mask;
  const int32_t* lengths;
  int length, heads, head_size, rounds, tiles;
  int round_columns;  // C
  int factor_count;
  int32_t padding_bucket;
  int32_t factors[RF_MAX_FACTORS];
};

// Which tokens a block owns.
struct Place {
  int batch, head, first;
};

__device__ __forceinline__ Place place_of(const LshHash& p, int tokens) {
  const int segment = static_cast<int>(blockIdx.x) / p.tiles;
  const int tile = static_cast<int>(blockIdx.x) % p.tiles;
  return {segment / p.heads, segment % p.heads, tile * tokens};
}

__device__ __forceinline__ bool hidden(const LshHash& p, const Place& at, int token) {
  if (p.lengths != nullptr && token >= load(p.lengths + at.batch)) {
    return true;
  }
  const int64_t row = static_cast<int64_t>(at.batch) * p.length + token;
  return p.key_mask != nullptr && load(p.key_mask + row) == 0;
}

__device__ __forceinline__ void store_bucket(const LshHash& p, const Place& at, int round, int token,
                                             int32_t bucket) {
  if (token < p.length) {
    const int64_t segment = (static_cast<int64_t>(at.batch) * p.heads + at.head) * p.rounds + round;
    store(p.buckets + segment * p.length + token, hidden(p, at, token) ? p.padding_bucket : bucket);
  }
}

// The better of two candidates: the larger value, of equal ones the lower index.
template <class V>
__device__ __forceinline__ void keep_better(V& value, int& index, V other_value, int other_index) {
  if (other_value > value || (other_value == value && other_index < index)) {
    value = other_value;
    index = other_index;
  }
}

__global__ void __launch_bounds__(kThreads) lsh_hash_float_kernel(LshHash p) {
  // Transposed, one column more than tokens: neither writing nor reading has bank conflicts.
  RF_SHARED_ARRAY(float, x, kMaxHeadSize * (kFloatTokens + 1));
  RF_SHARED_ARRAY(float, best_values, kWarps * 32);
  RF_SHARED_ARRAY(int, best_indices, kWarps * 32);
  const Place at = place_of(p, kFloatTokens);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int token = warp; token < kFloatTokens; token += kWarps) {
    const int64_t row = static_cast<int64_t>(at.batch) * p.length + at.first + token;
    for (int k = lane; k < p.head_size; k += 32) {
      const int64_t element = row * p.x.stride + at.head * p.head_size + k;
      x[k * (kFloatTokens + 1) + token] =
          at.first + token < p.length ? load_element(p.x, element) : 0.0f;
    }
  }
  __syncthreads();
  const int64_t pitch = static_cast<int64_t>(p.rounds) * p.round_columns;
  const float* const head_rotations =
      static_cast<const float*>(p.rotations) + at.head * p.head_size * pitch;
  int64_t column_base = 0;
  for (int round = 0; round < p.rounds; ++round) {
    int32_t bucket = 0;
    int32_t product = 1;
    for (int f = 0; f < p.factor_count; ++f) {
      const int columns = p.factors[f] / 2;
      float best = -1.0f;
      int best_index = 0;
      for (int column = warp * 4; column < columns; column += kWarps * 4) {
        float sums[4] = {};
        const int count = min(4, columns - column);
        const float* rotation = head_rotations + column_base + column;
#pragma unroll 4
        for (int k = 0; k < p.head_size; ++k) {
          const float value = x[k * (kFloatTokens + 1) + lane];
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            if (j < count) {
              sums[j] = fmaf(value, load(rotation + j), sums[j]);
            }
          }
          rotation += pitch;
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (j < count) {
            // As in Java, a maximum that is NaN from the start is never exceeded.
            const bool never = column + j == 0 && sums[j] != sums[j];
            const int index = sums[j] < 0.0f ? column + j + columns : column + j;
            keep_better(best, best_index, never ? INFINITY : fabsf(sums[j]), index);
          }
        }
      }
      best_values[warp * 32 + lane] = best;
      best_indices[warp * 32 + lane] = best_index;
      __syncthreads();
      if (warp == 0) {
        for (int w = 1; w < kWarps; ++w) {
          keep_better(best, best_index, static_cast<float>(best_values[w * 32 + lane]),
                      static_cast<int>(best_indices[w * 32 + lane]));
        }
        bucket += product * best_index;
        product *= p.factors[f];
      }
      __syncthreads();
      column_base += columns;
    }
    if (warp == 0) {
      store_bucket(p, at, round, at.first + lane, bucket);
    }
  }
}

// Eight neighbouring elements of a row; what lies behind `end` reads as 0.
__device__ __forceinline__ void load_oct(float (&v)[8], const Matrix& m, int64_t row, int64_t column,
                                         int64_t end) {
  if (m.type == RF_BF16 && m.vector && (m.stride | column) % 8 == 0 && column + 8 <= end &&
      reinterpret_cast<uintptr_t>(m.data) % 16 == 0) {
    const uint16_t* const source = static_cast<const uint16_t*>(m.data) + row * m.stride + column;
    const uint4 q = load(reinterpret_cast<const uint4*>(source));
    const uint32_t words[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      v[2 * j] = from_bf16(static_cast<uint16_t>(words[j] & 0xffff));
      v[2 * j + 1] = from_bf16(static_cast<uint16_t>(words[j] >> 16));
    }
    return;
  }
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    float quad[4] = {};
    if (column + part * 4 < end) {
      load_quad(quad, m, row, column + part * 4, end);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      v[part * 4 + j] = quad[j];
    }
  }
}

// Brings the block's tokens into shared memory, quantised: q = rint(x * 2^(13 - E)) as a high and a low
// byte with q = 256 * high + low. LANES lanes share a row, eight elements each.
template <int LANES, int PADDED, int PITCH>
__device__ __forceinline__ void quantise_tokens(const LshHash& p, const Place& at,
                                                Shared<int8_t> high, Shared<int8_t> low) {
  const int part = static_cast<int>(threadIdx.x) % LANES * 8;
  const int64_t start = static_cast<int64_t>(at.head) * p.head_size;
  for (int i = static_cast<int>(threadIdx.x) / LANES; i < kIntegerTokens; i += kThreads / LANES) {
    float values[8] = {};
    if (at.first + i < p.length && part < p.head_size) {
      const int64_t row = static_cast<int64_t>(at.batch) * p.length + at.first + i;
      load_oct(values, p.x, row, start + part, start + p.head_size);
    }
    float largest = 0.0f;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      largest = fmaxf(largest, fabsf(values[j]));
    }
#pragma unroll
    for (int distance = 1; distance < LANES; distance *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    }
    // The row's largest element lands in 2^13 .. 2^14, so that both bytes of every q fit an int8.
    const int exponent = max(static_cast<int>(__float_as_uint(largest) >> 23) - 127, -114);
    const float scale = __uint_as_float(static_cast<uint32_t>(127 + 13 - exponent) << 23);
    uint32_t high_bytes[2] = {};
    uint32_t low_bytes[2] = {};
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      // An infinity becomes the largest value, NaN becomes 0.
      const float value = values[j];
      const float kept = fminf(fmaxf(mul(value, scale), -16384.0f), 16384.0f);
      const int q = to_int(value == value ? kept : 0.0f);
      const int q_low = static_cast<int8_t>(q & 0xff);
      const int q_high = (q - q_low) >> 8;
      high_bytes[j / 4] |= static_cast<uint32_t>(q_high & 0xff) << (8 * (j % 4));
      low_bytes[j / 4] |= static_cast<uint32_t>(q_low & 0xff) << (8 * (j % 4));
    }
    if (part < PADDED) {
      *shared_cast<uint2>(high + (i * PITCH + part)) = make_uint2(high_bytes[0], high_bytes[1]);
      *shared_cast<uint2>(low + (i * PITCH + part)) = make_uint2(low_bytes[0], low_bytes[1]);
    }
  }
}

// Brings rotation columns first..first+count-1 of a head into shared memory.
template <int PITCH>
__device__ __forceinline__ void load_rotations(const LshHash& p, Shared<int8_t> target,
                                               const int8_t* source, int count) {
  const int size = p.head_size;
  if (size % 16 == 0 && reinterpret_cast<uintptr_t>(source) % 16 == 0) {
    const int pieces = size / 16;
    for (int i = static_cast<int>(threadIdx.x); i < count * pieces; i += kThreads) {
      const int column = i / pieces;
      const int piece = i % pieces;
      copy_async16(target + (column * PITCH + piece * 16),
                   source + static_cast<int64_t>(column) * size + piece * 16);
    }
    copy_async_commit();
    copy_async_wait<0>();
  } else {
    for (int i = static_cast<int>(threadIdx.x); i < count * size; i += kThreads) {
      target[i / size * PITCH + i % size] = load(source + i);
    }
  }
}

// K padded to 32 * STEPS; the padding of the tokens is zero, so that of the rotations does not matter.
template <int STEPS>
__global__ void __launch_bounds__(kThreads) lsh_hash_integer_kernel(LshHash p) {
  constexpr int kPadded = 32 * STEPS;
  // 16 bytes more than a row: the eight rows that ldmatrix reads lie in different banks.
  constexpr int kPitch = kPadded + 16;
  RF_SHARED_ARRAY(int8_t, high, kIntegerTokens * kPitch);
  RF_SHARED_ARRAY(int8_t, low, kIntegerTokens * kPitch);
  RF_SHARED_ARRAY(int8_t, rotations, kColumnTile * kPitch);
  const Place at = place_of(p, kIntegerTokens);
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  // Lanes per row must be a power of two for the shuffles: 96 elements take 16 as 128 do.
  constexpr int kLanes = STEPS == 3 ? 16 : kPadded / 8;
  quantise_tokens<kLanes, kPadded, kPitch>(p, at, high, low);
  __syncthreads();
  uint32_t high_parts[STEPS][4];
  uint32_t low_parts[STEPS][4];
#pragma unroll
  for (int s = 0; s < STEPS; ++s) {
    const int offset = (warp * 16 + lane % 16) * kPitch + s * 32 + lane / 16 * 16;
    ldmatrix4(high_parts[s], high + offset);
    ldmatrix4(low_parts[s], low + offset);
  }
  const int64_t head_columns = static_cast<int64_t>(p.rounds) * p.round_columns;
  const int8_t* source =
      static_cast<const int8_t*>(p.rotations) + at.head * head_columns * p.head_size;
  for (int round = 0; round < p.rounds; ++round) {
    // Of the tokens warp * 16 + lane / 4 and that + 8.
    int32_t buckets[2] = {};
    int32_t product = 1;
    for (int f = 0; f < p.factor_count; ++f) {
      const int columns = p.factors[f] / 2;
      int best[2] = {-1, -1};
      int best_index[2] = {};
      for (int tile = 0; tile < columns; tile += kColumnTile) {
        const int count = min(kColumnTile, columns - tile);
        __syncthreads();
        load_rotations<kPitch>(p, rotations, source, count);
        __syncthreads();
        for (int n = 0; n < count; n += 8) {
          int32_t high_sums[4] = {};
          int32_t low_sums[4] = {};
#pragma unroll
          for (int s = 0; s < STEPS; ++s) {
            const int offset = (n + lane / 4) * kPitch + s * 32 + lane % 4 * 4;
            const uint32_t b[2] = {*shared_cast<const uint32_t>(rotations + offset),
                                   *shared_cast<const uint32_t>(rotations + offset + 16)};
            mma_s8(high_sums, high_parts[s], b);
            mma_s8(low_sums, low_parts[s], b);
          }
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int value = high_sums[e] * 256 + low_sums[e];
            const int column = tile + n + lane % 4 * 2 + e % 2;
            if (column < columns) {
              const int index = value < 0 ? column + columns : column;
              keep_better(best[e / 2], best_index[e / 2], abs(value), index);
            }
          }
        }
        source += static_cast<int64_t>(count) * p.head_size;
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        // The four lanes of a quad hold different columns of the same token.
        for (int distance = 1; distance < 4; distance *= 2) {
          const int other = __shfl_xor_sync(0xffffffffu, best[half], distance);
          const int other_index = __shfl_xor_sync(0xffffffffu, best_index[half], distance);
          keep_better(best[half], best_index[half], other, other_index);
        }
        buckets[half] += product * best_index[half];
      }
      product *= p.factors[f];
    }
    if (lane % 4 == 0) {
      const int token = at.first + warp * 16 + lane / 4;
      store_bucket(p, at, round, token, buckets[0]);
      store_bucket(p, at, round, token + 8, buckets[1]);
    }
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_lsh_hash(rf_context* context, int32_t* buckets, const void* x, int64_t x_stride,
                           int x_type, const void* rotations, int rotation_type,
                           const int32_t* key_mask, const int32_t* lengths, int batch, int stride,
                           int heads, int head_size, int rounds, const int32_t* factors,
                           int factor_count) {
  using namespace rf;
  if (head_size > kMaxHeadSize || factor_count > RF_MAX_FACTORS) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (batch == 0 || stride == 0 || heads == 0 || rounds == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  LshHash p = {};
  p.buckets = buckets;
  p.x = matrix(x, x_stride, x_type, head_size);
  p.rotations = rotations;
  p.key_mask = key_mask;
  p.lengths = lengths;
  p.length = stride;
  p.heads = heads;
  p.head_size = head_size;
  p.rounds = rounds;
  p.factor_count = factor_count;
  p.padding_bucket = 1;
  for (int f = 0; f < factor_count; ++f) {
    p.factors[f] = factors[f];
    p.padding_bucket *= factors[f];
    p.round_columns += factors[f] / 2;
  }
  const bool integer = rotation_type == RF_I8;
  p.tiles = static_cast<int>(ceil_div(stride, integer ? kIntegerTokens : kFloatTokens));
  const int64_t blocks = static_cast<int64_t>(p.tiles) * batch * heads;
  if (blocks > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  const dim3 grid(static_cast<unsigned>(blocks));
  const dim3 block(kThreads);
  const cudaStream_t stream = context->stream;
  if (!integer) {
    RF_LAUNCH(lsh_hash_float_kernel, grid, block, 0, stream, p);
  } else if (head_size <= 32) {
    RF_LAUNCH(lsh_hash_integer_kernel<1>, grid, block, 0, stream, p);
  } else if (head_size <= 64) {
    RF_LAUNCH(lsh_hash_integer_kernel<2>, grid, block, 0, stream, p);
  } else if (head_size <= 96) {
    RF_LAUNCH(lsh_hash_integer_kernel<3>, grid, block, 0, stream, p);
  } else {
    RF_LAUNCH(lsh_hash_integer_kernel<4>, grid, block, 0, stream, p);
  }
  return static_cast<int>(cudaGetLastError());
}
