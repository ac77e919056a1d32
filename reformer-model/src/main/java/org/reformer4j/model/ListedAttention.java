package org.reformer4j.model;

import org.reformer4j.api.Tensor;
import org.reformer4j.model.PromptRecorder.LayerCache;
import org.reformer4j.model.SelfAttention.Projected;

/** What new tokens attend to, listed on the host: any number of tokens, any length. */
final class ListedAttention implements PastAttention {
  private final ReformerConfig config;
  private final DecodeCache cache;

  /**
   * Makes the attention of a step.
   *
   * @param cache says which tokens are new, and gets their rows and buckets
   */
  ListedAttention(ReformerConfig config, DecodeCache cache) {
    this.config = config;
    this.cache = cache;
  }

  @Override
  public void attend(Tensor out, int layer, Projected projected, Pass pass) {
    CachedTexts texts = cache.texts();
    LayerCache past = cache.layer(layer);
    CachedRows rows = past.rows();
    HashedTokens hashed = past.hashed();
    rows.append(projected.keys(), projected.values(), texts.lengths(), texts.added());
    int heads = config.numAttentionHeads();
    RowLists seen;
    if (hashed != null) {
      seen = new RowLists(texts, rows, heads, hashed.spec().rounds(), hashed.window());
      hashed.add(projected.first(), texts, rows, seen, pass.backend());
    } else {
      seen = RowLists.local(config, texts, rows);
    }
    seen.attend(out, projected.first(), hashed != null, pass);
  }
}
