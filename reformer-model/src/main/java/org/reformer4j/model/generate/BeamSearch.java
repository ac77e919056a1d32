package org.reformer4j.model.generate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.Supplier;
import org.reformer4j.model.generate.BeamOptions.EarlyStopping;
import org.reformer4j.model.generate.Generation.StopReason;

/**
 * Beam search as in Hugging Face's {@code GenerationMixin._beam_search}: of all continuations of
 * the running texts by one token the best few are looked at, (number of stop tokens + 1), at least
 * 2, for each beam; those among the first {@code numBeams} that end are kept as results, and the
 * best {@code numBeams} of the others run on. Equal ones are ordered by beam, then by token.
 *
 * <p>Where Hugging Face fills beams up with texts of score -1e9, as before the first token, here
 * there are fewer beams.
 */
final class BeamSearch {
  private static final Comparator<Candidate> BEST_FIRST =
      Comparator.comparingDouble((Candidate c) -> -c.sum)
          .thenComparingInt(c -> c.beam)
          .thenComparingInt(c -> c.token);

  /** A text that may be continued, and its decoder, which has not seen the last token yet. */
  private record Beam(Decoder decoder, Supplier<float[]> logits, TokenHistory text, double sum) {}

  /** A running text with one more token. */
  private record Candidate(int beam, int token, double sum) {}

  private final GenerationOptions options;
  private final BeamOptions beams;
  private final List<LogitsProcessor> processors;
  private final Supplier<StopScanner> scanners;
  private final int room;

  /** Results, best first; of equal ones that which ended first. */
  private final List<Generation> finished = new ArrayList<>();

  private List<Beam> running = new ArrayList<>();

  /**
   * Makes a search.
   *
   * @param scanners gives one with nothing seen
   * @param room most tokens to add
   */
  BeamSearch(GenerationOptions options, Supplier<StopScanner> scanners, int room) {
    this.options = options;
    this.beams = options.beams();
    this.processors = options.allProcessors();
    this.scanners = scanners;
    this.room = room;
  }

  /**
   * Searches.
   *
   * @param decoder with an empty sequence; closed at the end
   * @return the best texts first; fewer than asked for where there are not as many
   */
  List<Generation> run(Decoder decoder, int[] prompt) {
    TokenHistory text = TokenHistory.of(prompt);
    running.add(new Beam(decoder, () -> decoder.append(prompt), text, 0));
    try {
      if (room == 0) {
        finish(text, 0, 0, Continuation.fullReason(room, options));
      }
      for (int added = 1; added <= room && !running.isEmpty(); added++) {
        step(added);
        if (isDone(added)) {
          break;
        }
      }
    } finally {
      running.forEach(beam -> beam.decoder.close());
    }
    return List.copyOf(
        finished.subList(0, Math.min(finished.size(), options.numReturnSequences())));
  }

  private void step(int added) {
    List<Candidate> candidates = candidates();
    List<Candidate> next = new ArrayList<>();
    for (int rank = 0; rank < candidates.size(); rank++) {
      Candidate candidate = candidates.get(rank);
      TokenHistory text = running.get(candidate.beam).text;
      boolean stopped = options.stopTokens().contains(candidate.token);
      StopReason reason = stopped ? StopReason.STOP_TOKEN : reason(candidate, text, added);
      if (reason == null && next.size() < beams.numBeams()) {
        next.add(candidate);
      } else if (reason != null && rank < beams.numBeams()) {
        finish(stopped ? text : text.with(candidate.token), candidate.sum, added, reason);
      }
    }
    goOnWith(next);
  }

  /** Returns the best continuations of all beams; beams without any are results. */
  private List<Candidate> candidates() {
    int most = Math.max(2, 1 + options.stopTokens().size()) * beams.numBeams();
    PriorityQueue<Candidate> best = new PriorityQueue<>(BEST_FIRST.reversed());
    for (int b = 0; b < running.size(); b++) {
      Beam beam = running.get(b);
      float[] scores = logProbabilities(beam);
      boolean any = false;
      for (int token = 0; token < scores.length; token++) {
        double sum = beam.sum + scores[token];
        if (scores[token] == LogitsProcessor.BARRED) {
          continue;
        }
        any = true;
        // Of equal ones those that are there come first in the order.
        if (best.size() < most || sum > best.peek().sum) {
          best.add(new Candidate(b, token, sum));
          if (best.size() > most) {
            best.remove();
          }
        }
      }
      if (!any) {
        finish(beam.text, beam.sum, beam.text.addedLength(), StopReason.ALL_TOKENS_BARRED);
      }
    }
    return best.stream().sorted(BEST_FIRST).toList();
  }

  private float[] logProbabilities(Beam beam) {
    float[] scores = beam.logits.get().clone();
    int position = beam.text.length();
    Sampler.process(scores, beam.text, List.of(), position);
    if (Limits.max(scores) > LogitsProcessor.BARRED) {
      double total = Limits.logSumExp(scores);
      for (int id = 0; id < scores.length; id++) {
        scores[id] = (float) (scores[id] - total);
      }
    }
    Sampler.process(scores, beam.text, processors, position);
    return scores;
  }

  /** Returns why a text ends with a token that is no stop token; null if it does not. */
  private StopReason reason(Candidate candidate, TokenHistory text, int added) {
    if (!options.stopStrings().isEmpty() && scan(text.with(candidate.token)).found()) {
      return StopReason.STOP_STRING;
    }
    return added == room ? Continuation.fullReason(room, options) : null;
  }

  private StopScanner scan(TokenHistory text) {
    StopScanner scanner = scanners.get();
    for (int token : text.added()) {
      scanner.append(token);
    }
    return scanner;
  }

  /** Adds a result, if it is one of the best. */
  private void finish(TokenHistory text, double sum, int count, StopReason reason) {
    double score = Generation.score(sum, count, beams.lengthPenalty());
    int place = finished.size();
    while (place > 0 && finished.get(place - 1).score() < score) {
      place--;
    }
    StopScanner scanner = scan(text);
    scanner.finish();
    StopReason why = scanner.found() ? StopReason.STOP_STRING : reason;
    finished.add(place, new Generation(text.added(), scanner.text(), score, why));
    if (finished.size() > beams.numBeams()) {
      finished.remove(beams.numBeams());
    }
  }

  /** Replaces the running texts: the last child of each goes on with its decoder. */
  private void goOnWith(List<Candidate> next) {
    List<Beam> parents = running;
    int[] children = new int[parents.size()];
    next.forEach(candidate -> children[candidate.beam]++);
    // Whoever has no children makes room first.
    for (int b = 0; b < children.length; b++) {
      if (children[b] == 0) {
        parents.get(b).decoder.close();
      }
    }
    running = new ArrayList<>();
    for (Candidate candidate : next) {
      Beam parent = parents.get(candidate.beam);
      boolean last = --children[candidate.beam] == 0;
      Decoder decoder = last ? parent.decoder : fork(parents, children, candidate.beam);
      int token = candidate.token;
      running.add(
          new Beam(decoder, () -> decoder.append(token), parent.text.with(token), candidate.sum));
    }
  }

  /** Forks a decoder; if there is no memory, closes those that do not run on yet. */
  private static Decoder fork(List<Beam> parents, int[] children, int beam) {
    boolean done = false;
    try {
      Decoder fork = parents.get(beam).decoder.fork();
      done = true;
      return fork;
    } finally {
      for (int b = 0; b < children.length && !done; b++) {
        if (children[b] > 0) {
          parents.get(b).decoder.close();
        }
      }
    }
  }

  private boolean isDone(int added) {
    if (running.isEmpty()) {
      return true;
    }
    if (finished.size() < beams.numBeams()) {
      return false;
    }
    if (beams.earlyStopping() == EarlyStopping.WHEN_FULL) {
      return true;
    }
    boolean later = beams.earlyStopping() == EarlyStopping.NEVER && beams.lengthPenalty() > 0;
    double attainable =
        Generation.score(running.get(0).sum, later ? room : added, beams.lengthPenalty());
    return attainable <= finished.get(finished.size() - 1).score();
  }
}
