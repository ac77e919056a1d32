package org.reformer4j.tests;

import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks at the CUDA backend with one class path after the other, each in a class loader of its own,
 * all in this process. A line of the file that it is given has a name, a kernel library or nothing,
 * and a class path, separated by tabs.
 */
public final class LoadingMain {
  private LoadingMain() {}

  /** Prints for each line: name, report. */
  public static void main(String[] args) throws Exception {
    List<URLClassLoader> loaders = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      String[] parts = line.split("\t");
      List<URL> urls = new ArrayList<>();
      for (String entry : parts[2].split(File.pathSeparator)) {
        urls.add(Path.of(entry).toUri().toURL());
      }
      // Never closed, because their libraries stay loaded.
      URLClassLoader loader =
          new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
      loaders.add(loader);
      Thread.currentThread().setContextClassLoader(loader);
      System.out.println("begin\t" + parts[0]);
      Object report =
          loader
              .loadClass("org.reformer4j.tests.LoadingReport")
              .getMethod("of", String.class)
              .invoke(null, parts[1]);
      System.out.println("end\t" + parts[0] + "\t" + report);
    }
    System.out.println("all\t" + loaders.size());
  }
}
