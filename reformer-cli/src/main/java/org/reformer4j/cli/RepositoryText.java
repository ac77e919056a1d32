package org.reformer4j.cli;

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
    return open(Path.of(home == null ? "" : home).toAbsolutePath().normalize());
  }

  static Corpus open(Path home) {
    return Corpus.open(List.of(home), file -> isText(home.relativize(file.toAbsolutePath())));
  }

  private static boolean isText(Path relative) {
    for (Path part : relative) {
      if (SKIPPED.contains(part.toString())) {
        return false;
      }
    }
    String name = relative.getFileName().toString();
    String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return ENDINGS.contains(ending);
  }
}
