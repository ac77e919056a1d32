package org.reformer4j.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.reformer4j.model.checkpoint.SafeTensors;

/** The recorded cases of Hugging Face's implementation and how to compare with them. */
public final class Golden {
  private static final AtomicInteger CASES = new AtomicInteger();
  private static final AtomicInteger TENSORS = new AtomicInteger();

  private Golden() {}

  /** Returns the folder of all cases. */
  public static Path root() {
    URL url = Golden.class.getResource("/golden/README.md");
    Assertions.assertNotNull(url, "golden cases are missing from the test resources");
    try {
      return Path.of(url.toURI()).getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Returns the names of the cases that start with one of the prefixes; at least one each. */
  public static List<String> cases(String... prefixes) {
    try (Stream<Path> folders = Files.list(root())) {
      List<String> names =
          folders
              .filter(Files::isDirectory)
              .map(folder -> folder.getFileName().toString())
              .filter(name -> Stream.of(prefixes).anyMatch(name::startsWith))
              .sorted()
              .toList();
      for (String prefix : prefixes) {
        Assertions.assertTrue(
            names.stream().anyMatch(name -> name.startsWith(prefix)), "no case " + prefix);
      }
      return names;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Opens inputs and expected results of a case. */
  public static SafeTensors io(String name) {
    return SafeTensors.open(root().resolve(name).resolve("io.safetensors"));
  }

  /** Counts a case as compared. */
  public static void countCase() {
    CASES.incrementAndGet();
  }

  /** Says how much has been compared so far. */
  public static String summary(String what) {
    return what + ": compared " + CASES.get() + " golden cases, " + TENSORS.get() + " tensors";
  }

  /**
   * Compares position-wise values.
   *
   * @param positions [rows], 1 = compare; null = all
   */
  public static void assertClose(
      String name, double[] expected, float[] actual, double tolerance, int[] positions) {
    Assertions.assertEquals(expected.length, actual.length, name + ": number of elements");
    int columns = positions == null ? 1 : expected.length / positions.length;
    double worst = 0;
    int compared = 0;
    for (int i = 0; i < expected.length; i++) {
      if (positions != null && positions[i / columns] == 0) {
        continue;
      }
      compared++;
      double error = Math.abs(expected[i] - actual[i]);
      worst = error <= worst ? worst : error;
      if (!(error <= tolerance)) {
        Assertions.fail(
            name
                + "["
                + i
                + "]: expected "
                + expected[i]
                + ", got "
                + actual[i]
                + ", tolerance "
                + tolerance);
      }
    }
    Assertions.assertTrue(compared > 0, name + ": nothing compared");
    TENSORS.incrementAndGet();
  }

  /** Compares a gradient, relative to its largest element. */
  public static void assertGradient(String name, double[] expected, float[] actual) {
    assertGradient(name, expected, actual, Tolerances.GRADIENT);
  }

  /** Compares a gradient, relative to its largest element. */
  public static void assertGradient(
      String name, double[] expected, float[] actual, double relative) {
    double largest = 0;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    double tolerance = largest == 0 ? Tolerances.ZERO_GRADIENT : relative * largest;
    assertClose(name, expected, actual, tolerance, null);
  }

  /** Compares integers. */
  public static void assertEqual(String name, long[] expected, long[] actual) {
    Assertions.assertArrayEquals(expected, actual, name);
    TENSORS.incrementAndGet();
  }
}
