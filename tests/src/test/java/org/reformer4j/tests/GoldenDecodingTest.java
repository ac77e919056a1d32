package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.RecordedRun;
import org.reformer4j.model.RecordedRun.Output;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;

/** Cached decoding against Hugging Face: logits of the prompt and of every step, greedy tokens. */
class GoldenDecodingTest {
  static Stream<Arguments> cases() {
    return TestBackends.with(Golden.cases("cached-decoding"));
  }

  @AfterAll
  static void report() {
    System.out.println(Golden.summary("GoldenDecodingTest"));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agrees(String backendName, String name) {
    SafeTensors io = Golden.io(name);
    long[] tokens = io.longs("expected.cached.tokens");
    assertEquals(40, tokens.length, name);
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = ReformerModel.load(Golden.root().resolve(name), backend)) {
      long before = backend.liveBytes();
      Map<String, Output> outputs = new RecordedRun(model, io).decode(tokens.length);
      Golden.assertEqual("tokens", tokens, outputs.get("cached.tokens").longs());
      for (String logits : new String[] {"cached.prompt_logits", "cached.logits"}) {
        Golden.assertClose(
            logits,
            io.doubles("expected64." + logits),
            outputs.get(logits).floats(),
            Tolerances.CACHED_LOGITS,
            null);
      }
      assertEquals(before, backend.liveBytes(), "the cache is freed");
      Golden.countCase();
    }
  }
}
