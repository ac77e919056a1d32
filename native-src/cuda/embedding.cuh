// What the embedding and its gradient share: which row of a table a token takes, and its dropout mask.
#ifndef REFORMER_EMBEDDING_CUH
#define REFORMER_EMBEDDING_CUH

#include "elements.cuh"

namespace rf {

// A table [size, width] whose columns are columns first, first + 1, ... of the embedding [N, D].
struct Table {
  const int32_t* indices;
  int64_t size, width, index_stride;
  int64_t rows, columns, first_column;
  Dropout dropout;
  // One mask element per row: that of a sequence and of an index of another table. mask_size 0: one per
  // element.
  int64_t rows_per_sequence, mask_size, mask_stride;
};

__device__ __forceinline__ int64_t table_row(const Table& t, int64_t row) {
  return load(t.indices + row) / t.index_stride % t.size;
}

// Factors of columns column..column+3 of the table.
__device__ __forceinline__ void table_factors(float (&factors)[4], const Table& t, int64_t row,
                                              int64_t column) {
  if (t.mask_size == 0 || t.dropout.threshold == 0) {
    dropout_quad(factors, t.dropout, row, t.first_column + column, t.columns);
    return;
  }
  const int64_t index = load(t.indices + row) / t.mask_stride % t.mask_size;
  dropout_quad(factors, t.dropout, 0, row / t.rows_per_sequence * t.mask_size + index, 0);
  factors[1] = factors[2] = factors[3] = factors[0];
}

}  // namespace rf

#endif
