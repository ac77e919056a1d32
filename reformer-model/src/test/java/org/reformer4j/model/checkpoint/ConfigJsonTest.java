package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;

class ConfigJsonTest {
  @TempDir Path folder;

  /** What a checkpoint of Hugging Face's first release holds, foreign fields included. */
  static final String PUBLISHED =
      """
      {
        "architectures": ["ReformerModelWithLMHead"],
        "attention_head_size": 64,
        "attention_probs_dropout_prob": 0.1,
        "attn_layers": ["local", "lsh", "local"],
        "axial_pos_embds": true,
        "axial_pos_embds_dim": [64, 192],
        "axial_pos_shape": [512, 1024],
        "hash_seed": null,
        "hidden_act": "gelu_fast",
        "is_decoder": true,
        "is_encoder_decoder": false,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 524288,
        "model_type": "reformer",
        "num_attention_heads": 2,
        "num_buckets": [64, 128],
        "num_hidden_layers": 3,
        "output_past": true,
        "pruned_heads": {},
        "task_specific_params": {"text-generation": {"temperature": 1.000, "top": [1, null, "ü"]}},
        "torch_dtype": "float32",
        "huge": 123456789012345678901234567890,
        "vocab_size": 320
      }
      """;

  private ReformerConfig read(String json) {
    try {
      return ConfigJson.read(Files.writeString(folder.resolve("config.json"), json));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private String refusal(String json) {
    return assertThrows(CheckpointException.class, () -> read(json)).getMessage();
  }

  @Test
  void emptyObjectIsTheDefault() {
    assertEquals(ReformerConfig.builder().build(), read("{}"));
  }

  @Test
  void readsAPublishedConfig() {
    ReformerConfig config = read(PUBLISHED);
    assertEquals(List.of("ReformerModelWithLMHead"), config.architectures());
    assertEquals(
        List.of(AttentionKind.LOCAL, AttentionKind.LSH, AttentionKind.LOCAL), config.attnLayers());
    assertEquals(List.of(64, 128), config.numBuckets());
    assertEquals(Activation.GELU_NEW, config.hiddenAct());
    assertEquals(524288, config.maxPositions());
    assertEquals(
        Map.of(
            "attention_probs_dropout_prob", "0.1",
            "is_encoder_decoder", "false",
            "output_past", "true",
            "pruned_heads", "{}",
            "task_specific_params",
                "{\"text-generation\":{\"temperature\":1.000,\"top\":[1,null,\"ü\"]}}",
            "torch_dtype", "\"float32\"",
            "huge", "123456789012345678901234567890"),
        config.extra());
  }

  @Test
  void everyFieldSurvivesARoundTrip() throws IOException {
    ReformerConfig config =
        ReformerConfig.builder()
            .architectures(List.of("A", "B"))
            .attentionHeadSize(3)
            .attnLayers(AttentionKind.LSH, AttentionKind.LSH)
            .axialNormStd(0.5)
            .axialPosEmbds(true)
            .axialPosEmbdsDim(7, 8)
            .axialPosShape(9, 10)
            .chunkSizeFeedForward(11)
            .chunkSizeLmHead(12)
            .classifierDropout(0.13)
            .eosTokenId(-1)
            .feedForwardSize(14)
            .hashSeed(Long.MIN_VALUE)
            .hiddenAct(Activation.SILU)
            .hiddenDropoutProb(0.1)
            .hiddenSize(15)
            .initializerRange(0.16)
            .isDecoder(true)
            .layerNormEps(1e-5)
            .localAttentionProbsDropoutProb(0.17)
            .localAttnChunkLength(18)
            .localNumChunksAfter(19)
            .localNumChunksBefore(20)
            .lshAttentionProbsDropoutProb(0.21)
            .lshAttnChunkLength(22)
            .lshNumChunksAfter(23)
            .lshNumChunksBefore(24)
            .maxPositionEmbeddings(25)
            .numAttentionHeads(26)
            .numBuckets(28)
            .numHashes(29)
            .padTokenId(30)
            .labels(List.of("good", "bad", "ug\"ly"))
            .problemType(ProblemType.REGRESSION)
            .useCache(false)
            .vocabSize(31)
            .extra(Map.of("zeta", "{\"a\":[1.50]}"))
            .build();
    Path file = folder.resolve("c.json");
    ConfigJson.write(file, config);
    assertEquals(config, ConfigJson.read(file));
    String text = Files.readString(file);
    assertTrue(text.contains("\"num_buckets\" : 28"), text);
    assertTrue(text.contains("\"num_hidden_layers\" : 2"), text);
    assertTrue(text.contains("\"model_type\" : \"reformer\""), text);
    assertTrue(text.contains("1.50"), text);
    ConfigJson.write(file, config);
    assertEquals(text, Files.readString(file));
  }

  @Test
  void unknownFieldsAreWrittenBack() {
    ReformerConfig config = read(PUBLISHED);
    Path file = folder.resolve("again.json");
    ConfigJson.write(file, config);
    assertEquals(config, ConfigJson.read(file));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"model_type\": \"bert\"} | model_type",
        "{\"model_type\": 3} | model_type",
        "{\"hidden_act\": \"mish\"} | hidden_act 'mish'",
        "{\"hidden_act\": null} | hidden_act",
        "{\"attn_layers\": [\"local\", \"global\"]} | attention kind 'global'",
        "{\"attn_layers\": \"local\"} | attn_layers",
        "{\"num_hidden_layers\": 5} | num_hidden_layers",
        "{\"num_hidden_layers\": \"6\"} | num_hidden_layers",
        "{\"vocab_size\": \"320\"} | vocab_size: must be an integer",
        "{\"vocab_size\": 320.0} | vocab_size: must be an integer",
        "{\"vocab_size\": 4294967616} | vocab_size: must be an integer",
        "{\"hash_seed\": 18446744073709551616} | hash_seed",
        "{\"is_decoder\": 1} | is_decoder: must be true or false",
        "{\"layer_norm_eps\": 1e400} | layer_norm_eps",
        "{\"layer_norm_eps\": NaN} | JSON",
        "{\"num_buckets\": []} | num_buckets",
        "{\"num_buckets\": [4, \"x\"]} | num_buckets",
        "{\"num_buckets\": 7} | num_buckets is [7]",
        "{\"axial_pos_shape\": {}} | axial_pos_shape",
        "{\"problem_type\": \"ranking\"} | problem_type",
        "{\"tie_word_embeddings\": true} | tie_word_embeddings",
        "{\"is_encoder_decoder\": true} | is_encoder_decoder",
        "{\"quantization_config\": {\"bits\": 4}} | quantization_config",
        "{\"num_labels\": 2000000000} | num_labels",
        "{\"num_labels\": 3, \"id2label\": {\"0\": \"a\"}} | num_labels is 3",
        "{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}} | id2label",
        "{\"id2label\": {\"00\": \"a\"}} | id2label",
        "{\"id2label\": {\"0\": \"a\"}, \"label2id\": {\"b\": 0}} | label2id",
        "{\"vocab_size\": 320, \"vocab_size\": 321} | Duplicate",
        "[] | not a JSON object",
        "`` | not a JSON object",
        "{} {} | JSON",
        "{\"a\": | JSON"
      })
  void refusesWhatItCannotRun(String json, String message) {
    String refusal = refusal(json);
    assertTrue(refusal.contains(message), refusal);
    assertTrue(refusal.contains("config.json"), refusal);
  }

  @Test
  void labelsMayBeGivenInAnyWay() {
    assertEquals(List.of("LABEL_0", "LABEL_1", "LABEL_2"), read("{\"num_labels\": 3}").labels());
    assertEquals(
        List.of("a", "b"),
        read("{\"label2id\": {\"b\": 1, \"a\": 0}, \"id2label\": null}").labels());
    assertEquals(List.of("x"), read("{\"id2label\": {\"0\": \"x\"}, \"label2id\": null}").labels());
  }

  @Test
  void allProblemsAreInOneMessageWithoutEchoes() {
    String refusal =
        refusal(
            "{\"model_type\": \"t5\", \"hidden_act\": \"x\", \"hidden_size\": \"wide\","
                + " \"num_hashes\": 0, \"axial_pos_embds_dim\": [1, 2], \"use_cache\": 0}");
    for (String part :
        List.of(
            "model_type", "hidden_act", "hidden_size: must be", "num_hashes is 0", "use_cache")) {
      assertTrue(refusal.contains(part), refusal);
    }
    assertFalse(refusal.contains("axial_pos_embds_dim"), refusal);
  }

  @ParameterizedTest
  @ValueSource(ints = {33, 5000, 1_000_000})
  void deepNestingIsRefused(int depth) {
    refusal("{\"a\":" + "[".repeat(depth) + "]".repeat(depth) + "}");
  }

  @Test
  void oversizedAndMissingFilesAreRefused() {
    refusal("{}" + " ".repeat(1 << 22));
    Path missing = folder.resolve("missing.json");
    assertThrows(CheckpointException.class, () -> ConfigJson.read(missing));
    assertThrows(CheckpointException.class, () -> ConfigJson.read(folder));
  }

  @Test
  void otherEncodingsAreRefused() {
    Path file = folder.resolve("config.json");
    for (byte[] bytes :
        List.of("{}".getBytes(StandardCharsets.UTF_16), new byte[] {'{', '"', (byte) 0xFF, '"'})) {
      assertThrows(CheckpointException.class, () -> ConfigJson.parse(file, bytes));
    }
  }

  @Test
  void extraFieldsAreCheckedOnWriting() {
    Path file = folder.resolve("c.json");
    for (Map<String, String> extra :
        List.of(Map.of("vocab_size", "3"), Map.of("x", "{"), Map.of("x", ""), Map.of("x", "1 2"))) {
      ReformerConfig config = ReformerConfig.builder().extra(extra).build();
      assertThrows(IllegalArgumentException.class, () -> ConfigJson.write(file, config));
    }
    assertFalse(Files.exists(file));
  }

  @Test
  void mutatedConfigsAreReadOrRefused() throws IOException {
    byte[] original = PUBLISHED.getBytes(StandardCharsets.UTF_8);
    Path file = folder.resolve("config.json");
    Random random = new Random(1);
    int refused = 0;
    for (int i = 0; i < 5000; i++) {
      try {
        ConfigJson.parse(file, Mutations.mutate(original, random));
      } catch (CheckpointException e) {
        refused++;
      }
    }
    assertTrue(refused > 1000 && refused < 5000, refused + " refused");
  }
}
