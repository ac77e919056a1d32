/**
 * Tokenizers of checkpoints, found through {@link org.reformer4j.model.text.Tokenizers}.
 *
 * <p>{@code spiece.model} is encoded by Google's SentencePiece, {@code tokenizer.json} by Hugging
 * Face's tokenizers: the engines that made the files. Both are native code without bounds checks of
 * their own, so files are checked here first, down to the last index that the engine will follow.
 * Engines are unpacked by DJL to the folder that its {@code ENGINE_CACHE_DIR} or {@code
 * DJL_CACHE_DIR} names, else {@code .djl.ai} of the user's home; nothing is fetched or reported.
 */
package org.reformer4j.tokenizers;
