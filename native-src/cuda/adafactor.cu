// What         one Adafactor update: the moments r, c of g^2 by rows and columns, u = g / sqrt(r c / mean(r)),
//              w = w * keep - rate * u, rate from the root mean squares of u and w; in double, rounded once.
// Shapes       w, g [M, N]; r [M]; c [N]; or without c: w, g, r [M], N = 1; any sizes.
// Grid         moments of rows: a block per row; of columns: a block of 8 warps owns 32 columns and rows first,
//              first + 8 * gridDim.y, ...; then single blocks for what is one number, and a thread per element.
// Memory       reads g four times and w twice, writes w once: 28 bytes per element; the factors of rows and
//              columns, twice 16 bytes, come from the caches. Workspace 8 (M + N) bytes and the partial sums.
// Determinism  sums in double, thread, warp, block, then blocks in a fixed order; the number of blocks depends
//              on the shape only; no atomics.
// Reference    org.reformer4j.reference.Adafactor
// Measured     not yet run on a card
#include "context.h"
#include "partial_sum.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int64_t kMaxBlocks = 1024;

// Numbers in front of the workspace.
enum { kParameterSquares, kUpdateSquares, kRate, kNumbers = 4 };

struct Adafactor {
  float* w;
  const float* g;
  float* r;
  float* c;  // null for vectors
  int64_t rows, columns;
  float learning_rate, decay, epsilon, minimum_scale, clip, weight_decay, gradient_scale;
  double* numbers;
  double* inverse_rows;
  double* inverse_columns;
  double* partials;
};

int64_t update_blocks(int64_t count) {
  const int64_t blocks = ceil_div(count, kThreads * 4);
  return blocks < kMaxBlocks ? blocks : kMaxBlocks;
}

// Blocks along the rows where columns are added up: from the shape only.
int64_t column_blocks(int64_t rows, int64_t columns) {
  const int64_t wanted = ceil_div(528, ceil_div(columns, 32));
  const int64_t most = ceil_div(rows, kWarps);
  return most < wanted ? most : wanted;
}

int64_t partials_of(int64_t rows, int64_t columns) {
  const int64_t count = rows * columns;
  const int64_t squares = rf_sum_of_squares_workspace(1, count) / static_cast<int64_t>(sizeof(double));
  const int64_t sums = column_blocks(rows, columns) * columns;
  const int64_t most = squares > sums ? squares : sums;
  return most > update_blocks(count) ? most : update_blocks(count);
}

__device__ __forceinline__ double square_at(const Adafactor& p, int64_t i) {
  const double x = static_cast<double>(load(p.g + i)) * static_cast<double>(p.gradient_scale);
  return x * x + static_cast<double>(p.epsilon);
}

__device__ __forceinline__ double update_at(const Adafactor& p, int64_t i) {
  const int64_t row = p.c == nullptr ? i : i / p.columns;
  const double u = static_cast<double>(load(p.g + i)) * static_cast<double>(p.gradient_scale) *
                   load(p.inverse_rows + row);
  return p.c == nullptr ? u : u * load(p.inverse_columns + (i - row * p.columns));
}

// The moving mean with a new value; returns what is kept.
__device__ __forceinline__ double blend(const Adafactor& p, float* moment, double mean) {
  const float kept = static_cast<float>(static_cast<double>(load(moment)) * static_cast<double>(p.decay) +
                                        mean * static_cast<double>(add(1.0f, -p.decay)));
  store(moment, kept);
  return static_cast<double>(kept);
}

__global__ void __launch_bounds__(kThreads) adafactor_vector_kernel(Adafactor p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < p.rows) {
    store(p.inverse_rows + i, 1.0 / sqrt(blend(p, p.r + i, square_at(p, i))));
  }
}

__global__ void __launch_bounds__(kThreads) adafactor_rows_kernel(Adafactor p) {
  RF_SHARED_ARRAY(double, scratch, kWarps);
  const int64_t row = blockIdx.x;
  double sum = 0.0;
  for (int64_t column = threadIdx.x; column < p.columns; column += kThreads) {
    sum += square_at(p, row * p.columns + column);
  }
  sum = block_sum(sum, scratch, kWarps);
  if (threadIdx.x == 0) {
    blend(p, p.r + row, sum / static_cast<double>(p.columns));
  }
}

// One block: their mean, then what rows are multiplied by.
__global__ void __launch_bounds__(kThreads) adafactor_row_scales_kernel(Adafactor p) {
  RF_SHARED_ARRAY(double, scratch, kWarps);
  double sum = 0.0;
  for (int64_t row = threadIdx.x; row < p.rows; row += kThreads) {
    sum += static_cast<double>(load(p.r + row));
  }
  const double mean = block_sum(sum, scratch, kWarps) / static_cast<double>(p.rows);
  for (int64_t row = threadIdx.x; row < p.rows; row += kThreads) {
    store(p.inverse_rows + row, 1.0 / sqrt(static_cast<double>(load(p.r + row)) / mean));
  }
}

__global__ void __launch_bounds__(kThreads) adafactor_columns_kernel(Adafactor p) {
  RF_SHARED_ARRAY(double, sums, kThreads);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  double sum = 0.0;
  if (column < p.columns) {
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * kWarps + warp; row < p.rows;
         row += static_cast<int64_t>(gridDim.y) * kWarps) {
      sum += square_at(p, row * p.columns + column);
    }
  }
  sums[warp * 32 + lane] = sum;
  __syncthreads();
  if (warp == 0 && column < p.columns) {
    for (int w = 1; w < kWarps; ++w) {
      sum += sums[w * 32 + lane];
    }
    store(p.partials + blockIdx.y * p.columns + column, sum);
  }
}

__global__ void __launch_bounds__(kThreads) adafactor_column_scales_kernel(Adafactor p, int parts) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= p.columns) {
    return;
  }
  double sum = 0.0;
  for (int part = 0; part < parts; ++part) {
    sum += load(p.partials + part * p.columns + column);
  }
  const double moment = blend(p, p.c + column, sum / static_cast<double>(p.rows));
  store(p.inverse_columns + column, 1.0 / sqrt(moment));
}

__global__ void __launch_bounds__(kThreads) adafactor_squares_kernel(Adafactor p) {
  RF_SHARED_ARRAY(double, scratch, kWarps);
  double sum = 0.0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
       i < p.rows * p.columns; i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const double u = update_at(p, i);
    sum += u * u;
  }
  sum = block_sum(sum, scratch, kWarps);
  if (threadIdx.x == 0) {
    store(p.partials + blockIdx.x, sum);
  }
}

// A NaN goes through, as with Math.max.
__device__ __forceinline__ double larger(double a, double b) { return a > b || a != a ? a : b; }

__global__ void adafactor_rate_kernel(Adafactor p) {
  const double count = static_cast<double>(p.rows * p.columns);
  const double ratio = sqrt(load(p.numbers + kUpdateSquares) / count) / static_cast<double>(p.clip);
  const double size = sqrt(load(p.numbers + kParameterSquares) / count);
  store(p.numbers + kRate, static_cast<double>(p.learning_rate) *
                               larger(size, static_cast<double>(p.minimum_scale)) / larger(ratio, 1.0));
}

__global__ void __launch_bounds__(kThreads) adafactor_apply_kernel(Adafactor p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.rows * p.columns) {
    return;
  }
  const double keep =
      1.0 - static_cast<double>(p.learning_rate) * static_cast<double>(p.weight_decay);
  const double rate = load(p.numbers + kRate);
  store(p.w + i,
        static_cast<float>(static_cast<double>(load(p.w + i)) * keep - rate * update_at(p, i)));
}

dim3 blocks(int64_t count) { return dim3(static_cast<unsigned>(ceil_div(count, kThreads))); }

}  // namespace
}  // namespace rf

extern "C" int64_t rf_adafactor_workspace(int64_t rows, int64_t columns) {
  if (rows == 0 || columns == 0) {
    return 0;
  }
  return (rf::kNumbers + rows + columns + rf::partials_of(rows, columns)) *
         static_cast<int64_t>(sizeof(double));
}

extern "C" int rf_adafactor(rf_context* context, float* parameter, const float* gradient,
                            float* row_moments, float* column_moments, int64_t rows,
                            int64_t columns, float learning_rate, float decay, float epsilon,
                            float minimum_scale, float clip, float weight_decay,
                            float gradient_scale, void* workspace) {
  using namespace rf;
  const int64_t count = rows * columns;
  if (count == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
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
  p.numbers = static_cast<double*>(workspace);
  p.inverse_rows = p.numbers + kNumbers;
  p.inverse_columns = p.inverse_rows + rows;
  p.partials = p.inverse_columns + columns;
  const dim3 block(kThreads);
  const cudaStream_t stream = context->stream;
  if (column_moments == nullptr) {
    RF_LAUNCH(adafactor_vector_kernel, blocks(rows), block, 0, stream, p);
  } else {
    const int parts = static_cast<int>(column_blocks(rows, columns));
    const dim3 grid(static_cast<unsigned>(ceil_div(columns, 32)), static_cast<unsigned>(parts));
    RF_LAUNCH(adafactor_rows_kernel, dim3(static_cast<unsigned>(rows)), block, 0, stream, p);
    RF_LAUNCH(adafactor_row_scales_kernel, dim3(1), block, 0, stream, p);
    RF_LAUNCH(adafactor_columns_kernel, grid, block, 0, stream, p);
    RF_LAUNCH(adafactor_column_scales_kernel, blocks(columns), block, 0, stream, p, parts);
  }
  if (const int status = rf_sum_of_squares(context, p.numbers + kParameterSquares, parameter, count, 1,
                                           count, p.partials)) {
    return status;
  }
  const int parts = static_cast<int>(update_blocks(count));
  RF_LAUNCH(adafactor_squares_kernel, dim3(static_cast<unsigned>(parts)), block, 0, stream, p);
  add_partials(p.numbers + kUpdateSquares, p.partials, parts, stream);
  RF_LAUNCH(adafactor_rate_kernel, dim3(1), dim3(1), 0, stream, p);
  RF_LAUNCH(adafactor_apply_kernel, blocks(count), block, 0, stream, p);
  return static_cast<int>(cudaGetLastError());
}
