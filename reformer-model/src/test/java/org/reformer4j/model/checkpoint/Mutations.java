package org.reformer4j.model.checkpoint;

import java.util.Arrays;
import java.util.Random;

/** Damages bytes at random. */
final class Mutations {
  private static final byte[] LIKELY = "0123456789-.e\"{}[],: ".getBytes();

  private static final String[] EXTREME = {
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e999",
    "-1",
    "0",
    "99999999999999999999999999",
    "1E+2147483647",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "NaN"
  };

  private Mutations() {}

  static byte[] mutate(byte[] original, Random random) {
    byte[] bytes = original.clone();
    for (int left = 1 + random.nextInt(3); left > 0 && bytes.length > 0; left--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(6)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = LIKELY[random.nextInt(LIKELY.length)];
        case 3 -> bytes = Arrays.copyOf(bytes, at);
        case 4 -> bytes = moved(bytes, at, random.nextInt(bytes.length - at + 1), random);
        default -> bytes = Arrays.copyOf(bytes, bytes.length + random.nextInt(16));
      }
    }
    return bytes;
  }

  /** Copies a run of bytes to another place, over what is there. */
  private static byte[] moved(byte[] bytes, int from, int count, Random random) {
    int n = Math.min(count, 40);
    int to = random.nextInt(bytes.length - n + 1);
    System.arraycopy(bytes.clone(), from, bytes, to, n);
    return bytes;
  }

  /**
   * Damages bytes as {@link #mutate} does, and also makes runs longer and shorter, and puts the
   * numbers in that lengths, counts and offsets go wrong at.
   */
  static byte[] mutateWildly(byte[] original, Random random) {
    byte[] bytes = original.clone();
    for (int left = 1 + random.nextInt(2); left > 0 && bytes.length > 0; left--) {
      int at = random.nextInt(bytes.length);
      int run = Math.min(bytes.length - at, 1 + random.nextInt(random.nextInt(4) == 0 ? 300 : 12));
      bytes =
          switch (random.nextInt(6)) {
            case 0 -> spliced(bytes, at, at + run, new byte[0]);
            case 1 -> spliced(bytes, at, at, Arrays.copyOfRange(bytes, at, at + run));
            case 2 -> spliced(bytes, at, Math.min(bytes.length, at + 4), extreme(4, random));
            case 3 -> spliced(bytes, at, Math.min(bytes.length, at + 8), extreme(8, random));
            case 4 -> {
              byte[] digits = EXTREME[random.nextInt(EXTREME.length)].getBytes();
              yield spliced(bytes, at, at + random.nextInt(2), digits);
            }
            default -> mutate(bytes, random);
          };
    }
    return bytes;
  }

  private static byte[] spliced(byte[] bytes, int from, int to, byte[] between) {
    byte[] result = Arrays.copyOf(bytes, from + between.length + bytes.length - to);
    System.arraycopy(between, 0, result, from, between.length);
    System.arraycopy(bytes, to, result, from + between.length, bytes.length - to);
    return result;
  }

  /** A little-endian number at a limit, or beside it. */
  private static byte[] extreme(int length, Random random) {
    long limit =
        switch (random.nextInt(5)) {
          case 0 -> Long.MAX_VALUE >> 64 - 8 * length;
          case 1 -> Long.MIN_VALUE >> 64 - 8 * length;
          case 2 -> 1L << random.nextInt(8 * length);
          default -> 0;
        };
    long value = limit + random.nextInt(3) - 1;
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (value >> 8 * i);
    }
    return bytes;
  }
}
