package org.reformer4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.RecordedRun;
import org.reformer4j.model.RecordedRun.Output;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs a model on recorded inputs. */
@Command(
    name = "infer",
    mixinStandardHelpOptions = true,
    description = {
      "Run a model on tensors from a safetensors file and write what comes out.",
      "Read: input.input_ids [B,S], and if there input.attention_mask, input.labels,"
          + " input.position_ids [B,S], input.num_hashes [], input.head_mask [H], and rotations.L"
          + " [H,K,R,columns] for LSH layer L. Absent rotations are drawn, with the config's"
          + " hash_seed as torch's CPU generator draws them.",
      "Written: last_hidden_state, logits, loss, buckets.L, and grad.NAME with --gradients."
    },
    footerHeading = "%nExample:%n",
    footer =
        "  reformer infer --model DIR --inputs in.safetensors --outputs out.safetensors --gradients")
final class InferCommand implements Callable<Integer> {
  @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model folder.")
  private Path model;

  @Option(names = "--inputs", required = true, paramLabel = "FILE", description = "What to read.")
  private Path inputs;

  @Option(names = "--outputs", required = true, paramLabel = "FILE", description = "What to write.")
  private Path outputs;

  @Option(
      names = "--gradients",
      description = "Add the loss's gradient for every parameter; needs input.labels.")
  private boolean gradients;

  @Option(
      names = "--new-tokens",
      paramLabel = "N",
      description =
          "Instead of the above decode N tokens with a cache, each the likeliest, and write"
              + " cached.prompt_logits [B,S,V], cached.tokens [B,N] and cached.logits [B,N,V].")
  private Integer newTokens;

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    if (newTokens != null && (newTokens < 1 || gradients)) {
      throw new IllegalArgumentException(
          gradients
              ? "--new-tokens and --gradients exclude each other: decoding has no loss"
              : "--new-tokens must be at least 1, got " + newTokens);
    }
    SafeTensors tensors = SafeTensors.open(inputs);
    try (Backend backend = backends.open(spec.commandLine().getErr());
        ReformerModel loaded = ReformerModel.load(model, backend, precision.precision())) {
      RecordedRun run = new RecordedRun(loaded, tensors);
      Map<String, Output> results = newTokens == null ? run.run(gradients) : run.decode(newTokens);
      Files.createDirectories(outputs.toAbsolutePath().getParent());
      RecordedRun.writer(results).write(outputs);
      results.forEach((name, output) -> out.println(name + " " + output.shape()));
    }
    return 0;
  }
}
