package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RepositoryTextTest {
  @TempDir Path parent;

  @Test
  void readsSourcesAndDocumentsOnly() throws IOException {
    // The name of the repository itself leaves nothing out.
    Path root = parent.resolve("target");
    for (String name :
        new String[] {
          "README.md",
          "a/src/B.java",
          "a/target/C.java",
          ".git/D.md",
          "runs/first/E.md",
          "tests/golden/F.md",
          "a/picture.png",
          "java"
        }) {
      Path file = root.resolve(name);
      Files.createDirectories(file.getParent());
      Files.writeString(file, "1234567");
    }
    // Two files and the newline between them.
    assertEquals(15, RepositoryText.open(root).length());
  }
}
