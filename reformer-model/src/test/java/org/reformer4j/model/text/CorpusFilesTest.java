package org.reformer4j.model.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CorpusFilesTest {
  @TempDir Path folder;

  @Test
  void filesAreJoinedByOneNewline() throws IOException {
    Path a = write("a", "first");
    Path b = write("b", "second\n");
    Path empty = write("empty", "");
    Path c = write("c", "third");
    assertEquals("first\nsecond\nthird", CorpusTest.text(Corpus.open(List.of(a, b, empty, c))));
    assertEquals("third\nfirst", CorpusTest.text(Corpus.open(List.of(c, a))));
  }

  @Test
  void foldersAreReadInOrderOfTheirPaths() throws IOException {
    write("b/2.txt", "b2");
    write("b/10.txt", "b10");
    write("a.txt", "a");
    write("b/sub/x.md", "x");
    write("c.txt", "c");
    assertEquals("a\nb10\nb2\nx\nc", CorpusTest.text(Corpus.open(List.of(folder))));
    assertEquals(
        "a\nb10\nb2\nc",
        CorpusTest.text(Corpus.open(List.of(folder), path -> path.toString().endsWith(".txt"))));
  }

  @Test
  void mappedFilesGiveTheSameTextAsCopiedOnes() throws IOException {
    write("1", "0123456789");
    write("2", "ab");
    write("3", "\n0123456");
    write("4", "c");
    Corpus copied = Corpus.open(List.of(folder));
    for (int segment = 1; segment < 12; segment++) {
      Corpus mapped = Corpus.open(List.of(folder), path -> true, new CorpusReader(3, segment));
      assertEquals(CorpusTest.text(copied), CorpusTest.text(mapped));
      assertEquals(copied.fingerprint(), mapped.fingerprint());
      for (int i = 0; i < copied.length(); i++) {
        assertEquals(copied.at(i), mapped.at(i));
        assertEquals(
            CorpusTest.text(copied.slice(i, copied.length())),
            CorpusTest.text(mapped.slice(i, mapped.length())));
      }
    }
  }

  @Test
  void largeFilesAreMapped() throws IOException {
    String text = "0123456789".repeat(20_000);
    Corpus corpus = Corpus.open(List.of(write("large", text), write("small", "x")));
    assertEquals(text + "\nx", CorpusTest.text(corpus));
  }

  @Test
  void fingerprintSurvivesMovingButNotRenaming() throws IOException {
    write("one/a/x", "text");
    write("two/a/x", "text");
    write("three/a/y", "text");
    long one = Corpus.open(List.of(folder.resolve("one"))).fingerprint();
    assertEquals(one, Corpus.open(List.of(folder.resolve("two"))).fingerprint());
    assertNotEquals(one, Corpus.open(List.of(folder.resolve("three"))).fingerprint());
  }

  @Test
  void aFolderMayBeALink() throws IOException {
    assumeTrue(
        FileSystems.getDefault().supportedFileAttributeViews().contains("posix"),
        "links need a POSIX file system");
    write("real/a", "text");
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("real"));
    assertEquals("text", CorpusTest.text(Corpus.open(List.of(link))));
    // Inside a folder a link to a folder is not followed, it could lead round in a circle.
    assertEquals("text", CorpusTest.text(Corpus.open(List.of(folder))));
  }

  @Test
  void missingPathsAndMissingTextAreRefused() throws IOException {
    Path missing = folder.resolve("missing.txt");
    assertMessage("no such file or folder: " + missing, List.of(missing));
    assertMessage("no text in", List.of(write("empty", "")));
    assertMessage("no text in", List.of(folder));
    assertMessage("at least one file or folder", List.of());
    Path file = write("file", "x");
    assertThrows(IllegalArgumentException.class, () -> Corpus.open(List.of(file), path -> false));
  }

  @Test
  void filesThatCannotBeReadAreNamed() throws IOException {
    Path file = write("gone", "x");
    // The filter runs last before a file is opened; permissions would not stop a superuser.
    Predicate<Path> deleting = path -> path.toFile().delete();
    UncheckedIOException thrown =
        assertThrows(UncheckedIOException.class, () -> Corpus.open(List.of(file), deleting));
    assertTrue(thrown.getMessage().contains(file.toString()), thrown.getMessage());
  }

  private void assertMessage(String expected, List<Path> paths) {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> Corpus.open(paths));
    assertTrue(thrown.getMessage().contains(expected), thrown.getMessage());
  }

  private Path write(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }
}
