/**
 * Text as models see it: tokens of bytes or of a checkpoint's tokenizer, files joined to one
 * sequence, training windows.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: a {@link
 * org.reformer4j.model.text.Corpus} maps its files and never copies large ones, so they must not
 * change while it is in use; arrays passed in stay the caller's. Threading: a {@link
 * org.reformer4j.model.text.Tokenizer}, {@link org.reformer4j.model.text.Corpus} and {@link
 * org.reformer4j.model.text.Windows} are immutable and may be shared, a {@link
 * org.reformer4j.model.text.StreamingDecoder} is used by one thread at a time.
 */
package org.reformer4j.model.text;
