package org.reformer4j.model.text;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;

/**
 * A text as one sequence of bytes: a file, many files, or an array. Large files are memory-mapped,
 * so a corpus may be far larger than the heap; they must not change while it is in use. Immutable
 * and safe to share between threads. The mapping ends when the corpus is no longer reachable.
 */
public final class Corpus {
  // Part of the training checkpoint format: other samples would refuse every old checkpoint.
  private static final int SAMPLE_RUNS = 256;
  private static final int SAMPLE_RUN_BYTES = 16;

  /** Where each piece starts in the whole text, ascending from 0. */
  private final long[] starts;

  /** The pieces, gapless; only read by absolute index, which is safe from several threads. */
  private final ByteBuffer[] pieces;

  private final long from;
  private final long to;
  private final long filesHash;

  private Corpus(long[] starts, ByteBuffer[] pieces, long from, long to, long filesHash) {
    this.starts = starts;
    this.pieces = pieces;
    this.from = from;
    this.to = to;
    this.filesHash = filesHash;
  }

  /**
   * Opens files and folders as one text, see {@link #open(List, Predicate)}, with every file.
   *
   * @param paths files and folders
   * @return the text, not empty
   */
  public static Corpus open(List<Path> paths) {
    return open(paths, path -> true);
  }

  /**
   * Opens files and folders as one text. The files come in the order of {@code paths}, those of a
   * folder (with its subfolders) sorted by their path below it, so that the same folder gives the
   * same text on every machine. Between two files stands a newline, unless the first one ends with
   * one. Empty files and what is neither a file nor a folder inside a folder are left out; links to
   * folders inside a folder are not followed.
   *
   * @param paths files and folders, at least one
   * @param filter tells which files to read, of those named and of those found
   * @return the text, not empty
   * @throws IllegalArgumentException if a path does not exist or there is no text at all
   * @throws java.io.UncheckedIOException if a file or folder cannot be read; the message names it
   */
  public static Corpus open(List<Path> paths, Predicate<Path> filter) {
    return open(paths, filter, new CorpusReader());
  }

  static Corpus open(List<Path> paths, Predicate<Path> filter, CorpusReader reader) {
    Objects.requireNonNull(filter, "filter");
    if (paths.isEmpty()) {
      throw new IllegalArgumentException("paths must name at least one file or folder");
    }
    for (Path path : paths) {
      reader.addAll(path, filter);
    }
    List<ByteBuffer> pieces = reader.finish();
    if (pieces.isEmpty()) {
      throw new IllegalArgumentException(
          "no text in "
              + paths
              + ": every file is empty or left out by the filter; name a file with at least one"
              + " byte");
    }
    return ofPieces(pieces, reader.filesHash());
  }

  /**
   * Makes a corpus of bytes in memory.
   *
   * @param bytes the text, at least one byte; copied
   * @return the text
   * @throws IllegalArgumentException if there are no bytes
   */
  public static Corpus of(byte[] bytes) {
    if (bytes.length == 0) {
      throw new IllegalArgumentException("a corpus needs at least one byte, got none");
    }
    return ofPieces(List.of(ByteBuffer.wrap(bytes.clone())), 0);
  }

  private static Corpus ofPieces(List<ByteBuffer> pieces, long filesHash) {
    long[] starts = new long[pieces.size()];
    long length = 0;
    for (int i = 0; i < starts.length; i++) {
      starts[i] = length;
      length += pieces.get(i).limit();
    }
    return new Corpus(starts, pieces.toArray(ByteBuffer[]::new), 0, length, filesHash);
  }

  /** Returns the number of bytes, which is also the number of tokens. */
  public long length() {
    return to - from;
  }

  /**
   * Returns one byte.
   *
   * @param index position, in 0..length-1
   * @throws IndexOutOfBoundsException if the position is outside
   */
  public byte at(long index) {
    Objects.checkIndex(index, length());
    long position = from + index;
    int piece = pieceAt(position);
    return pieces[piece].get((int) (position - starts[piece]));
  }

  /**
   * Copies bytes as the ids of a {@link ByteTokenizer}.
   *
   * @param start position of the first byte, from 0
   * @param count how many
   * @param target receives the ids, byte + {@link ByteTokenizer#OFFSET}
   * @param at index of the first id in {@code target}
   * @throws IndexOutOfBoundsException if the bytes or the ids are outside
   */
  public void copyIds(long start, int count, int[] target, int at) {
    Objects.checkFromIndexSize(start, (long) count, length());
    Objects.checkFromIndexSize(at, count, target.length);
    if (count == 0) {
      return;
    }
    int piece = pieceAt(from + start);
    int offset = (int) (from + start - starts[piece]);
    int done = 0;
    while (done < count) {
      ByteBuffer bytes = pieces[piece];
      int run = Math.min(count - done, bytes.limit() - offset);
      for (int i = 0; i < run; i++) {
        target[at + done + i] = Byte.toUnsignedInt(bytes.get(offset + i)) + ByteTokenizer.OFFSET;
      }
      done += run;
      piece++;
      offset = 0;
    }
  }

  /**
   * Returns a part of the text as a view; nothing is copied.
   *
   * @param start position of its first byte, from 0
   * @param end position behind its last byte; equal to {@code start} for an empty part
   * @return the part
   * @throws IndexOutOfBoundsException if the part is not inside
   */
  public Corpus slice(long start, long end) {
    Objects.checkFromToIndex(start, end, length());
    return new Corpus(starts, pieces, from + start, from + end, filesHash);
  }

  /**
   * Splits the text into a first part to train on and a last part to validate on.
   *
   * @param validationFraction share of the last part, in [0, 1); with 0 it is empty
   * @return both parts, as views
   * @throws IllegalArgumentException if the fraction is out of range, or not 0 and one of the parts
   *     would be empty
   */
  public Split split(double validationFraction) {
    if (!(validationFraction >= 0 && validationFraction < 1)) {
      throw new IllegalArgumentException(
          "validationFraction must be in [0, 1), got " + validationFraction);
    }
    long border = length() - Math.round(length() * validationFraction);
    if (validationFraction > 0 && (border == 0 || border == length())) {
      throw new IllegalArgumentException(
          "a text of "
              + length()
              + " bytes cannot be split with validationFraction "
              + validationFraction
              + ": one part would be empty; use more text or fraction 0");
    }
    return new Split(slice(0, border), slice(border, length()));
  }

  /**
   * Returns a number that tells texts apart, cheap even for large ones: a hash of the length, the
   * files' sizes and names below the paths given to {@link #open(List, Predicate)} (so the folder
   * may move), and up to 4096 bytes spread over the text. A resumed training run compares it.
   */
  public long fingerprint() {
    long hash = mix(mix(filesHash, from), length());
    if (length() <= SAMPLE_RUNS * SAMPLE_RUN_BYTES) {
      return sample(hash, 0, (int) length());
    }
    double stride = (double) (length() - SAMPLE_RUN_BYTES) / (SAMPLE_RUNS - 1);
    for (int run = 0; run < SAMPLE_RUNS; run++) {
      long start = Math.min((long) (run * stride), length() - SAMPLE_RUN_BYTES);
      hash = sample(hash, start, SAMPLE_RUN_BYTES);
    }
    return hash;
  }

  private long sample(long hash, long start, int count) {
    for (int i = 0; i < count; i++) {
      hash = mix(hash, at(start + i));
    }
    return hash;
  }

  /** One step of a hash: the finalizer of SplitMix64 (Steele et al. 2014) over a sum. */
  static long mix(long hash, long value) {
    long z = hash * 31 + value + 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  private int pieceAt(long position) {
    int found = Arrays.binarySearch(starts, position);
    return found >= 0 ? found : -found - 2;
  }

  /**
   * The two parts of a text.
   *
   * @param train the first part
   * @param validation the last part
   */
  public record Split(Corpus train, Corpus validation) {
    /** Checks that both are there. */
    public Split {
      Objects.requireNonNull(train, "train");
      Objects.requireNonNull(validation, "validation");
    }
  }
}
