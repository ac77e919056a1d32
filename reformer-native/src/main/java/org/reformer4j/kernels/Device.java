package org.reformer4j.kernels;

import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.KernelLibrary;

/** A context of a kernel library, and whether its device is still there. */
final class Device {
  private static final int TEXT_BYTES = 256;

  /** RF_STATUS_UNSUPPORTED. */
  private static final int UNSUPPORTED = -1;

  /** CUDA's code for memory that is not to be had. */
  static final int MEMORY_ALLOCATION = 2;

  private static final int MAX_HEAD_SIZE = 128;

  private final String backend;
  private final KernelArguments arguments;
  private final String fastPath;
  private final KernelLibrary kernels;
  private final long context;
  private BackendException lost;
  private boolean closed;
  private Issue issue = Issue.AT_ONCE;
  private String operation = "";

  /** What becomes of operations: done, done and soon recorded, or recorded only. */
  enum Issue {
    AT_ONCE,
    FIRST_RUN,
    CAPTURE
  }

  private Device(String backend, String fastPath, KernelLibrary kernels) {
    this.backend = backend;
    this.fastPath = fastPath;
    this.kernels = kernels;
    long[] created = new long[1];
    int status = kernels.rf_context_create(0, created);
    if (status != 0) {
      throw new BackendException(
          "open",
          status,
          false,
          "the " + backend + " device cannot be opened: " + describe(kernels, status));
    }
    this.context = created[0];
    boolean halves = kernels.rf_context_computes(context, ElementTypes.code(DType.BF16)) != 0;
    this.arguments = halves ? KernelArguments.F32_OR_BF16 : KernelArguments.F32;
  }

  /** Says what becomes of operations from now on. */
  void issue(Issue now) {
    issue = now;
  }

  /** Returns whether a recording is being made. */
  boolean recording() {
    return issue != Issue.AT_ONCE;
  }

  /** Returns whether operations are recorded now, and not done. */
  boolean capturing() {
    return issue == Issue.CAPTURE;
  }

  /** Refuses what a recording cannot hold. */
  void requireUnrecorded(String op) {
    if (recording()) {
      throw new IllegalStateException(
          op
              + ": not while operations are recorded, which can only be operations on the device:"
              + " do it before, or after a replay");
    }
  }

  /** Refuses to make something that lasts while operations are recorded and not done. */
  void requireFirstRun(String what) {
    if (capturing()) {
      throw new IllegalStateException(
          "record: "
              + what
              + " was not there in the first run of the operations: issue the same both times");
    }
  }

  /** Begins an operation; throws if the backend is closed or its device is lost. */
  void begin(String op) {
    requireAlive(op);
    operation = op;
  }

  /** Returns the latest operation. */
  String operation() {
    return operation;
  }

  /** Opens the first device that CUDA shows. */
  static Device cuda(KernelLibrary kernels) {
    return new Device(CudaBackendProvider.NAME, "tensor cores", kernels);
  }

  /** Opens the processor. */
  static Device cpu(KernelLibrary kernels, int threads) {
    Device device = new Device(CpuBackendProvider.NAME, "vectors", kernels);
    int status = kernels.rf_context_threads(device.context, threads);
    if (status != 0) {
      device.close();
      throw new BackendException(
          "open", status, false, "the cpu backend takes at most 1024 threads, got " + threads);
    }
    return device;
  }

  /** Returns the name of the backend. */
  String backend() {
    return backend;
  }

  /** Returns the checks of arguments, which know the types that the kernels take. */
  KernelArguments arguments() {
    return arguments;
  }

  /** Returns the name of the kernels that take only some shapes of attention. */
  String fastPath() {
    return fastPath;
  }

  /** Refuses heads that are too large for the kernels. */
  void requireHeadSize(String op, int headSize) {
    if (headSize > MAX_HEAD_SIZE) {
      throw new IllegalArgumentException(
          op
              + ": the "
              + backend
              + " backend needs a head size K of at most "
              + MAX_HEAD_SIZE
              + ", got "
              + headSize
              + ": use the reference backend");
    }
  }

  /**
   * Returns whether operations are queued, so that looking at what one has made waits for it, and
   * many can be recorded and queued at once.
   */
  boolean queues() {
    return !backend.equals(CpuBackendProvider.NAME);
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

  /**
   * Returns the bytes of the device's cache that chunks should fit into, 0 where it is no matter.
   */
  long cacheBytes() {
    return kernels.rf_context_cache(context);
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
   * @param what whose {@code toString} names shapes in the message; called only for one
   * @param status what the function returned
   */
  void check(String op, Object what, int status) {
    if (status != 0) {
      throw failure(op, what.toString(), status);
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
    if (status == MEMORY_ALLOCATION) {
      return new OutOfDeviceMemoryException(
          message + ": free some, or end other programs that use it");
    }
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

  /** Returns the operations done, 0 where the kernels have no such function. */
  double multiplyAdds(long rounds) {
    double[] operations = new double[1];
    int status = kernels.rf_multiply_adds(context, rounds, operations);
    if (status != UNSUPPORTED) {
      check("multiplyAdds", "", status);
    }
    return operations[0];
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
