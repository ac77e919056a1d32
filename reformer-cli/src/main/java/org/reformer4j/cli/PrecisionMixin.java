package org.reformer4j.cli;

import org.reformer4j.model.Precision;
import picocli.CommandLine.Option;

/** In what a loaded model computes; its files do not say. */
final class PrecisionMixin {
  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description =
          "float32, or bfloat16 with the cuda backend, and with cpu on processors that have"
              + " AVX512_BF16 (default: ${DEFAULT-VALUE}); a model can be used in either.")
  private Precision precision;

  Precision precision() {
    return precision;
  }
}
