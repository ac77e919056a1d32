package org.reformer4j.binding;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Opens kernel libraries: once in the life of a class loader, and never before each file has been
 * found to be whole.
 */
public final class KernelLibraries {
  private static final String BINDING = "libjniKernelLibrary.so";
  private static final int MESSAGE_BYTES = 1024;

  /**
   * Open libraries by name or file; a failure of a bundled one is kept, the first reason counts.
   */
  private static final Map<String, KernelLibrary> OPEN = new HashMap<>();

  private static final Map<String, String> REFUSED = new HashMap<>();

  private static boolean bound;

  private KernelLibraries() {}

  /**
   * Opens a library that comes with this module.
   *
   * @param name its file name, such as {@code libreformer_cuda.so}
   * @throws LibraryException if that is not possible; the same one in every call
   */
  public static synchronized KernelLibrary bundled(String name) throws LibraryException {
    if (REFUSED.containsKey(name)) {
      throw new LibraryException(REFUSED.get(name));
    }
    KernelLibrary library = OPEN.get(name);
    if (library == null) {
      try {
        library = open(name, NativeBundle.library(name));
      } catch (LibraryException e) {
        REFUSED.put(name, e.getMessage());
        throw e;
      }
      OPEN.put(name, library);
    }
    return library;
  }

  /**
   * Opens a library of one's own. A copy is loaded, so that the file may change or vanish later.
   *
   * @param file the library
   * @throws LibraryException if that is not possible
   */
  public static synchronized KernelLibrary file(Path file) throws LibraryException {
    byte[] content;
    String name;
    try {
      name = file.toRealPath().toString();
      if (OPEN.containsKey(name)) {
        return OPEN.get(name);
      }
      check(file);
      content = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new LibraryException("cannot read " + file + " (" + e + ")");
    }
    KernelLibrary library = open(file.toString(), content);
    OPEN.put(name, library);
    return library;
  }

  private static KernelLibrary open(String name, byte[] content) throws LibraryException {
    try {
      bind();
      try (NativeBundle.Extracted extracted = NativeBundle.Extracted.of(content)) {
        String copy = extracted.file().toString();
        long[] address = new long[1];
        byte[] message = new byte[MESSAGE_BYTES];
        if (KernelLibrary.rf_library_open(copy, address, message, message.length) != 0) {
          // The copy is gone when the message is read.
          throw new LibraryException(name + " " + text(message).replace(copy, name));
        }
        return new KernelLibrary(address[0]);
      }
    } catch (LinkageError e) {
      throw new LibraryException(name, e);
    }
  }

  /** Loads the JNI library of {@link KernelLibrary}. */
  private static void bind() throws LibraryException {
    if (bound) {
      return;
    }
    // Using Pointer, the superclass, makes JavaCPP load this one.
    checkResource("/org/bytedeco/javacpp/linux-x86_64/libjnijavacpp.so", "org.bytedeco:javacpp");
    byte[] content = NativeBundle.library(BINDING);
    // Fails without a message on stderr where JavaCPP is missing, unlike the library.
    new KernelLibrary(0);
    try (NativeBundle.Extracted extracted = NativeBundle.Extracted.of(content)) {
      System.load(extracted.file().toString());
    }
    int version = KernelLibrary.RF_ABI_VERSION();
    if (version != KernelLibrary.ABI_VERSION) {
      throw new LibraryException(
          BINDING
              + " has ABI version "
              + version
              + ", needed is "
              + KernelLibrary.ABI_VERSION
              + ": take all jars of one version");
    }
    bound = true;
  }

  /**
   * Checks that a library is whole, before somebody else loads it.
   *
   * @param file the library
   * @throws LibraryException if it is not
   */
  public static void check(Path file) throws LibraryException {
    Optional<String> problem = ElfFile.problem(file);
    if (problem.isPresent()) {
      throw new LibraryException(file + " " + problem.get());
    }
  }

  /**
   * Checks that a library on the class path is whole, before somebody else loads it. One that is
   * not there is left to that somebody.
   *
   * @param name absolute name of the resource
   * @param jar where it comes from, for the message
   * @throws LibraryException if it is not whole
   */
  public static void checkResource(String name, String jar) throws LibraryException {
    NativeBundle.checkResource(name, jar);
  }

  /**
   * Returns a text that a native function wrote.
   *
   * @param bytes UTF-8, ended by 0
   */
  public static String text(byte[] bytes) {
    int length = 0;
    while (length < bytes.length && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }
}
