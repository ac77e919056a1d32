package org.reformer4j.api;

/** A recording of a backend that issues every operation anew. */
final class RepeatedOperations implements Recording {
  private Runnable operations;

  RepeatedOperations(Runnable operations) {
    this.operations = operations;
  }

  @Override
  public void replay() {
    if (operations == null) {
      throw new IllegalStateException("this recording is closed: record the operations again");
    }
    operations.run();
  }

  @Override
  public void close() {
    operations = null;
  }
}
