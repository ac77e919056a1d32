package org.reformer4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.EmbeddingOptions;
import org.reformer4j.model.Pooling;
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
      "Read: input.input_ids [B,S], and if there input.attention_mask, input.position_ids [B,S],"
          + " input.num_hashes [], input.head_mask [H], and rotations.L [H,K,R,columns] for LSH layer"
          + " L. Absent rotations are drawn, with the config's hash_seed as torch's CPU generator"
          + " draws them.",
      "Labels, if there: input.labels [B,S] for language models and classes of tokens, [B] for classes"
          + " of sequences and groups of embeddings, [B,L] of 0 and 1 for several classes, floats for"
          + " regression; input.start_positions and input.end_positions [B] for question answering.",
      "Written: last_hidden_state, buckets.L, what the model's head gives (logits; start_logits and"
          + " end_logits; embeddings), loss where there are labels, and grad.NAME with --gradients."
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
      description = "Add the loss's gradient for every parameter; needs labels.")
  private boolean gradients;

  @Option(
      names = "--pooling",
      paramLabel = "NAME",
      description =
          "Add embeddings [B,2D] of any model, a vector of length 1 for each sequence: first, last or"
              + " mean of its tokens.")
  private Pooling pooling;

  @Option(
      names = "--unnormalized",
      description = "With --pooling: leave the vectors as long as they are.")
  private boolean unnormalized;

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
    if (unnormalized && pooling == null || newTokens != null && pooling != null) {
      throw new IllegalArgumentException(
          unnormalized && pooling == null
              ? "--unnormalized needs --pooling, which says what to embed"
              : "--new-tokens and --pooling exclude each other: decoding embeds nothing");
    }
    SafeTensors tensors = SafeTensors.open(inputs);
    try (Backend backend = backends.open(spec.commandLine().getErr());
        ReformerModel loaded = ReformerModel.load(model, backend, precision.precision())) {
      RecordedRun run = new RecordedRun(loaded, tensors);
      Map<String, Output> results = newTokens == null ? run.run(gradients) : run.decode(newTokens);
      if (pooling != null) {
        results.putAll(run.embeddings(new EmbeddingOptions(pooling, !unnormalized, 1)));
      }
      Files.createDirectories(outputs.toAbsolutePath().getParent());
      RecordedRun.writer(results).write(outputs);
      results.forEach((name, output) -> out.println(name + " " + output.shape()));
    }
    return 0;
  }
}
