// What         what stands behind a sequence's end after the fast paths of attention: zeros in results or gradients,
//              log-sum-exps of minus infinity.
// Shapes       up to three matrices [B*T, H*K]; lse [B, H, T].
// Grid         a block takes every 64th block of 32 tokens of one sequence and all heads.
// Memory       writes only those rows.
// Determinism  nothing is summed here.
// Reference    org.reformer4j.reference.ChunkedAttention
// Measured     not yet run on a card
#include "attention_launch.cuh"

namespace rf {
namespace {

constexpr int kTailThreads = 128;
constexpr int kTailTokens = 32;
constexpr int kTailBlocks = 64;

__global__ void __launch_bounds__(kTailThreads)
    attention_tail_kernel(Attention a, Matrix first_target, Matrix second_target, Matrix third_target,
                          float* lse) {
  const int batch = static_cast<int>(blockIdx.y);
  const int length = load(a.sequences + batch);
  const int quads = a.heads * a.size / 4;
  for (int first = static_cast<int>(blockIdx.x) * kTailTokens; first < a.stride;
       first += kTailBlocks * kTailTokens) {
    for (int token = max(first, length); token < min(first + kTailTokens, a.stride); ++token) {
      const int64_t row = static_cast<int64_t>(batch) * a.stride + token;
      for (int i = static_cast<int>(threadIdx.x); i < quads; i += kTailThreads) {
        const float zeros[4] = {};
        for (const Matrix& target : {first_target, second_target, third_target}) {
          if (target.data != nullptr) {
            store_quad(target, row, i * 4, quads * 4, zeros);
          }
        }
      }
      for (int head = static_cast<int>(threadIdx.x); lse != nullptr && head < a.heads; head += kTailThreads) {
        store(lse + (static_cast<int64_t>(batch) * a.heads + head) * a.stride + token, -INFINITY);
      }
    }
  }
}

}  // namespace

int launch_tail(const Attention& a, const Matrix (&targets)[3], float* lse, cudaStream_t stream) {
  RF_LAUNCH(attention_tail_kernel, dim3(kTailBlocks, static_cast<unsigned>(a.batch)), dim3(kTailThreads), 0,
            stream, a, targets[0], targets[1], targets[2], lse);
  return static_cast<int>(cudaGetLastError());
}

}  // namespace rf
