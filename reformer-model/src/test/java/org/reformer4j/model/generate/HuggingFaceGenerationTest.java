package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.generate.BeamOptions.EarlyStopping;

/**
 * What Hugging Face's {@code generate} makes of a model whose logits are a formula: texts by greedy
 * choice and beam search under all kinds of options, and probabilities after the warpers. The file
 * names the versions that were run.
 */
class HuggingFaceGenerationTest {
  private static final int VOCABULARY = 9;

  private static JsonNode recorded;

  @BeforeAll
  static void read() throws IOException {
    try (InputStream file =
        HuggingFaceGenerationTest.class.getResourceAsStream("/generation/hugging-face.json")) {
      recorded = new ObjectMapper().readTree(file);
    }
  }

  /** The formula: a hash of seed, tokens and id, in -10/3..10/3. */
  private static float[] logits(int[] tokens, int vocabulary, long seed) {
    long hash = seed;
    for (int token : tokens) {
      hash = hash * 31 + token + 1;
    }
    float[] logits = new float[vocabulary];
    for (int id = 0; id < vocabulary; id++) {
      long x = hash * 6364136223846793005L + (id + 1) * 1442695040888963407L;
      x ^= x >>> 33;
      x *= 0xff51afd7ed558ccdL;
      x ^= x >>> 33;
      logits[id] = (float) (((x >>> 11) % 4001 - 2000) / 600.0);
    }
    return logits;
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).intValue();
    }
    return values;
  }

  private static GenerationOptions options(JsonNode text) {
    Set<Integer> stops = new TreeSet<>();
    text.get("eos").forEach(id -> stops.add(id.intValue()));
    List<int[]> words = new ArrayList<>();
    text.get("bad_words_ids").forEach(word -> words.add(ints(word)));
    EarlyStopping stopping =
        switch (text.get("early_stopping").asText()) {
          case "true" -> EarlyStopping.WHEN_FULL;
          case "false" -> EarlyStopping.HEURISTIC;
          default -> EarlyStopping.NEVER;
        };
    SamplingOptions greedy =
        SamplingOptions.GREEDY
            .withRepetitionPenalty(text.get("repetition_penalty").doubleValue())
            .withNoRepeatNgramSize(text.get("no_repeat_ngram_size").intValue());
    return GenerationOptions.of(text.get("max_new_tokens").intValue(), greedy)
        .withMinNewTokens(text.get("min_new_tokens").intValue())
        .withStopTokens(stops)
        .withProcessors(LogitsProcessor.badWords(words))
        .withBeams(
            new BeamOptions(
                text.get("num_beams").intValue(),
                text.get("length_penalty").doubleValue(),
                stopping))
        .withNumReturnSequences(text.get("num_return_sequences").intValue());
  }

  @Test
  void textsAreThoseOfHuggingFace() {
    int beams = 0;
    for (JsonNode text : recorded.get("texts")) {
      long seed = text.get("seed").longValue();
      Generator generator =
          new Generator(
              () ->
                  new FakeDecoder(
                      tokens -> logits(tokens, VOCABULARY, seed), 99, new FakeDecoder.Counts()));
      List<Generation> actual = generator.generate(ints(text.get("prompt")), options(text));
      assertEquals(text.get("tokens").size(), actual.size());
      for (int i = 0; i < actual.size(); i++) {
        assertArrayEquals(ints(text.get("tokens").get(i)), actual.get(i).tokens(), "" + text);
        if (text.has("scores")) {
          double score = text.get("scores").get(i).doubleValue();
          assertEquals(score, actual.get(i).score(), 1e-5 * Math.max(1, -score), "" + text);
          beams++;
        }
      }
    }
    assertTrue(beams > 100, "texts of beams: " + beams);
  }

  @Test
  void probabilitiesAreThoseOfHuggingFacesWarpers() {
    for (JsonNode limits : recorded.get("limits")) {
      SamplingOptions options =
          SamplingOptions.UNCHANGED
              .withTemperature(limits.get("temperature").doubleValue())
              .withTopK(limits.get("top_k").intValue())
              .withTopP(limits.get("top_p").doubleValue())
              .withMinP(limits.get("min_p").doubleValue())
              .withTypicalP(limits.get("typical_p").doubleValue());
      int[] tokens = {limits.get("n").intValue()};
      float[] logits = logits(tokens, limits.get("vocab").intValue(), 77);
      for (LogitsProcessor processor : options.limits()) {
        processor.process(logits, TokenHistory.of(tokens));
      }
      double[] weights = Limits.weights(logits);
      double total = Limits.sum(weights);
      for (int id = 0; id < weights.length; id++) {
        double expected = limits.get("probabilities").get(id).doubleValue();
        assertEquals(expected, weights[id] / total, 2e-6, limits + " at " + id);
      }
    }
  }
}
