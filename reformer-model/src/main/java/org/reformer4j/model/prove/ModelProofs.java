package org.reformer4j.model.prove;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.reformer4j.api.Backend;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.Rotations;
import org.reformer4j.model.generate.CachedDecoder;
import org.reformer4j.model.generate.RecomputingDecoder;

/**
 * Compares what a language model gives in ways that should agree, on random tokens. Gradients of
 * the model are overwritten; its parameters stay.
 */
public final class ModelProofs {
  /** Backends on which a result has the same bits in any batch and in chunks of any size. */
  private static final Set<String> SAME_BITS = Set.of("reference", "cpu");

  private static final List<MemoryPolicy> REBUILDING =
      List.of(MemoryPolicy.RECOMPUTE, MemoryPolicy.KEEP_ORDER, MemoryPolicy.KEEP_FEED_FORWARD);

  private static final String LOGIT = "largest difference of a logit";
  private static final CallOptions CALL = CallOptions.EVALUATION;

  /** Whoever has other ones cannot compare backends: a {@code hash_seed} makes floats. */
  private static final Rotations ROTATIONS = Rotations.counterBased(0, 0);

  private final ReformerModel model;
  private final ReformerConfig config;
  private final Backend backend;
  private final int length;
  private final long seed;
  private final List<Proof> proofs = new ArrayList<>();

  /**
   * Prepares the comparisons.
   *
   * @param model a language model, causal or masked
   * @param length tokens of the longest sequence, at least 8 and at most the model's positions
   * @param seed decides the tokens
   * @throws IllegalArgumentException if the model has no language-model head or the length is out
   *     of range
   */
  public ModelProofs(ReformerModel model, int length, long seed) {
    if (!model.hasLmHead()) {
      throw new IllegalArgumentException(
          "proofs need a language model, and this one has the head " + model.headName());
    }
    if (length < 8 || length > model.config().maxPositions()) {
      throw new IllegalArgumentException(
          "the length must be in 8.." + model.config().maxPositions() + ", got " + length);
    }
    this.model = model;
    this.config = model.config();
    this.backend = model.backend();
    this.length = length;
    this.seed = seed;
  }

  /**
   * Runs all comparisons that the model allows.
   *
   * @param others backends to compare with, none of them the model's
   * @return in a fixed order
   */
  public List<Proof> run(List<Backend> others) {
    proofs.clear();
    boolean exactStreams = config.residualArithmetic() == ResidualArithmetic.FIXED_POINT;
    boolean sameBits = SAME_BITS.contains(backend.name());
    Batch batch = batch(length);
    proofs.add(
        new Proof(
            "the inverse pass rebuilds what the layers got",
            "largest difference of a stream",
            exactStreams,
            model.reconstructionError(batch, CallOptions.training(seed, 1))));
    gradients(batch, exactStreams);
    float[] logits = model.logits(batch, CALL);
    add("the same call gives the same result", LOGIT, true, logits, model.logits(batch, CALL));
    // Otherwise the longest sequence of a batch chooses the number of buckets.
    batches(sameBits && (pastDecides() || !config.numBuckets().isEmpty()));
    padded(true, sameBits);
    padded(false, sameBits);
    chunks(batch, logits, sameBits);
    if (config.isDecoder()) {
      future(logits, sameBits);
      cache();
    }
    HashRecorder hashed = new HashRecorder(backend);
    model.logits(batch, CALL.withRotations(ROTATIONS).withTrace(hashed));
    for (Backend other : others) {
      try (ReformerModel twin = twin(config, other)) {
        String claim = "backend " + other.name() + " gives the same";
        add(claim, LOGIT, false, logits, twin.logits(batch, CALL));
      }
      if (!hashed.isEmpty()) {
        proofs.add(
            new Proof(
                "backend " + other.name() + " puts the same query-keys into the same buckets",
                "share in other buckets",
                config.lshHashing() == LshHashing.INTEGER,
                hashed.moved(other, config, ROTATIONS)));
      }
    }
    return List.copyOf(proofs);
  }

  /** Steps that rebuild against one that keeps what it can. */
  private void gradients(Batch batch, boolean exact) {
    model.enableTraining();
    CallOptions call = CallOptions.training(seed, 1);
    double difference = 0;
    double scale = 0;
    List<float[]> stored = gradients(batch, call.withMemory(MemoryPolicy.KEEP_ATTENTION));
    for (float[] gradient : stored) {
      for (float value : gradient) {
        scale = Math.max(scale, Math.abs(value));
      }
    }
    for (MemoryPolicy policy : REBUILDING) {
      List<float[]> rebuilt = gradients(batch, call.withMemory(policy));
      for (int i = 0; i < stored.size(); i++) {
        difference = Math.max(difference, difference(rebuilt.get(i), stored.get(i)));
      }
    }
    proofs.add(
        new Proof(
            "gradients under every memory policy are those of the one that stores most",
            "largest difference, relative to the largest gradient",
            exact,
            scale == 0 ? difference : difference / scale));
  }

  private List<float[]> gradients(Batch batch, CallOptions call) {
    model.parameters().zeroGradients(backend);
    model.lossAndGradients(batch, call, 1f);
    return model.parameters().all().stream()
        .map(parameter -> backend.download(parameter.gradient()))
        .toList();
  }

  /** A sequence alone against the same one beside a longer and a shorter one. */
  private void batches(boolean exact) {
    int[] own = ids(3 * length / 4, 1);
    float[] alone = model.logits(Batch.of(own), CALL);
    Batch ragged = Batch.of(own, ids(length, 2), ids(length / 2, 3));
    float[] beside = Arrays.copyOf(model.logits(ragged, CALL), alone.length);
    add("a sequence alone gives what it gives in a ragged batch", LOGIT, exact, alone, beside);
  }

  /** A sequence alone against the same one beside tokens that an attention mask hides. */
  private void padded(boolean left, boolean sameBits) {
    int hidden = config.paddingMultiple();
    int own = length - hidden;
    if (own < 1) {
      return;
    }
    int first = left ? hidden : 0;
    int[] ids = ids(own, 1);
    int[] all = ids(length, 2);
    int[] mask = new int[length];
    int[] positions = new int[length];
    System.arraycopy(ids, 0, all, first, own);
    Arrays.fill(mask, first, first + own, 1);
    Arrays.setAll(positions, t -> Math.min(own - 1, Math.max(0, t - first)));
    Batch padded = Batch.of(all).withAttentionMask(mask).withPositions(positions);
    float[] beside = model.logits(padded, CALL);
    int columns = config.vocabSize();
    add(
        "a sequence alone gives what it gives "
            + (left ? "behind" : "before")
            + " masked tokens, a multiple of the chunks",
        LOGIT,
        sameBits && config.isDecoder() && pastDecides(),
        model.logits(Batch.of(ids), CALL),
        Arrays.copyOfRange(beside, first * columns, (first + own) * columns));
  }

  /** Returns whether which keys a token sees is decided by the past alone. */
  private boolean pastDecides() {
    return !hashes() || config.lshSelection() == LshSelection.CAUSAL;
  }

  private boolean hashes() {
    return config.attnLayers().contains(AttentionKind.LSH);
  }

  private void chunks(Batch batch, float[] logits, boolean exact) {
    ReformerConfig small = config.toBuilder().chunkSizeFeedForward(16).chunkSizeLmHead(7).build();
    try (ReformerModel twin = twin(small, backend)) {
      add("chunks of other sizes give the same", LOGIT, exact, logits, twin.logits(batch, CALL));
    }
  }

  /** What earlier positions give when the last token is another one. */
  private void future(float[] logits, boolean sameBits) {
    int[] ids = ids(length, 0);
    ids[length - 1] = (ids[length - 1] + 1) % config.vocabSize();
    float[] changed = model.logits(Batch.of(ids), CALL);
    int columns = config.vocabSize();
    int positions = 0;
    for (int t = 0; t < length - 1; t++) {
      int from = t * columns;
      positions +=
          Arrays.equals(logits, from, from + columns, changed, from, from + columns) ? 0 : 1;
    }
    proofs.add(
        new Proof(
            "a later token changes nothing before it",
            "share of earlier positions that change",
            sameBits && (pastDecides() || length <= chunk()),
            positions / (length - 1.0)));
  }

  private int chunk() {
    return config.lshAttnChunkLength();
  }

  /** Decoding with the cache against running the whole text for every token. */
  private void cache() {
    int[] text = ids(length, 4);
    int prompt = length / 2;
    int steps = Math.min(8, length - prompt);
    double difference = 0;
    try (CachedDecoder cached = new CachedDecoder(model, CALL);
        RecomputingDecoder whole = new RecomputingDecoder(model, CALL)) {
      int[] first = Arrays.copyOf(text, prompt);
      difference = difference(cached.append(first), whole.append(first));
      for (int t = prompt; t < prompt + steps; t++) {
        difference =
            Math.max(difference, difference(cached.append(text[t]), whole.append(text[t])));
      }
    }
    // Other backends multiply the few rows of a step in another order than those of a whole text.
    boolean exact = backend.name().equals("reference") && pastDecides();
    proofs.add(new Proof("decoding with the cache gives the full pass", LOGIT, exact, difference));
  }

  private Batch batch(int tokens) {
    int[] ids = ids(tokens, 0);
    return config.isDecoder()
        ? Batch.of(ids).withCausalLabels(ids)
        : Batch.of(ids).withTargets(ids);
  }

  private int[] ids(int count, int which) {
    Random random = new Random(seed * 31 + which);
    return random.ints(count, 0, config.vocabSize()).toArray();
  }

  /** Returns a model with the same weights. */
  private ReformerModel twin(ReformerConfig as, Backend on) {
    ReformerModel twin = ReformerModel.create(as, on, model.precision(), 1);
    for (Parameter parameter : model.parameters().all()) {
      float[] values = backend.download(parameter.value());
      on.upload(twin.parameters().find(parameter.name()).value(), values);
    }
    twin.parameters().refresh(on);
    return twin;
  }

  private void add(String claim, String unit, boolean exact, float[] one, float[] other) {
    proofs.add(new Proof(claim, unit, exact, difference(one, other)));
  }

  /** Returns the largest difference; 0 for the same bits only. */
  private static double difference(float[] one, float[] other) {
    double largest = one.length == other.length ? 0 : Double.POSITIVE_INFINITY;
    for (int i = 0; i < Math.min(one.length, other.length); i++) {
      if (Float.floatToIntBits(one[i]) != Float.floatToIntBits(other[i])) {
        double difference = Math.abs((double) one[i] - other[i]);
        // NaN against a number, and 0 against -0, are differences, too.
        largest = Math.max(largest, difference > 0 ? difference : Double.MIN_VALUE);
      }
    }
    return largest;
  }
}
