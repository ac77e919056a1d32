package org.reformer4j.model.text;

import java.util.OptionalInt;

/**
 * A tokenizer with fewer ids than its model: the rest are padding of the embedding table, which an
 * untrained model may choose all the same. They decode to nothing.
 */
record PaddedTokenizer(Tokenizer tokenizer, int vocabularySize) implements Tokenizer {
  @Override
  public int[] encode(String text) {
    return tokenizer.encode(text);
  }

  @Override
  public OptionalInt endOfText() {
    return tokenizer.endOfText();
  }

  @Override
  public StreamingDecoder streaming() {
    StreamingDecoder decoder = tokenizer.streaming();
    return new StreamingDecoder() {
      @Override
      public String append(int id) {
        return isPadding(id) ? "" : decoder.append(id);
      }

      @Override
      public String flush() {
        return decoder.flush();
      }
    };
  }

  private boolean isPadding(int id) {
    return id >= tokenizer.vocabularySize() && id < vocabularySize;
  }

  @Override
  public String toString() {
    return tokenizer
        + "; "
        + (vocabularySize - tokenizer.vocabularySize())
        + " ids of the model are unused";
  }
}
