package org.reformer4j.model;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.checkpoint.SafeTensorsWriter;

/**
 * Runs a model on recorded inputs: what {@code reformer infer} does, and what the comparisons with
 * Hugging Face rest on.
 *
 * <p>Inputs are {@code input.input_ids} [B, S], and if there, {@code input.attention_mask}, {@code
 * input.position_ids} [B, S], {@code input.num_hashes} [], {@code input.head_mask} [H], {@code
 * rotations.L} [H, K, R, columns] for LSH layer L, and labels: {@code input.labels} [B, S] of
 * tokens, [B] or [B, L] of sequences, {@code input.start_positions} and {@code input.end_positions}
 * [B].
 */
public final class RecordedRun {
  private static final String IDS = "input.input_ids";
  private static final String LABELS = "input.labels";
  private static final String STARTS = "input.start_positions";
  private static final String ENDS = "input.end_positions";
  private static final String ROTATIONS = "rotations.";

  private final ReformerModel model;
  private final Batch batch;
  private final CallOptions options;

  /**
   * A named result.
   *
   * @param shape its shape
   * @param floats its elements, or null
   * @param longs its elements, or null
   */
  public record Output(Shape shape, float[] floats, long[] longs) {
    static Output of(float[] values, long... dims) {
      return new Output(Shape.of(dims), values, null);
    }
  }

  /**
   * Reads the inputs.
   *
   * @param model what runs
   * @param inputs the recorded inputs
   * @throws CheckpointException if the token ids are missing or a tensor has the wrong shape
   */
  public RecordedRun(ReformerModel model, SafeTensors inputs) {
    this.model = model;
    if (!inputs.contains(IDS) || inputs.entry(IDS).shape().rank() != 2) {
      throw new CheckpointException("the inputs lack " + IDS + " of shape [B, S]");
    }
    Shape shape = inputs.entry(IDS).shape();
    Batch read = Batch.of(inputs.ints(IDS), Math.toIntExact(shape.dim(1)));
    if (inputs.contains("input.attention_mask")) {
      read = read.withAttentionMask(inputs.ints("input.attention_mask"));
    }
    if (inputs.contains("input.position_ids")) {
      read = read.withPositions(inputs.ints("input.position_ids"));
    }
    this.batch = labelled(read, model, inputs);
    CallOptions call = CallOptions.EVALUATION;
    if (inputs.contains("input.num_hashes")) {
      call = call.withNumHashes(inputs.ints("input.num_hashes")[0]);
    }
    if (inputs.contains("input.head_mask")) {
      call = call.withHeadMask(inputs.floats("input.head_mask"));
    }
    Map<Integer, float[]> rotations = new HashMap<>();
    for (int layer = 0; layer < model.config().numHiddenLayers(); layer++) {
      if (inputs.contains(ROTATIONS + layer)) {
        rotations.put(layer, inputs.floats(ROTATIONS + layer));
      }
    }
    this.options = rotations.isEmpty() ? call : call.withRotations(Rotations.given(rotations));
  }

  private static Batch labelled(Batch batch, ReformerModel model, SafeTensors inputs) {
    if (inputs.contains(STARTS) || inputs.contains(ENDS)) {
      if (!inputs.contains(STARTS) || !inputs.contains(ENDS)) {
        throw new CheckpointException("the inputs must have both " + STARTS + " and " + ENDS);
      }
      return batch.withLabels(SequenceLabels.spans(inputs.ints(STARTS), inputs.ints(ENDS)));
    }
    if (!inputs.contains(LABELS)) {
      return batch;
    }
    SafeTensors.Entry entry = inputs.entry(LABELS);
    boolean integers = !entry.dtype().startsWith("F") && !entry.dtype().startsWith("BF");
    switch (model.task()) {
      case SEQUENCE_CLASSIFICATION, SENTENCE_EMBEDDING -> {
        ReformerConfig config = model.config();
        boolean numbers =
            model.task() == Task.SEQUENCE_CLASSIFICATION
                && (config.numLabels() == 1
                    || config
                        .problemType()
                        .map(type -> type != ProblemType.SINGLE_LABEL_CLASSIFICATION)
                        .orElse(!integers));
        return batch.withLabels(
            numbers
                ? SequenceLabels.values(
                    entry.shape().rank() < 2 ? 1 : Math.toIntExact(entry.shape().columns()),
                    integers ? floats(inputs.ints(LABELS)) : inputs.floats(LABELS))
                : SequenceLabels.classes(inputs.ints(LABELS)));
      }
      default -> {
        int[] labels = inputs.ints(LABELS);
        return model.hasLmHead() && model.config().isDecoder()
            ? batch.withCausalLabels(labels)
            : batch.withTargets(labels);
      }
    }
  }

  private static float[] floats(int[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values[i];
    }
    return floats;
  }

  /** Returns the batch that was read. */
  public Batch batch() {
    return batch;
  }

  /** Returns the options that were read. */
  public CallOptions options() {
    return options;
  }

  /**
   * Runs the model.
   *
   * @param gradients whether to add {@code grad.NAME} for every parameter; needs a head and labels
   * @return {@code last_hidden_state} [B, S, 2D], {@code buckets.L} [B, H, R*S'] with round offsets
   *     as Hugging Face numbers them, and with a head what {@link ReformerModel#outputs} returns,
   *     {@code loss} [] included where there are labels
   */
  public Map<String, Output> run(boolean gradients) {
    if (gradients && model.task() == Task.BASE) {
      throw new IllegalArgumentException(
          "gradients need a loss, and so a head: give a model that has one");
    }
    Map<String, Output> outputs = new LinkedHashMap<>();
    ReformerConfig config = model.config();
    int b = batch.size();
    int s = batch.length();
    CallOptions traced = options.withTrace(new BucketRecorder(outputs));
    outputs.put(
        "last_hidden_state",
        Output.of(model.lastHiddenState(batch, traced), b, s, 2L * config.hiddenSize()));
    if (model.task() != Task.BASE) {
      model
          .outputs(batch, options)
          .forEach((name, o) -> outputs.put(name, new Output(o.shape(), o.values(), null)));
    }
    if (gradients) {
      model.enableTraining();
      model.parameters().zeroGradients(model.backend());
      double loss = model.lossAndGradients(batch, options, 1f);
      outputs.put("loss", Output.of(new float[] {(float) loss}));
      for (Parameter parameter : model.parameters().all()) {
        float[] values = model.backend().download(parameter.gradient());
        outputs.put("grad." + parameter.name(), new Output(parameter.shape(), values, null));
      }
    }
    return outputs;
  }

  /**
   * Embeds the sequences, with a model of any task.
   *
   * @param how pooling and norm
   * @return {@code embeddings} [B, 2D]
   */
  public Map<String, Output> embeddings(EmbeddingOptions how) {
    float[] vectors = model.embeddings(batch, how, options);
    return Map.of("embeddings", Output.of(vectors, batch.size(), 2L * model.config().hiddenSize()));
  }

  /**
   * Decodes greedily with a cache.
   *
   * @param newTokens N, how many tokens to add to each sequence
   * @return {@code cached.prompt_logits} [B, S, V], {@code cached.tokens} [B, N], each the argmax
   *     of the logits before it, and {@code cached.logits} [B, N, V], those after each token
   */
  public Map<String, Output> decode(int newTokens) {
    int b = batch.size();
    int vocabulary = model.config().vocabSize();
    long[] tokens = new long[Math.multiplyExact(b, newTokens)];
    float[] logits = new float[Math.multiplyExact(tokens.length, vocabulary)];
    try (DecodeCache cache = model.decodeCache(options)) {
      float[] last = cache.prompt(batch);
      for (int step = 0; step < newTokens; step++) {
        int[] next = new int[b];
        for (int i = 0; i < b; i++) {
          next[i] = argmax(last, i * vocabulary, vocabulary);
          tokens[i * newTokens + step] = next[i];
        }
        last = cache.append(next);
        for (int i = 0; i < b; i++) {
          int to = (i * newTokens + step) * vocabulary;
          System.arraycopy(last, i * vocabulary, logits, to, vocabulary);
        }
      }
    }
    Map<String, Output> outputs = new LinkedHashMap<>();
    float[] prompt = model.logits(batch, options);
    outputs.put("cached.prompt_logits", Output.of(prompt, b, batch.length(), vocabulary));
    outputs.put("cached.tokens", new Output(Shape.of(b, newTokens), null, tokens));
    outputs.put("cached.logits", Output.of(logits, b, newTokens, vocabulary));
    return outputs;
  }

  private static int argmax(float[] values, int from, int count) {
    int best = 0;
    for (int i = 1; i < count; i++) {
      if (values[from + i] > values[from + best]) {
        best = i;
      }
    }
    return best;
  }

  /**
   * Turns outputs into a file.
   *
   * @param outputs what {@link #run} returned
   */
  public static SafeTensorsWriter writer(Map<String, Output> outputs) {
    SafeTensorsWriter writer = new SafeTensorsWriter();
    outputs.forEach(
        (name, output) -> {
          if (output.floats() != null) {
            writer.floats(name, output.shape(), output::floats);
          } else {
            writer.longs(name, output.shape(), output::longs);
          }
        });
    return writer;
  }

  /** Numbers buckets as Hugging Face does: round offsets, and padding in a bucket of its own. */
  private final class BucketRecorder implements Trace {
    private final Map<String, Output> outputs;

    BucketRecorder(Map<String, Output> outputs) {
      this.outputs = outputs;
    }

    @Override
    public void buckets(int layer, Tensor buckets, HashSpec hash) {
      int[] values = model.backend().downloadInts(buckets);
      int length = batch.length();
      int padded = Passes.paddedLength(model.config(), length);
      int[] mask = batch.attentionMaskOrNull();
      boolean padding =
          padded > length || mask != null && Arrays.stream(mask).anyMatch(m -> m == 0);
      int perRound = hash.buckets() + (padding ? 1 : 0);
      int rows = values.length / length;
      long[] numbered = new long[rows * padded];
      for (int row = 0; row < rows; row++) {
        long offset = (long) (row % hash.rounds()) * perRound;
        for (int t = 0; t < padded; t++) {
          int bucket = t < length ? values[row * length + t] : hash.buckets();
          numbered[row * padded + t] = offset + bucket;
        }
      }
      int heads = model.config().numAttentionHeads();
      outputs.put(
          "buckets." + layer,
          new Output(Shape.of(batch.size(), heads, (long) hash.rounds() * padded), null, numbered));
    }
  }
}
