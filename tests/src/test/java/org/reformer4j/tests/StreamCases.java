package org.reformer4j.tests;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.tests.KernelCases.Case;
import org.reformer4j.tests.KernelCases.Role;

/** The part of {@link KernelCases} on residual streams and their norms, in both stream types. */
final class StreamCases {
  private static final int ROWS = 74;
  private static final int WIDTH = 10;
  private static final Dropout DROPOUT = KernelCases.mask(RandomPurpose.ATTENTION_OUTPUT).from(3);

  private StreamCases() {}

  static List<Case> all() {
    List<Case> cases = new ArrayList<>();
    cases.add(residualBackward());
    for (DType type : new DType[] {DType.F32, DType.FIXED}) {
      cases.addAll(List.of(layerNorm(type), layerNormBackward(type)));
      cases.addAll(List.of(residual(type), residualNorm(type), residualInverse(type)));
    }
    return cases;
  }

  private static Case layerNorm(DType type) {
    return new KernelCases()
        .out("out", ROWS, WIDTH).stream(Role.IN, "x", type, ROWS, WIDTH)
            .in("gain", WIDTH)
            .in("bias", WIDTH)
            .call("layerNorm", "" + type, (k, t) -> k.layerNorm(t[0], t[1], t[2], t[3], 1e-5f));
  }

  private static Case layerNormBackward(DType type) {
    return new KernelCases()
            .add("dX", ROWS, WIDTH)
            .add("dGain", WIDTH)
            .add("dBias", WIDTH)
            .in("dOut", ROWS, WIDTH)
            .stream(Role.IN, "x", type, ROWS, WIDTH)
            .in("gain", WIDTH)
            .call(
                "layerNormBackward",
                "" + type,
                (k, t) -> k.layerNormBackward(t[0], t[1], t[2], t[3], t[4], t[5], 1e-5f));
  }

  private static Case residual(DType type) {
    return new KernelCases()
        .stream(Role.ADD, "acc", type, ROWS, WIDTH)
            .in("y", ROWS, WIDTH)
            .put(Role.IN, "bias", true, false, WIDTH)
            .call("residual", "" + type, (k, t) -> k.residual(t[0], t[1], t[2], -1, DROPOUT));
  }

  private static Case residualNorm(DType type) {
    return new KernelCases()
        .out("out", ROWS, WIDTH).stream(Role.CHANGED, "acc", type, ROWS, WIDTH)
            .in("y", ROWS, WIDTH)
            .put(Role.IN, "bias", true, false, WIDTH)
            .in("gain", WIDTH)
            .in("normBias", WIDTH)
            .call(
                "residualNorm",
                "" + type,
                (k, t) -> k.residualNorm(t[0], t[1], t[2], t[3], -1, DROPOUT, t[4], t[5], 1e-5f));
  }

  private static Case residualBackward() {
    return new KernelCases()
        .out("dY", ROWS, WIDTH)
        .put(Role.ADD, "dBias", true, false, WIDTH)
        .in("dAcc", ROWS, WIDTH)
        .call("residualBackward", "", (k, t) -> k.residualBackward(t[0], t[1], t[2], DROPOUT));
  }

  private static Case residualInverse(DType type) {
    return new KernelCases()
        .stream(Role.ADD, "acc", type, ROWS, WIDTH)
            .out("dY", ROWS, WIDTH)
            .put(Role.ADD, "dBias", true, false, WIDTH)
            .in("y", ROWS, WIDTH)
            .put(Role.IN, "bias", true, false, WIDTH)
            .in("dAcc", ROWS, WIDTH)
            .call(
                "residualInverse",
                "" + type,
                (k, t) -> k.residualInverse(t[0], t[1], t[2], t[3], t[4], t[5], DROPOUT));
  }
}
