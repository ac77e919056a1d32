package org.reformer4j.kernels;

import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;

/** Element types as the kernel library numbers them: enum rf_type. */
final class ElementTypes {
  private ElementTypes() {}

  static int code(DType type) {
    return switch (type) {
      case F32 -> 0;
      case BF16 -> 1;
      case I32 -> 2;
      case FIXED -> 3;
      case I8 -> 4;
    };
  }

  static int code(Tensor tensor) {
    return code(tensor.type());
  }
}
