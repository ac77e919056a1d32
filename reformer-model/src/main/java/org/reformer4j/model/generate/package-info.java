/**
 * Generation of text: how the next token is chosen.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: arrays passed in stay the caller's
 * and are never changed. Threading: {@link org.reformer4j.model.generate.SamplingOptions} are
 * immutable and may be shared, a {@link org.reformer4j.model.generate.Sampler} has scratch memory
 * and is used by one thread at a time.
 */
package org.reformer4j.model.generate;
