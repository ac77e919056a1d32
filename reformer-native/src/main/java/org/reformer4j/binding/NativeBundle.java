package org.reformer4j.binding;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** The native files that come with this module, in a jar of their own. */
final class NativeBundle {
  private static final String PLATFORM = "linux-x86_64";
  private static final String JAR = "org.reformer4j:reformer-native:" + PLATFORM;

  private NativeBundle() {}

  /**
   * A native file in a private folder, which {@link #close} removes. A library that was loaded from
   * it stays loaded, and another class loader gets a copy of its own.
   */
  static final class Extracted implements AutoCloseable {
    private final Path folder;
    private final Path file;

    private Extracted(Path folder, Path file) {
      this.folder = folder;
      this.file = file;
    }

    /** Copies a library into a new folder. */
    static Extracted of(byte[] content) throws LibraryException {
      try {
        Path folder = Files.createTempDirectory("reformer");
        Path file = folder.resolve("library.so");
        try {
          Files.write(file, content);
        } catch (IOException e) {
          new Extracted(folder, file).close();
          throw e;
        }
        return new Extracted(folder, file);
      } catch (IOException e) {
        throw new LibraryException(
            "cannot write a library to "
                + System.getProperty("java.io.tmpdir")
                + " ("
                + e
                + "): give java -Djava.io.tmpdir=<a folder that can be written>");
      }
    }

    Path file() {
      return file;
    }

    @Override
    public void close() {
      try {
        Files.deleteIfExists(file);
        Files.deleteIfExists(folder);
      } catch (IOException e) {
        // What cannot be removed stays in the temporary folder; the library works all the same.
        file.toFile().deleteOnExit();
      }
    }
  }

  /** Returns the content of a library after the check that it is whole. */
  static byte[] library(String name) throws LibraryException {
    byte[] content = read(PLATFORM + "/" + name);
    if (content == null) {
      throw new LibraryException(missing(name));
    }
    check(name + " in " + JAR, content);
    return content;
  }

  /** Checks a library in another jar, if it is there at all. */
  static void checkResource(String name, String jar) throws LibraryException {
    byte[] content = read(name);
    if (content != null) {
      check(name.substring(name.lastIndexOf('/') + 1) + " in " + jar, content);
    }
  }

  private static void check(String what, byte[] content) throws LibraryException {
    var problem = ElfFile.problem(content);
    if (problem.isPresent()) {
      throw new LibraryException(
          what + " " + problem.get() + ": fetch or build this jar again, it is damaged");
    }
  }

  /** Says why a library is not in the bundle. */
  private static String missing(String name) throws LibraryException {
    if (Boolean.parseBoolean(
        properties("build.properties").getProperty("native.skip", "false").trim())) {
      return "this build has no native code: it was left out (-Dreformer.native.skip=true, which the"
          + " reformer command chooses where cmake or g++ is missing); install cmake and g++ and"
          + " build again";
    }
    Properties kernels = properties(PLATFORM + "/kernels.properties");
    if (kernels.isEmpty()) {
      return "the jar with the native libraries is not on the class path: add " + JAR;
    }
    String cuda = kernels.getProperty("cuda", "built");
    if (name.contains("cuda") && !cuda.equals("built")) {
      return "this build has no CUDA kernels: "
          + cuda
          + " when it was built; install the CUDA 13 toolkit and build again";
    }
    return name + " is missing in " + JAR + ": fetch or build this jar again";
  }

  private static Properties properties(String name) throws LibraryException {
    Properties properties = new Properties();
    try (InputStream in = NativeBundle.class.getResourceAsStream(name)) {
      if (in != null) {
        properties.load(in);
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new LibraryException("cannot read " + name + " on the class path (" + e + ")");
    }
    return properties;
  }

  /** Returns the bytes of a resource, or null where there is none. */
  private static byte[] read(String name) throws LibraryException {
    try (InputStream in = NativeBundle.class.getResourceAsStream(name)) {
      return in == null ? null : in.readAllBytes();
    } catch (IOException e) {
      throw new LibraryException(
          "cannot read " + name + " on the class path (" + e + "): the jar is damaged");
    }
  }
}
