package org.reformer4j.model;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.reformer4j.api.HashSpec;

/**
 * What implementations of LSH attention do differently. Each choice is a field of {@code
 * config.json} of its own, which is written only where it is not Hugging Face's; docs/dialects.md
 * has the differences that are no choice here.
 *
 * @param logitScale {@code lsh_logit_scale}
 * @param rotationScope {@code lsh_rotation_scope}
 * @param bucketRule {@code num_buckets_rule}
 */
public record Dialect(LogitScale logitScale, RotationScope rotationScope, BucketRule bucketRule) {
  /** Factor on the products of queries and normalised keys. */
  public enum LogitScale {
    /** 1: Hugging Face, trax. */
    UNIT,
    /** 1 / sqrt(K), as in full attention: lucidrains. */
    HEAD_SIZE
  }

  /** Who shares random rotations. */
  public enum RotationScope {
    /** Every head has its own: Hugging Face, trax. */
    HEAD,
    /** All heads of a layer have the same: lucidrains. */
    LAYER
  }

  /** How many buckets there are where {@code num_buckets} is null; T tokens, chunks of C. */
  public enum BucketRule {
    /** 2 T/C rounded down to a power of two; two factors above a limit: Hugging Face. */
    HUGGING_FACE,
    /** 2 T/C; two factors above 128, the first of them a power of two: trax. */
    TRAX,
    /** T/C, a bucket per chunk; where that is odd, one less, but at least 2: lucidrains. */
    LUCIDRAINS
  }

  /** Hugging Face's choices, the default. */
  public static final Dialect HUGGING_FACE =
      new Dialect(LogitScale.UNIT, RotationScope.HEAD, BucketRule.HUGGING_FACE);

  /** The choices of trax. */
  public static final Dialect TRAX =
      new Dialect(LogitScale.UNIT, RotationScope.HEAD, BucketRule.TRAX);

  /** The choices of lucidrains/reformer-pytorch. */
  public static final Dialect LUCIDRAINS =
      new Dialect(LogitScale.HEAD_SIZE, RotationScope.LAYER, BucketRule.LUCIDRAINS);

  /** Checks that nothing is missing. */
  public Dialect {
    Objects.requireNonNull(logitScale, "logitScale");
    Objects.requireNonNull(rotationScope, "rotationScope");
    Objects.requireNonNull(bucketRule, "bucketRule");
  }

  /** Returns these choices with another scale. */
  public Dialect with(LogitScale scale) {
    return new Dialect(scale, rotationScope, bucketRule);
  }

  /** Returns these choices with another scope. */
  public Dialect with(RotationScope scope) {
    return new Dialect(logitScale, scope, bucketRule);
  }

  /** Returns these choices with another rule. */
  public Dialect with(BucketRule rule) {
    return new Dialect(logitScale, rotationScope, rule);
  }

  /**
   * Returns the name of a choice in {@code config.json}.
   *
   * @param choice one of the enums here
   */
  public static String configName(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT);
  }

  /**
   * Returns the choice of a name.
   *
   * @param type which of the enums here
   * @param name value in {@code config.json}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static <E extends Enum<E>> E fromConfigName(Class<E> type, String name) {
    List<E> all = Arrays.asList(type.getEnumConstants());
    return all.stream()
        .filter(choice -> configName(choice).equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "'"
                        + name
                        + "' is not supported; use one of "
                        + all.stream().map(Dialect::configName).toList()));
  }

  /** Returns the factor on the queries of a head of K columns. */
  float scale(int headSize) {
    return logitScale == LogitScale.UNIT ? 1f : (float) (1 / Math.sqrt(headSize));
  }

  /** Returns the rotations of a layer as they are drawn here, from those that differ by head. */
  Rotations rotations(Rotations perHead) {
    if (rotationScope == RotationScope.HEAD) {
      return perHead;
    }
    return new Rotations() {
      @Override
      public float[] draw(int layer, int heads, int headSize, HashSpec hash) {
        float[] one = perHead.draw(layer, 1, headSize, hash);
        float[] all = new float[Math.multiplyExact(heads, one.length)];
        repeat(one, all, one.length, heads);
        return all;
      }

      @Override
      public byte[] drawIntegers(int layer, int heads, int headSize, HashSpec hash) {
        byte[] one = perHead.drawIntegers(layer, 1, headSize, hash);
        byte[] all = new byte[Math.multiplyExact(heads, one.length)];
        repeat(one, all, one.length, heads);
        return all;
      }
    };
  }

  /** Copies an array of a length into a longer one of its type, so many times. */
  private static void repeat(Object one, Object all, int length, int times) {
    for (int i = 0; i < times; i++) {
      System.arraycopy(one, 0, all, i * length, length);
    }
  }

  /**
   * Returns the factors of the number of buckets.
   *
   * @param chunks T/C, at least 1
   * @param limit above which Hugging Face takes two factors
   */
  List<Integer> bucketFactors(int chunks, long limit) {
    return switch (bucketRule) {
      case HUGGING_FACE -> {
        int power = 63 - Long.numberOfLeadingZeros(2L * chunks);
        // The limit is at least 2, so above it the power is at least 2: both factors are even.
        yield 1L << power > limit
            ? List.of(1 << (power / 2), 1 << (power - power / 2))
            : List.of(1 << power);
      }
      case TRAX -> {
        int buckets = Math.toIntExact(Math.min(2L * chunks, Integer.MAX_VALUE - 1));
        if (buckets <= 128) {
          yield List.of(buckets);
        }
        int first = 1;
        while ((long) first * first < buckets) {
          first *= 2;
        }
        yield List.of(first, 2 * (buckets / (2 * first)));
      }
      case LUCIDRAINS -> List.of(Math.max(2, chunks / 2 * 2));
    };
  }
}
