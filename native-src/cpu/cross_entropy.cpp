// What         loss = log(sum exp(x)) - x[target]; dx = scale * (softmax(x) - onehot(target)); both 0 where the
//              target is ignored.
// Shapes       x, dx [N, V]; loss, targets [N]; any N and V. dx may be x.
// Threads      rows are shared out.
// Memory       reads x three times, the later ones from the caches, and writes dx once.
// Determinism  exponentials in float, sums in double, in one order per V.
// Reference    org.reformer4j.reference.CrossEntropy
#include <math.h>

#include "context.h"
#include "elements.h"

namespace rf {

struct CrossEntropy {
  float* loss;
  Matrix dx, x;
  const int32_t* targets;
  int32_t ignored;
  float scale;
  int64_t rows, columns;
};

RF_DECLARE_KERNEL(cross_entropy, CrossEntropy)

namespace RF_ISA {
namespace {

float highest(const CrossEntropy& p, int64_t row) {
  F high = set(-__builtin_inff());
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    F v = load_elements(p.x, row, column, p.columns);
    if (p.columns - column < kLanes) {
      v = first_lanes(p.columns - column) ? v : high;
    }
    // A NaN does not count here; the sum will have it.
    high = v > high ? v : high;
  }
  return maximum(high);
}

double sum_of_exponentials(const CrossEntropy& p, int64_t row, float high) {
  Doubles total = {};
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    F e = exp(load_elements(p.x, row, column, p.columns) - high);
    if (p.columns - column < kLanes) {
      e = first_lanes(p.columns - column) ? e : F{};
    }
    const Doubles wide = doubles(e);
    total.part[0] += wide.part[0];
    total.part[1] += wide.part[1];
  }
  return sum(total);
}

void gradient(const CrossEntropy& p, int64_t row, float high, double factor) {
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    Doubles share = doubles(exp(load_elements(p.x, row, column, p.columns) - high));
    share.part[0] *= factor;
    share.part[1] *= factor;
    store_elements(p.dx, row, column, p.columns, floats(share));
  }
}

void one_row(const CrossEntropy& p, int64_t row) {
  const int32_t target = p.targets[row];
  if (target == p.ignored) {
    p.loss[row] = 0;
    for (int64_t column = 0; column < p.columns && p.dx.data != nullptr; column += kLanes) {
      store_elements(p.dx, row, column, p.columns, F{});
    }
    return;
  }
  const float high = highest(p, row);
  const double sum = sum_of_exponentials(p, row, high);
  // Before the gradient, which may take its place.
  const float logit = static_cast<const float*>(p.x.data)[row * p.x.stride + target];
  p.loss[row] = static_cast<float>(log(sum) - (static_cast<double>(logit) - static_cast<double>(high)));
  if (p.dx.data != nullptr) {
    const double scale = static_cast<double>(p.scale);
    const double factor = scale / sum;
    gradient(p, row, high, factor);
    const double share = static_cast<double>(exp(set(logit - high))[0]) * factor;
    static_cast<float*>(p.dx.data)[row * p.dx.stride + target] = static_cast<float>(share - scale);
  }
}

}  // namespace

void cross_entropy(rf_context& context, const CrossEntropy& p) {
  parallel(context, p.rows * p.columns, kElementGrain / 8, [&](const Team& team) {
    const Range own = team.share(p.rows);
    for (int64_t row = own.from; row < own.to; ++row) one_row(p, row);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_cross_entropy(rf_context* context, float* loss, float* dlogits, int64_t dlogits_stride,
                                const float* logits, int64_t logits_stride, const int32_t* targets,
                                int ignore_index, float scale, int64_t rows, int64_t columns) {
  using namespace rf;
  const CrossEntropy p = {loss,  matrix(dlogits, dlogits_stride, RF_F32), matrix(logits, logits_stride, RF_F32),
                          targets, ignore_index, scale, rows, columns};
  RF_RUN(*context, cross_entropy, p);
  return take_status(*context);
}
#endif
