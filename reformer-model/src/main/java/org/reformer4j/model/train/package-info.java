/**
 * Training: what changes parameters from step to step.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: a {@link
 * org.reformer4j.model.train.Trainer} holds the optimizer's state until closed, but not its model.
 * Threading: a trainer is used by the thread that uses its backend, except for stopping it; the
 * options are immutable values.
 */
package org.reformer4j.model.train;
