package org.reformer4j.api;

/**
 * Checks of the arguments of attention that depend on no type of activations, beside {@link
 * KernelArguments}. Each throws an {@link IllegalArgumentException} that names the operation, the
 * parameter, and what it must be.
 */
public final class AttentionArguments {
  private AttentionArguments() {}

  /**
   * Checks the gradients of an attention. They all have the type of its output.
   *
   * @param op the operation, for the messages
   * @param shared whether the queries are the keys (LSH attention)
   */
  public static void attentionGradients(
      String op,
      boolean shared,
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      AttentionSpec spec) {
    KernelArguments.heads(op, "dOut", dOut, out.type(), spec);
    KernelArguments.heads(op, shared ? "dQueryKeys" : "dQueries", dQueries, out.type(), spec);
    KernelArguments.heads(op, "dKeys", dKeys, out.type(), spec);
    KernelArguments.heads(op, "dValues", dValues, out.type(), spec);
  }

  /** Checks the order of an LSH attention; none is needed where all sequences are short. */
  public static void attentionOrder(String op, Tensor order, AttentionSpec spec, HashSpec hash) {
    if (hash.usesRuns()) {
      places(op, spec, hash);
    }
    if (!spec.allShort() || order != null) {
      long segments = (long) spec.sequences().batch() * spec.heads() * hash.rounds();
      int entries =
          hash.usesRuns() ? RunLayout.of(spec, hash).entries() : spec.sequences().stride();
      String letters = hash.usesRuns() ? "[B, H, R, E]" : "[B, H, R, T]";
      Arguments.flat(op, "order", order, DType.I32, letters, segments * entries);
    }
  }

  /** Checks {@link Kernels#lshRuns}, but for the numbers. */
  public static void lshRuns(
      Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash) {
    String op = "lshRuns";
    if (!hash.usesRuns()) {
      throw new IllegalArgumentException(
          op + ": attention by a plain " + hash.selection() + " selection reads the order itself");
    }
    places(op, spec, hash);
    Sequences sequences = spec.sequences();
    long segments = (long) sequences.batch() * spec.heads() * hash.rounds();
    String letters = "[B, H, R, T]";
    Arguments.flat(op, "order", order, DType.I32, letters, segments * sequences.stride());
    Arguments.flat(op, "buckets", buckets, DType.I32, letters, segments * sequences.stride());
    int entries = RunLayout.of(spec, hash).entries();
    Arguments.flat(op, "runs", runs, DType.I32, "[B, H, R, E]", segments * entries);
  }

  private static void places(String op, AttentionSpec spec, HashSpec hash) {
    Sequences sequences = spec.sequences();
    Sequences expected = hash.places(sequences, spec.chunkLength());
    for (int b = 0; b < sequences.batch(); b++) {
      if (sequences.slots(b) != expected.slots(b)) {
        throw new IllegalArgumentException(
            op
                + ": sequences must have the "
                + expected.slots(b)
                + " places of HashSpec.places for "
                + hash.selection()
                + " selection, got "
                + sequences.slots(b));
      }
    }
  }

  /** Checks {@link Kernels#lshSort}, but for the bucket numbers. */
  public static void lshSort(Tensor order, Tensor buckets, Sequences sequences, HashSpec hash) {
    String op = "lshSort";
    String letters = "[B, H, R, T]";
    Arguments.typed(op, "buckets", buckets, DType.I32, letters);
    Arguments.flat(op, "buckets", buckets, DType.I32, letters, buckets.elements());
    long segments = (long) sequences.batch() * hash.rounds();
    if (buckets.rows() % segments != 0 || buckets.columns() != sequences.stride()) {
      throw new IllegalArgumentException(
          op
              + ": buckets must be I32 [B, H, R, T] with B = "
              + sequences.batch()
              + " sequences, R = "
              + hash.rounds()
              + " hash rounds and T = "
              + sequences.stride()
              + " rows, got "
              + buckets);
    }
    Arguments.matrix(op, "order", order, DType.I32, letters, buckets.rows(), buckets.columns());
    Arguments.flat(op, "order", order, DType.I32, letters, buckets.elements());
  }
}
