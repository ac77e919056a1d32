package org.reformer4j.kernels;

import org.bytedeco.javacpp.Pointer;

/** An address as bytedeco's functions want it; one object serves many addresses. */
final class Address extends Pointer {
  Address at(long value) {
    this.address = value;
    return this;
  }
}
