package org.reformer4j.cuda;

import org.reformer4j.api.BackendException;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.KernelLibrary;

/** A context of the kernel library, and whether its device is still there. */
final class Device {
  private static final int TEXT_BYTES = 256;

  private final KernelLibrary kernels;
  private final long context;
  private BackendException lost;
  private boolean closed;

  private Device(KernelLibrary kernels, long context) {
    this.kernels = kernels;
    this.context = context;
  }

  /** Opens the first device that CUDA shows. */
  static Device open(KernelLibrary kernels) {
    long[] context = new long[1];
    int status = kernels.rf_context_create(0, context);
    if (status != 0) {
      throw new BackendException(
          "open", status, false, "the CUDA device cannot be opened: " + describe(kernels, status));
    }
    return new Device(kernels, context[0]);
  }

  KernelLibrary kernels() {
    return kernels;
  }

  long context() {
    return context;
  }

  /** Returns the stream on which everything is queued, a cudaStream_t. */
  long stream() {
    return kernels.rf_context_stream(context);
  }

  /** Returns whether device functions may be called: neither closed nor lost. */
  boolean alive() {
    return !closed && lost == null;
  }

  /** Returns one line for people: card, architecture, driver. */
  String describe() {
    byte[] text = new byte[TEXT_BYTES];
    int status = kernels.rf_context_describe(context, text, text.length);
    return status == 0 ? KernelLibraries.text(text) : describe(kernels, status);
  }

  /** Throws if the backend is closed or its device is lost. */
  void requireAlive(String op) {
    if (closed) {
      throw new IllegalStateException(op + ": this backend is closed; open a new one");
    }
    if (lost != null) {
      throw new BackendException(
          op, lost.code(), true, op + ": the device was lost before: " + lost.getMessage());
    }
  }

  /**
   * Throws if a function of the kernel library failed; after a fatal failure every later operation
   * fails, too.
   *
   * @param op operation, for the message
   * @param what shapes, for the message
   * @param status what the function returned
   */
  void check(String op, String what, int status) {
    if (status != 0) {
      throw failure(op, what, status);
    }
  }

  /** Remembers a fatal failure for the next operation, without throwing. */
  void note(String op, int status) {
    if (status != 0) {
      failure(op, "", status);
    }
  }

  private BackendException failure(String op, String what, int status) {
    boolean fatal = kernels.rf_status_fatal(status) != 0;
    String message = op + (what.isEmpty() ? "" : " " + what) + ": " + describe(kernels, status);
    if (fatal) {
      message +=
          ", in this operation or one queued before; the CUDA device is lost for this process: close"
              + " this backend; others, such as reference, still work";
    }
    BackendException failure = new BackendException(op, status, fatal, message);
    if (fatal && lost == null) {
      lost = failure;
    }
    return failure;
  }

  /** Waits for everything queued. */
  void synchronize(String op) {
    check(op, "", kernels.rf_synchronize(context));
  }

  /** Destroys the context; does nothing the second time. */
  void close() {
    if (!closed) {
      closed = true;
      // A lost device refuses; there is nothing left to free then.
      kernels.rf_context_destroy(context);
    }
  }

  private static String describe(KernelLibrary kernels, int status) {
    return kernels.rf_status_name(status) + " (" + status + "), " + kernels.rf_status_text(status);
  }
}
