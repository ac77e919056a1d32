package org.reformer4j.api;

import java.util.Set;

/**
 * Checks of the arguments of {@link Kernels}, the same for every backend that calls them. Each
 * throws an {@link IllegalArgumentException} that names the operation, the parameter, and what it
 * must be.
 */
public final class KernelArguments {
  private static final DType[] STREAM = {DType.F32, DType.FIXED};
  private static final String MATRIX = "[N, D]";
  private static final String ROW = "[D]";
  private static final String HEADS = "[N, H*K]";

  /** For backends that compute on F32 activations. */
  public static final KernelArguments F32 = new KernelArguments(DType.F32);

  /** For backends that compute on F32 and on BF16 activations. */
  public static final KernelArguments F32_OR_BF16 = new KernelArguments(DType.F32, DType.BF16);

  private final DType[] activations;

  private KernelArguments(DType... activations) {
    this.activations = activations;
  }

  /** Returns the types of activations that pass. */
  public Set<DType> activationTypes() {
    return Set.of(activations);
  }

  /** Checks {@link Memory#copy}. */
  public static void copy(Tensor target, Tensor source) {
    Arguments.matrix(
        "copy",
        "target",
        target,
        source.type(),
        "[rows, columns]",
        source.rows(),
        source.columns());
  }

  /** Checks {@link Memory#round}. */
  public static void round(Tensor target, Tensor source) {
    String letters = "[rows, columns]";
    Arguments.typed("round", "source", source, DType.F32, letters);
    Arguments.matrix(
        "round", "target", target, DType.BF16, letters, source.rows(), source.columns());
  }

  /**
   * Checks {@link Kernels#gemm}. Both factors have one type, and a BF16 product has BF16 factors.
   */
  public void gemm(Tensor c, Tensor a, boolean transposeA, Tensor b, boolean transposeB) {
    String op = "gemm";
    String lettersA = transposeA ? "[K, M]" : "[M, K]";
    String lettersB = transposeB ? "[N, K]" : "[K, N]";
    Arguments.oneOf(op, "c", c, "[M, N]", activations);
    if (c.type() == DType.BF16) {
      Arguments.typed(op, "a", a, DType.BF16, lettersA);
    }
    Arguments.oneOf(op, "a", a, lettersA, activations);
    Arguments.typed(op, "b", b, a.type(), lettersB);
    long m = c.rows();
    long n = c.columns();
    long k = transposeA ? a.rows() : a.columns();
    if (transposeA) {
      Arguments.matrix(op, "a (transposed)", a, a.type(), lettersA, k, m);
    } else {
      Arguments.matrix(op, "a", a, a.type(), lettersA, m, k);
    }
    if (transposeB) {
      Arguments.matrix(op, "b (transposed)", b, a.type(), lettersB, n, k);
    } else {
      Arguments.matrix(op, "b", b, a.type(), lettersB, k, n);
    }
  }

  /** Checks {@link Kernels#addBias}. */
  public static void addBias(Tensor x, Tensor bias) {
    Arguments.typed("addBias", "x", x, DType.F32, MATRIX);
    Arguments.flat("addBias", "bias", bias, DType.F32, ROW, x.columns());
  }

  /** Checks {@link Kernels#biasGradient}. */
  public static void biasGradient(Tensor dBias, Tensor dX) {
    Arguments.typed("biasGradient", "dX", dX, DType.F32, MATRIX);
    Arguments.flat("biasGradient", "dBias", dBias, DType.F32, ROW, dX.columns());
  }

  /** Checks {@link Kernels#dropout}. */
  public static void dropout(Tensor x) {
    Arguments.typed("dropout", "x", x, DType.F32, MATRIX);
  }

  /** Checks {@link Kernels#layerNorm}. */
  public void layerNorm(Tensor out, Tensor x, Tensor gain, Tensor bias) {
    norm("layerNorm", out, "x", x, gain, "bias", bias);
  }

  private void norm(
      String op, Tensor out, String xName, Tensor x, Tensor gain, String biasName, Tensor bias) {
    Arguments.oneOf(op, xName, x, MATRIX, STREAM);
    Arguments.flat(op, "gain", gain, DType.F32, ROW, x.columns());
    activation(op, "out", out, x);
    Arguments.flat(op, biasName, bias, DType.F32, ROW, x.columns());
  }

  /** Checks {@link Kernels#layerNormBackward}. */
  public void layerNormBackward(
      Tensor dX, Tensor dGain, Tensor dBias, Tensor dOut, Tensor x, Tensor gain) {
    String op = "layerNormBackward";
    Arguments.oneOf(op, "x", x, MATRIX, STREAM);
    Arguments.flat(op, "gain", gain, DType.F32, ROW, x.columns());
    like(op, "dX", dX, x);
    activation(op, "dOut", dOut, x);
    Arguments.flat(op, "dGain", dGain, DType.F32, ROW, x.columns());
    Arguments.flat(op, "dBias", dBias, DType.F32, ROW, x.columns());
  }

  /** Checks {@link Kernels#residual}. */
  public void residual(Tensor acc, Tensor y, Tensor bias, int sign) {
    step("residual", acc, y, bias, sign);
  }

  private void step(String op, Tensor acc, Tensor y, Tensor bias, int sign) {
    if (sign != 1 && sign != -1) {
      throw new IllegalArgumentException(op + ": sign must be +1 or -1, got " + sign);
    }
    Arguments.oneOf(op, "acc", acc, MATRIX, STREAM);
    activation(op, "y", y, acc);
    if (bias != null) {
      Arguments.flat(op, "bias", bias, DType.F32, ROW, acc.columns());
    }
  }

  /** Checks {@link Kernels#residualNorm}. */
  public void residualNorm(
      Tensor out, Tensor acc, Tensor y, Tensor bias, int sign, Tensor gain, Tensor normBias) {
    String op = "residualNorm";
    step(op, acc, y, bias, sign);
    norm(op, out, "acc", acc, gain, "normBias", normBias);
  }

  /** Checks {@link Kernels#residualBackward}. */
  public void residualBackward(Tensor dY, Tensor dBias, Tensor dAcc) {
    gradient("residualBackward", dY, dBias, dAcc);
  }

  private void gradient(String op, Tensor dY, Tensor dBias, Tensor dAcc) {
    Arguments.typed(op, "dAcc", dAcc, DType.F32, MATRIX);
    activation(op, "dY", dY, dAcc);
    if (dBias != null) {
      Arguments.flat(op, "dBias", dBias, DType.F32, ROW, dAcc.columns());
    }
  }

  /** Checks {@link Kernels#residualInverse}. */
  public void residualInverse(
      Tensor acc, Tensor dY, Tensor dBias, Tensor y, Tensor bias, Tensor dAcc) {
    String op = "residualInverse";
    step(op, acc, y, bias, -1);
    like(op, "dAcc", dAcc, acc);
    gradient(op, dY, dBias, dAcc);
  }

  /**
   * Checks {@link Kernels#feedForward}. The factors of the products have one type, the biases are
   * F32, and a BF16 result needs BF16 factors.
   */
  public void feedForward(Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2) {
    layers("feedForward", x, w1, b1, w2);
    product("feedForward", "out", out, x);
  }

  /** Checks {@link Kernels#feedForwardBackward}, with the types of {@link #feedForward}. */
  public void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2) {
    String op = "feedForwardBackward";
    layers(op, x, w1, b1, w2);
    if (out != null) {
      product(op, "out", out, x);
    }
    product(op, "dX", dX, x);
    Arguments.matrix(op, "dOut", dOut, x.type(), MATRIX, x.rows(), x.columns());
    Arguments.matrix(op, "dW1", dW1, DType.F32, "[F, D]", w1.rows(), w1.columns());
    Arguments.flat(op, "dB1", dB1, DType.F32, "[F]", w1.rows());
    Arguments.matrix(op, "dW2", dW2, DType.F32, "[D, F]", w2.rows(), w2.columns());
  }

  private void layers(String op, Tensor x, Tensor w1, Tensor b1, Tensor w2) {
    Arguments.oneOf(op, "x", x, MATRIX, activations);
    Arguments.typed(op, "w1", w1, x.type(), "[F, D]");
    long columns = x.columns();
    Arguments.matrix(op, "w1", w1, x.type(), "[F, D]", w1.rows(), columns);
    Arguments.flat(op, "b1", b1, DType.F32, "[F]", w1.rows());
    Arguments.matrix(op, "w2", w2, x.type(), "[D, F]", columns, w1.rows());
  }

  /** A result of products of x. */
  private static void product(String op, String name, Tensor tensor, Tensor x) {
    if (tensor == null || tensor.type() != x.type()) {
      Arguments.typed(op, name, tensor, DType.F32, MATRIX);
    }
    Arguments.matrix(op, name, tensor, tensor.type(), MATRIX, x.rows(), x.columns());
  }

  /** Checks {@link Kernels#lshBuckets}, but for limits of a backend on K. */
  public void lshBuckets(
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshBuckets";
    long rows = spec.sequences().rows();
    Arguments.flat(
        op, "buckets", buckets, DType.I32, "[B, H, R, T]", rows * spec.heads() * hash.rounds());
    Arguments.oneOf(op, "queryKeys", queryKeys, "[N, H*K]", activations);
    Arguments.matrix(op, "queryKeys", queryKeys, queryKeys.type(), "[N, H*K]", rows, spec.width());
    String floats = "[H, K, R*columns]";
    String integers = "[H, R*columns, K]";
    Arguments.oneOf(op, "rotations", rotations, floats + " or " + integers, DType.F32, DType.I8);
    Arguments.flat(
        op,
        "rotations",
        rotations,
        rotations.type(),
        rotations.type() == DType.I8 ? integers : floats,
        (long) spec.width() * hash.rounds() * hash.rotationColumns());
    if (keyMask != null) {
      Arguments.flat(op, "keyMask", keyMask, DType.I32, "[B, T]", rows);
    }
  }

  /**
   * Checks what forward and backward pass of an attention share. Queries, keys and values have one
   * type, and a BF16 output needs BF16 queries.
   *
   * @param op the operation, for the messages
   * @param shared whether the queries are the keys (LSH attention)
   */
  public void attention(
      String op,
      boolean shared,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    long rows = spec.sequences().rows();
    String name = shared ? "queryKeys" : "queries";
    Arguments.oneOf(op, name, queries, HEADS, activations);
    heads(op, name, queries, queries.type(), spec);
    heads(op, "keys", keys, queries.type(), spec);
    heads(op, "values", values, queries.type(), spec);
    product(op, "out", out, queries);
    Arguments.flat(op, "lse", lse, DType.F32, "[B, H, T]", rows * spec.heads());
    if (keyMask != null) {
      Arguments.flat(op, "keyMask", keyMask, DType.I32, "[B, T]", rows);
    }
    if (headMask != null) {
      Arguments.flat(op, "headMask", headMask, DType.F32, "[H]", spec.heads());
    }
  }

  static void heads(String op, String name, Tensor tensor, DType type, AttentionSpec spec) {
    Arguments.matrix(op, name, tensor, type, HEADS, spec.sequences().rows(), spec.width());
  }

  /**
   * Checks {@link Kernels#decodeAttention}, but for the row numbers. Queries, keys and values have
   * one type, and a BF16 output needs BF16 queries.
   */
  public void decodeAttention(
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec) {
    String op = "decodeAttention";
    String query = "[B, H*K]";
    String cache = "[S, H*K]";
    Arguments.oneOf(op, "queries", queries, query, activations);
    DType type = queries.type();
    Arguments.matrix(op, "queries", queries, type, query, spec.batch(), spec.width());
    Arguments.typed(op, "keys", keys, type, cache);
    Arguments.matrix(op, "keys", keys, type, cache, keys.rows(), spec.width());
    Arguments.matrix(op, "values", values, type, cache, keys.rows(), spec.width());
    product(op, "out", out, queries);
    Arguments.flat(op, "rows", rows, DType.I32, "[B, H, R, W]", spec.entries());
    if (own != null) {
      Arguments.flat(op, "own", own, DType.I32, "[B]", spec.batch());
    }
    if (headMask != null) {
      Arguments.flat(op, "headMask", headMask, DType.F32, "[H]", spec.heads());
    }
  }

  private void activation(String op, String name, Tensor tensor, Tensor like) {
    Arguments.oneOf(op, name, tensor, MATRIX, activations);
    Arguments.matrix(op, name, tensor, tensor.type(), MATRIX, like.rows(), like.columns());
  }

  private static void like(String op, String name, Tensor tensor, Tensor like) {
    Arguments.matrix(op, name, tensor, DType.F32, MATRIX, like.rows(), like.columns());
  }
}
