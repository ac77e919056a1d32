package org.reformer4j.model.train;

import java.util.Optional;

/**
 * How a training ended.
 *
 * @param steps steps done in all, those before a resume included
 * @param loss loss of the last step in nats per byte; NaN if there was none
 * @param evaluation last evaluation of this process; empty if there was none
 * @param stopped whether it was stopped before its last step
 * @param seconds time of this process
 */
public record TrainingResult(
    long steps,
    double loss,
    Optional<EvaluationReport> evaluation,
    boolean stopped,
    double seconds) {}
