// What         u = dropout(x + bias), hidden = act(u), slope = act'(u) * dropout factor; backward dx =
//              dhidden * slope, dbias += column sums of dx.
// Shapes       hidden, slope, x, dx, dhidden [N, D]; bias, dbias [D]; any N and D. N is one chunk of rows.
// Threads      rows are shared out; in the backward also columns, to be summed (column_chain.h).
// Memory       forward reads x, writes hidden, and slope where backward follows; backward reads dhidden and
//              slope, writes dx.
// Determinism  a column sum is one chain over the rows, from what is there on: the bits of the reference,
//              whatever the chunks.
// Reference    org.reformer4j.reference.FeedForward, Activations, Erf
#include "activation_rows.h"
#include "column_chain.h"

namespace rf {

struct ActivationBackward {
  Matrix dx, dhidden, slope;
  float* dbias;
  int64_t rows, columns;
};

RF_DECLARE_KERNEL(activation, Activation)
RF_DECLARE_KERNEL(activation_backward, ActivationBackward)

namespace RF_ISA {
namespace {

class Gradient {
 public:
  explicit Gradient(const ActivationBackward& p) : p_(p) {}

  void row(int64_t row, float* terms) {
    for (int64_t column = 0; column < p_.columns; column += kLanes) {
      const F dx = load_elements(p_.dhidden, row, column, p_.columns) * load_elements(p_.slope, row, column, p_.columns);
      store(terms + column, dx);
      store_elements(p_.dx, row, column, p_.columns, dx);
    }
  }

  void end() const {}

 private:
  const ActivationBackward& p_;
};

}  // namespace

void activation(rf_context& context, const Activation& p) {
  // Some thirty operations an element.
  parallel(context, p.rows * p.columns, kElementGrain / 8, [&](const Team& team) {
    activate_rows(p, team.share(p.rows));
  });
}

void activation_backward(rf_context& context, const ActivationBackward& p) {
  chain_columns<Gradient>(context, p, p.dbias, p.rows, p.columns);
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_activation(rf_context* context, void* hidden, int64_t hidden_stride, int hidden_type,
                             float* slope, int64_t slope_stride, const float* x, int64_t x_stride,
                             const float* bias, int function, int64_t rows, int64_t columns, RF_DROPOUT) {
  using namespace rf;
  if (function < RF_RELU || function > RF_TANH) {
    return RF_STATUS_UNSUPPORTED;
  }
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  const Activation p = {matrix(hidden, hidden_stride, hidden_type),
                        matrix(slope, slope_stride, RF_F32),
                        matrix(x, x_stride, RF_F32),
                        bias,
                        function,
                        rows,
                        columns,
                        RF_DROPOUT_ARGUMENTS};
  RF_RUN(*context, activation, p);
  return take_status(*context);
}

extern "C" int64_t rf_activation_backward_workspace(int64_t, int64_t) { return 0; }

extern "C" int rf_activation_backward(rf_context* context, void* dx, int64_t dx_stride, int dx_type, float* dbias,
                                      const float* dhidden, int64_t dhidden_stride, const float* slope,
                                      int64_t slope_stride, int64_t rows, int64_t columns, void*) {
  using namespace rf;
  if (rows == 0 || columns == 0) {
    return RF_STATUS_OK;
  }
  const ActivationBackward p = {matrix(dx, dx_stride, dx_type), matrix(dhidden, dhidden_stride, RF_F32),
                                matrix(slope, slope_stride, RF_F32), dbias, rows, columns};
  RF_RUN(*context, activation_backward, p);
  return take_status(*context);
}
#endif
