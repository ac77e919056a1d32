package org.reformer4j.api;

import java.util.List;

/**
 * Checks of the arguments of embeddings, losses and optimizers, beside {@link KernelArguments}.
 * Each throws an {@link IllegalArgumentException} that names the operation, the parameter, and what
 * it must be.
 */
public final class TrainingArguments {
  private static final String MATRIX = "[N, D]";
  private static final String ANY = "[any]";

  private TrainingArguments() {}

  /** Checks {@link Kernels#embed}, but for the indices. */
  public static void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    String op = "embed";
    Arguments.typed(op, "out", out, DType.F32, MATRIX);
    embedding(op, out, ids, positions, "tokens", tokens, "table ", tables, spec);
  }

  /** Checks {@link Kernels#embedBackward}, but for the indices. */
  public static void embedBackward(
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec) {
    String op = "embedBackward";
    Arguments.typed(op, "dOut", dOut, DType.F32, MATRIX);
    embedding(op, dOut, ids, positions, "dTokens", dTokens, "dTable ", dTables, spec);
  }

  private static void embedding(
      String op,
      Tensor out,
      Tensor ids,
      Tensor positions,
      String tokensName,
      Tensor tokens,
      String tableName,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    Arguments.flat(op, "ids", ids, DType.I32, "[N]", out.rows());
    Arguments.flat(op, "positions", positions, DType.I32, "[N]", out.rows());
    Arguments.typed(op, tokensName, tokens, DType.F32, "[V, D]");
    Arguments.matrix(op, tokensName, tokens, DType.F32, "[V, D]", tokens.rows(), out.columns());
    List<EmbeddingSpec.Axis> axes = spec.axes();
    if (tables.size() != axes.size()) {
      throw new IllegalArgumentException(
          op + ": one table per axis is needed: " + axes.size() + ", got " + tables.size());
    }
    long width = 0;
    for (int a = 0; a < tables.size(); a++) {
      Arguments.matrix(
          op,
          tableName + a,
          tables.get(a),
          DType.F32,
          "[size, width]",
          axes.get(a).size(),
          axes.get(a).width());
      width += axes.get(a).width();
    }
    if (width != out.columns()) {
      throw new IllegalArgumentException(
          op
              + ": the widths of the position axes must add up to D = "
              + out.columns()
              + ", got "
              + width);
    }
  }

  /** Checks {@link Kernels#crossEntropy}, but for the targets. */
  public static void crossEntropy(Tensor loss, Tensor dLogits, Tensor logits, Tensor targets) {
    String op = "crossEntropy";
    String letters = "[N, V]";
    Arguments.typed(op, "logits", logits, DType.F32, letters);
    Arguments.flat(op, "loss", loss, DType.F32, "[N]", logits.rows());
    Arguments.flat(op, "targets", targets, DType.I32, "[N]", logits.rows());
    if (dLogits != null) {
      Arguments.matrix(op, "dLogits", dLogits, DType.F32, letters, logits.rows(), logits.columns());
    }
  }

  /** Checks {@link Kernels#sumOfSquares}. */
  public static void sumOfSquares(Tensor x) {
    Arguments.typed("sumOfSquares", "x", x, DType.F32, ANY);
  }

  /** Checks {@link Kernels#adamW}. */
  public static void adamW(Tensor parameter, Tensor gradient, Tensor first, Tensor second) {
    String op = "adamW";
    Arguments.typed(op, "parameter", parameter, DType.F32, ANY);
    long elements = parameter.elements();
    Arguments.flat(op, "parameter", parameter, DType.F32, ANY, elements);
    Arguments.flat(op, "gradient", gradient, DType.F32, ANY, elements);
    Arguments.flat(op, "first", first, DType.F32, ANY, elements);
    Arguments.flat(op, "second", second, DType.F32, ANY, elements);
  }

  /** Checks {@link Kernels#adafactor}. */
  public static void adafactor(
      Tensor parameter, Tensor gradient, Tensor rowMoments, Tensor columnMoments) {
    String op = "adafactor";
    Arguments.typed(op, "parameter", parameter, DType.F32, ANY);
    long elements = parameter.elements();
    boolean factored = columnMoments != null;
    Arguments.flat(op, "parameter", parameter, DType.F32, "[M, N]", elements);
    Arguments.flat(op, "gradient", gradient, DType.F32, "[M, N]", elements);
    Arguments.flat(
        op, "rowMoments", rowMoments, DType.F32, "[M]", factored ? parameter.rows() : elements);
    if (factored) {
      Arguments.flat(op, "columnMoments", columnMoments, DType.F32, "[N]", parameter.columns());
    }
  }
}
