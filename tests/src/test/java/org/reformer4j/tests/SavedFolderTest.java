package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.checkpoint.WeightType;

/** What a model is saved as: config field for field, parameters byte for byte. */
class SavedFolderTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private static float[] values(ReformerModel model, String name) {
    return model.backend().download(model.parameters().find(name).value());
  }

  /** Reads the file by the rules of the format alone, without the reader that is tested. */
  @ParameterizedTest
  @CsvSource({"FLOAT32,F32,4", "FLOAT16,F16,2", "BFLOAT16,BF16,2"})
  void everyByteFollowsTheFormat(WeightType type, String dtype, int size) throws IOException {
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(Golden.root().resolve("causal-lm"), backend)) {
      model.save(folder, type);
      ByteBuffer file =
          ByteBuffer.wrap(Files.readAllBytes(folder.resolve("model.safetensors")))
              .order(ByteOrder.LITTLE_ENDIAN);
      int headerLength = Math.toIntExact(file.getLong(0));
      assertEquals(0, headerLength % 8, "the data begin at a multiple of 8");
      String header = new String(file.array(), 8, headerLength, StandardCharsets.UTF_8);
      assertTrue(header.startsWith("{\"__metadata__\":{\"format\":\"pt\"},"), header);
      assertTrue(header.stripTrailing().length() > headerLength - 8, "padded by spaces, no more");
      JsonNode entries = JSON.readTree(header);
      List<String> names = new ArrayList<>();
      int at = 0;
      for (Map.Entry<String, JsonNode> entry : entries.properties()) {
        if (entry.getKey().equals("__metadata__")) {
          continue;
        }
        names.add(entry.getKey());
        Parameter parameter = model.parameters().find(entry.getKey());
        assertEquals(3, entry.getValue().size());
        assertEquals(dtype, entry.getValue().get("dtype").textValue());
        assertEquals(
            parameter.shape().toString(),
            entry.getValue().get("shape").toString().replace(",", ", "));
        assertEquals(at, entry.getValue().at("/data_offsets/0").intValue(), "no gaps");
        float[] expected = values(model, entry.getKey());
        for (int i = 0; i < expected.length; i++) {
          int byteAt = 8 + headerLength + at + i * size;
          assertEquals(bits(type, expected[i]), bits(type, file, byteAt), entry.getKey());
        }
        at += expected.length * size;
        assertEquals(at, entry.getValue().at("/data_offsets/1").intValue());
      }
      assertEquals(file.capacity(), 8 + headerLength + at, "nothing behind the data");
      assertEquals(model.parameters().all().size(), names.size());
      assertEquals(names.stream().sorted().toList(), names);
    }
  }

  private static int bits(WeightType type, ByteBuffer file, int at) {
    return type == WeightType.FLOAT32 ? file.getInt(at) : file.getShort(at) & 0xFFFF;
  }

  /** Rounds by arithmetic: the multiple of the last place that is nearest, halves to even. */
  private static int bits(WeightType type, float value) {
    if (type == WeightType.FLOAT32) {
      return Float.floatToRawIntBits(value);
    }
    int fraction = type == WeightType.FLOAT16 ? 10 : 7;
    int smallest = type == WeightType.FLOAT16 ? -14 : -126;
    int exponent = Math.max(smallest, Math.getExponent(value));
    double steps = Math.rint(Math.abs((double) value) * Math.pow(2, fraction - exponent));
    // A subnormal number has one step of the exponent less, and a carry goes into it.
    int magnitude = (exponent - smallest << fraction) + (int) steps;
    return (Float.floatToRawIntBits(value) < 0 ? 0x8000 : 0) | magnitude;
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32,float32", "FLOAT16,float16", "BFLOAT16,bfloat16"})
  void configIsThatOfHuggingFaceFieldForField(WeightType type, String label) throws IOException {
    Path golden = Golden.root().resolve("causal-lm");
    ObjectNode expected =
        (ObjectNode) JSON.readTree(Files.readString(golden.resolve("config.json")));
    // Defaults of Hugging Face that the file leaves out.
    expected.putObject("label2id").put("LABEL_0", 0).put("LABEL_1", 1);
    if (type != WeightType.FLOAT32) {
      expected.put("torch_dtype", label);
    }
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(golden, backend)) {
      model.save(folder, type);
    }
    assertEquals(expected, JSON.readTree(Files.readString(folder.resolve("config.json"))));
  }

  @Test
  void theTypeThatAConfigSaysIsTrue() throws IOException {
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(Golden.root().resolve("causal-lm"), backend)) {
      model.save(folder, WeightType.BFLOAT16);
      try (ReformerModel loaded = ReformerModel.load(folder, backend)) {
        loaded.save(folder);
        assertEquals("\"bfloat16\"", loaded.config().extra().get("torch_dtype"));
      }
    }
    JsonNode config = JSON.readTree(Files.readString(folder.resolve("config.json")));
    assertEquals("float32", config.get("torch_dtype").textValue());
  }

  @Test
  void savedModelsLoadAsTheyWere() {
    Path golden = Golden.root().resolve("causal-lm");
    SafeTensors original = SafeTensors.open(golden.resolve("model.safetensors"));
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(golden, backend)) {
      model.save(folder);
      try (ReformerModel loaded = ReformerModel.load(folder, backend)) {
        for (Parameter parameter : loaded.parameters().all()) {
          assertArrayEquals(original.floats(parameter.name()), values(loaded, parameter.name()));
        }
        assertEquals(model.config(), loaded.config());
      }
    }
  }
}
