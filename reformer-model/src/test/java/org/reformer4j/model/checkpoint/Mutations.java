package org.reformer4j.model.checkpoint;

import java.util.Arrays;
import java.util.Random;

/** Damages bytes at random. */
final class Mutations {
  private static final byte[] LIKELY = "0123456789-.e\"{}[],: ".getBytes();

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
}
