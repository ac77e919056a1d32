package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.Shape;
import org.reformer4j.cli.Main;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ModelOutline;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.checkpoint.SafeTensorsWriter;
import org.reformer4j.model.checkpoint.StoredTensors;
import org.reformer4j.model.checkpoint.WeightFiles;
import org.reformer4j.model.checkpoint.WeightType;

/** The commands convert and inspect, on folders that Hugging Face wrote. */
class ConvertTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static Path torchModel;

  @TempDir Path folder;

  private record Result(int code, String out, String err) {}

  private static Result run(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] texts = Stream.of(args).map(Object::toString).toArray(String[]::new);
    int code = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), texts);
    return new Result(code, out.toString(), err.toString());
  }

  private static String succeed(Object... args) {
    Result result = run(args);
    assertEquals(0, result.code(), result.err());
    assertEquals("", result.err());
    return result.out();
  }

  @BeforeAll
  static void find() throws URISyntaxException {
    URL url = ConvertTest.class.getResource("/torch-model/config.json");
    assertNotNull(url);
    torchModel = Path.of(url.toURI()).getParent();
  }

  private Set<String> files(Path path) throws IOException {
    try (Stream<Path> files = Files.list(path)) {
      return files
          .map(f -> f.getFileName().toString())
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  private static void assertSame(SafeTensors expected, StoredTensors actual) {
    assertEquals(new TreeSet<>(expected.names()), new TreeSet<>(actual.names()));
    for (String name : expected.names()) {
      assertEquals(expected.entry(name).shape(), actual.entry(name).shape(), name);
      assertArrayEquals(expected.floats(name), actual.floats(name), name);
    }
  }

  @Test
  void modelOfTorchLoadsAsItIs() {
    SafeTensors expected = SafeTensors.open(torchModel.resolve("expected.safetensors"));
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(torchModel, backend)) {
      assertEquals(expected.names().size(), model.parameters().all().size());
      for (Parameter parameter : model.parameters().all()) {
        assertArrayEquals(expected.floats(parameter.name()), backend.download(parameter.value()));
      }
    }
  }

  @Test
  void fileOfTorchBecomesSafetensors() throws IOException {
    Path source = folder.resolve("source");
    Files.createDirectories(source);
    for (String name : List.of("config.json", "pytorch_model.bin")) {
      Files.copy(torchModel.resolve(name), source.resolve(name));
    }
    Files.write(source.resolve("spiece.model"), new byte[] {1, 2, 3});
    Files.writeString(source.resolve("other.txt"), "stays behind");
    Path target = folder.resolve("a/b");
    String out = succeed("convert", source, target);
    assertTrue(out.contains("model.safetensors  "), out);
    assertEquals(Set.of("config.json", "model.safetensors", "spiece.model"), files(target));
    assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(target.resolve("spiece.model")));
    assertSame(
        SafeTensors.open(torchModel.resolve("expected.safetensors")),
        SafeTensors.open(target.resolve("model.safetensors")));
    ObjectNode expected =
        (ObjectNode) JSON.readTree(Files.readString(torchModel.resolve("config.json")));
    expected.put("dtype", "float32").put("num_labels", 2);
    assertEquals(expected, JSON.readTree(Files.readString(target.resolve("config.json"))));
  }

  @Test
  void oldNamesAreCleanedUp() throws IOException {
    Path golden = Golden.root().resolve("causal-lm");
    succeed("convert", golden, folder.resolve("out"));
    Set<String> expected =
        new TreeSet<>(SafeTensors.open(golden.resolve("model.safetensors")).names());
    assertTrue(expected.removeIf(name -> name.contains("mask_value")));
    assertTrue(expected.remove("lm_head.decoder.bias"));
    StoredTensors actual =
        WeightFiles.find(folder.resolve("out")).orElseThrow().open(folder.resolve("out"));
    assertEquals(expected, new TreeSet<>(actual.names()));
    try (Backend backend = TestBackends.reference();
        ReformerModel before = ReformerModel.load(golden, backend);
        ReformerModel after = ReformerModel.load(folder.resolve("out"), backend)) {
      for (Parameter parameter : before.parameters().all()) {
        assertArrayEquals(
            backend.download(parameter.value()),
            backend.download(after.parameters().find(parameter.name()).value()));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"float32,F32", "float16,F16", "bfloat16,BF16"})
  void typesAndShards(String type, String dtype) throws IOException {
    Path first = folder.resolve("first");
    succeed("convert", torchModel, first, "--dtype", type, "--max-shard-size", "1KB");
    assertTrue(files(first).contains("model.safetensors.index.json"), files(first).toString());
    assertFalse(files(first).contains("model.safetensors"));
    JsonNode config = JSON.readTree(Files.readString(first.resolve("config.json")));
    assertEquals(type, config.get("dtype").textValue());
    SafeTensors original = SafeTensors.open(torchModel.resolve("expected.safetensors"));
    StoredTensors stored = WeightFiles.find(first).orElseThrow().open(first);
    double worst = 0;
    for (String name : original.names()) {
      assertEquals(dtype, stored.entry(name).dtype());
      float[] expected = original.floats(name);
      float[] actual = stored.floats(name);
      for (int i = 0; i < expected.length; i++) {
        if (type.equals("bfloat16")) {
          assertEquals(Bfloat16.fromBits(Bfloat16.toBits(expected[i])), actual[i]);
        }
        worst =
            Math.max(
                worst, Math.abs(actual[i] - expected[i]) / Math.max(6e-5, Math.abs(expected[i])));
      }
    }
    double half = type.equals("float32") ? 0 : type.equals("float16") ? 0x1p-11 : 0x1p-8;
    assertTrue(worst <= half, type + " " + worst);
    assertEquals(half > 0, worst > half / 100, type + " " + worst);
    // Back in one file: the same numbers; without --dtype the type stays.
    Path second = folder.resolve("second");
    succeed("convert", first, second);
    SafeTensors whole = SafeTensors.open(second.resolve("model.safetensors"));
    assertEquals(dtype, whole.entry("lm_head.bias").dtype());
    assertSame(whole, stored);
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.load(first, backend)) {
      assertArrayEquals(
          stored.floats("lm_head.bias"),
          backend.download(model.parameters().find("lm_head.bias").value()));
    }
  }

  /** Hugging Face itself saves models in bfloat16 with single tensors of float32. */
  @Test
  void severalTypesBecomeFloat32() throws IOException {
    Path source = Files.createDirectories(folder.resolve("source"));
    Files.copy(torchModel.resolve("config.json"), source.resolve("config.json"));
    Path file = source.resolve("model.safetensors");
    new SafeTensorsWriter()
        .floats("a", Shape.of(1), WeightType.BFLOAT16, () -> new float[] {1.5f})
        .floats("b", Shape.of(1), () -> new float[] {0.1f})
        .write(file);
    Path target = folder.resolve("target");
    succeed("convert", source, target);
    SafeTensors stored = SafeTensors.open(target.resolve("model.safetensors"));
    assertEquals("F32", stored.entry("a").dtype());
    assertSame(SafeTensors.open(file), stored);
    new SafeTensorsWriter().doubles("d", Shape.of(1), () -> new double[] {0.1}).write(file);
    Result refused = run("convert", source, folder.resolve("next"));
    assertEquals(2, refused.code());
    assertTrue(refused.err().contains("'d' is of F64"), refused.err());
    succeed("convert", source, folder.resolve("next"), "--dtype", "float32");
    new SafeTensorsWriter().longs("i", Shape.of(1), () -> new long[] {1}).write(file);
    Result integers = run("convert", source, folder.resolve("last"), "--dtype", "float32");
    assertTrue(integers.err().contains("'i' of I64 is no parameter"), integers.err());
  }

  @Test
  void mistakes() throws IOException {
    Path out = folder.resolve("out");
    succeed("convert", torchModel, out);
    Result again = run("convert", torchModel, out);
    assertEquals(2, again.code());
    assertTrue(again.err().contains("choose a new folder"), again.err());
    Files.writeString(out.resolve("model.safetensors"), "damaged");
    assertEquals(2, run("inspect", out).code());
    assertEquals(2, run("convert", out, folder.resolve("next")).code());
    assertFalse(Files.exists(folder.resolve("next")));
  }

  @Test
  void inspectTellsWhatIsThere() {
    String out = succeed("inspect", torchModel);
    for (String part :
        List.of(
            "ReformerModelWithLMHead, causal, vocabulary 13",
            "sequences of up to 16 tokens, axial [4, 4]",
            "[F32] in pytorch_model.bin",
            "no tokenizer files",
            "lacks       nothing",
            "RECOMPUTE",
            "KEEP_ATTENTION",
            "\"num_buckets\" : 4")) {
      assertTrue(out.contains(part), part + " in " + out);
    }
    SafeTensors stored = SafeTensors.open(torchModel.resolve("expected.safetensors"));
    long count = 0;
    for (String name : stored.names()) {
      long elements = stored.entry(name).shape().elements();
      count += elements;
      assertTrue(
          out.lines()
              .anyMatch(
                  line ->
                      line.strip().startsWith(name + " ")
                          && line.contains(stored.entry(name).shape().toString())
                          && line.endsWith(String.format(" %,d", elements))),
          name + " in " + out);
    }
    assertTrue(out.contains(String.format("parameters  %,d", count)), out);
  }

  @Test
  void inspectTellsWhatIsMissing() throws IOException {
    Path empty = Files.createDirectories(folder.resolve("empty"));
    String nothing = succeed("inspect", empty);
    assertTrue(nothing.contains("config.json: the shape of the model"), nothing);
    assertTrue(nothing.contains("parameters: one of"), nothing);
    Files.copy(torchModel.resolve("config.json"), empty.resolve("config.json"));
    String shape = succeed("inspect", empty);
    assertTrue(shape.contains("by the config"), shape);
    assertTrue(shape.contains("lm_head.decoder.weight"), shape);
    assertFalse(shape.contains("the shape of the model"), shape);
    Files.copy(
        Golden.root().resolve("base-model/model.safetensors"), empty.resolve("model.safetensors"));
    String other = succeed("inspect", empty);
    assertTrue(other.contains("mis-shaped"), other);
  }

  /** The outline is what a model has, and its estimate what a step allocates at most. */
  @Test
  void outlineIsThatOfTheModel() {
    for (String name :
        List.of(
            "causal-lm",
            "base-model",
            "causal-lm-non-axial",
            "sequence-classification",
            "question-answering")) {
      try (Backend backend = TestBackends.reference();
          ReformerModel model = ReformerModel.load(Golden.root().resolve(name), backend)) {
        ModelOutline outline = new ModelOutline(model.config(), model.task());
        assertEquals(
            model.parameters().all().stream().map(Parameter::toString).toList(),
            outline.parameters().all().stream().map(Parameter::toString).toList());
        long recompute = outline.stepBytes(1, 64, MemoryPolicy.RECOMPUTE, Precision.FLOAT32);
        long keep = outline.stepBytes(1, 64, MemoryPolicy.KEEP_ATTENTION, Precision.FLOAT32);
        // Per layer e (D + H K + D) N + 4 H N, with e = 4 bytes.
        int d = model.config().hiddenSize();
        int w = model.config().allHeadSize();
        int h = model.config().numAttentionHeads();
        assertEquals(
            64L * 4 * (2 * d + w + h) * model.config().numHiddenLayers(), keep - recompute, name);
      }
    }
  }
}
