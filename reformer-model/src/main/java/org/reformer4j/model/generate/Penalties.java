package org.reformer4j.model.generate;

/** What the tokens so far do to the logits of the next one. */
final class Penalties {
  private Penalties() {}

  static float checkRepetition(double penalty) {
    float factor = (float) penalty;
    if (!(factor > 0 && factor < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "repetitionPenalty must be positive, 1 for no change, got " + penalty);
    }
    return factor;
  }

  static void repetition(float[] logits, TokenHistory context, float penalty) {
    // A token that occurs twice is penalized once.
    boolean[] seen = new boolean[logits.length];
    for (int i = 0; i < context.length(); i++) {
      int id = check(logits, context.get(i), "of the context");
      if (!seen[id]) {
        seen[id] = true;
        logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
      }
    }
  }

  static void repeatedNgrams(float[] logits, TokenHistory context, int size) {
    int begun = size - 1;
    for (int i = 0; i + begun < context.length(); i++) {
      if (endsWith(context, begun, i)) {
        logits[check(logits, context.get(i + begun), "of the context")] = LogitsProcessor.BARRED;
      }
    }
  }

  /** Returns whether the last tokens are those at another place. */
  private static boolean endsWith(TokenHistory context, int count, int place) {
    for (int j = 0; j < count; j++) {
      if (context.get(place + j) != context.get(context.length() - count + j)) {
        return false;
      }
    }
    return true;
  }

  static void word(float[] logits, TokenHistory context, int[] word) {
    int begun = word.length - 1;
    if (begun > context.length()) {
      return;
    }
    for (int j = 0; j < begun; j++) {
      if (context.get(context.length() - begun + j) != word[j]) {
        return;
      }
    }
    logits[check(logits, word[begun], "of a bad word")] = LogitsProcessor.BARRED;
  }

  private static int check(float[] logits, int id, String where) {
    if (id < 0 || id >= logits.length) {
      throw new IllegalArgumentException(
          "token " + id + " " + where + " is outside the vocabulary 0.." + (logits.length - 1));
    }
    return id;
  }
}
