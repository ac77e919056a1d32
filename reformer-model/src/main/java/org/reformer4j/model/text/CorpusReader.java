package org.reformer4j.model.text;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Collects the files of a {@link Corpus} as gapless buffers. */
final class CorpusReader {
  private static final long MAX_SEGMENT = 1L << 30;

  // An operating system allows some 65000 mappings, a folder of sources may hold more files.
  private static final int MIN_MAPPED = 1 << 16;
  private static final int MAX_COLLECTED = 1 << 26;

  private final int minMapped;
  private final long maxSegment;
  private final List<ByteBuffer> pieces = new ArrayList<>();
  private final ByteArrayOutputStream collected = new ByteArrayOutputStream();
  private boolean started;
  private byte lastByte;
  private long filesHash;

  CorpusReader() {
    this(MIN_MAPPED, MAX_SEGMENT);
  }

  /**
   * Sets the sizes, for tests.
   *
   * @param minMapped bytes from which a file is mapped; smaller ones are copied
   * @param maxSegment bytes of the largest mapping, at most 2^31 - 1
   */
  CorpusReader(int minMapped, long maxSegment) {
    this.minMapped = minMapped;
    this.maxSegment = maxSegment;
  }

  /** A file and what to call it on every machine. */
  private record Entry(String name, Path file) {}

  /** Adds a file, or every file below a folder. */
  void addAll(Path path, Predicate<Path> filter) {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException(
          "no such file or folder: " + path.toAbsolutePath() + "; check the path");
    }
    if (Files.isDirectory(path)) {
      for (Entry entry : filesBelow(path)) {
        add(entry, filter);
      }
    } else if (Files.isRegularFile(path)) {
      add(new Entry(path.toAbsolutePath().getFileName().toString(), path), filter);
    } else {
      throw new IllegalArgumentException(
          path.toAbsolutePath() + " is neither a file nor a folder; copy its text to a file");
    }
  }

  /** Returns the buffers in order, none empty; no buffer at all if there was no text. */
  List<ByteBuffer> finish() {
    closeCollected();
    return pieces;
  }

  /** Returns the hash of the names and sizes of all files that were read. */
  long filesHash() {
    return filesHash;
  }

  private static List<Entry> filesBelow(Path folder) {
    // A walk does not enter a folder given as a link, so resolve it.
    try (Stream<Path> found = Files.walk(folder.toRealPath())) {
      Path root = folder.toRealPath();
      return found
          .filter(Files::isRegularFile)
          .map(file -> new Entry(nameBelow(root, file), file))
          .sorted(Comparator.comparing(Entry::name))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read folder " + folder + ": " + e, e);
    } catch (UncheckedIOException e) {
      throw new UncheckedIOException("cannot read folder " + folder + ": " + e, e.getCause());
    }
  }

  /** The name with slashes on every system: the order of files depends on it. */
  private static String nameBelow(Path root, Path file) {
    return StreamSupport.stream(root.relativize(file).spliterator(), false)
        .map(Path::toString)
        .collect(Collectors.joining("/"));
  }

  private void add(Entry entry, Predicate<Path> filter) {
    if (!filter.test(entry.file())) {
      return;
    }
    try (FileChannel channel = FileChannel.open(entry.file())) {
      long size = channel.size();
      if (size == 0) {
        return;
      }
      filesHash = Corpus.mix(Corpus.mix(filesHash, entry.name().hashCode()), size);
      if (started && lastByte != '\n') {
        collected.write('\n');
      }
      if (size < minMapped) {
        collect(channel, (int) size);
      } else {
        map(channel, size);
      }
      started = true;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + entry.file() + ": " + e, e);
    }
  }

  private void collect(FileChannel channel, int size) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(size);
    while (bytes.hasRemaining()) {
      if (channel.read(bytes) < 0) {
        throw new IOException("the file became shorter while it was read");
      }
    }
    collected.write(bytes.array(), 0, size);
    lastByte = bytes.get(size - 1);
    if (collected.size() >= MAX_COLLECTED) {
      closeCollected();
    }
  }

  private void map(FileChannel channel, long size) throws IOException {
    closeCollected();
    for (long position = 0; position < size; position += maxSegment) {
      long length = Math.min(maxSegment, size - position);
      pieces.add(channel.map(FileChannel.MapMode.READ_ONLY, position, length));
    }
    ByteBuffer last = pieces.get(pieces.size() - 1);
    lastByte = last.get(last.limit() - 1);
  }

  private void closeCollected() {
    if (collected.size() > 0) {
      pieces.add(ByteBuffer.wrap(collected.toByteArray()));
      collected.reset();
    }
  }
}
