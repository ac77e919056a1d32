/**
 * Files of a Hugging Face checkpoint: {@code config.json}, and parameters as {@code
 * model.safetensors} or {@code pytorch_model.bin}, in one file or several.
 *
 * <p>Nullness: a parameter or result is never null unless its Javadoc says "or null". Ownership: no
 * file stays open or locked between calls, arrays that are returned belong to the caller, and a
 * file that is written appears under its name whole or not at all. Threading: readers are immutable
 * and may be shared by any number of threads, a writer belongs to one thread.
 *
 * <p>Files are treated as hostile: whatever their bytes are, reading ends with values that were
 * checked or with a {@link org.reformer4j.api.CheckpointException} that lists what is wrong.
 */
package org.reformer4j.model.checkpoint;
