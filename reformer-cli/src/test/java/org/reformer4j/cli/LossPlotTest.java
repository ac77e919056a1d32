package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LossPlotTest {
  private static final String METRICS =
      """
      {"step":1,"loss":5.5,"bits_per_byte":7.9,"seconds":1.0}
      {"step":2,"loss":4.5,"bits_per_byte":6.5,"seconds":2.0}
      {"step":2,"validation_loss":4.6,"validation_bits_per_byte":6.6}
      """;

  @TempDir Path folder;

  private Path metrics(String text) throws IOException {
    return Files.writeString(folder.resolve("metrics.jsonl"), text);
  }

  private String plot() {
    return LossPlot.write(folder.resolve("metrics.jsonl"), folder.resolve("loss.png"));
  }

  @Test
  void drawsPicture() throws IOException {
    metrics(METRICS);
    Path file = folder.resolve("loss.png");
    assertEquals("plot: " + file, plot());
    BufferedImage image = ImageIO.read(file.toFile());
    assertNotNull(image);
    assertEquals(900, image.getWidth());
  }

  @Test
  void tellsWhyThereIsNoPicture() throws IOException {
    assertTrue(plot().startsWith("plot not written: "));
    metrics("");
    assertTrue(plot().contains("holds no losses"));
    assertFalse(Files.exists(folder.resolve("loss.png")));
  }
}
