// What         out = softmax over the listed rows of (q . key) * value, one query per (sequence, head). Keys
//              are q' / (rms(q') sqrt K) of shared query-keys q', or k / sqrt K. A row listed twice counts twice.
// Shapes       out, queries [B, H*K]; keys, values [S, H*K], K <= 128; rows [B, H, R, W] with -1 for none;
//              own [B] or null: that row is skipped, and is the result where nothing else is listed.
// Grid         a block owns a (sequence, head); its 8 warps take groups of 16 listed rows in turn, a lane four
//              columns of a row; sums grow row by row under a running maximum, and join at the end.
// Memory       reads 4 R W bytes of lists and each listed row once: bound by their latency, not their bytes,
//              for R W is a few hundred. Shared 4.2 KB.
// Determinism  a fixed order of rows within a warp and of warps.
// Reference    org.reformer4j.reference.DecodeAttention
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kGroup = 16;
constexpr int kMaxHeadSize = 128;
constexpr float kEpsilon = 1e-6f;

struct Decode {
  Matrix out, queries, keys, values;
  const int32_t* rows;
  const int32_t* own;
  const float* head_mask;
  int heads, head_size, entries;
  bool shared_keys;
};

// A lane's four columns of a head's row, 0 behind the last one.
__device__ __forceinline__ void load_columns(float (&v)[4], const Decode& p, const Matrix& m,
                                             int64_t row, int head, int column) {
  if (column < p.head_size) {
    const int64_t first = static_cast<int64_t>(head) * p.head_size;
    load_quad(v, m, row, first + column, first + p.head_size);
  } else {
    v[0] = v[1] = v[2] = v[3] = 0.0f;
  }
}

// The product of a row's key with the query, in every lane.
__device__ __forceinline__ float score_of(const Decode& p, const float (&query)[4], int64_t row,
                                          int head, int column) {
  float key[4];
  load_columns(key, p, p.keys, row, head, column);
  float product = 0.0f;
  float square = 0.0f;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    product = fmaf(query[j], key[j], product);
    square = fmaf(key[j], key[j], square);
  }
  product = warp_sum(product);
  const float size = static_cast<float>(p.head_size);
  if (!p.shared_keys) {
    return product / sqrtf(size);
  }
  square = warp_sum(square);
  return product / sqrtf((square / size + kEpsilon) * size);
}

__global__ void __launch_bounds__(kThreads) decode_attention_kernel(Decode p) {
  RF_SHARED_ARRAY(float, highs, kWarps);
  RF_SHARED_ARRAY(float, sums, kWarps);
  RF_SHARED_ARRAY(float, averages, kWarps * kMaxHeadSize);
  const int batch = static_cast<int>(blockIdx.x) / p.heads;
  const int head = static_cast<int>(blockIdx.x) % p.heads;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int column = lane * 4;
  const int64_t first = static_cast<int64_t>(head) * p.head_size;
  const int32_t self = p.own == nullptr ? -1 : load(p.own + batch);
  const int32_t* const list = p.rows + static_cast<int64_t>(blockIdx.x) * p.entries;
  float query[4];
  load_columns(query, p, p.queries, batch, head, column);
  float high = -INFINITY;
  float sum = 0.0f;
  float average[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int group = warp * kGroup; group < p.entries; group += kWarps * kGroup) {
    const int place = group + lane;
    const int32_t mine = lane < kGroup && place < p.entries ? load(list + place) : -1;
    for (int i = 0; i < kGroup; ++i) {
      const int32_t row = __shfl_sync(0xffffffffu, mine, i);
      if (row < 0 || row == self) {
        continue;
      }
      const float score = score_of(p, query, row, head, column);
      const float top = fmaxf(high, score);
      const float old = high == top ? 1.0f : expf(high - top);
      const float weight = expf(score - top);
      float value[4];
      load_columns(value, p, p.values, row, head, column);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        average[j] = fmaf(weight, value[j], mul(average[j], old));
      }
      sum = add(mul(sum, old), weight);
      high = top;
    }
  }
  if (lane == 0) {
    highs[warp] = high;
    sums[warp] = sum;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    averages[warp * kMaxHeadSize + column + j] = average[j];
  }
  __syncthreads();
  const int mine = static_cast<int>(threadIdx.x);
  if (mine >= p.head_size) {
    return;
  }
  float top = -INFINITY;
  for (int w = 0; w < kWarps; ++w) {
    top = fmaxf(top, highs[w]);
  }
  float total = 0.0f;
  float result = 0.0f;
  for (int w = 0; w < kWarps; ++w) {
    const float part = sums[w];
    // A warp that found nothing has the maximum of nothing.
    const float weight = part == 0.0f ? 0.0f : expf(highs[w] - top);
    total = fmaf(weight, part, total);
    result = fmaf(weight, averages[w * kMaxHeadSize + mine], result);
  }
  if (total != 0.0f) {
    result = result / total;
  } else if (self >= 0) {
    result = load_element(p.values, self * p.values.stride + first + mine);
  }
  if (p.head_mask != nullptr) {
    result = mul(result, load(p.head_mask + head));
  }
  store_element(p.out, batch * p.out.stride + first + mine, result);
}

}  // namespace
}  // namespace rf

extern "C" int rf_decode_attention(rf_context* context, void* out, int64_t out_stride, int out_type,
                                   const void* queries, int64_t query_stride, const void* keys,
                                   int64_t key_stride, const void* values, int64_t value_stride,
                                   int input_type, const int32_t* rows, const int32_t* own,
                                   const float* head_mask, int batch, int heads, int head_size,
                                   int rounds, int window, int shared_keys) {
  using namespace rf;
  if (head_size > kMaxHeadSize || int64_t{rounds} * window > INT32_MAX / 2) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (const int status = enter(context)) {
    return status;
  }
  // Every head begins on a quad where a head has whole ones.
  const auto heads_of = [head_size](const void* data, int64_t stride, int type) {
    return matrix(data, stride, type, head_size);
  };
  const Decode p = {heads_of(out, out_stride, out_type),
                    heads_of(queries, query_stride, input_type),
                    heads_of(keys, key_stride, input_type),
                    heads_of(values, value_stride, input_type),
                    rows,
                    own,
                    head_mask,
                    heads,
                    head_size,
                    rounds * window,
                    shared_keys != 0};
  const dim3 grid(static_cast<unsigned>(int64_t{batch} * heads));
  RF_LAUNCH(decode_attention_kernel, grid, dim3(kThreads), 0, context->stream, p);
  return static_cast<int>(cudaGetLastError());
}
