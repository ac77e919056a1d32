// What         loss = log(sum exp(x)) - x[target]; dx = scale * (softmax(x) - onehot(target)); both 0 where the
//              target is ignored.
// Shapes       x, dx [N, V]; loss, targets [N]; any N and V. dx may be x.
// Grid         a block owns a row; a thread owns every 256th group of four neighbouring columns.
// Memory       reads x three times, the later ones from the caches, and writes dx once. Shared 96 bytes.
// Determinism  exponentials in float, sums in double: thread, warp, block in a fixed order; no atomics.
// Reference    org.reformer4j.reference.CrossEntropy
// Measured     not yet run on a card
#include "context.h"
#include "elements.cuh"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int64_t kStep = kThreads * 4;

struct CrossEntropy {
  float* loss;
  Matrix dx, x;
  const int32_t* targets;
  int32_t ignored;
  float scale;
  int64_t columns;
};

__global__ void __launch_bounds__(kThreads) cross_entropy_kernel(CrossEntropy p) {
  RF_SHARED_ARRAY(float, highs, kWarps);
  RF_SHARED_ARRAY(double, sums, kWarps);
  const int64_t row = blockIdx.x;
  const int64_t first = static_cast<int64_t>(threadIdx.x) * 4;
  const int32_t target = load(p.targets + row);
  if (target == p.ignored) {
    if (threadIdx.x == 0) {
      store(p.loss + row, 0.0f);
    }
    const float zeros[4] = {};
    for (int64_t column = first; column < p.columns && p.dx.data != nullptr; column += kStep) {
      store_quad(p.dx, row, column, p.columns, zeros);
    }
    return;
  }
  float v[4];
  float high = -INFINITY;
  for (int64_t column = first; column < p.columns; column += kStep) {
    load_quad(v, p.x, row, column, p.columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      high = column + j < p.columns ? fmaxf(high, v[j]) : high;
    }
  }
  high = block_max(high, highs, kWarps);
  double sum = 0.0;
  for (int64_t column = first; column < p.columns; column += kStep) {
    load_quad(v, p.x, row, column, p.columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sum += column + j < p.columns ? static_cast<double>(expf(add(v[j], -high))) : 0.0;
    }
  }
  // Read before the barriers of the sum: dx may be x.
  const double logit = static_cast<double>(load_element(p.x, row * p.x.stride + target));
  sum = block_sum(sum, sums, kWarps);
  if (threadIdx.x == 0) {
    store(p.loss + row, static_cast<float>(log(sum) - (logit - static_cast<double>(high))));
  }
  if (p.dx.data == nullptr) {
    return;
  }
  const double scale = static_cast<double>(p.scale);
  const double factor = scale / sum;
  for (int64_t column = first; column < p.columns; column += kStep) {
    load_quad(v, p.x, row, column, p.columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const double share = static_cast<double>(expf(add(v[j], -high))) * factor;
      v[j] = static_cast<float>(column + j == target ? share - scale : share);
    }
    store_quad(p.dx, row, column, p.columns, v);
  }
}

}  // namespace
}  // namespace rf

extern "C" int rf_cross_entropy(rf_context* context, float* loss, float* dlogits,
                                int64_t dlogits_stride, const float* logits, int64_t logits_stride,
                                const int32_t* targets, int ignore_index, float scale, int64_t rows,
                                int64_t columns) {
  using namespace rf;
  if (rows == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  CrossEntropy p = {};
  p.loss = loss;
  p.dx = matrix(dlogits, dlogits_stride, RF_F32, columns);
  p.x = matrix(logits, logits_stride, RF_F32, columns);
  p.targets = targets;
  p.ignored = ignore_index;
  p.scale = scale;
  p.columns = columns;
  RF_LAUNCH(cross_entropy_kernel, dim3(static_cast<unsigned>(rows)), dim3(kThreads), 0,
            context->stream, p);
  return static_cast<int>(cudaGetLastError());
}
