// What         one Adafactor update: the moments r, c of g^2 by rows and columns, u = g / sqrt(r c / mean(r)),
//              w = w * keep - rate * u, rate from the root mean squares of u and w; in double, rounded once.
// Shapes       w, g [M, N]; r [M]; c [N]; or without c: w, g, r [M], N = 1; any sizes.
// Threads      stripes are shared out, columns for their sums; a stripe is a row, or kStripe elements of a vector.
// Memory       reads g three times, w twice, and writes w once. Workspace two doubles a stripe, one per row and
//              per column.
// Determinism  sums in double: lanes, then stripes in their order, which depends on the shape only.
// Reference    org.reformer4j.reference.Adafactor
#include "context.h"
#include "elements.h"

namespace rf {

[[maybe_unused]] constexpr int64_t kStripe = 4096;

struct Adafactor {
  float* w;
  const float* g;
  float* r;
  float* c;  // null for vectors
  int64_t rows, columns;
  float learning_rate, decay, epsilon, minimum_scale, clip, weight_decay, gradient_scale;
  double* inverse_rows;
  double* inverse_columns;
  int64_t stripes, width;  // `width` elements each, but for the last
  double* parameter_squares;
  double* update_squares;
};

RF_DECLARE_KERNEL(adafactor, Adafactor)

namespace RF_ISA {
namespace {

// In eight lanes, which the compiler turns into vectors, added in their order.
template <class Term>
RF_INLINE double sum_of(int64_t from, int64_t to, const Term& term) {
  double lanes[8] = {};
  int64_t i = from;
  for (; i + 8 <= to; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += term(i + lane);
  }
  for (int lane = 0; i < to; ++i, ++lane) lanes[lane] += term(i);
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

RF_INLINE double square_at(const Adafactor& p, int64_t i) {
  const double x = static_cast<double>(p.g[i]) * static_cast<double>(p.gradient_scale);
  return x * x + static_cast<double>(p.epsilon);
}

// The moving mean with a new value; returns what is kept.
RF_INLINE double blend(const Adafactor& p, float* moment, double mean) {
  const float kept = static_cast<float>(static_cast<double>(*moment) * static_cast<double>(p.decay) +
                                        mean * static_cast<double>(1.0f - p.decay));
  *moment = kept;
  return static_cast<double>(kept);
}

Range stripe(const Adafactor& p, int64_t index) {
  const int64_t count = p.rows * p.columns;
  const int64_t end = (index + 1) * p.width;
  return {index * p.width, end < count ? end : count};
}

// u of element i of a stripe.
RF_INLINE double update_at(const Adafactor& p, int64_t index, int64_t i) {
  const double x = static_cast<double>(p.g[i]) * static_cast<double>(p.gradient_scale);
  return p.c == nullptr ? x * p.inverse_rows[i]
                        : x * p.inverse_rows[index] * p.inverse_columns[i - index * p.width];
}

void row_moments(const Adafactor& p, Range own) {
  for (int64_t s = own.from; s < own.to; ++s) {
    const Range elements = stripe(p, s);
    p.parameter_squares[s] = sum_of(elements.from, elements.to, [&](int64_t i) {
      return static_cast<double>(p.w[i]) * static_cast<double>(p.w[i]);
    });
    if (p.c == nullptr) {
      for (int64_t i = elements.from; i < elements.to; ++i) {
        p.inverse_rows[i] = 1.0 / __builtin_sqrt(blend(p, p.r + i, square_at(p, i)));
      }
    } else {
      const double sum = sum_of(elements.from, elements.to, [&](int64_t i) { return square_at(p, i); });
      blend(p, p.r + s, sum / static_cast<double>(p.columns));
    }
  }
}

void factors(const Adafactor& p, Range rows, Range columns) {
  const double mean = sum_of(0, p.rows, [&](int64_t i) { return static_cast<double>(p.r[i]); }) /
                      static_cast<double>(p.rows);
  for (int64_t row = rows.from; row < rows.to; ++row) {
    p.inverse_rows[row] = 1.0 / __builtin_sqrt(static_cast<double>(p.r[row]) / mean);
  }
  double* const sums = p.inverse_columns;
  for (int64_t column = columns.from; column < columns.to; ++column) sums[column] = 0;
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = columns.from; column < columns.to; ++column) {
      sums[column] += square_at(p, row * p.columns + column);
    }
  }
  for (int64_t column = columns.from; column < columns.to; ++column) {
    const double moment = blend(p, p.c + column, sums[column] / static_cast<double>(p.rows));
    p.inverse_columns[column] = 1.0 / __builtin_sqrt(moment);
  }
}

void squares_of_updates(const Adafactor& p, Range own) {
  for (int64_t s = own.from; s < own.to; ++s) {
    const Range elements = stripe(p, s);
    p.update_squares[s] = sum_of(elements.from, elements.to, [&](int64_t i) {
      const double u = update_at(p, s, i);
      return u * u;
    });
  }
}

// A NaN goes through, as with Math.max.
double larger(double a, double b) { return a > b || a != a ? a : b; }

void apply(const Adafactor& p, Range own) {
  const double count = static_cast<double>(p.rows * p.columns);
  const double updates = sum_of(0, p.stripes, [&](int64_t s) { return p.update_squares[s]; });
  const double parameters = sum_of(0, p.stripes, [&](int64_t s) { return p.parameter_squares[s]; });
  const double ratio = __builtin_sqrt(updates / count) / static_cast<double>(p.clip);
  const double size = __builtin_sqrt(parameters / count);
  const double rate = static_cast<double>(p.learning_rate) * larger(size, static_cast<double>(p.minimum_scale)) /
                      larger(ratio, 1.0);
  const double keep = 1.0 - static_cast<double>(p.learning_rate) * static_cast<double>(p.weight_decay);
  for (int64_t s = own.from; s < own.to; ++s) {
    const Range elements = stripe(p, s);
    for (int64_t i = elements.from; i < elements.to; ++i) {
      p.w[i] = static_cast<float>(static_cast<double>(p.w[i]) * keep - rate * update_at(p, s, i));
    }
  }
}

}  // namespace

void adafactor(rf_context& context, const Adafactor& p) {
  parallel(context, p.rows * p.columns, kElementGrain / 4, [&](const Team& team) {
    const Range own = team.share(p.stripes);
    row_moments(p, own);
    team.barrier();
    if (p.c != nullptr) {
      factors(p, own, team.share(p.columns, 16));
      team.barrier();
    }
    squares_of_updates(p, own);
    team.barrier();
    apply(p, own);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
// For vectors, which have one column, as many stripes at most.
extern "C" int64_t rf_adafactor_workspace(int64_t rows, int64_t columns) {
  if (rows == 0 || columns == 0) {
    return 0;
  }
  return (3 * rows + columns) * static_cast<int64_t>(sizeof(double));
}

extern "C" int rf_adafactor(rf_context* context, float* parameter, const float* gradient, float* row_moments,
                            float* column_moments, int64_t rows, int64_t columns, float learning_rate, float decay,
                            float epsilon, float minimum_scale, float clip, float weight_decay,
                            float gradient_scale, void* workspace) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  Adafactor p = {};
  p.w = parameter;
  p.g = gradient;
  p.r = row_moments;
  p.c = column_moments;
  p.rows = rows;
  p.columns = columns;
  p.learning_rate = learning_rate;
  p.decay = decay;
  p.epsilon = epsilon;
  p.minimum_scale = minimum_scale;
  p.clip = clip;
  p.weight_decay = weight_decay;
  p.gradient_scale = gradient_scale;
  p.width = column_moments == nullptr ? kStripe : columns;
  p.stripes = column_moments == nullptr ? (rows + kStripe - 1) / kStripe : rows;
  p.inverse_rows = static_cast<double*>(workspace);
  p.inverse_columns = p.inverse_rows + rows;
  p.parameter_squares = p.inverse_columns + columns;
  p.update_squares = p.parameter_squares + p.stripes;
  RF_RUN(*context, adafactor, p);
  return take_status(*context);
}
#endif
