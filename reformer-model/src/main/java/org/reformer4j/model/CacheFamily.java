package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.TensorScope;

/** What a cache and its forks share: the memory, freed by the last of them, and the prompts. */
final class CacheFamily {
  private final TensorScope scope;
  private final Batch prompts;
  private final int[] positions;
  private final int[] mask;
  private int members;

  /** Makes the family of one cache. */
  CacheFamily(Backend backend, Batch prompts) {
    this.scope = backend.scope("decode-cache");
    this.prompts = prompts;
    this.positions = prompts.positionsOrDefault();
    this.mask = prompts.attentionMaskOrNull();
    this.members = 1;
  }

  void join() {
    members++;
  }

  void leave() {
    if (--members == 0) {
      scope.close();
    }
  }

  TensorScope scope() {
    return scope;
  }

  Batch prompts() {
    return prompts;
  }

  /** Returns the model's position of a token of a prompt. */
  int position(int prompt, int token) {
    return positions[prompt * prompts.length() + token];
  }

  /** Returns whether an attention mask hides a token of a prompt. */
  boolean masked(int prompt, int token) {
    return mask != null && mask[prompt * prompts.length() + token] == 0;
  }
}
