package org.reformer4j.binding;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Whether a file is a whole shared library of this platform. The dynamic linker maps what the
 * headers promise; where the file ends earlier, touching the mapping kills the process, and no Java
 * code can catch that.
 */
final class ElfFile {
  private static final int HEADER_BYTES = 64;
  private static final int MAGIC = 0x464C457F;
  private static final int CLASS_64 = 2;
  private static final int LITTLE_ENDIAN = 1;
  private static final int SHARED_OBJECT = 3;
  private static final int X86_64 = 62;
  private static final int SEGMENT_BYTES = 56;

  /** Where the bytes are: a file, or a resource in memory. */
  private interface Source {
    ByteBuffer read(long from, int bytes) throws IOException;
  }

  private final Source source;
  private final long length;

  private ElfFile(Source source, long length) {
    this.source = source;
    this.length = length;
  }

  /**
   * Returns why the library in a file must not be loaded, or nothing.
   *
   * @param file the library
   */
  static Optional<String> problem(Path file) {
    try (FileChannel channel = FileChannel.open(file)) {
      return new ElfFile((from, bytes) -> read(channel, from, bytes), channel.size()).problem();
    } catch (IOException e) {
      return Optional.of("cannot be read: " + e);
    }
  }

  /**
   * Returns why a library must not be loaded, or nothing.
   *
   * @param content all bytes of the library
   */
  static Optional<String> problem(byte[] content) {
    try {
      return new ElfFile(
              (from, bytes) -> ByteBuffer.wrap(content, (int) from, bytes).slice(), content.length)
          .problem();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static ByteBuffer read(FileChannel channel, long from, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes);
    while (buffer.hasRemaining() && channel.read(buffer, from + buffer.position()) > 0) {}
    return buffer.flip();
  }

  private ByteBuffer at(long from, int bytes) throws IOException {
    return source.read(from, bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private Optional<String> problem() throws IOException {
    if (length < HEADER_BYTES) {
      return Optional.of("has only " + length + " bytes, which is no library");
    }
    ByteBuffer header = at(0, HEADER_BYTES);
    if (header.getInt(0) != MAGIC) {
      return Optional.of("is no ELF file");
    }
    if (header.get(4) != CLASS_64
        || header.get(5) != LITTLE_ENDIAN
        || header.getShort(18) != X86_64) {
      return Optional.of("is no library for 64-bit x86");
    }
    if (header.getShort(16) != SHARED_OBJECT) {
      return Optional.of("is no shared library");
    }
    long segments = header.getLong(32);
    long sections = header.getLong(40);
    int segmentCount = Short.toUnsignedInt(header.getShort(56));
    long sectionBytes =
        (long) Short.toUnsignedInt(header.getShort(58)) * Short.toUnsignedInt(header.getShort(60));
    int segmentBytes = segmentCount * SEGMENT_BYTES;
    if (header.getShort(54) != SEGMENT_BYTES || segmentCount == 0) {
      return Optional.of("has no program headers of the usual kind");
    }
    if (beyond(segments, segmentBytes) || beyond(sections, sectionBytes)) {
      return truncated();
    }
    ByteBuffer table = at(segments, segmentBytes);
    for (int i = 0; i < segmentCount; i++) {
      int entry = i * SEGMENT_BYTES;
      if (beyond(table.getLong(entry + 8), table.getLong(entry + 32))) {
        return truncated();
      }
    }
    return Optional.empty();
  }

  private boolean beyond(long from, long bytes) {
    return from < 0 || bytes < 0 || from > length || bytes > length - from;
  }

  private Optional<String> truncated() {
    return Optional.of("is truncated: it ends after " + length + " bytes, before its last part");
  }
}
