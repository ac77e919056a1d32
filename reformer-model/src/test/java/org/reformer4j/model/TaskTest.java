package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a checkpoint is for, and how it pools. */
class TaskTest {
  private static final String BODY = "reformer.encoder.layer_norm.weight";

  private static Task of(String architecture, String... names) {
    ReformerConfig config = ReformerConfig.builder().architectures(List.of(architecture)).build();
    return Task.of(config, Set.of(names));
  }

  @Test
  void headsAreToldByTheirParameters() {
    assertEquals(Task.LANGUAGE_MODEL, of("ReformerModelWithLMHead", BODY, "lm_head.bias"));
    assertEquals(Task.LANGUAGE_MODEL, of("Other", BODY, "lm_head.decoder.bias"));
    assertEquals(Task.SEQUENCE_CLASSIFICATION, of("Other", BODY, "classifier.out_proj.weight"));
    assertEquals(Task.TOKEN_CLASSIFICATION, of("Other", BODY, "classifier.weight"));
    assertEquals(Task.QUESTION_ANSWERING, of("Other", BODY, "qa_outputs.bias"));
    assertEquals(Task.BASE, of("ReformerModel", BODY));
    assertEquals(Task.BASE, of("ReformerForQuestionAnswering", BODY));
    assertEquals(Task.SENTENCE_EMBEDDING, of("ReformerForSentenceEmbedding", BODY));
    assertEquals("ReformerForMaskedLM", Task.LANGUAGE_MODEL.architecture(false));
    assertEquals("ReformerModelWithLMHead", Task.LANGUAGE_MODEL.architecture(true));
  }

  @Test
  void poolingIsReadFromTheConfigAndChecked() {
    ReformerConfig config = ReformerConfig.builder().build();
    assertEquals(Pooling.FIRST, Pooling.of(config, Pooling.FIRST));
    assertEquals(EmbeddingOptions.DEFAULT, EmbeddingOptions.of(config));
    EmbeddingOptions other = new EmbeddingOptions(Pooling.LAST, false, 0.5);
    assertEquals(other, EmbeddingOptions.of(other.in(config)));
    assertEquals(Pooling.LAST, Pooling.of(other.in(config), Pooling.FIRST));
    refused("first, last, mean", Map.of("pooling", "\"middle\""));
    refused("first, last, mean", Map.of("pooling", "3"));
    refused("true or false", Map.of("normalize_embeddings", "\"yes\""));
    refused("a number", Map.of("contrastive_temperature", "\"warm\""));
    refused("greater than 0", Map.of("contrastive_temperature", "0"));
  }

  private static void refused(String words, Map<String, String> extra) {
    ReformerConfig config = ReformerConfig.builder().extra(extra).build();
    Throwable error =
        assertThrows(IllegalArgumentException.class, () -> EmbeddingOptions.of(config));
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }
}
