// What         the fast backward path of attention: dO.O of every token and head, where the kernel that follows does
//              not find it itself, then per group of heads and per round the products of attention_backward_run.cu,
//              attention_backward_local.cu or attention_backward_block.cu; attention_tail.cu for what lies behind.
// Shapes       out, d_out [B*T, H*K]; delta [B, H, T]; K 64 or 128.
// Grid         dO.O: 16 or 32 threads a row.
// Memory       dO.O reads two rows and writes a float; the workspace holds it, bfloat16 copies of dO where that is
//              float, and per round before the last 2 K elements for every token and head of a group.
// Determinism  one butterfly per row.
// Reference    org.reformer4j.reference.ChunkedAttention
// Measured     not yet run on a card
#include "attention_backward_fast.cuh"

namespace rf {
namespace {

constexpr int kDeltaThreads = 256;
constexpr int kDeltaPasses = 4;  // rows of a thread

template <int SIZE>
__global__ void __launch_bounds__(kDeltaThreads)
    attention_delta_kernel(Attention a, Matrix out, Matrix d_out, Matrix d_out_copy, float* delta) {
  constexpr int kLanes = SIZE / 4;
  constexpr int kRows = kDeltaThreads / kLanes;
  const int head = static_cast<int>(blockIdx.y);
  const int batch = static_cast<int>(blockIdx.z);
  const int length = load(a.sequences + batch);
  const int64_t column = static_cast<int64_t>(head) * SIZE + static_cast<int>(threadIdx.x) % kLanes * 4;
#pragma unroll
  for (int i = 0; i < kDeltaPasses; ++i) {
    const int token = (static_cast<int>(blockIdx.x) * kDeltaPasses + i) * kRows +
                      static_cast<int>(threadIdx.x) / kLanes;
    const bool real = token < length;
    const int64_t row = static_cast<int64_t>(batch) * a.stride + token;
    float sum = 0.0f;
    if (real) {
      float d[4];
      load_quad(d, d_out, row, column, column + 4);
      if (d_out_copy.data != nullptr) {
        store_quad(d_out_copy, row, column, column + 4, d);
      }
      if (delta != nullptr) {
        float x[4];
        load_quad(x, out, row, column, column + 4);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sum = fmaf(x[j], d[j], sum);
        }
      }
    }
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      sum = add(sum, __shfl_xor_sync(0xffffffffu, sum, distance));
    }
    if (real && delta != nullptr && threadIdx.x % kLanes == 0) {
      store(delta + (static_cast<int64_t>(batch) * a.heads + head) * a.stride + token, sum);
    }
  }
}

}  // namespace

int64_t fast_backward_workspace(int batch, int stride, int heads, int head_size, int rounds,
                                int gradient_type, int heads_per_group) {
  const int64_t rows = static_cast<int64_t>(batch) * stride;
  const int64_t copy = gradient_type == RF_BF16 ? 0 : rows * heads * head_size * 2;
  const int64_t partials = rows * heads_per_group * (rounds - 1) * head_size * 2;
  return aligned(rows * heads * 4) + aligned(copy) + 2 * aligned(partials);
}

int fast_backward(const rf_context* context, const Attention& a, const Matrix& d_queries,
                  const Matrix& d_keys, const Matrix& d_values, const Matrix& d_out, const Matrix& out,
                  const float* lse, int64_t tiles, int heads_per_group, void* workspace) {
  const int64_t rows = static_cast<int64_t>(a.batch) * a.stride;
  const int64_t width = static_cast<int64_t>(a.heads) * a.size;
  const cudaStream_t stream = context->stream;
  const FastBlocks all = fast_blocks(a, tiles);
  if (const int status = launch_tail(a, {d_queries, d_values, a.shared ? Matrix{} : d_keys}, nullptr, stream)) {
    return status;
  }
  char* space = static_cast<char*>(workspace);
  AttentionGradient g = {};
  // Over one round the kernels for the published window see all keys of a query, and find dO.O by themselves.
  float* const delta = all.kernels != FastKernels::kBlock && all.rounds == 1 ? nullptr : reinterpret_cast<float*>(space);
  space += aligned(rows * a.heads * 4);
  g.d_out = d_out;
  Matrix copy = {};
  if (d_out.type != RF_BF16) {
    g.d_out = copy = matrix(space, width, RF_BF16, a.size);
    space += aligned(rows * width * 2);
  }
  if (delta != nullptr || copy.data != nullptr) {
    const dim3 grid(static_cast<unsigned>(ceil_div(a.stride, kDeltaPasses * kDeltaThreads / (a.size / 4))),
                    static_cast<unsigned>(a.heads), static_cast<unsigned>(a.batch));
    if (a.size == 64) {
      RF_LAUNCH(attention_delta_kernel<64>, grid, dim3(kDeltaThreads), 0, stream, a, out, d_out, copy, delta);
    } else {
      RF_LAUNCH(attention_delta_kernel<128>, grid, dim3(kDeltaThreads), 0, stream, a, out, d_out, copy, delta);
    }
    if (const int status = cudaGetLastError()) {
      return status;
    }
  }
  g.lse = lse;
  g.delta = delta;
  g.d_queries = d_queries;
  g.d_keys = d_keys;
  g.d_values = d_values;
  g.round_rows = reinterpret_cast<uint16_t*>(space);
  g.round_values = reinterpret_cast<uint16_t*>(
      space + aligned(rows * heads_per_group * (a.rounds - 1) * a.size * 2));
  return launch_rounds(a, g, all, heads_per_group, context->processors,
                       all.kernels == FastKernels::kRun     ? launch_run_gradient
                       : all.kernels == FastKernels::kLocal ? launch_local_gradient
                                                            : launch_block_gradient,
                       stream);
}

}  // namespace rf
