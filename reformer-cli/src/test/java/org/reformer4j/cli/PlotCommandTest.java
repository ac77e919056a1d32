package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlotCommandTest {
  @TempDir Path folder;

  @BeforeEach
  void write() throws IOException {
    training("a", 10, 7, 3);
    training("b", 10, 5, 4);
    training("later", 20, 5, 4);
    Files.writeString(
        Files.createDirectories(folder.resolve("blind")).resolve("metrics.jsonl"),
        "{\"step\":1,\"bits_per_byte\":7.9}\n");
  }

  private void training(String name, int step, double first, double second) throws IOException {
    Files.writeString(
        Files.createDirectories(folder.resolve(name)).resolve("metrics.jsonl"),
        String.format(
            "{\"step\":1,\"bits_per_byte\":7.9}%n{\"step\":%d,\"validation_bits_per_byte\":%f}%n"
                + "{\"step\":%d,\"validation_bits_per_byte\":%f}%n",
            step, first, 2 * step, second));
  }

  private CommandRun plot(String arguments) {
    return CommandRun.of(("plot " + arguments.replace("DIR", folder.toString())).split(" "));
  }

  @Test
  void severalTrainingsInOnePicture() throws IOException {
    CommandRun run = plot("DIR/a DIR/later mean=DIR/a,DIR/b --out DIR/loss.png");
    assertEquals(0, run.code(), run.err());
    assertEquals("plot: " + folder + "/loss.png", run.out().strip());
    assertEquals(900, ImageIO.read(folder.resolve("loss.png").toFile()).getWidth());
  }

  @Test
  void meanOfCurves() throws IOException {
    LossCurve a = LossCurve.read(folder.resolve("a/metrics.jsonl"), LossCurve.HELD_OUT);
    LossCurve b = LossCurve.read(folder.resolve("b/metrics.jsonl"), LossCurve.HELD_OUT);
    assertEquals(
        new LossCurve(List.of(10.0, 20.0), List.of(6.0, 3.5)), LossCurve.mean(List.of(a, b)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "DIR/none --out DIR/x.png | none/metrics.jsonl does not exist",
        "DIR/blind --out DIR/x.png | train with --evaluate-every",
        "DIR/a,DIR/later --out DIR/x.png | no common mean",
        "x=DIR/b x=DIR/a --out DIR/x.png | two curves have the name 'x'",
        "DIR/a --out DIR/x.gif | must end in .png",
        "DIR/a | --out",
        "--out DIR/x.png | DIR[,DIR...]",
      })
  void mistakes(String arguments, String message) {
    CommandRun run = plot(arguments);
    assertEquals(Main.BAD_INPUT, run.code(), run.err());
    assertTrue(run.error().contains(message), run.err());
    assertFalse(Files.exists(folder.resolve("x.png")));
  }
}
