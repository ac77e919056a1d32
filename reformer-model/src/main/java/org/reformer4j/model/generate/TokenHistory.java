package org.reformer4j.model.generate;

import java.util.Arrays;
import java.util.Objects;

/** The tokens of a text so far, prompt and added ones, to be read by a {@link LogitsProcessor}. */
public final class TokenHistory {
  private final int promptLength;
  private int[] tokens;
  private int length;

  private TokenHistory(int[] tokens, int length, int promptLength) {
    this.tokens = tokens;
    this.length = length;
    this.promptLength = promptLength;
  }

  /**
   * Returns the history of a text to which nothing has been added.
   *
   * @param prompt its tokens; copied
   */
  public static TokenHistory of(int... prompt) {
    return view(prompt.clone(), prompt.length);
  }

  /** Returns the first tokens of an array as a prompt, without a copy. */
  static TokenHistory view(int[] tokens, int length) {
    return new TokenHistory(tokens, length, length);
  }

  /** Returns the number of tokens. */
  public int length() {
    return length;
  }

  /** Returns how many of them are the prompt; they come first. */
  public int promptLength() {
    return promptLength;
  }

  /** Returns how many were added to the prompt. */
  public int addedLength() {
    return length - promptLength;
  }

  /**
   * Returns a token.
   *
   * @param i its place, from 0
   * @throws IndexOutOfBoundsException if there is no such token
   */
  public int get(int i) {
    return tokens[Objects.checkIndex(i, length)];
  }

  /** Returns the added tokens. */
  int[] added() {
    return Arrays.copyOfRange(tokens, promptLength, length);
  }

  void add(int token) {
    if (length == tokens.length) {
      tokens = Arrays.copyOf(tokens, length + Math.max(16, length / 2));
    }
    tokens[length++] = token;
  }

  /** Returns this history with one more token, as one that goes its own way. */
  TokenHistory with(int token) {
    TokenHistory copy = new TokenHistory(Arrays.copyOf(tokens, length + 16), length, promptLength);
    copy.add(token);
    return copy;
  }
}
