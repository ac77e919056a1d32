package org.reformer4j.model.generate;

import java.util.List;
import org.reformer4j.model.text.StreamingDecoder;

/**
 * Turns the tokens of one text into text, up to the first stop string. What may be the beginning of
 * one is held back until it is known not to be, so that the result does not depend on where tokens
 * end: of several stop strings the one that is complete first counts, of those the longest.
 */
final class StopScanner {
  /** For generators without a tokenizer: tokens have no text. */
  static final StreamingDecoder NO_TEXT =
      new StreamingDecoder() {
        @Override
        public String append(int id) {
          return "";
        }

        @Override
        public String flush() {
          return "";
        }
      };

  private final StreamingDecoder decoder;
  private final List<String> stops;
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder held = new StringBuilder();
  private boolean found;

  StopScanner(StreamingDecoder decoder, List<String> stops) {
    this.decoder = decoder;
    this.stops = stops;
  }

  /** Takes a token; returns the text that is now certain. */
  String append(int token) {
    return found ? "" : take(decoder.append(token), false);
  }

  /** Ends the text; returns its rest. */
  String finish() {
    return found ? "" : take(decoder.flush(), true);
  }

  /** Returns whether the text has come to a stop string. */
  boolean found() {
    return found;
  }

  /** Returns all text that was returned. */
  String text() {
    return text.toString();
  }

  private String take(String more, boolean last) {
    held.append(more);
    int certain = match();
    found = certain >= 0;
    if (!found) {
      certain = last ? held.length() : held.length() - beginnings();
    }
    String piece = held.substring(0, certain);
    held.delete(0, certain);
    text.append(piece);
    return piece;
  }

  /** Returns where the stop string begins that ends first, or -1. */
  private int match() {
    int start = -1;
    int firstEnd = Integer.MAX_VALUE;
    for (String stop : stops) {
      int at = held.indexOf(stop);
      int end = at + stop.length();
      if (at >= 0 && (end < firstEnd || (end == firstEnd && at < start))) {
        start = at;
        firstEnd = end;
      }
    }
    return start;
  }

  /** Returns the length of the longest end of the text with which a stop string may begin. */
  private int beginnings() {
    int longest = 0;
    for (String stop : stops) {
      for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
        if (stop.startsWith(held.substring(held.length() - length))) {
          longest = length;
        }
      }
    }
    return longest;
  }
}
