/**
 * The {@code reformer} command: one class per subcommand.
 *
 * <p>Nullness: options that were not given are null, everything else is not. Ownership: a command
 * closes the backend and the model that it opens. Threading: commands run on the main thread; only
 * the interrupt handler of {@code train} is another one.
 */
package org.reformer4j.cli;
