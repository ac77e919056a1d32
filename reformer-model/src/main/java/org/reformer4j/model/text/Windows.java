package org.reformer4j.model.text;

import java.util.Objects;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

/**
 * Training windows of a text in an endless, reproducible random order. Window number {@code index}
 * is a function of the seed, the index, the window's length and the text's length alone, so a
 * resumed run goes on where it stopped by remembering one number. Immutable and safe to share
 * between threads.
 *
 * <p>An epoch has floor(length / windowTokens) windows, every one visited once. The first starts at
 * an offset drawn per epoch from 0..windowTokens-1, so that borders between windows move; each next
 * one starts where the one before ends, except that the last is moved back to end within the text.
 */
public final class Windows {
  private final Corpus corpus;
  private final int windowTokens;
  private final long seed;
  private final long windowsPerEpoch;

  /**
   * Makes the windows of a text.
   *
   * @param corpus the text
   * @param windowTokens tokens of a window, from 1
   * @param seed which order
   * @throws IllegalArgumentException if the text is shorter than a window
   */
  public Windows(Corpus corpus, int windowTokens, long seed) {
    this.corpus = Objects.requireNonNull(corpus, "corpus");
    if (windowTokens < 1) {
      throw new IllegalArgumentException("windowTokens must be at least 1, got " + windowTokens);
    }
    if (corpus.length() < windowTokens) {
      throw new IllegalArgumentException(
          "the text has "
              + corpus.length()
              + " tokens, fewer than the "
              + windowTokens
              + " of one window: use a shorter context or more text");
    }
    this.windowTokens = windowTokens;
    this.seed = seed;
    this.windowsPerEpoch = corpus.length() / windowTokens;
  }

  /** Returns the number of windows in an epoch, at least 1. */
  public long windowsPerEpoch() {
    return windowsPerEpoch;
  }

  /** Returns the number of tokens in a window. */
  public int windowTokens() {
    return windowTokens;
  }

  /**
   * Returns where a window starts in the text.
   *
   * @param index number of the window, from 0, without an end: epochs follow one another
   * @return position of its first byte
   * @throws IllegalArgumentException if the number is negative
   */
  public long start(long index) {
    if (index < 0) {
      throw new IllegalArgumentException("index must not be negative, got " + index);
    }
    Philox.Stream stream =
        new Philox.Stream(seed, index / windowsPerEpoch, 0, RandomPurpose.DATA_ORDER);
    long offset = (long) (stream.uniform(0) * windowTokens);
    long window = new KeyedPermutation(stream, windowsPerEpoch).at(index % windowsPerEpoch);
    return Math.min(offset + window * windowTokens, corpus.length() - windowTokens);
  }

  /**
   * Copies the ids of a window.
   *
   * @param index number of the window, from 0, without an end: epochs follow one another
   * @param target receives {@code windowTokens} ids of a {@link ByteTokenizer}
   * @param at index of the first id in {@code target}
   * @throws IllegalArgumentException if the number is negative
   * @throws IndexOutOfBoundsException if the ids do not fit into {@code target}
   */
  public void copy(long index, int[] target, int at) {
    corpus.copyIds(start(index), windowTokens, target, at);
  }
}
