/**
 * The Reformer as a user of the library meets it: its configuration and, built on that, the model.
 *
 * <p>Nullness: a parameter or result is never null unless its Javadoc says "or null". Ownership:
 * values of this package that hold no tensors, such as {@link org.reformer4j.model.ReformerConfig},
 * belong to nobody and need no closing; whatever holds tensors says which scope frees them.
 * Threading: such values are immutable and may be shared by any number of threads, builders belong
 * to one thread, and everything that computes follows the rule of its backend.
 */
package org.reformer4j.model;
