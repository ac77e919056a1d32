package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;

/** JSON as untrusted files are read: strict UTF-8, no duplicate names, bounded nesting. */
final class StrictJson {
  /** Headers need 3 levels; configs hold small nested objects at most. */
  private static final int DEEPEST_NESTING = 32;

  /**
   * The tables of names are off: they live as long as the factory, and a file could fill them or
   * choose names that collide in them.
   */
  static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(DEEPEST_NESTING).build())
          .build();

  /** Decimals keep their digits, so that fields which are only passed on do not change. */
  static final JsonMapper MAPPER =
      JsonMapper.builder(FACTORY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
          .build();

  private StrictJson() {}

  /** Returns a reader that reports bytes that are not UTF-8 instead of replacing them. */
  static Reader utf8(InputStream bytes) {
    return new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder());
  }
}
