package org.reformer4j.kernels;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.LibraryException;

/** NVIDIA's libraries as files of this machine, before somebody else loads them. */
final class SystemLibraries {
  /** The driver; the kernel library loads it when it is asked for devices. */
  static final String DRIVER = "libcuda.so.1";

  private static final List<String> STANDARD_FOLDERS =
      List.of(
          "/usr/local/cuda/lib64",
          "/usr/lib/wsl/lib",
          "/lib/x86_64-linux-gnu",
          "/usr/lib/x86_64-linux-gnu",
          "/lib64",
          "/usr/lib64",
          "/usr/lib",
          "/usr/local/lib");

  private SystemLibraries() {}

  /**
   * Checks that a library is whole, if it is found: the dynamic linker may know more places.
   *
   * @param name its file name
   * @throws LibraryException if it is damaged
   */
  static void check(String name) throws LibraryException {
    for (Path folder : folders()) {
      Path file = folder.resolve(name);
      if (Files.exists(file)) {
        KernelLibraries.check(file);
        return;
      }
    }
  }

  /** Where the dynamic linker looks, in its order, as far as that can be known. */
  private static List<Path> folders() {
    List<Path> folders = new ArrayList<>();
    for (String folder : System.getenv().getOrDefault("LD_LIBRARY_PATH", "").split(":")) {
      if (!folder.isEmpty()) {
        folders.add(Path.of(folder));
      }
    }
    STANDARD_FOLDERS.forEach(folder -> folders.add(Path.of(folder)));
    return folders;
  }
}
