package org.reformer4j.model.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.reformer4j.api.CheckpointException;
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
    report.scores().forEach((name, value) -> line.put("validation_" + name, value));
    append(line);
  }

  private void append(ObjectNode line) {
    try {
      Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new CheckpointException("cannot append to " + file + ": " + e, e);
    }
  }

  /** Returns when all lines have reached the disk. */
  void force() {
    if (!Files.exists(file)) {
      return;
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.force(true);
    } catch (IOException e) {
      throw new CheckpointException("cannot write " + file + ": " + e, e);
    }
  }

  /**
   * Drops the lines of steps that a resumed training does again, and a last line cut by a crash.
   *
   * @throws CheckpointException if another line is no metric, or the file cannot be read
   */
  void keepUpTo(long step) {
    if (!Files.exists(file)) {
      return;
    }
    StringBuilder kept = new StringBuilder();
    try {
      List<String> lines = Files.readAllLines(file);
      for (int i = 0; i < lines.size(); i++) {
        JsonNode number = step(lines.get(i));
        if (!number.isIntegralNumber() && i < lines.size() - 1) {
          throw new CheckpointException(
              file + " line " + (i + 1) + " is no metric of a step: delete or mend the file");
        }
        if (number.isIntegralNumber() && number.longValue() <= step) {
          kept.append(lines.get(i)).append('\n');
        }
      }
    } catch (IOException e) {
      throw new CheckpointException("cannot read " + file + ": " + e, e);
    }
    byte[] bytes = kept.toString().getBytes(StandardCharsets.UTF_8);
    AtomicFiles.write(file, channel -> writeAll(channel, bytes));
  }

  private static void writeAll(FileChannel channel, byte[] bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  /** Returns the step of a line; something else than a number if the line is cut. */
  private static JsonNode step(String line) {
    try {
      return JSON.readTree(line).path("step");
    } catch (JsonProcessingException e) {
      return MissingNode.getInstance();
    }
  }
}
