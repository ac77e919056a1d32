// Rows of one element type as rows of another.
#ifndef REFORMER_CPU_CONVERT_H
#define REFORMER_CPU_CONVERT_H

#include "context.h"
#include "elements.h"

namespace rf {

// to, from [rows, columns]: RF_F32 or RF_BF16.
struct Conversion {
  Matrix to, from;
  int64_t rows, columns;
};

RF_DECLARE_KERNEL(convert, Conversion)

}  // namespace rf

#endif
