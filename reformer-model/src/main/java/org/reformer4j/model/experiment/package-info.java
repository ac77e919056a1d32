/**
 * Experiments of the papers, made repeatable: data, models, trainings and measurements.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: an experiment opens and closes its
 * models, not its backend. Threading: an experiment is used by the thread that uses its backend,
 * except for stopping it; tasks, options and settings are immutable values.
 */
package org.reformer4j.model.experiment;
