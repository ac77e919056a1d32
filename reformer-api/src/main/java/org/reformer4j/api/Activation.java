package org.reformer4j.api;

import java.util.Arrays;
import java.util.List;

/** Activation of the feed-forward layer, under the names of Hugging Face's {@code hidden_act}. */
public enum Activation {
  /** max(x, 0). */
  RELU("relu"),
  /** x * Phi(x), the erf form. */
  GELU("gelu", "gelu_python"),
  /** The tanh approximation of GELU. */
  GELU_NEW("gelu_new", "gelu_fast", "gelu_pytorch_tanh"),
  /** x * sigmoid(x). */
  SILU("silu", "swish"),
  /** tanh(x). */
  TANH("tanh");

  private final List<String> names;

  Activation(String... names) {
    this.names = List.of(names);
  }

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return names.get(0);
  }

  /**
   * Returns the activation of that name.
   *
   * @param name value of {@code hidden_act}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static Activation fromConfigName(String name) {
    for (Activation activation : values()) {
      if (activation.names.contains(name)) {
        return activation;
      }
    }
    throw new IllegalArgumentException(
        "hidden_act '"
            + name
            + "' is not supported; use one of "
            + Arrays.stream(values()).flatMap(a -> a.names.stream()).toList());
  }
}
