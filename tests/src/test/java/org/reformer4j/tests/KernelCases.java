package org.reformer4j.tests;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;

/** One valid call of every operation, with what the contract says about each tensor. */
final class KernelCases {
  /** What an operation does with a tensor. */
  enum Role {
    /** Read. */
    IN,
    /** Overwritten. */
    OUT,
    /** Added to. */
    ADD,
    /** Changed in place. */
    CHANGED
  }

  /**
   * A tensor of a call.
   *
   * @param type element type; F32 and FIXED take their values as float[], I32 as int[], I8 as
   *     byte[]
   * @param optional whether null is legal
   * @param anyRows whether any number of rows is legal
   */
  record Arg(
      String name,
      Role role,
      DType type,
      long[] dims,
      Object values,
      boolean optional,
      boolean anyRows) {
    /** Whether the tensor may have gaps between its rows. */
    boolean mayBeStrided() {
      return (type == DType.F32 || type == DType.FIXED) && dims.length == 2;
    }

    /** Returns the elements as {@link KernelTableTest} downloads them; not for I8. */
    int[] bits() {
      if (values instanceof int[] ints) {
        return ints;
      }
      float[] floats = (float[]) values;
      int[] bits = new int[floats.length];
      for (int i = 0; i < bits.length; i++) {
        bits[i] =
            type == DType.FIXED ? FixedPoint.fromFloat(floats[i]) : Float.floatToIntBits(floats[i]);
      }
      return bits;
    }

    /** Returns the number behind such bits. */
    double number(int bits) {
      return type == DType.FIXED ? bits * 0x1p-20 : Float.intBitsToFloat(bits);
    }
  }

  /** Calls the operation with tensors in the order of its parameters. */
  interface Call {
    void run(Backend backend, Tensor[] tensors);
  }

  /** A valid call. */
  record Case(String op, String variant, List<Arg> args, Call call) {
    void run(Backend backend, Map<String, Tensor> tensors) {
      call.run(backend, args.stream().map(arg -> tensors.get(arg.name())).toArray(Tensor[]::new));
    }

    @Override
    public String toString() {
      return op + " " + variant;
    }
  }

  private static final int ROWS = 74;
  private static final int WIDTH = 10;

  private final List<Arg> args = new ArrayList<>();
  private final Random random = new Random(17);

  KernelCases() {}

  KernelCases put(Role role, String name, boolean optional, boolean anyRows, long... dims) {
    return reals(role, name, DType.F32, optional, anyRows, dims);
  }

  KernelCases stream(Role role, String name, DType type, long... dims) {
    return reals(role, name, type, false, false, dims);
  }

  private KernelCases reals(
      Role role, String name, DType type, boolean optional, boolean anyRows, long... dims) {
    float[] values = new float[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    args.add(new Arg(name, role, type, dims, values, optional, anyRows));
    return this;
  }

  KernelCases in(String name, long... dims) {
    return put(Role.IN, name, false, false, dims);
  }

  KernelCases out(String name, long... dims) {
    return put(Role.OUT, name, false, false, dims);
  }

  KernelCases add(String name, long... dims) {
    return put(Role.ADD, name, false, false, dims);
  }

  KernelCases put(Arg arg) {
    args.add(arg);
    return this;
  }

  KernelCases ints(String name, boolean optional, int bound, long... dims) {
    int count = (int) Arrays.stream(dims).reduce(1, (a, b) -> a * b);
    int[] values = random.ints(count, 0, bound).toArray();
    args.add(new Arg(name, Role.IN, DType.I32, dims, values, optional, false));
    return this;
  }

  KernelCases bytes(String name, long... dims) {
    byte[] values = new byte[(int) Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
    random.nextBytes(values);
    args.add(new Arg(name, Role.IN, DType.I8, dims, values, false, false));
    return this;
  }

  Case call(String op, String variant, Call call) {
    return new Case(op, variant, List.copyOf(args), call);
  }

  static List<Case> all() {
    List<Case> cases = new ArrayList<>();
    for (boolean ta : new boolean[] {false, true}) {
      for (boolean tb : new boolean[] {false, true}) {
        cases.add(gemm(ta, tb));
      }
    }
    cases.addAll(List.of(addBias(), biasGradient(), dropout(), sumOfSquares()));
    cases.addAll(List.of(embed(), embedBackward(), crossEntropy()));
    for (Activation activation : Activation.values()) {
      cases.addAll(List.of(feedForward(activation), feedForwardBackward(activation)));
    }
    cases.addAll(StreamCases.all());
    cases.addAll(AttentionCases.all());
    return cases;
  }

  static Dropout mask(RandomPurpose purpose) {
    return new Dropout(0.25f, new Philox.Stream(4, 7, 2, purpose));
  }

  private static Case gemm(boolean ta, boolean tb) {
    return new KernelCases()
        .out("c", ROWS, 9)
        .in("a", ta ? 11 : ROWS, ta ? ROWS : 11)
        .in("b", tb ? 9 : 11, tb ? 11 : 9)
        .call("gemm", ta + " " + tb, (k, t) -> k.gemm(t[0], t[1], ta, t[2], tb, 1.5f, 0f));
  }

  private static Case addBias() {
    return new KernelCases()
        .put(Role.ADD, "x", false, true, ROWS, WIDTH)
        .in("bias", WIDTH)
        .call("addBias", "", (k, t) -> k.addBias(t[0], t[1]));
  }

  private static Case biasGradient() {
    return new KernelCases()
        .add("dBias", WIDTH)
        .put(Role.IN, "dX", false, true, ROWS, WIDTH)
        .call("biasGradient", "", (k, t) -> k.biasGradient(t[0], t[1]));
  }

  private static Case dropout() {
    return new KernelCases()
        .put(Role.CHANGED, "x", false, true, ROWS, WIDTH)
        .call("dropout", "", (k, t) -> k.dropout(t[0], mask(RandomPurpose.FINAL_HIDDEN).from(5)));
  }

  private static Case sumOfSquares() {
    return new KernelCases()
        .put(Role.IN, "x", false, true, ROWS, WIDTH)
        .call("sumOfSquares", "", (k, t) -> k.sumOfSquares(t[0]));
  }

  static final EmbeddingSpec EMBEDDING =
      new EmbeddingSpec(
          List.of(new Axis(5, 4, 8), new Axis(8, 6, 1)),
          mask(RandomPurpose.TOKEN_EMBEDDING),
          mask(RandomPurpose.POSITION_EMBEDDING),
          37);

  private static Case embed() {
    return new KernelCases()
        .out("out", ROWS, WIDTH)
        .ints("ids", false, 6, ROWS)
        .ints("positions", false, 40, ROWS)
        .put(Role.IN, "tokens", false, true, 6, WIDTH)
        .in("table 0", 5, 4)
        .in("table 1", 8, 6)
        .call(
            "embed",
            "",
            (k, t) -> k.embed(t[0], t[1], t[2], t[3], Arrays.asList(t[4], t[5]), EMBEDDING));
  }

  private static Case embedBackward() {
    return new KernelCases()
        .put(Role.ADD, "dTokens", false, true, 6, WIDTH)
        .add("dTable 0", 5, 4)
        .add("dTable 1", 8, 6)
        .in("dOut", ROWS, WIDTH)
        .ints("ids", false, 6, ROWS)
        .ints("positions", false, 40, ROWS)
        .call(
            "embedBackward",
            "",
            (k, t) ->
                k.embedBackward(t[0], Arrays.asList(t[1], t[2]), t[3], t[4], t[5], EMBEDDING));
  }

  /** Chunks of 16 do not divide the 74 rows. */
  static FeedForwardSpec spec(Activation activation) {
    return new FeedForwardSpec(activation, 16, mask(RandomPurpose.FEED_FORWARD_HIDDEN).from(2));
  }

  private static Case feedForward(Activation activation) {
    return new KernelCases()
        .out("out", ROWS, WIDTH)
        .in("x", ROWS, WIDTH)
        .in("w1", 7, WIDTH)
        .in("b1", 7)
        .in("w2", WIDTH, 7)
        .call(
            "feedForward",
            activation.name(),
            (k, t) -> k.feedForward(t[0], t[1], t[2], t[3], t[4], spec(activation)));
  }

  private static Case feedForwardBackward(Activation activation) {
    return new KernelCases()
        .put(Role.OUT, "out", true, false, ROWS, WIDTH)
        .out("dX", ROWS, WIDTH)
        .add("dW1", 7, WIDTH)
        .add("dB1", 7)
        .add("dW2", WIDTH, 7)
        .in("dOut", ROWS, WIDTH)
        .in("x", ROWS, WIDTH)
        .in("w1", 7, WIDTH)
        .in("b1", 7)
        .in("w2", WIDTH, 7)
        .call(
            "feedForwardBackward",
            activation.name(),
            (k, t) ->
                k.feedForwardBackward(
                    t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], spec(activation)));
  }

  private static Case crossEntropy() {
    return new KernelCases()
        .out("loss", ROWS)
        .put(Role.OUT, "dLogits", true, false, ROWS, 12)
        .in("logits", ROWS, 12)
        .ints("targets", false, 12, ROWS)
        .call("crossEntropy", "", (k, t) -> k.crossEntropy(t[0], t[1], t[2], t[3], 3, 0.5f));
  }
}
