package org.reformer4j.model.checkpoint;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.reformer4j.api.CheckpointException;

/** Positional reads of a file that is not kept open, and must stay the same between them. */
final class DataFile {
  static final int BUFFER_BYTES = 1 << 20;

  /** Takes elements as they come from the file. */
  interface Sink {
    /**
     * Takes a run of elements.
     *
     * @param data the elements from offset 0 on, little-endian
     * @param done number of elements taken before
     * @param count number of elements in {@code data}
     */
    void accept(ByteBuffer data, int done, int count);
  }

  /** Tells the file from one that took its place later. */
  private record Version(long size, Object modified, Object key) {}

  private final Path path;
  private final Version version;

  DataFile(Path path) throws IOException {
    this.path = path;
    this.version = version(path);
  }

  long size() {
    return version.size();
  }

  /** Opens the file as a stream over a range of it. */
  InputStream stream(long start, long bytes) throws IOException {
    return new Range(open(), start, start + bytes);
  }

  /**
   * Reads elements through a buffer.
   *
   * @throws CheckpointException if the file cannot be read, or has changed since it was opened
   */
  void read(long start, int elementBytes, int count, Sink sink) {
    int step = BUFFER_BYTES / elementBytes;
    ByteBuffer buffer =
        ByteBuffer.allocate((int) Math.min(BUFFER_BYTES, (long) count * elementBytes))
            .order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel channel = open()) {
      requireUnchanged();
      for (int done = 0; done < count; done += step) {
        int n = Math.min(step, count - done);
        readFully(
            channel, buffer.clear().limit(n * elementBytes), start + (long) done * elementBytes);
        sink.accept(buffer.flip(), done, n);
        if (done > count - step) {
          break; // the next sum could exceed an int
        }
      }
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be read: " + e, e);
    }
  }

  /**
   * Makes sure that what was read of the file still holds.
   *
   * @throws CheckpointException if the file has changed since it was opened
   */
  void requireUnchanged() throws IOException {
    if (!version(path).equals(version)) {
      throw new CheckpointException(path + " has changed since it was opened; open it again");
    }
  }

  private FileChannel open() throws IOException {
    return FileChannel.open(path, StandardOpenOption.READ);
  }

  private static Version version(Path path) throws IOException {
    BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
    return new Version(found.size(), found.lastModifiedTime(), found.fileKey());
  }

  private static void readFully(FileChannel channel, ByteBuffer into, long position)
      throws IOException {
    long at = position;
    while (into.hasRemaining()) {
      int n = channel.read(into, at);
      if (n < 0) {
        throw new EOFException("the file ends at byte " + at);
      }
      at += n;
    }
  }

  /** A part of a file as a stream; closes the channel with itself. */
  private static final class Range extends InputStream {
    private final FileChannel channel;
    private final long end;
    private long position;

    Range(FileChannel channel, long start, long end) {
      this.channel = channel;
      this.position = start;
      this.end = end;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public int read(byte[] into, int from, int count) throws IOException {
      if (count == 0) {
        return 0;
      }
      int wanted = (int) Math.min(count, end - position);
      int n = wanted == 0 ? -1 : channel.read(ByteBuffer.wrap(into, from, wanted), position);
      position += Math.max(n, 0);
      return n;
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
