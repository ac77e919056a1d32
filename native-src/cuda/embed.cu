// What         out[i] = or += dropout(row indices[i] / stride % size of a table), for the columns of the table.
// Shapes       out [N, D]; indices [N]; table [size, width]; any sizes.
// Grid         a thread owns four neighbouring columns of a row.
// Memory       reads a table row and writes its columns of out once per token; reads them where it adds.
// Determinism  nothing is summed but one addend; the bits are those of the reference.
// Reference    org.reformer4j.reference.Embedding
// Measured     not yet run on a card
#include "context.h"
#include "embedding.cuh"

namespace rf {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    embed_kernel(Matrix out, Matrix table, Table t, int64_t quads, bool add_to_out) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= t.rows * quads) {
    return;
  }
  const int64_t row = index / quads;
  const int64_t column = (index - row * quads) * 4;
  float v[4];
  float factors[4];
  load_quad(v, table, table_row(t, row), column, t.width);
  table_factors(factors, t, row, column);
  float base[4];
  if (add_to_out) {
    load_quad(base, out, row, column, t.width);
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    v[j] = mul(v[j], factors[j]);
    v[j] = add_to_out ? add(base[j], v[j]) : v[j];
  }
  store_quad(out, row, column, t.width, v);
}

}  // namespace
}  // namespace rf

extern "C" int rf_embed(rf_context* context, float* out, int64_t out_stride, const int32_t* indices,
                        int64_t index_stride, const float* table, int64_t table_stride, int64_t size,
                        int64_t width, int64_t rows, int64_t columns, int64_t first_column, int add,
                        RF_DROPOUT, int64_t rows_per_sequence, int64_t mask_size,
                        int64_t mask_stride) {
  using namespace rf;
  if (rows == 0 || width == 0) {
    return RF_STATUS_OK;
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
  const int64_t quads = ceil_div(width, 4);
  const dim3 grid(static_cast<unsigned>(ceil_div(rows * quads, kThreads)));
  RF_LAUNCH(embed_kernel, grid, dim3(kThreads), 0, context->stream,
            matrix(out + first_column, out_stride, RF_F32, width),
            matrix(table, table_stride, RF_F32, width), t, quads, add != 0);
  return static_cast<int>(cudaGetLastError());
}
