package org.reformer4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.PromptRecorder.LayerCache;

/**
 * Fetches from another pass over the prompts the rows of local layers that had been left out,
 * because no token behind the prompts sees them.
 */
final class PromptWindows implements Trace {
  private final ReformerConfig config;
  private final int batch;
  private final int[] prompts;
  private final int[] lengths;
  private final List<LayerCache> layers;
  private final boolean[] restored;

  private PromptWindows(
      ReformerConfig config, int batch, List<LayerCache> layers, int[] prompts, int[] lengths) {
    this.config = config;
    this.batch = batch;
    this.prompts = prompts;
    this.lengths = lengths;
    this.layers = new ArrayList<>(layers);
    this.restored = new boolean[layers.size()];
  }

  /**
   * Returns layers with all rows that the tokens behind some lengths see: the same, or others in
   * the place of local ones, after which the given ones hold nothing any more.
   *
   * @param passes of the model
   * @param batch the prompts
   * @param layers of the cache
   * @param prompts which prompt each sequence began with
   * @param lengths tokens of each sequence
   */
  static List<LayerCache> restore(
      DecodePasses passes, Batch batch, List<LayerCache> layers, int[] prompts, int[] lengths) {
    PromptWindows windows =
        new PromptWindows(passes.config(), batch.size(), layers, prompts, lengths);
    boolean complete = true;
    for (int layer = 0; layer < layers.size(); layer++) {
      complete &= windows.isComplete(layer);
    }
    if (complete) {
      return layers;
    }
    boolean done = false;
    try {
      passes.prompt(batch, windows);
      done = true;
    } finally {
      windows.release(done ? layers : windows.layers);
    }
    return List.copyOf(windows.layers);
  }

  private void release(List<LayerCache> unused) {
    for (int layer = 0; layer < restored.length; layer++) {
      if (restored[layer]) {
        unused.get(layer).rows().release();
      }
    }
  }

  private boolean isComplete(int layer) {
    for (int b = 0; b < lengths.length; b++) {
      if (isMissing(layer, b)) {
        return false;
      }
    }
    return true;
  }

  private boolean isMissing(int layer, int b) {
    return config.attnLayers().get(layer) == AttentionKind.LOCAL
        && layers.get(layer).rows().first(b) > LocalSelfAttention.windowStart(config, lengths[b]);
  }

  @Override
  public void projected(int layer, Tensor queries, Tensor keys, Tensor values) {
    if (isComplete(layer)) {
      return;
    }
    int[] all = new int[lengths.length];
    Arrays.setAll(all, b -> b);
    CachedRows rows = layers.get(layer).rows().fork(all);
    layers.set(layer, new LayerCache(rows, null));
    restored[layer] = true;
    long stride = keys.rows() / batch;
    for (int b = 0; b < lengths.length; b++) {
      int first = LocalSelfAttention.windowStart(config, lengths[b]);
      if (rows.first(b) > first) {
        rows.restart(b, keys, values, prompts[b] * stride + first, first, lengths[b]);
      }
    }
  }
}
