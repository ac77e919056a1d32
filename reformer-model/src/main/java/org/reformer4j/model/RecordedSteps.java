package org.reformer4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Recording;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.PromptRecorder.LayerCache;
import org.reformer4j.model.SelfAttention.Projected;

/**
 * Steps of one token for each sequence, recorded once and replayed: everything that differs from
 * step to step is read from the device, and a step is one upload of numbers, a replay and a
 * download of logits. The numbers are those of {@link ListedAttention}.
 *
 * <p>A recording knows addresses. It serves until its room is used up or the rows of a layer have
 * moved, and until the cache does anything else; then {@link #settle} brings the host up to date.
 */
final class RecordedSteps implements PastAttention, AutoCloseable {
  /** Tokens that a recording has room for, at least: it costs about as much as ten steps. */
  private static final int LEAST_AHEAD = 128;

  /** Numbers of a sequence that all layers share: id, position, length. */
  private static final int SHARED = 3;

  private final DecodePasses passes;
  private final DecodeCache cache;
  private final CachedTexts texts;
  private final ReformerConfig config;
  private final Backend backend;
  private final int batch;
  private final int ahead;
  private final TensorScope scope;
  private final List<Layer> layers = new ArrayList<>();

  /** Tokens of each sequence that the lists of the host have. */
  private final int[] settled;

  /** What goes up in a step, all at once; the other tensors of I32 are parts of it. */
  private final Tensor numbers;

  private final int[] host;
  private final Tensor ids;
  private final Tensor positions;
  private final Tensor lengths;
  private final Tensor logits;
  private final Pass pass;
  private Recording recording;
  private int replays;

  /**
   * Whether the tables may hold a token that is not in the texts, or rows are not claimed any more.
   */
  private boolean spoilt;

  /** Of a layer: its rows where they were, and the numbers or tables that steps read. */
  private record Layer(
      CachedRows rows, Tensor keys, Tensor own, DeviceBuckets buckets, Tensor listed) {}

  private RecordedSteps(DecodePasses passes, DecodeCache cache, TensorScope scope) {
    this.passes = passes;
    this.cache = cache;
    this.texts = cache.texts();
    this.config = passes.config();
    this.backend = passes.backend();
    this.scope = scope;
    this.batch = cache.batch();
    this.settled = texts.lengths().clone();
    int longest = Arrays.stream(settled).max().orElseThrow();
    this.ahead = Math.min(Math.max(LEAST_AHEAD, longest / 8), texts.room(config));
    int chunk = config.lshAttnChunkLength();
    int capacity = (longest + ahead + chunk - 1) / chunk * chunk;
    int perLocal = config.numAttentionHeads() * LocalSelfAttention.window(config);
    int count = SHARED;
    for (int layer = 0; layer < cache.layers(); layer++) {
      count += 1 + (cache.layer(layer).hashed() == null ? perLocal : 0);
    }
    this.host = new int[Math.multiplyExact(batch, count)];
    this.numbers = scope.allocate(DType.I32, host.length, 1);
    this.ids = part(0, 1);
    this.positions = part(1, 1);
    this.lengths = part(2, 1);
    int at = SHARED;
    for (int layer = 0; layer < cache.layers(); layer++) {
      LayerCache past = cache.layer(layer);
      past.rows().claim(settled, ahead);
      Tensor own = part(at++, 1);
      DeviceBuckets buckets = null;
      Tensor listed = null;
      if (past.hashed() == null) {
        listed = part(at, perLocal);
        at += perLocal;
      } else {
        buckets = new DeviceBuckets(config, past.hashed(), batch, capacity, scope);
      }
      layers.add(new Layer(past.rows(), past.rows().keys(), own, buckets, listed));
    }
    this.logits = scope.allocate(DType.F32, batch, config.vocabSize());
    this.pass = passes.pass(scope, batch);
  }

  /**
   * Makes room for the next steps, in memory of the cache's family.
   *
   * @param scope holds it; the caller closes it where this fails
   * @throws org.reformer4j.api.OutOfDeviceMemoryException if there is none; rows that were claimed
   *     are given back
   */
  static RecordedSteps begin(DecodePasses passes, DecodeCache cache, TensorScope scope) {
    RecordedSteps steps = null;
    try {
      steps = new RecordedSteps(passes, cache, scope);
      return steps;
    } finally {
      if (steps == null) {
        unclaim(cache);
      }
    }
  }

  /** Returns whether all sequences of a cache have what recorded steps begin with. */
  static boolean canBegin(DecodeCache cache, ReformerConfig config) {
    boolean can = cache.texts().room(config) > 0;
    for (int layer = 0; layer < cache.layers(); layer++) {
      HashedTokens hashed = cache.layer(layer).hashed();
      can &= hashed == null || hashed.hashesAll();
    }
    return can;
  }

  private static void unclaim(DecodeCache cache) {
    for (int layer = 0; layer < cache.layers(); layer++) {
      for (int b = 0; b < cache.batch(); b++) {
        cache.layer(layer).rows().truncate(b, cache.length(b));
      }
    }
  }

  /** Returns numbers of each sequence, whose places are counted in multiples of the batch. */
  private Tensor part(int at, int perSequence) {
    return numbers.rows((long) at * batch, (long) perSequence * batch);
  }

  /** Returns whether the next step can be replayed. */
  boolean serves() {
    boolean serves = !spoilt;
    for (int b = 0; b < batch; b++) {
      serves &= texts.length(b) < settled[b] + ahead;
    }
    for (Layer layer : layers) {
      serves &= layer.rows.keys() == layer.keys;
    }
    return serves;
  }

  /**
   * Takes one token of each sequence through the layers.
   *
   * @param tokens [B][1]
   * @param found [B, V], receives the logits
   */
  void step(int[][] tokens, float[] found) {
    spoilt = true;
    int at = SHARED * batch;
    for (int b = 0; b < batch; b++) {
      host[b] = tokens[b][0];
      host[batch + b] = texts.position(b, texts.length(b));
      host[2 * batch + b] = texts.length(b);
    }
    for (Layer layer : layers) {
      for (int b = 0; b < batch; b++) {
        host[at++] = layer.rows.row(b, texts.length(b));
      }
      if (layer.listed != null) {
        int[] table = RowLists.local(config, texts, layer.rows).table();
        System.arraycopy(table, 0, host, at, table.length);
        at += table.length;
      }
    }
    backend.upload(numbers, host);
    if (recording == null) {
      for (Layer layer : layers) {
        if (layer.buckets != null) {
          layer.buckets.enter(texts, layer.rows, backend);
        }
      }
      recording = backend.record(this::issue);
    } else {
      recording.replay();
      replays++;
    }
    System.arraycopy(backend.download(logits), 0, found, 0, found.length);
    spoilt = false;
  }

  /** Forbids further steps. */
  void spoil() {
    spoilt = true;
  }

  /** Returns how often a step has been replayed. */
  int replays() {
    return replays;
  }

  private void issue() {
    try (TensorScope step = backend.scope("decode-step")) {
      passes.logits(logits, passes.streams(ids, positions, this, step, pass), pass);
    }
  }

  @Override
  public void attend(Tensor out, int index, Projected projected, Pass pass) {
    Layer layer = layers.get(index);
    Tensor queries = projected.first();
    CachedRows rows = layer.rows;
    backend.storeRows(rows.keys(), layer.own, projected.keys());
    backend.storeRows(rows.values(), layer.own, projected.values());
    if (layer.buckets != null) {
      layer.buckets.attend(out, queries, rows, layer.own, lengths, pass);
      return;
    }
    int heads = config.numAttentionHeads();
    int window = LocalSelfAttention.window(config);
    DecodeSpec spec = new DecodeSpec(batch, heads, config.attentionHeadSize(), 1, window, false);
    Tensor listed = layer.listed.reshape(batch, heads, 1, window);
    backend.decodeAttention(
        out, queries, rows.keys(), rows.values(), listed, null, pass.headMask(), spec);
  }

  /**
   * Brings the lists of the host up to the texts of the cache; no step may follow. Where fetching
   * what the device has fails, nothing has changed.
   */
  void settle() {
    List<Runnable> fetched = new ArrayList<>();
    for (Layer layer : layers) {
      for (int b = 0; layer.buckets != null && b < batch; b++) {
        fetched.add(layer.buckets.fetch(b, settled[b], texts.length(b), backend));
      }
    }
    fetched.forEach(Runnable::run);
  }

  /** Gives back what the steps held. */
  @Override
  public void close() {
    unclaim(cache);
    try (scope) {
      if (recording != null) {
        recording.close();
      }
    }
  }
}
