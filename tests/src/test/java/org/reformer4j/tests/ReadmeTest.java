package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;

/** The example of the README compiles and runs as it stands there. */
class ReadmeTest {
  @TempDir Path folder;

  @Test
  void theExampleRuns() throws IOException, InterruptedException {
    Matcher example =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("..", "README.md")));
    assertTrue(example.find(), "the README has a Java example");
    String body = example.group(1);
    assertTrue(body.lines().count() <= 13, "about ten lines");
    Path source = folder.resolve("Example.java");
    Files.writeString(
        source,
        """
        import java.nio.file.Path;
        import org.reformer4j.api.Backend;
        import org.reformer4j.model.*;
        import org.reformer4j.model.generate.*;
        import org.reformer4j.model.text.*;
        public class Example {
          public static void main(String[] args) {
        """
            + body
            + "}}\n");
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    String classPath = System.getProperty("java.class.path");
    assertEquals(
        0,
        compiler.run(
            null, null, null, "-cp", classPath, "-d", folder.toString(), source.toString()));

    saveModel(folder.resolve("runs/first"));
    Path output = folder.resolve("output.txt");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process process =
        new ProcessBuilder(
                List.of(
                    java,
                    "-cp",
                    classPath + System.getProperty("path.separator") + folder,
                    "Example"))
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    assertEquals(0, process.waitFor(), () -> read(output));
    assertTrue(Files.size(output) >= 50, "it prints the generated text");
  }

  private static void saveModel(Path to) {
    ReformerConfig config = TestModels.small(2).vocabSize(ByteTokenizer.VOCABULARY_SIZE).build();
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      model.save(to);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
