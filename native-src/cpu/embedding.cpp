// What         out[i] = or += dropout(row indices[i] / stride % size of a table), for the columns of the table;
//              backward dtable[v] += the dropout(dout[i]) of its tokens.
// Shapes       out, dout [N, D]; indices [N]; table, dtable [size, width]; any sizes.
// Threads      rows are shared out; columns in the backward.
// Memory       reads a table row and writes its columns of out once per token; the backward reads dout and reads
//              and writes a table row once per token.
// Determinism  a gradient is one chain over the tokens in their order, from what is there on: the bits of the
//              reference.
// Reference    org.reformer4j.reference.Embedding
#include "context.h"
#include "dropout.h"

namespace rf {

// A table whose columns are columns first, first + 1, ... of the embedding [N, D].
struct Embedding {
  Matrix out, table;  // out begins at the first column
  const int32_t* indices;
  int64_t index_stride, size, width, rows, columns, first_column;
  bool add;
  Dropout dropout;
  // One mask element per row: that of a sequence and of an index of another table. mask_size 0: one per element.
  int64_t rows_per_sequence, mask_size, mask_stride;
};

RF_DECLARE_KERNEL(embed, Embedding)
RF_DECLARE_KERNEL(embed_backward, Embedding)

namespace RF_ISA {
namespace {

int64_t table_row(const Embedding& p, int64_t row) { return p.indices[row] / p.index_stride % p.size; }

// Calls body(column, end, factor) for the vectors of columns from .. to - 1 of the table.
template <class Body>
RF_INLINE void each_vector(const Embedding& p, int64_t row, Range own, DropoutFactors& dropout, const Body& body) {
  const bool shared = p.mask_size != 0 && p.dropout.threshold != 0;
  float one = 1.0f;
  if (shared) {
    const int64_t index = p.indices[row] / p.mask_stride % p.mask_size;
    one = dropout.at(row / p.rows_per_sequence * p.mask_size + index);
  }
  for (int64_t first = own.from; first < own.to; first += kSegment) {
    const int64_t end = first + kSegment < own.to ? first + kSegment : own.to;
    const int64_t element = (p.dropout.first_row + row) * p.columns + p.first_column + first;
    const float* const factors = shared ? nullptr : dropout.from(element, end - first);
    for (int64_t column = first; column < end; column += kLanes) {
      body(column, end, shared ? set(one) : load(factors + (column - first)));
    }
  }
}

}  // namespace

void embed(rf_context& context, const Embedding& p) {
  parallel(context, p.rows * p.width, kElementGrain, [&](const Team& team) {
    DropoutFactors dropout(p.dropout);
    const Range rows = team.share(p.rows);
    for (int64_t row = rows.from; row < rows.to; ++row) {
      const int64_t from = table_row(p, row);
      each_vector(p, row, {0, p.width}, dropout, [&](int64_t column, int64_t end, F factor) {
        const F v = load_elements(p.table, from, column, end) * factor;
        store_elements(p.out, row, column, end, p.add ? load_elements(p.out, row, column, end) + v : v);
      });
    }
  });
}

void embed_backward(rf_context& context, const Embedding& p) {
  parallel(context, p.rows * p.width, kElementGrain, [&](const Team& team) {
    DropoutFactors dropout(p.dropout);
    const Range columns = team.share(p.width, 16);
    if (columns.from == columns.to) {
      return;
    }
    for (int64_t row = 0; row < p.rows; ++row) {
      const int64_t to = table_row(p, row);
      each_vector(p, row, columns, dropout, [&](int64_t column, int64_t end, F factor) {
        const F sum = load_elements(p.table, to, column, end) + load_elements(p.out, row, column, end) * factor;
        store_elements(p.table, to, column, end, sum);
      });
    }
  });
}

}  // namespace RF_ISA
}  // namespace rf

#ifdef RF_ENTRY_POINTS
extern "C" int rf_embed(rf_context* context, float* out, int64_t out_stride, const int32_t* indices,
                        int64_t index_stride, const float* table, int64_t table_stride, int64_t size, int64_t width,
                        int64_t rows, int64_t columns, int64_t first_column, int add, RF_DROPOUT,
                        int64_t rows_per_sequence, int64_t mask_size, int64_t mask_stride) {
  using namespace rf;
  const Embedding p = {matrix(out + first_column, out_stride, RF_F32),
                       matrix(table, table_stride, RF_F32),
                       indices,
                       index_stride,
                       size,
                       width,
                       rows,
                       columns,
                       first_column,
                       add != 0,
                       RF_DROPOUT_ARGUMENTS,
                       rows_per_sequence,
                       mask_size,
                       mask_stride};
  RF_RUN(*context, embed, p);
  return take_status(*context);
}

extern "C" int64_t rf_embed_backward_workspace(int64_t, int64_t) { return 0; }

extern "C" int rf_embed_backward(rf_context* context, float* dtable, int64_t dtable_stride, const float* dout,
                                 int64_t dout_stride, const int32_t* indices, int64_t index_stride, int64_t size,
                                 int64_t width, int64_t rows, int64_t columns, int64_t first_column, RF_DROPOUT,
                                 int64_t rows_per_sequence, int64_t mask_size, int64_t mask_stride, void*) {
  using namespace rf;
  const Embedding p = {matrix(dout + first_column, dout_stride, RF_F32),
                       matrix(dtable, dtable_stride, RF_F32),
                       indices,
                       index_stride,
                       size,
                       width,
                       rows,
                       columns,
                       first_column,
                       true,
                       RF_DROPOUT_ARGUMENTS,
                       rows_per_sequence,
                       mask_size,
                       mask_stride};
  RF_RUN(*context, embed_backward, p);
  return take_status(*context);
}
#endif
