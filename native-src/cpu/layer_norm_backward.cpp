// What         gradient of the layer norm: with n = (x - mean) / deviation and g = dout * gain,
//              dx += (g - mean(g) - n * mean(g * n)) / deviation, dgain += sum dout * n, dbias += sum dout.
// Shapes       dx, dout, x [N, D]; gain, dgain, dbias [D]; any N and D.
// Threads      blocks of kBlockRows rows are shared out, then, to add up their sums, columns.
// Memory       reads x and dout once, reads and writes dx once. Workspace D / 4 bytes a row.
// Determinism  sums of a row in one order per D; a column sum is, in double, a chain over the rows of a block, then one
//              over the blocks, from what is there on, rounded once: whatever the threads.
// Reference    org.reformer4j.reference.LayerNorm
#include "context.h"
#include "elements.h"
#include "row_statistics.h"

namespace rf {

// Rows whose sums are kept apart: their sums are an eighth of what they read, at least.
constexpr int64_t kBlockRows = 64;

struct LayerNormBackward {
  Matrix dx, dout, x;
  float *dgain, *dbias;
  const float* gain;
  float epsilon;
  int64_t rows, columns;
  double* sums;  // [blocks, 2, pitch]: of dout * n, of dout
  int64_t pitch;
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

// Rows that are added to the sums of a block while they are in the first cache.
constexpr int64_t kGroupRows = 4;

RF_INLINE Doubles load_doubles(const double* p) {
  Doubles v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

RF_INLINE void store_doubles(double* p, Doubles v) { __builtin_memcpy(p, &v, sizeof v); }

RF_INLINE void add(Doubles* total, Doubles term) {
  total->part[0] += term.part[0];
  total->part[1] += term.part[1];
}

// Adds rows first .. end - 1 to the sums, or begins them.
void add_rows(const LayerNormBackward& p, const RowStatistics* statistics, int64_t first, int64_t end, double* sums,
              bool begins) {
  for (int64_t column = 0; column < p.columns; column += kLanes) {
    Doubles dgain = {}, dbias = {};
    if (!begins) {
      dgain = load_doubles(sums + column);
      dbias = load_doubles(sums + p.pitch + column);
    }
    for (int64_t row = first; row < end; ++row) {
      const Doubles dout = doubles(load_elements(p.dout, row, column, p.columns));
      const Doubles normal = doubles(normal_at(p, statistics[row - first], row, column, p.columns));
      add(&dbias, dout);
      add(&dgain, {{dout.part[0] * normal.part[0], dout.part[1] * normal.part[1]}});
    }
    store_doubles(sums + column, dgain);
    store_doubles(sums + p.pitch + column, dbias);
  }
}

void block_of_rows(const LayerNormBackward& p, int64_t block) {
  const int64_t begin = block * kBlockRows;
  const int64_t end = begin + kBlockRows < p.rows ? begin + kBlockRows : p.rows;
  for (int64_t first = begin; first < end; first += kGroupRows) {
    const int64_t last = first + kGroupRows < end ? first + kGroupRows : end;
    RowStatistics statistics[kGroupRows];
    for (int64_t row = first; row < last; ++row) {
      statistics[row - first] = row_statistics(p.x, row, p.columns, p.epsilon);
      gradient_of_row(p, statistics[row - first], row);
    }
    add_rows(p, statistics, first, last, p.sums + block * 2 * p.pitch, first == begin);
  }
}

// One rounding at the end: over a long sequence a chain of floats loses what a norm's gradient needs.
void sums_of_blocks(const LayerNormBackward& p, float* gradient, const double* sums, Range own) {
  for (int64_t column = own.from; column < own.to; column += kLanes) {
    Doubles total = doubles(load_row(gradient, column, own.to));
    for (int64_t first = 0; first < p.rows; first += kBlockRows) {
      add(&total, load_doubles(sums + first / kBlockRows * 2 * p.pitch + column));
    }
    store_elements({gradient, 0, RF_F32}, 0, column, own.to, floats(total));
  }
}

}  // namespace

void layer_norm_backward(rf_context& context, const LayerNormBackward& p) {
  parallel(context, p.rows * p.columns, kElementGrain, [&](const Team& team) {
    const Range blocks = team.share((p.rows + kBlockRows - 1) / kBlockRows);
    for (int64_t block = blocks.from; block < blocks.to; ++block) block_of_rows(p, block);
    team.barrier();
    const Range columns = team.share(p.columns, 16);
    sums_of_blocks(p, p.dgain, p.sums, columns);
    sums_of_blocks(p, p.dbias, p.sums + p.pitch, columns);
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
namespace {

// Whole vectors of the widest instruction set.
int64_t pitch_of(int64_t columns) { return (columns + 15) / 16 * 16; }

}  // namespace

extern "C" int64_t rf_layer_norm_backward_workspace(int64_t rows, int64_t columns) {
  return (rows + rf::kBlockRows - 1) / rf::kBlockRows * 2 * pitch_of(columns) * static_cast<int64_t>(sizeof(double));
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
                               static_cast<double*>(workspace),
                               pitch_of(columns)};
  RF_RUN(*context, layer_norm_backward, p);
  return take_status(*context);
}
#endif
