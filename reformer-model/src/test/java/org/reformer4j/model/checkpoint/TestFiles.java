package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;

/** Files that Python wrote, see make.py beside them. */
final class TestFiles {
  private TestFiles() {}

  static Path path(String name) {
    URL url = TestFiles.class.getResource(name);
    assertNotNull(url, name);
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }
}
