package org.reformer4j.tokenizers;

import ai.djl.sentencepiece.jni.LibUtils;
import java.nio.file.Path;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.TokenizerProvider;

/** Reads {@code spiece.model}: unigram, BPE, word and character models of SentencePiece. */
public final class SentencePieceProvider implements TokenizerProvider {
  /** Called by {@link java.util.ServiceLoader}. */
  public SentencePieceProvider() {}

  @Override
  public String fileName() {
    return "spiece.model";
  }

  @Override
  public Tokenizer load(Path path) {
    TokenizerFile file = new TokenizerFile(path);
    byte[] bytes = file.read();
    SentencePieceModel model = file.parse(() -> SentencePieceModel.parse(bytes));
    file.require("SentencePiece", Library::load);
    return file.parse(() -> new SentencePieceTokenizer(model, bytes));
  }

  /** The native library; a class is initialised once, and a library is to be loaded once. */
  private static final class Library {
    static {
      LibUtils.loadLibrary();
    }

    static void load() {
      // Initialising the class loads it.
    }
  }
}
