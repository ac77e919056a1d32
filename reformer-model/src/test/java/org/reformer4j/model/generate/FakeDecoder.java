package org.reformer4j.model.generate;

import java.util.Arrays;
import java.util.Random;
import java.util.function.Function;

/** A model of a few tokens whose logits are a function of the tokens so far. */
final class FakeDecoder implements Decoder {
  /** What all decoders of one model have done together. */
  static final class Counts {
    int open;
    int appended;
    int forks;
  }

  private final Function<int[], float[]> model;
  private final Counts counts;
  private final int maxLength;
  private int[] tokens = {};
  private boolean closed;

  FakeDecoder(Function<int[], float[]> model, int maxLength, Counts counts) {
    this.model = model;
    this.maxLength = maxLength;
    this.counts = counts;
    counts.open++;
  }

  /** Returns a model with random logits, others for each sequence of tokens. */
  static Function<int[], float[]> random(int vocabulary, int seed, double spread) {
    return tokens -> {
      Random random = new Random(31L * Arrays.hashCode(tokens) + seed);
      float[] logits = new float[vocabulary];
      for (int id = 0; id < vocabulary; id++) {
        logits[id] = (float) (spread * random.nextGaussian());
      }
      return logits;
    };
  }

  @Override
  public float[] append(int... more) {
    if (closed) {
      throw new IllegalStateException("closed");
    }
    if (more.length == 0 || tokens.length + more.length > maxLength) {
      throw new IllegalArgumentException("cannot append " + more.length);
    }
    counts.appended += more.length;
    int length = tokens.length;
    tokens = Arrays.copyOf(tokens, length + more.length);
    System.arraycopy(more, 0, tokens, length, more.length);
    return model.apply(tokens.clone());
  }

  @Override
  public Decoder fork() {
    if (closed) {
      throw new IllegalStateException("closed");
    }
    counts.forks++;
    FakeDecoder fork = new FakeDecoder(model, maxLength, counts);
    fork.tokens = tokens.clone();
    return fork;
  }

  @Override
  public int length() {
    return tokens.length;
  }

  @Override
  public int maxLength() {
    return maxLength;
  }

  @Override
  public void close() {
    counts.open -= closed ? 0 : 1;
    closed = true;
  }
}
