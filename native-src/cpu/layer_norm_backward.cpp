// What         gradient of the layer norm: with n = (x - mean) / deviation and g = dout * gain,
//              dx += (g - mean(g) - n * mean(g * n)) / deviation, dgain += sum dout * n, dbias += sum dout.
// Shapes       dx, dout, x [N, D]; gain, dgain, dbias [D]; any N and D.
// Threads      rows are shared out, then, for the sums over them, columns.
// Memory       reads x and dout twice, reads and writes dx once. Workspace 8 N bytes.
// Determinism  sums of a row in one order per D; a column sum is one chain in double over
//              the rows, from what is there on, rounded once.
// Reference    org.reformer4j.reference.LayerNorm
#include "context.h"
#include "elements.h"
#include "row_statistics.h"

namespace rf {

struct LayerNormBackward {
  Matrix dx, dout, x;
  float *dgain, *dbias;
  const float* gain;
  float epsilon;
  int64_t rows, columns;
  float* statistics;  // [N, 2]
};

RF_DECLARE_KERNEL(layer_norm_backward, LayerNormBackward)

namespace RF_ISA {
namespace {

RF_INLINE F normal_at(const LayerNormBackward& p, const RowStatistics& s, int64_t row, int64_t column, int64_t end) {
  return (load_elements(p.x, row, column, end) - s.mean) * s.inverse;
}

void gradient_of_row(const LayerNormBackward& p, const RowStatistics& s, int64_t row) {
  F sum_g = {};
  F sum_gn = {};
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    // Behind the last column dout and gain are 0.
    const F g = load_elements(p.dout, row, column, p.columns) * load_row(p.gain, column, p.columns);
    sum_g += g;
    sum_gn = fma(g, normal_at(p, s, row, column, p.columns), sum_gn);
  }
  const float mean_g = sum(sum_g) / static_cast<float>(p.columns);
  const float mean_gn = sum(sum_gn) / static_cast<float>(p.columns);
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    const F g = load_elements(p.dout, row, column, p.columns) * load_row(p.gain, column, p.columns);
    const F centred = fma(-normal_at(p, s, row, column, p.columns), set(mean_gn), g - mean_g);
    store_elements(p.dx, row, column, p.columns,
                   fma(centred, set(s.inverse), load_elements(p.dx, row, column, p.columns)));
  }
}

// Columns whose sums are kept at once.
constexpr int kTile = 64;

RF_INLINE void add(Doubles* total, Doubles term) {
  total->part[0] += term.part[0];
  total->part[1] += term.part[1];
}

// One rounding at the end: over a long sequence a chain of floats loses what a norm's gradient needs.
void sums_of_columns(const LayerNormBackward& p, int64_t first, int64_t end) {
  Doubles dgain[kTile / kLanes];
  Doubles dbias[kTile / kLanes];
  for (int64_t column = first, i = 0; column < end; column += kLanes, ++i) {
    dgain[i] = doubles(load_row(p.dgain, column, end));
    dbias[i] = doubles(load_row(p.dbias, column, end));
  }
  for (int64_t row = 0; row < p.rows; ++row) {
    const RowStatistics s = {p.statistics[2 * row], p.statistics[2 * row + 1]};
    for (int64_t column = first, i = 0; column < end; column += kLanes, ++i) {
      const Doubles dout = doubles(load_elements(p.dout, row, column, end));
      const Doubles normal = doubles(normal_at(p, s, row, column, end));
      add(&dbias[i], dout);
      add(&dgain[i], {{dout.part[0] * normal.part[0], dout.part[1] * normal.part[1]}});
    }
  }
  for (int64_t column = first, i = 0; column < end; column += kLanes, ++i) {
    store_elements({p.dgain, 0, RF_F32}, 0, column, end, floats(dgain[i]));
    store_elements({p.dbias, 0, RF_F32}, 0, column, end, floats(dbias[i]));
  }
}

}  // namespace

void layer_norm_backward(rf_context& context, const LayerNormBackward& p) {
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    const Range rows = team.share(p.rows);
    for (int64_t row = rows.from; row < rows.to; ++row) {
      const RowStatistics s = row_statistics(p.x, row, p.columns, p.epsilon);
      p.statistics[2 * row] = s.mean;
      p.statistics[2 * row + 1] = s.inverse;
      gradient_of_row(p, s, row);
    }
    team.barrier();
    const Range columns = team.share(p.columns, 16);
    for (int64_t first = columns.from; first < columns.to; first += kTile) {
      sums_of_columns(p, first, first + kTile < columns.to ? first + kTile : columns.to);
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int64_t rf_layer_norm_backward_workspace(int64_t rows, int64_t) {
  return rows * 2 * static_cast<int64_t>(sizeof(float));
}

extern "C" int rf_layer_norm_backward(rf_context* context, float* dx, int64_t dx_stride, float* dgain,
                                      float* dbias, const void* dout, int64_t dout_stride, int dout_type,
                                      const void* x, int64_t x_stride, int x_type, const float* gain,
                                      float epsilon, int64_t rows, int64_t columns, void* workspace) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  const LayerNormBackward p = {matrix(dx, dx_stride, RF_F32),
                               matrix(dout, dout_stride, dout_type),
                               matrix(x, x_stride, x_type),
                               dgain,
                               dbias,
                               gain,
                               epsilon,
                               rows,
                               columns,
                               static_cast<float*>(workspace)};
  RF_RUN(*context, layer_norm_backward, p);
  return take_status(*context);
}
#endif
