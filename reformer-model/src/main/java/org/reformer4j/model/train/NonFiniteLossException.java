package org.reformer4j.model.train;

/** A loss or gradient became infinite or not a number; nothing was updated with it. */
public final class NonFiniteLossException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final long step;
  private final String layer;

  NonFiniteLossException(long step, String layer, String what) {
    super(
        what
            + " in step "
            + step
            + " is not finite; first produced by "
            + layer
            + ": lower the learning rate, lengthen the warm-up, clip the gradient, or check the"
            + " data, and resume from the last checkpoint");
    this.step = step;
    this.layer = layer;
  }

  /** Returns the step. */
  public long step() {
    return step;
  }

  /** Returns the first part of the model that produced it, under Hugging Face's name. */
  public String layer() {
    return layer;
  }
}
