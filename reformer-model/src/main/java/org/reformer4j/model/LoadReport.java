package org.reformer4j.model;

import java.util.List;

/**
 * What a checkpoint did not hold, and what was not taken from it: what Hugging Face's {@code
 * from_pretrained} warns of.
 *
 * @param initialized parameters of the head that the checkpoint lacks, which were newly initialised
 *     and must be trained before use
 * @param unused parameters of the checkpoint that the model has no place for, such as another head
 */
public record LoadReport(List<String> initialized, List<String> unused) {
  /** All parameters of the model are the checkpoint's and the other way round. */
  public static final LoadReport COMPLETE = new LoadReport(List.of(), List.of());

  /** Copies the lists. */
  public LoadReport {
    initialized = List.copyOf(initialized);
    unused = List.copyOf(unused);
  }

  @Override
  public String toString() {
    if (initialized.isEmpty() && unused.isEmpty()) {
      return "all parameters were loaded, all of the checkpoint were used";
    }
    StringBuilder text = new StringBuilder();
    if (!initialized.isEmpty()) {
      text.append("newly initialised, to be trained before use: ");
      text.append(String.join(", ", initialized));
    }
    if (!unused.isEmpty()) {
      text.append(text.isEmpty() ? "" : "; ").append("in the checkpoint but not used: ");
      text.append(String.join(", ", unused));
    }
    return text.toString();
  }
}
