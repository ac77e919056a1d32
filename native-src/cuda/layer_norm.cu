// What         gradient of the layer norm: with n = (x - mean) / deviation and g = dout * gain,
//              dx += (g - mean(g) - n * mean(g * n)) / deviation, dgain += sum dout * n, dbias += sum dout.
// Shapes       dx, dout, x [N, D]; gain, dgain, dbias [D]; any N and D.
// Grid         D <= 1024: a warp owns rows first, first + warps, ...; it keeps a row and its own column
//              sums in registers. Wider: a block owns rows. The number of blocks depends on N only.
// Memory       reads x, dout and dx, writes dx: 14 bytes per element with bfloat16 dout, 16 with float.
//              Shared 8 D + 256 bytes; workspace [blocks, 2, D] floats.
// Determinism  lane, warp, block, then blocks in ascending order; no atomics.
// Reference    org.reformer4j.reference.LayerNorm
// Measured     not yet run on a card
#include "column_sum.cuh"
#include "context.h"
#include "elements.cuh"
#include "reductions.cuh"

namespace rf {
namespace {

constexpr int kWarps = 8;
// Two waves or two blocks at once on the largest card; a constant, so that sums do not depend on the card.
constexpr int64_t kMaxBlocks = 264;

struct LayerNormBackward {
  Matrix dx, dout, x;
  const float* gain;
  bool rows_are_vectors;
  float epsilon;
  int64_t rows, columns;
  float* partials;  // [blocks, 2, D]: of dgain, of dbias
};

int64_t blocks_of(int64_t rows, int64_t columns) {
  const int64_t rows_at_once = columns <= 1024 ? kWarps : 1;
  const int64_t blocks = ceil_div(rows, rows_at_once);
  return blocks < kMaxBlocks ? blocks : kMaxBlocks;
}

// A quarter of the columns, rounded so that neighbouring quarters start 8 banks apart.
__host__ __device__ __forceinline__ int sums_pitch(int64_t columns) {
  return static_cast<int>(ceil_div(columns, 128)) * 32 + 8;
}

// Elements behind the last column must not count; a zero does not.
__device__ __forceinline__ void centre_quad(float (&n)[4], float mean, int64_t column,
                                            int64_t columns) {
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    n[j] = column + j < columns ? add(n[j], -mean) : 0.0f;
  }
}

__device__ __forceinline__ void add_gradient(const LayerNormBackward& p, int64_t row, int64_t column,
                                             const float (&g)[4], const float (&n)[4], float mean_g,
                                             float mean_gn, float inverse) {
  float dx[4];
  load_quad(dx, p.dx, row, column, p.columns);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float centred = fmaf(-n[j], mean_gn, add(g[j], -mean_g));
    dx[j] = fmaf(centred, inverse, dx[j]);
  }
  store_quad(p.dx, row, column, p.columns, dx);
}

template <int QUADS>
__global__ void __launch_bounds__(32 * kWarps) layer_norm_backward_kernel(LayerNormBackward p) {
  RF_DYNAMIC_SHARED(float, sums);  // [2, 4, pitch]
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int64_t first = threadIdx.x % 32 * 4;
  const float scale = 1.0f / static_cast<float>(p.columns);
  float dgain[QUADS][4] = {};
  float dbias[QUADS][4] = {};
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + warp; row < p.rows;
       row += static_cast<int64_t>(gridDim.x) * kWarps) {
    float n[QUADS][4] = {};
    float dout[QUADS][4] = {};
    float sum = 0.0f;
#pragma unroll
    for (int q = 0; q < QUADS; ++q) {
      const int64_t column = first + q * 128;
      if (column < p.columns) {
        load_quad(n[q], p.x, row, column, p.columns);
        load_quad(dout[q], p.dout, row, column, p.columns);
        sum = add(sum, add(add(n[q][0], n[q][1]), add(n[q][2], n[q][3])));
      }
    }
    const float mean = warp_sum(sum) * scale;
    float squares = 0.0f;
#pragma unroll
    for (int q = 0; q < QUADS; ++q) {
      const int64_t column = first + q * 128;
      if (column < p.columns) {
        centre_quad(n[q], mean, column, p.columns);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          squares = fmaf(n[q][j], n[q][j], squares);
        }
      }
    }
    const float inverse = 1.0f / sqrtf(fmaf(warp_sum(squares), scale, p.epsilon));
    float sum_g = 0.0f;
    float sum_gn = 0.0f;
#pragma unroll
    for (int q = 0; q < QUADS; ++q) {
      const int64_t column = first + q * 128;
      if (column < p.columns) {
        float gain[4];
        load_row(gain, p.gain, p.rows_are_vectors, column, p.columns);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          n[q][j] = mul(n[q][j], inverse);
          dgain[q][j] = fmaf(dout[q][j], n[q][j], dgain[q][j]);
          dbias[q][j] = add(dbias[q][j], dout[q][j]);
          dout[q][j] = mul(dout[q][j], gain[j]);
          sum_g = add(sum_g, dout[q][j]);
          sum_gn = fmaf(dout[q][j], n[q][j], sum_gn);
        }
      }
    }
    const float mean_g = warp_sum(sum_g) * scale;
    const float mean_gn = warp_sum(sum_gn) * scale;
#pragma unroll
    for (int q = 0; q < QUADS; ++q) {
      const int64_t column = first + q * 128;
      if (column < p.columns) {
        add_gradient(p, row, column, dout[q], n[q], mean_g, mean_gn, inverse);
      }
    }
  }
  // Warp after warp adds its sums, so that their order is fixed. Column 4 * i + j lies at j * pitch + i:
  // neither the lanes of a warp here nor those below meet in a bank.
  const int pitch = sums_pitch(p.columns);
  for (int turn = 0; turn < kWarps; ++turn) {
    if (warp == turn) {
#pragma unroll
      for (int q = 0; q < QUADS; ++q) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (first + q * 128 + j < p.columns) {
            const int at = j * pitch + q * 32 + static_cast<int>(threadIdx.x) % 32;
            const float g = dgain[q][j];
            const float b = dbias[q][j];
            sums[at] = turn == 0 ? g : add(sums[at], g);
            sums[4 * pitch + at] = turn == 0 ? b : add(sums[4 * pitch + at], b);
          }
        }
      }
    }
    __syncthreads();
  }
  float* const partials = p.partials + blockIdx.x * 2 * p.columns;
  for (int column = static_cast<int>(threadIdx.x); column < p.columns; column += 32 * kWarps) {
    const int at = column % 4 * pitch + column / 4;
    store(partials + column, static_cast<float>(sums[at]));
    store(partials + p.columns + column, static_cast<float>(sums[4 * pitch + at]));
  }
}

// Rows too wide for registers: read three times; column sums are kept in the block's own workspace.
__global__ void __launch_bounds__(32 * kWarps)
    layer_norm_backward_wide_kernel(LayerNormBackward p) {
  RF_SHARED_ARRAY(float, scratch, kWarps);
  const int64_t first = threadIdx.x * 4;
  const int64_t step = 32 * kWarps * 4;
  const float scale = 1.0f / static_cast<float>(p.columns);
  const Matrix sums = {p.partials + blockIdx.x * 2 * p.columns, p.columns, RF_F32,
                       p.columns % 4 == 0};
  bool fresh = true;
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    float n[4];
    float g[4];
    float sum = 0.0f;
    for (int64_t column = first; column < p.columns; column += step) {
      load_quad(n, p.x, row, column, p.columns);
      sum = add(sum, add(add(n[0], n[1]), add(n[2], n[3])));
    }
    const float mean = block_sum(sum, scratch, kWarps) * scale;
    float squares = 0.0f;
    for (int64_t column = first; column < p.columns; column += step) {
      load_quad(n, p.x, row, column, p.columns);
      centre_quad(n, mean, column, p.columns);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        squares = fmaf(n[j], n[j], squares);
      }
    }
    const float inverse = 1.0f / sqrtf(fmaf(block_sum(squares, scratch, kWarps), scale, p.epsilon));
    float sum_g = 0.0f;
    float sum_gn = 0.0f;
    for (int64_t column = first; column < p.columns; column += step) {
      float gain[4];
      float dgain[4] = {};
      float dbias[4] = {};
      load_quad(n, p.x, row, column, p.columns);
      load_quad(g, p.dout, row, column, p.columns);
      load_row(gain, p.gain, p.rows_are_vectors, column, p.columns);
      centre_quad(n, mean, column, p.columns);
      if (!fresh) {
        load_quad(dgain, sums, 0, column, p.columns);
        load_quad(dbias, sums, 1, column, p.columns);
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        n[j] = mul(n[j], inverse);
        dgain[j] = fmaf(g[j], n[j], dgain[j]);
        dbias[j] = add(dbias[j], g[j]);
        g[j] = mul(g[j], gain[j]);
        sum_g = add(sum_g, g[j]);
        sum_gn = fmaf(g[j], n[j], sum_gn);
      }
      store_quad(sums, 0, column, p.columns, dgain);
      store_quad(sums, 1, column, p.columns, dbias);
    }
    fresh = false;
    const float mean_g = block_sum(sum_g, scratch, kWarps) * scale;
    const float mean_gn = block_sum(sum_gn, scratch, kWarps) * scale;
    for (int64_t column = first; column < p.columns; column += step) {
      float gain[4];
      load_quad(n, p.x, row, column, p.columns);
      load_quad(g, p.dout, row, column, p.columns);
      load_row(gain, p.gain, p.rows_are_vectors, column, p.columns);
      centre_quad(n, mean, column, p.columns);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        n[j] = mul(n[j], inverse);
        g[j] = mul(g[j], gain[j]);
      }
      add_gradient(p, row, column, g, n, mean_g, mean_gn, inverse);
    }
  }
}

template <int QUADS>
void launch(const LayerNormBackward& p, dim3 grid, cudaStream_t stream) {
  const size_t shared = 8 * static_cast<size_t>(sums_pitch(p.columns)) * sizeof(float);
  RF_LAUNCH(layer_norm_backward_kernel<QUADS>, grid, dim3(32 * kWarps), shared, stream, p);
}

}  // namespace
}  // namespace rf

extern "C" int64_t rf_layer_norm_backward_workspace(int64_t rows, int64_t columns) {
  return rf::blocks_of(rows, columns) * 2 * columns * static_cast<int64_t>(sizeof(float));
}

extern "C" int rf_layer_norm_backward(rf_context* context, float* dx, int64_t dx_stride,
                                      float* dgain, float* dbias, const void* dout,
                                      int64_t dout_stride, int dout_type, const void* x,
                                      int64_t x_stride, int x_type, const float* gain,
                                      float epsilon, int64_t rows, int64_t columns,
                                      void* workspace) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  LayerNormBackward p = {};
  p.dx = matrix(dx, dx_stride, RF_F32, columns);
  p.dout = matrix(dout, dout_stride, dout_type, columns);
  p.x = matrix(x, x_stride, x_type, columns);
  p.gain = gain;
  p.rows_are_vectors = row_is_vector(gain, columns);
  p.epsilon = epsilon;
  p.rows = rows;
  p.columns = columns;
  p.partials = static_cast<float*>(workspace);
  const int blocks = static_cast<int>(blocks_of(rows, columns));
  const dim3 grid(static_cast<unsigned>(blocks));
  const cudaStream_t stream = context->stream;
  if (columns <= 128) {
    launch<1>(p, grid, stream);
  } else if (columns <= 256) {
    launch<2>(p, grid, stream);
  } else if (columns <= 512) {
    launch<4>(p, grid, stream);
  } else if (columns <= 1024) {
    launch<8>(p, grid, stream);
  } else {
    RF_LAUNCH(layer_norm_backward_wide_kernel, grid, dim3(32 * kWarps), 0, stream, p);
  }
  add_partials(dgain, dbias, p.partials, blocks, columns, stream);
  return static_cast<int>(cudaGetLastError());
}
