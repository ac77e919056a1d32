/**
 * Training: what changes parameters from step to step.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: values are immutable and hold no
 * memory that must be freed. Threading: immutable values may be shared between threads.
 */
package org.reformer4j.model.train;
