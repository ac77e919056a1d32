package org.reformer4j.cli;

import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;

/**
 * The tokens of an answer in its context.
 *
 * @param start position of the first token
 * @param end position of the last one
 */
record AnswerSpan(int start, int end) {
  /**
   * Finds an answer as SQuAD gives it. Where decoding gives other characters than the context has,
   * such as without its repeated spaces, it is the decoded answer that is looked for, nearest to
   * where the given one stands.
   *
   * @param line has "context", "answer" and "answer_start", which counts Unicode characters
   * @param tokenizer of the model
   * @throws IllegalArgumentException if the answer is not there; the message names the line
   */
  static AnswerSpan of(JsonLine line, Tokenizer tokenizer) {
    String context = line.text("context");
    String answer = line.text("answer");
    int start = line.integer("answer_start");
    int characters = context.codePointCount(0, context.length());
    if (answer.isEmpty() || start < 0 || start > characters) {
      throw line.error("\"answer\" must not be empty, and \"answer_start\" be in 0.." + characters);
    }
    int from = context.offsetByCodePoints(0, start);
    if (!context.startsWith(answer, from)) {
      throw line.error(
          "\"context\" does not have \"answer\" at \"answer_start\" "
              + start
              + ": count its characters from 0, each of Unicode as one");
    }
    int[] ids = tokenizer.encode(context);
    int[] ends = new int[ids.length];
    String decoded = decode(tokenizer, ids, ends);
    if (!decoded.equals(context)) {
      answer = tokenizer.decode(tokenizer.encode(answer));
      int place = tokenizer.decode(tokenizer.encode(context.substring(0, from))).length();
      from = nearest(decoded, answer, place);
    }
    int to = from + answer.length();
    int last = reaching(ends, to);
    if (answer.isEmpty() || from < 0 || last == ids.length) {
      throw line.error(
          "the tokenizer does not give back \"answer\" out of \"context\": give \"ids\" with"
              + " \"start\" and \"end\" instead");
    }
    // The first byte of a character decodes to nothing: it counts to what follows it.
    int before = reaching(ends, from);
    return new AnswerSpan(from == 0 ? 0 : ends[before] == from ? before + 1 : before, last);
  }

  /** Decodes, and fills in how many characters there are after each token. */
  private static String decode(Tokenizer tokenizer, int[] ids, int[] ends) {
    StringBuilder text = new StringBuilder();
    StreamingDecoder decoder = tokenizer.streaming();
    for (int i = 0; i < ids.length; i++) {
      text.append(decoder.append(ids[i]));
      ends[i] = text.length();
    }
    text.append(decoder.flush());
    if (ends.length > 0) {
      ends[ends.length - 1] = text.length();
    }
    return text.toString();
  }

  private static int nearest(String text, String part, int place) {
    int before = text.lastIndexOf(part, place);
    int after = text.indexOf(part, place);
    if (before < 0 || after < 0) {
      return Math.max(before, after);
    }
    return place - before <= after - place ? before : after;
  }

  /** Returns the first token after which there are so many characters. */
  private static int reaching(int[] ends, int characters) {
    int token = 0;
    while (token < ends.length && ends[token] < characters) {
      token++;
    }
    return token;
  }
}
