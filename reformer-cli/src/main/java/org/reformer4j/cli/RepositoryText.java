package org.reformer4j.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.reformer4j.model.text.Corpus;

/** Sources and documents of this repository, a text that needs no download. */
final class RepositoryText {
  /** Set by the launcher to the folder that it lies in. */
  static final String HOME_PROPERTY = "reformer.home";

  private static final Set<String> ENDINGS =
      Set.of("java", "md", "xml", "cu", "cuh", "cpp", "h", "sh", "txt", "cmake");

  private static final Set<String> SKIPPED =
      Set.of("target", ".git", ".mvn", "runs", "golden", "node_modules");

  private RepositoryText() {}

  static Corpus open() {
    String home = System.getProperty(HOME_PROPERTY);
    return open(Path.of(home == null ? "" : home));
  }

  static Corpus open(Path home) {
    try {
      // Where the folder is a link, the files come with their real names.
      Path root = home.toRealPath();
      return Corpus.open(List.of(root), file -> isText(root.relativize(file)));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the folder of the repository: " + e, e);
    }
  }

  private static boolean isText(Path relative) {
    for (Path part : relative) {
      if (SKIPPED.contains(part.toString())) {
        return false;
      }
    }
    String name = relative.getFileName().toString();
    int dot = name.lastIndexOf('.');
    return dot > 0 && ENDINGS.contains(name.substring(dot + 1).toLowerCase(Locale.ROOT));
  }
}
