/**
 * Contracts of the Reformer library: tensors, explicit memory, the backend SPI and the exceptions.
 *
 * <p>Nullness: a parameter or result is never null unless its Javadoc says "or null". Ownership:
 * whoever opens a {@link org.reformer4j.api.TensorScope} closes it, and a tensor lives exactly as
 * long as the scope that allocated it. Threading: a {@link org.reformer4j.api.Backend} is one
 * ordered stream used by one thread at a time, and says so with an {@link
 * java.lang.IllegalStateException}.
 *
 * <p>Letters used in the shapes of every Javadoc: B batch, T length, N = B*T rows, D hidden size, H
 * heads, K head size, F feed-forward size, V vocabulary, R hash rounds, C chunk length, W keys in a
 * window.
 */
package org.reformer4j.api;
