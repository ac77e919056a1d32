package org.reformer4j.binding;

/** A native library cannot be used here; the message says which one, why, and what to do. */
public final class LibraryException extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message which library, why, and what to do
   */
  public LibraryException(String message) {
    super(message);
  }

  /**
   * Creates the exception for what the Java virtual machine said.
   *
   * @param what the library
   * @param error what was thrown; its root cause is told
   */
  public LibraryException(String what, Throwable error) {
    super(what + ": " + rootCause(error) + advice(rootCause(error)), error);
  }

  /**
   * Returns the message of the first cause. The errors around it only say that a class could not be
   * loaded.
   *
   * @param error what was thrown
   */
  public static String rootCause(Throwable error) {
    Throwable root = error;
    for (int depth = 0; root.getCause() != null && depth < 32; depth++) {
      root = root.getCause();
    }
    if (root instanceof ClassNotFoundException || root instanceof NoClassDefFoundError) {
      String name = String.valueOf(root.getMessage()).replace('/', '.');
      return "the Java class " + name + " is missing on the class path";
    }
    if (root instanceof UnsatisfiedLinkError && String.valueOf(root.getMessage()).startsWith("'")) {
      // Java names the method only.
      return "the JNI library is another one than was built for these classes, it lacks "
          + root.getMessage();
    }
    return root.getMessage() != null ? root.getMessage() : root.toString();
  }

  /** What to do where the dynamic linker may not map a copied library. */
  private static String advice(String message) {
    return message.contains("failed to map segment")
        ? ": the folder for temporary files may forbid programs (noexec); give java"
            + " -Djava.io.tmpdir=<a folder that allows them>"
        : "";
  }
}
