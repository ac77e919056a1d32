// What         one AdamW update of w with its moments m and v, in double, rounded once.
// Shapes       w, g, m, v [N]; any N.
// Threads      elements are shared out.
// Memory       reads w, g, m, v and writes w, m, v once.
// Determinism  nothing is summed; the bits are those of the reference.
// Reference    org.reformer4j.reference.AdamW
#include "context.h"
#include "elements.h"

namespace rf {

struct AdamW {
  float* w;
  const float* g;
  float* m;
  float* v;
  int64_t count;
  double rate, keep, first_share, second_share, root_correction, epsilon, gradient_scale;
};

RF_DECLARE_KERNEL(adam_w, AdamW)

namespace RF_ISA {
namespace {

// A plain loop without aliases, which the compiler turns into vectors of double.
void update(const AdamW& p, float* __restrict w, const float* __restrict g, float* __restrict m,
            float* __restrict v, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(g[i]) * p.gradient_scale;
    const double first = static_cast<double>(m[i]);
    const double second = static_cast<double>(v[i]);
    const double mean = first + (x - first) * p.first_share;
    const double square = second + (x * x - second) * p.second_share;
    m[i] = static_cast<float>(mean);
    v[i] = static_cast<float>(square);
    const double step = p.rate * mean / (__builtin_sqrt(square) / p.root_correction + p.epsilon);
    w[i] = static_cast<float>(static_cast<double>(w[i]) * p.keep - step);
  }
}

}  // namespace

void adam_w(rf_context& context, const AdamW& p) {
  parallel(context, p.count, kElementGrain / 2, [&](const Team& team) {
    const Range own = team.share(p.count, 16);
    update(p, p.w + own.from, p.g + own.from, p.m + own.from, p.v + own.from, own.to - own.from);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_adam_w(rf_context* context, float* parameter, const float* gradient, float* first, float* second,
                         int64_t count, double rate, double keep, float first_share, float second_share,
                         double root_correction, float epsilon, float gradient_scale) {
  const rf::AdamW p = {parameter,   gradient,     first,           second,  count,         rate,
                       keep,        first_share,  second_share,    root_correction, epsilon, gradient_scale};
  RF_RUN(*context, adam_w, p);
  return rf::take_status(*context);
}
#endif
