/**
 * Measures on a user's own machine and model what the library promises: {@link
 * org.reformer4j.model.prove.ModelProofs} runs a model in two ways that should agree, and says by
 * how much they do.
 */
package org.reformer4j.model.prove;
