package org.reformer4j.model;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/** Collects what is wrong with the fields of a config, so that all of it is reported at once. */
final class ConfigRules {
  private final List<String> problems = new ArrayList<>();

  ConfigRules require(boolean holds, String problem) {
    if (!holds) {
      problems.add(problem);
    }
    return this;
  }

  ConfigRules positive(String field, int value) {
    return require(value > 0, field + " is " + value + "; set it to at least 1");
  }

  ConfigRules notNegative(String field, int value) {
    return require(value >= 0, field + " is " + value + "; set it to 0 or more");
  }

  ConfigRules notNegative(String field, double value) {
    return require(
        value >= 0 && Double.isFinite(value),
        field + " is " + value + "; set it to a finite number, 0 or more");
  }

  ConfigRules positive(String field, double value) {
    return require(
        (float) value > 0 && Double.isFinite(value),
        field + " is " + value + "; set it to a finite number greater than 0 in single precision");
  }

  /** Dropout computes in single precision, so a value that rounds to 1 there is refused too. */
  ConfigRules probability(String field, double value) {
    return require(
        value >= 0 && (float) value < 1,
        field + " is " + value + "; set it to a probability in [0, 1)");
  }

  ConfigRules evenFactors(String field, List<Integer> factors) {
    require(
        factors.stream().allMatch(f -> f > 0 && f % 2 == 0),
        field + " is " + factors + "; every factor must be even and at least 2");
    return require(
        product(factors) < Integer.MAX_VALUE,
        field + " is " + factors + "; the product of the factors must be at most 2^31 - 2");
  }

  ConfigRules axial(List<Integer> shape, List<Integer> dims, int hiddenSize) {
    require(
        !shape.isEmpty() && shape.stream().allMatch(n -> n > 0),
        "axial_pos_shape is " + shape + "; give at least one axis, each of length 1 or more");
    require(
        dims.stream().allMatch(n -> n > 0),
        "axial_pos_embds_dim is " + dims + "; every axis needs at least 1 column");
    require(
        shape.size() == dims.size(),
        "axial_pos_shape "
            + shape
            + " and axial_pos_embds_dim "
            + dims
            + " differ in length; give both one entry per axis");
    require(
        product(shape) <= Integer.MAX_VALUE,
        "axial_pos_shape is " + shape + "; its product must be at most 2^31 - 1 positions");
    long sum = dims.stream().mapToLong(Integer::longValue).sum();
    return require(
        sum == hiddenSize,
        "axial_pos_embds_dim "
            + dims
            + " sums to "
            + sum
            + " but hidden_size is "
            + hiddenSize
            + "; make them equal or set axial_pos_embds to false");
  }

  ConfigRules integerHashing(int headSize, OptionalLong hashSeed) {
    return require(
            headSize <= LshHashing.MAX_HEAD_SIZE,
            "attention_head_size is "
                + headSize
                + ", and lsh_hashing integer takes at most "
                + LshHashing.MAX_HEAD_SIZE
                + "; set lsh_hashing to float or make the heads smaller")
        .require(
            hashSeed.isEmpty(),
            "hash_seed asks for torch's rotations, which are floats, and lsh_hashing is integer;"
                + " set lsh_hashing to float or leave hash_seed out");
  }

  ConfigRules labels(List<String> labels) {
    require(!labels.isEmpty(), "num_labels is 0; set it to at least 1");
    Set<String> seen = new HashSet<>();
    Optional<String> twice = labels.stream().filter(label -> !seen.add(label)).findFirst();
    return require(
        twice.isEmpty(),
        "id2label has the label '" + twice.orElse("") + "' twice; make the labels differ");
  }

  void throwIfAny() {
    if (!problems.isEmpty()) {
      throw new InvalidConfigException(problems);
    }
  }

  /** Returns the product, Long.MAX_VALUE where it is larger; factors below 1 count as 1. */
  private static long product(List<Integer> factors) {
    long product = 1;
    for (int factor : factors) {
      if (Math.multiplyHigh(product, Math.max(factor, 1)) != 0) {
        return Long.MAX_VALUE;
      }
      product *= Math.max(factor, 1);
      if (product < 0) {
        return Long.MAX_VALUE;
      }
    }
    return product;
  }
}
