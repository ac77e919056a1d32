package org.reformer4j.model.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.reformer4j.model.checkpoint.AtomicFiles;

/** One JSON object per line: {@code metrics.jsonl}. */
final class MetricsFile {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;

  MetricsFile(Path file) {
    this.file = file;
  }

  void append(StepReport report) {
    ObjectNode line = JSON.createObjectNode();
    line.put("step", report.step());
    line.put("loss", report.loss());
    line.put("bits_per_byte", report.bitsPerByte());
    line.put("learning_rate", report.learningRate());
    line.put("gradient_norm", report.gradientNorm());
    line.put("tokens_per_second", report.tokensPerSecond());
    line.put("peak_bytes", report.peakBytes());
    line.put("seconds", report.secondsElapsed());
    append(line);
  }

  void append(EvaluationReport report) {
    ObjectNode line = JSON.createObjectNode();
    line.put("step", report.step());
    line.put("validation_loss", report.loss());
    line.put("validation_bits_per_byte", report.bitsPerByte());
    line.put("validation_bytes", report.bytes());
    append(line);
  }

  private void append(ObjectNode line) {
    try {
      Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot append to " + file, e);
    }
  }

  /** Drops the lines of steps that a resumed training does again, and a line cut by a crash. */
  void keepUpTo(long step) {
    if (!Files.exists(file)) {
      return;
    }
    List<String> kept = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(file)) {
        if (isComplete(line) && JSON.readTree(line).path("step").asLong() <= step) {
          kept.add(line + "\n");
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
    byte[] bytes = String.join("", kept).getBytes(StandardCharsets.UTF_8);
    AtomicFiles.write(file, channel -> writeAll(channel, bytes));
  }

  private static void writeAll(FileChannel channel, byte[] bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  private static boolean isComplete(String line) {
    try {
      JsonNode node = JSON.readTree(line);
      return node.isObject();
    } catch (JsonProcessingException e) {
      // A crash can cut the last line; its step is done again.
      return false;
    }
  }
}
