// What         u = dropout(x + bias), hidden = act(u), slope = act'(u) * dropout factor; backward dx =
//              dhidden * slope, dbias += column sums of dx. The products around it are cuBLAS's.
// Shapes       hidden, slope, x, dx, dhidden [N, D]; bias, dbias [D]; any N and D. N is one chunk of rows.
// Grid         as column_sum.cuh: a block of 8 warps owns 128 columns and rows first, first + 8 *
//              gridDim.y, ...; a lane owns four neighbouring columns.
// Memory       forward reads x, writes hidden, and slope where backward follows: 8 or 12 bytes per element
//              as floats. Backward reads dhidden and slope, writes dx: 12 bytes. Shared 5 KB in the backward;
//              workspace [gridDim.y, D] floats.
// Determinism  row after row, warps, then blocks in ascending order; no atomics. exp, tanh and erf are
//              written out here, because no two mathematical libraries give the same bits.
// Reference    org.reformer4j.reference.FeedForward, Activations, Erf
// Measured     not yet run on a card
#include "column_sum.cuh"
#include "context.h"
#include "elements.cuh"

namespace rf {
namespace {

struct Exponential {
  float value;      // exp(t)
  float minus_one;  // exp(t) - 1, exact also for small t
};

// For t <= 0, to 1 ulp; values below exp(-87) are 0.
__device__ __forceinline__ Exponential exponential(float t) {
  const float bounded = t < -87.0f ? -87.0f : t;
  const int32_t n = to_int(mul(bounded, 1.44269504f));
  const float whole = static_cast<float>(n);
  float r = fmaf(whole, -0.693145752f, bounded);
  r = fmaf(whole, -1.42860677e-6f, r);
  // exp(r) - 1 for |r| <= log(2) / 2, by its series
  float q = fmaf(r, 1.98412698e-4f, 1.38888889e-3f);
  q = fmaf(q, r, 8.33333333e-3f);
  q = fmaf(q, r, 4.16666667e-2f);
  q = fmaf(q, r, 1.66666667e-1f);
  q = fmaf(q, r, 0.5f);
  q = fmaf(mul(q, r), r, r);
  const float power = __uint_as_float(static_cast<uint32_t>(n + 127) << 23);
  const float value = fmaf(power, q, power);
  return {t < -87.0f ? 0.0f : value, fmaf(power, q, add(power, -1.0f))};
}

// sigmoid(v) and 1 - sigmoid(v), without cancellation.
__device__ __forceinline__ void sigmoid(float v, float* s, float* rest) {
  const float e = exponential(-fabsf(v)).value;
  const float large = 1.0f / add(1.0f, e);
  const float small = mul(e, large);
  *s = v < 0.0f ? small : large;
  *rest = v < 0.0f ? large : small;
}

// The distribution function Phi of the normal distribution, to 2 ulp of what is larger, it or the error
// function that it is made of. Polynomials for erf and log(erfc) as in Juffa's erff.
__device__ __forceinline__ float normal_distribution(float u) {
  const float z = mul(fabsf(u), 0.707106781f);
  const float s = mul(z, z);
  float below;  // Phi(-|u|)
  if (z > 0.927734375f) {
    float r = fmaf(-1.72853470e-5f, z, 3.83197126e-4f);
    r = fmaf(r, s, fmaf(-3.88396438e-3f, z, 2.42546219e-2f));
    r = fmaf(r, z, -1.06777877e-1f);
    r = fmaf(r, z, -6.34846687e-1f);
    r = fmaf(r, z, -1.28717512e-1f);
    r = fmaf(r, z, -z);
    below = mul(0.5f, exponential(r).value);
  } else {
    float r = fmaf(-5.96761703e-4f, s, 4.99119423e-3f);
    r = fmaf(r, s, -2.67681349e-2f);
    r = fmaf(r, s, 1.12819925e-1f);
    r = fmaf(r, s, -3.76125336e-1f);
    r = fmaf(r, s, 1.28379166e-1f);
    r = fmaf(r, z, z);
    below = fmaf(-0.5f, r, 0.5f);
  }
  return u < 0.0f ? below : add(1.0f, -below);
}

struct Activated {
  float value;
  float slope;
};

template <int function>
__device__ __forceinline__ Activated activate(float u) {
  float s;
  float rest;
  if (function == RF_RELU) {
    // The comparison keeps NaN.
    return {u <= 0.0f ? 0.0f : u, u > 0.0f ? 1.0f : 0.0f};
  }
  if (function == RF_GELU) {
    const float phi = normal_distribution(u);
    const float density = mul(0.398942280f, exponential(mul(mul(-0.5f, u), u)).value);
    // Far out the density is 0, also where u is infinite.
    return {mul(u, phi), density == 0.0f ? phi : fmaf(u, density, phi)};
  }
  if (function == RF_GELU_NEW) {
    // 0.5 * (1 + tanh(v)) is sigmoid(2 v).
    const float square = mul(u, u);
    sigmoid(mul(mul(1.59576912f, u), fmaf(0.044715f, square, 1.0f)), &s, &rest);
    const float both = mul(s, rest);
    const float inner = mul(1.59576912f, fmaf(0.134145f, square, 1.0f));
    return {mul(u, s), both == 0.0f ? s : fmaf(mul(u, both), inner, s)};
  }
  if (function == RF_SILU) {
    sigmoid(u, &s, &rest);
    return {mul(u, s), fmaf(u, mul(s, rest), s)};
  }
  const Exponential e = exponential(mul(-2.0f, fabsf(u)));
  const float t = -e.minus_one / add(2.0f, e.minus_one);
  const float sum = add(1.0f, e.value);
  return {copysignf(t, u), mul(4.0f, e.value) / mul(sum, sum)};
}

struct Activate {
  Matrix hidden, slope, x;
  const float* bias;
  bool bias_is_vector;
  int64_t rows, columns;
  Dropout dropout;
};

template <int function>
__global__ void __launch_bounds__(32 * kColumnWarps) activation_kernel(Activate p) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumnTile + lane * 4;
  if (column >= p.columns) {
    return;
  }
  float bias[4];
  load_row(bias, p.bias, p.bias_is_vector, column, p.columns);
  for (int64_t row = static_cast<int64_t>(blockIdx.y) * kColumnWarps + warp; row < p.rows;
       row += static_cast<int64_t>(gridDim.y) * kColumnWarps) {
    float factors[4];
    float values[4];
    float slopes[4];
    dropout_quad(factors, p.dropout, row, column, p.columns);
    load_quad(values, p.x, row, column, p.columns);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Activated a = activate<function>(mul(add(values[j], bias[j]), factors[j]));
      values[j] = a.value;
      slopes[j] = mul(a.slope, factors[j]);
    }
    store_quad(p.hidden, row, column, p.columns, values);
    if (p.slope.data != nullptr) {
      store_quad(p.slope, row, column, p.columns, slopes);
    }
  }
}

template <int function>
void launch(const Activate& p, cudaStream_t stream) {
  RF_LAUNCH(activation_kernel<function>, column_grid(p.rows, p.columns), dim3(32 * kColumnWarps), 0,
            stream, p);
}

struct ActivationBackward {
  Matrix dx, dhidden, slope;
  int64_t rows, columns;
  float* partials;  // [gridDim.y, D]
};

__global__ void __launch_bounds__(32 * kColumnWarps)
    activation_backward_kernel(ActivationBackward p) {
  RF_SHARED_ARRAY(float, sums, kColumnSums);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumnTile + lane * 4;
  float dbias[4] = {};
  if (column < p.columns) {
    for (int64_t row = static_cast<int64_t>(blockIdx.y) * kColumnWarps + warp; row < p.rows;
         row += static_cast<int64_t>(gridDim.y) * kColumnWarps) {
      float dx[4];
      float slope[4];
      load_quad(dx, p.dhidden, row, column, p.columns);
      load_quad(slope, p.slope, row, column, p.columns);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        dx[j] = mul(dx[j], slope[j]);
        dbias[j] = add(dbias[j], dx[j]);
      }
      store_quad(p.dx, row, column, p.columns, dx);
    }
  }
  store_column_sums(p.partials, sums, dbias, p.columns);
}

}  // namespace
}  // namespace rf

extern "C" int rf_activation(rf_context* context, void* hidden, int64_t hidden_stride,
                             int hidden_type, float* slope, int64_t slope_stride, const float* x,
                             int64_t x_stride, const float* bias, int function, int64_t rows,
                             int64_t columns, RF_DROPOUT) {
  using namespace rf;
  if (function < RF_RELU || function > RF_TANH) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  Activate p = {};
  p.hidden = matrix(hidden, hidden_stride, hidden_type, columns);
  p.slope = matrix(slope, slope_stride, RF_F32, columns);
  p.x = matrix(x, x_stride, RF_F32, columns);
  p.bias = bias;
  p.bias_is_vector = row_is_vector(bias, columns);
  p.rows = rows;
  p.columns = columns;
  p.dropout = {dropout_seed, dropout_step, dropout_stream, dropout_threshold, dropout_scale,
               dropout_first_row};
  switch (function) {
    case RF_RELU:
      launch<RF_RELU>(p, context->stream);
      break;
    case RF_GELU:
      launch<RF_GELU>(p, context->stream);
      break;
    case RF_GELU_NEW:
      launch<RF_GELU_NEW>(p, context->stream);
      break;
    case RF_SILU:
      launch<RF_SILU>(p, context->stream);
      break;
    default:
      launch<RF_TANH>(p, context->stream);
  }
  return static_cast<int>(cudaGetLastError());
}

extern "C" int64_t rf_activation_backward_workspace(int64_t rows, int64_t columns) {
  return rf::column_blocks(rows, columns) * columns * static_cast<int64_t>(sizeof(float));
}

extern "C" int rf_activation_backward(rf_context* context, void* dx, int64_t dx_stride, int dx_type,
                                      float* dbias, const float* dhidden, int64_t dhidden_stride,
                                      const float* slope, int64_t slope_stride, int64_t rows,
                                      int64_t columns, void* workspace) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  if (const int status = enter(context)) {
    return status;
  }
  ActivationBackward p = {};
  p.dx = matrix(dx, dx_stride, dx_type, columns);
  p.dhidden = matrix(dhidden, dhidden_stride, RF_F32, columns);
  p.slope = matrix(slope, slope_stride, RF_F32, columns);
  p.rows = rows;
  p.columns = columns;
  p.partials = static_cast<float*>(workspace);
  const dim3 grid = column_grid(rows, columns);
  RF_LAUNCH(activation_backward_kernel, grid, dim3(32 * kColumnWarps), 0, context->stream, p);
  add_partials(dbias, nullptr, p.partials, static_cast<int>(grid.y), columns, context->stream);
  return static_cast<int>(cudaGetLastError());
}
