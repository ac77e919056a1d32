// Attention of bfloat16 rows by the kernels for floats: where there are no instructions for it, or rows are not
// aligned. Rows are copied to floats, and results rounded from them.
#ifndef REFORMER_CPU_ATTENTION_FLOATS_H
#define REFORMER_CPU_ATTENTION_FLOATS_H

#include "attention_places.h"
#include "convert.h"

namespace rf {

// Copies of the rows of one call, freed at its end. Baseline code only, which the entry points are.
class FloatRows {
 public:
  FloatRows(rf_context& context, int64_t rows, int64_t columns) : context_(context), rows_(rows), columns_(columns) {}
  ~FloatRows() {
    for (int i = 0; i < count_; ++i) context_.arena.free(copies_[i].rows.data);
  }
  FloatRows(const FloatRows&) = delete;
  FloatRows& operator=(const FloatRows&) = delete;

  // A copy that is read.
  HeadRows in(const void* data, int64_t stride, int type) { return add(matrix(data, stride, type), true); }
  // One that is written, and goes to its place with finish().
  HeadRows out(void* data, int64_t stride, int type) { return add(matrix(data, stride, type), false); }

  // Puts copies in the place of the rows that an attention reads.
  void take(Attention* a, int type) {
    const bool same = a->keys.data == a->queries.data && a->keys.stride == a->queries.stride;
    a->queries = in(a->queries.data, a->queries.stride, type);
    a->keys = same ? a->queries : in(a->keys.data, a->keys.stride, type);
    a->values = in(a->values.data, a->values.stride, type);
  }

  // Gives results to their places.
  void finish() {
    if (context_.status != RF_STATUS_OK) {
      return;
    }
    for (int i = 0; i < count_; ++i) {
      if (!copies_[i].input) {
        const Conversion p = {copies_[i].original, matrix(copies_[i].rows.data, columns_, RF_F32), rows_, columns_};
        RF_RUN(context_, convert, p);
      }
    }
  }

 private:
  struct Copy {
    HeadRows rows;
    Matrix original;
    bool input;
  };

  HeadRows add(const Matrix& original, bool input) {
    float* const data = static_cast<float*>(context_.arena.allocate(static_cast<size_t>(rows_ * columns_ * 4)));
    if (data == nullptr) {
      context_.status = kOutOfMemory;
      return {nullptr, columns_};
    }
    const HeadRows rows = {data, columns_};
    copies_[count_++] = {rows, original, input};
    if (input) {
      const Conversion p = {matrix(data, columns_, RF_F32), original, rows_, columns_};
      RF_RUN(context_, convert, p);
    }
    return rows;
  }

  rf_context& context_;
  const int64_t rows_, columns_;
  Copy copies_[8];
  int count_ = 0;
};

}  // namespace rf

#endif
