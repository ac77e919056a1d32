// What         dtable[v] += sum over the tokens i with indices[i] / stride % size = v of dropout(dout[i]), for the
//              columns of the table.
// Shapes       dtable [size, width]; dout [N, D]; indices [N]; any sizes.
// Grid         the tokens are sorted by table row (rf_lsh_sort, stable); a thread per table row searches where
//              its run begins; then a block of 8 warps owns 128 columns of a table row, and a warp adds
//              every eighth token of the run.
// Memory       reads dout once, and reads and writes the table rows that occur; 12 bytes per token for the
//              sort and more for its digits. Shared 5 KB.
// Determinism  tokens in ascending order within a warp, then the warps in order, then the table; no
//              floating-point atomics.
// Reference    org.reformer4j.reference.Embedding
// Measured     not yet run on a card
#include "column_sum.cuh"
#include "context.h"
#include "embedding.cuh"

namespace rf {
namespace {

constexpr int kThreads = 32 * kColumnWarps;

// Places in the workspace, in integers; multiples of four.
struct Layout {
  int64_t order, starts, sort;
};

Layout layout_of(int64_t rows, int64_t size) {
  const int64_t part = ceil_div(rows, 4) * 4;
  return {part, 2 * part, 2 * part + ceil_div(size + 1, 4) * 4};
}

__global__ void __launch_bounds__(kThreads) embed_keys_kernel(int32_t* keys, Table t) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < t.rows) {
    store(keys + i, static_cast<int32_t>(table_row(t, i)));
  }
}

// starts[v] = how many tokens have a smaller table row.
__global__ void __launch_bounds__(kThreads)
    embed_starts_kernel(int32_t* starts, const int32_t* keys, const int32_t* order, int64_t rows,
                        int64_t size) {
  const int64_t v = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (v > size) {
    return;
  }
  int64_t low = 0;
  int64_t high = rows;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (load(keys + load(order + middle)) < v) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  store(starts + v, static_cast<int32_t>(low));
}

__global__ void __launch_bounds__(kThreads)
    embed_backward_kernel(Matrix dtable, Matrix dout, Table t, const int32_t* order,
                          const int32_t* starts, int64_t tiles) {
  RF_SHARED_ARRAY(float, sums, kColumnSums);
  const int64_t target = blockIdx.x / tiles;
  const int64_t first = (blockIdx.x - target * tiles) * kColumnTile;
  const int begin = load(starts + target);
  const int end = load(starts + target + 1);
  if (begin == end) {
    return;
  }
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = first + lane * 4;
  float sum[4] = {};
  if (column < t.width) {
#pragma unroll 2
    for (int place = begin + warp; place < end; place += kColumnWarps) {
      const int64_t row = load(order + place);
      float v[4];
      float factors[4];
      load_quad(v, dout, row, column, t.width);
      table_factors(factors, t, row, column);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum[j] = add(sum[j], mul(v[j], factors[j]));
      }
    }
  }
  const float total = block_column_sum(sums, sum);
  const int64_t own = first + threadIdx.x;
  if (threadIdx.x < kColumnTile && own < t.width) {
    float* const cell = static_cast<float*>(dtable.data) + target * dtable.stride + own;
    store(cell, add(load(cell), total));
  }
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_embed_backward_workspace(int64_t rows, int64_t size) {
  return rf::layout_of(rows, size).sort * 4 + rf_lsh_sort_workspace(1, rows, size);
}

extern "C" int rf_embed_backward(rf_context* context, float* dtable, int64_t dtable_stride,
                                 const float* dout, int64_t dout_stride, const int32_t* indices,
                                 int64_t index_stride, int64_t size, int64_t width, int64_t rows,
                                 int64_t columns, int64_t first_column, RF_DROPOUT,
                                 int64_t rows_per_sequence, int64_t mask_size, int64_t mask_stride,
                                 void* workspace) {
  using namespace rf;
  if (rows == 0 || width == 0) {
    return RF_STATUS_OK;
  }
  const int64_t tiles = ceil_div(width, kColumnTile);
  if (rows > INT32_MAX || size * tiles > INT32_MAX) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (const int status = enter(context)) {
    return status;
  }
  const Table t = {indices,
                   size,
                   width,
                   index_stride,
                   rows,
                   columns,
                   first_column,
                   {dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale,
                    dropout_first_row},
                   rows_per_sequence,
                   mask_size,
                   mask_stride};
  const Layout layout = layout_of(rows, size);
  int32_t* const keys = static_cast<int32_t*>(workspace);
  int32_t* const order = keys + layout.order;
  int32_t* const starts = keys + layout.starts;
  const cudaStream_t stream = context->stream;
  RF_LAUNCH(embed_keys_kernel, dim3(static_cast<unsigned>(ceil_div(rows, kThreads))), dim3(kThreads), 0,
            stream, keys, t);
  if (const int status = rf_lsh_sort(context, order, keys, 1, rows, size, nullptr, 1,
                                     keys + layout.sort)) {
    return status;
  }
  RF_LAUNCH(embed_starts_kernel, dim3(static_cast<unsigned>(ceil_div(size + 1, kThreads))),
            dim3(kThreads), 0, stream, starts, keys, order, rows, size);
  RF_LAUNCH(embed_backward_kernel, dim3(static_cast<unsigned>(size * tiles)), dim3(kThreads), 0, stream,
            matrix(dtable, dtable_stride, RF_F32, width),
            matrix(dout + first_column, dout_stride, RF_F32, width), t, order, starts, tiles);
  return static_cast<int>(cudaGetLastError());
}
