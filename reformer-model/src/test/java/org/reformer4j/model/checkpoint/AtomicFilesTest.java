package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;

class AtomicFilesTest {
  @TempDir Path folder;

  private static AtomicFiles.Body text(String text) {
    return channel -> channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void replacesTheOldFile() throws IOException {
    Path file = folder.resolve("a");
    AtomicFiles.write(file, text("a long first version"));
    AtomicFiles.write(file, text("second"));
    assertEquals("second", Files.readString(file));
    assertEquals(List.of("a"), files());
  }

  @Test
  void oldFileSurvivesWhateverTheBodyThrows() throws IOException {
    Path file = folder.resolve("a");
    AtomicFiles.write(file, text("old"));
    IllegalStateException stop = new IllegalStateException("stop");
    IllegalStateException thrown =
        assertThrows(
            IllegalStateException.class,
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      text("half of the new").writeTo(channel);
                      throw stop;
                    }));
    assertEquals(stop, thrown);
    CheckpointException failed =
        assertThrows(
            CheckpointException.class,
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      throw new IOException("disk full");
                    }));
    assertTrue(failed.getMessage().contains("disk full"), failed.getMessage());
    assertTrue(failed.getMessage().contains(file.toString()), failed.getMessage());
    assertEquals("old", Files.readString(file));
    assertEquals(List.of("a"), files());
  }

  @Test
  void readersSeeTheOldFileUntilTheEnd() throws IOException {
    Path file = folder.resolve("a");
    AtomicFiles.write(file, text("old"));
    AtomicFiles.write(
        file,
        channel -> {
          text("new").writeTo(channel);
          assertEquals("old", Files.readString(file));
        });
    assertEquals("new", Files.readString(file));
  }

  @Test
  void targetsThatCannotBeWrittenAreReported() throws IOException {
    Path taken = Files.createDirectories(folder.resolve("taken/inner")).getParent();
    assertThrows(CheckpointException.class, () -> AtomicFiles.write(taken, text("x")));
    assertThrows(
        CheckpointException.class, () -> AtomicFiles.write(folder.resolve("no/a"), text("x")));
    assertThrows(
        IllegalArgumentException.class, () -> AtomicFiles.write(folder.getRoot(), text("x")));
    assertEquals(List.of("taken"), files());
  }

  @Test
  void relativePathsWork() throws IOException {
    Path relative = Path.of("").toAbsolutePath().relativize(folder.resolve("r"));
    AtomicFiles.write(relative, text("x"));
    assertEquals(List.of("r"), files());
  }
}
