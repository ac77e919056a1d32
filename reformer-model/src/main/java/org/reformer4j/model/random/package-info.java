/**
 * Random numbers that must match those of another library bit by bit, or nearly so.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: every array returned is new and the
 * caller's. Threading: a generator has state and is used by one thread at a time.
 */
package org.reformer4j.model.random;
