package org.reformer4j.model.checkpoint;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.reformer4j.api.CheckpointException;

/** Writes files that appear under their name whole or not at all, even if the machine stops. */
public final class AtomicFiles {
  private AtomicFiles() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Body {
    /**
     * Writes everything.
     *
     * @param channel the new file, empty; closed by the caller
     * @throws IOException if writing fails
     */
    void writeTo(FileChannel channel) throws IOException;
  }

  /**
   * Writes a file, replacing the one of that name if there is one. The content goes to a temporary
   * file beside it, reaches the disk, and is then renamed. If anything fails before that, whatever
   * the body throws included, the temporary file is deleted and the old file is as it was.
   *
   * @param path file to write; its folder must exist
   * @param body writes the content
   * @throws CheckpointException if the file cannot be written
   */
  public static void write(Path path, Body body) {
    Path folder = path.toAbsolutePath().getParent();
    if (folder == null) {
      throw new IllegalArgumentException("path must name a file, got " + path);
    }
    Path fresh = folder.resolve("." + path.getFileName() + "." + UUID.randomUUID() + ".tmp");
    try (TemporaryFile temporary = new TemporaryFile(fresh)) {
      try (FileChannel channel =
          FileChannel.open(
              temporary.path(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        body.writeTo(channel);
        channel.force(true);
      }
      Files.move(temporary.path(), path, StandardCopyOption.ATOMIC_MOVE);
      force(folder);
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be written: " + e, e);
    }
  }

  /** Makes a rename durable. Windows keeps it in its journal and cannot open folders. */
  private static void force(Path folder) throws IOException {
    if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
        channel.force(true);
      }
    }
  }

  /** Deletes the file on closing, unless it was renamed. */
  private record TemporaryFile(Path path) implements Closeable {
    @Override
    public void close() throws IOException {
      Files.deleteIfExists(path);
    }
  }
}
