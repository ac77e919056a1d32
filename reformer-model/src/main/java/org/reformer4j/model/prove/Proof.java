package org.reformer4j.model.prove;

import java.util.Objects;

/**
 * One comparison.
 *
 * @param claim what should agree
 * @param unit what the difference is of
 * @param exact whether no difference at all is promised for this model and backend; else it is only
 *     measured
 * @param difference what was found
 */
public record Proof(String claim, String unit, boolean exact, double difference) {
  /** Checks that nothing is missing. */
  public Proof {
    Objects.requireNonNull(claim, "claim");
    Objects.requireNonNull(unit, "unit");
  }

  /** Returns whether a promise is broken. */
  public boolean broken() {
    return exact && difference != 0;
  }
}
