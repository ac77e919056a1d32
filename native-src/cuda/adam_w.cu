// What         one AdamW update of w with its moments m and v, in double, rounded once.
// Shapes       w, g, m, v [N]; any N.
// Grid         a thread owns an element.
// Memory       reads w, g, m, v and writes w, m, v once: 28 bytes per element.
// Determinism  nothing is summed; the bits are those of the reference.
// Reference    org.reformer4j.reference.AdamW
// Measured     not yet run on a card
#include "context.h"

namespace rf {
namespace {

constexpr int kThreads = 256;

struct AdamW {
  float* w;
  const float* g;
  float* m;
  float* v;
  int64_t count;
  double rate, keep, first_share, second_share, root_correction, epsilon, gradient_scale;
};

__global__ void __launch_bounds__(kThreads) adam_w_kernel(AdamW p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.count) {
    return;
  }
  const double x = static_cast<double>(load(p.g + i)) * p.gradient_scale;
  const double m = static_cast<double>(load(p.m + i));
  const double v = static_cast<double>(load(p.v + i));
  const double mean = m + (x - m) * p.first_share;
  const double square = v + (x * x - v) * p.second_share;
  store(p.m + i, static_cast<float>(mean));
  store(p.v + i, static_cast<float>(square));
  const double step = p.rate * mean / (sqrt(square) / p.root_correction + p.epsilon);
  store(p.w + i, static_cast<float>(static_cast<double>(load(p.w + i)) * p.keep - step));
}

}  // namespace
}  // namespace rf

extern "C" int rf_adam_w(rf_context* context, float* parameter, const float* gradient, float* first,
                         float* second, int64_t count, double rate, double keep, float first_share,
                         float second_share, double root_correction, float epsilon,
                         float gradient_scale) {
  using namespace rf;
  if (count == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  const AdamW p = {parameter,   gradient,     first,           second,  count,         rate,
                   keep,        first_share,  second_share,    root_correction, epsilon, gradient_scale};
  const dim3 grid(static_cast<unsigned>(ceil_div(count, kThreads)));
  RF_LAUNCH(adam_w_kernel, grid, dim3(kThreads), 0, context->stream, p);
  return static_cast<int>(cudaGetLastError());
}
