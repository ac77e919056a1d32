package org.reformer4j.model;

import java.util.Arrays;

/** Kind of attention of a layer, under the names of Hugging Face's {@code attn_layers}. */
public enum AttentionKind {
  /** Attention within neighbouring chunks. */
  LOCAL("local"),
  /** Attention within chunks of the sequence sorted by hash bucket. */
  LSH("lsh");

  private final String configName;

  AttentionKind(String configName) {
    this.configName = configName;
  }

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return configName;
  }

  /**
   * Returns the kind of that name.
   *
   * @param name entry of {@code attn_layers}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static AttentionKind fromConfigName(String name) {
    for (AttentionKind kind : values()) {
      if (kind.configName.equals(name)) {
        return kind;
      }
    }
    throw new IllegalArgumentException(
        "attention kind '"
            + name
            + "' is not supported; use one of "
            + Arrays.stream(values()).map(AttentionKind::configName).toList());
  }
}
