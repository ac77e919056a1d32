package org.reformer4j.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * How the final hidden states of a sequence become one vector. Padding never takes part: not the
 * rows behind a sequence, and not tokens that the attention mask hides.
 */
public enum Pooling {
  /** The first token, as Hugging Face's classification head does. */
  FIRST,
  /** The last token: the only one that has seen all others in a causal model. */
  LAST,
  /** The mean of all tokens. */
  MEAN;

  /**
   * Name of the field of {@code config.json} that says how a model pools, {@code first}, {@code
   * last} or {@code mean}. Hugging Face does not know it: without it a classifier pools the first
   * token, as there, and an embedding is the mean.
   */
  public static final String CONFIG_FIELD = "pooling";

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Returns the pooling of that name.
   *
   * @param name value of {@code pooling}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static Pooling fromConfigName(String name) {
    for (Pooling pooling : values()) {
      if (pooling.configName().equals(name)) {
        return pooling;
      }
    }
    throw new IllegalArgumentException(
        CONFIG_FIELD
            + " '"
            + name
            + "' is not supported; use one of "
            + Arrays.stream(values()).map(Pooling::configName).toList());
  }

  /** Returns what the config says, or a default where it says nothing. */
  static Pooling of(ReformerConfig config, Pooling otherwise) {
    String json = config.extra().get(CONFIG_FIELD);
    if (json == null || json.equals("null")) {
      return otherwise;
    }
    boolean text = json.length() > 1 && json.startsWith("\"") && json.endsWith("\"");
    return fromConfigName(text ? json.substring(1, json.length() - 1) : json);
  }

  /**
   * Returns the config of a new head: on a causal model, where it says nothing, it pools the last
   * token, for the first one of Hugging Face's classifier has seen nothing but itself there.
   */
  static ReformerConfig ofNewHead(ReformerConfig config, Task task) {
    boolean pools = task == Task.SEQUENCE_CLASSIFICATION || task == Task.SENTENCE_EMBEDDING;
    if (!pools || !config.isDecoder() || config.extra().containsKey(CONFIG_FIELD)) {
      return config;
    }
    Map<String, String> extra = new TreeMap<>(config.extra());
    extra.put(CONFIG_FIELD, '"' + LAST.configName() + '"');
    return config.toBuilder().extra(extra).build();
  }
}
