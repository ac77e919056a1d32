// What         sum = x[0][0]^2 + x[0][1]^2 + ..., in double.
// Shapes       x [N, D]; any N and D.
// Threads      blocks of a row are shared out.
// Memory       reads x once. Workspace one double per row and kBlock columns.
// Determinism  lanes, then blocks in their order, which depends on the shape only. The square of a float is exact
//              in double.
// Reference    org.reformer4j.reference.SumOfSquares
#include "context.h"
#include "elements.h"

namespace rf {

// Columns of a row whose squares are one partial sum.
constexpr int64_t kSquaresBlock = 16384;

struct SumOfSquares {
  double* sum;
  Matrix x;
  int64_t rows, columns;
  double* partials;
};

RF_DECLARE_KERNEL(sum_of_squares, SumOfSquares)

namespace RF_ISA {

void sum_of_squares(rf_context& context, const SumOfSquares& p) {
  const int64_t blocks = (p.columns + kSquaresBlock - 1) / kSquaresBlock;
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    const Range own = team.share(p.rows * blocks);
    for (int64_t i = own.from; i < own.to; ++i) {
      const int64_t row = i / blocks;
      const int64_t first = i % blocks * kSquaresBlock;
      const int64_t end = first + kSquaresBlock < p.columns ? first + kSquaresBlock : p.columns;
      Doubles total = {};
      for (int64_t column = first; column < end; column += kLanes) {
        const Doubles v = doubles(load_elements(p.x, row, column, end));
        total.part[0] += v.part[0] * v.part[0];
        total.part[1] += v.part[1] * v.part[1];
      }
      p.partials[i] = sum(total);
    }
  });
  double total = 0;
  for (int64_t i = 0; i < p.rows * blocks; ++i) total += p.partials[i];
  *p.sum = total;
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_sum_of_squares_workspace(int64_t rows, int64_t columns) {
  const int64_t blocks = (columns + rf::kSquaresBlock - 1) / rf::kSquaresBlock;
  return rows * blocks * static_cast<int64_t>(sizeof(double));
}

extern "C" int rf_sum_of_squares(rf_context* context, double* sum, const float* x, int64_t x_stride, int64_t rows,
                                 int64_t columns, void* workspace) {
  using namespace rf;
  const SumOfSquares p = {sum, matrix(x, x_stride, RF_F32), rows, columns, static_cast<double*>(workspace)};
  RF_RUN(*context, sum_of_squares, p);
  return take_status(*context);
}
#endif
