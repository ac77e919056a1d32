package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

/**
 * Writes parameters as Hugging Face's {@code save_pretrained} does: by name, so that the file is
 * the same byte for byte; in several files and an index where one would be too long.
 */
final class WeightsWriter {
  /** Bytes of a file at most where nothing else is asked for: no limit. */
  static final long ONE_FILE = Long.MAX_VALUE;

  private record Weight(Shape shape, Supplier<float[]> data) {}

  private final WeightType type;
  private final SortedMap<String, Weight> weights = new TreeMap<>();

  WeightsWriter(WeightType type) {
    this.type = type;
  }

  /**
   * Adds a tensor.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param data gives all elements, row by row, when their turn comes
   */
  WeightsWriter add(String name, Shape shape, Supplier<float[]> data) {
    weights.put(name, new Weight(shape, data));
    return this;
  }

  /**
   * Writes the files, each whole or not at all, an index last.
   *
   * @param folder where to
   * @param mostBytes data bytes of a file at most; a longer tensor has a file of its own
   * @return the names of the files
   * @throws CheckpointException if a file cannot be written, or several are needed and the folder
   *     holds parameters already: what is there and what is new would mix
   */
  List<String> write(Path folder, long mostBytes) {
    List<List<String>> shards = split(mostBytes);
    if (shards.size() == 1) {
      write(folder.resolve(WeightFiles.SAFETENSORS.fileName()), shards.get(0));
      return List.of(WeightFiles.SAFETENSORS.fileName());
    }
    WeightFiles.find(folder)
        .ifPresent(
            found -> {
              throw new CheckpointException(
                  folder + " holds " + found.fileName() + " already; choose another folder");
            });
    List<String> files = new ArrayList<>();
    ObjectNode map = StrictJson.MAPPER.createObjectNode();
    SortedMap<String, String> fileOf = new TreeMap<>();
    for (int i = 0; i < shards.size(); i++) {
      String file = String.format("model-%05d-of-%05d.safetensors", i + 1, shards.size());
      write(folder.resolve(file), shards.get(i));
      shards.get(i).forEach(name -> fileOf.put(name, file));
      files.add(file);
    }
    fileOf.forEach(map::put);
    ObjectNode index = StrictJson.MAPPER.createObjectNode();
    index.putObject("metadata").put("total_size", bytes(weights));
    index.set("weight_map", map);
    writeIndex(folder.resolve(WeightFiles.SHARDED_SAFETENSORS.fileName()), index);
    files.add(WeightFiles.SHARDED_SAFETENSORS.fileName());
    return files;
  }

  /** Fills one file after the other, as Hugging Face does. */
  private List<List<String>> split(long mostBytes) {
    List<List<String>> shards = new ArrayList<>(List.of(new ArrayList<>()));
    long used = 0;
    for (Map.Entry<String, Weight> weight : weights.entrySet()) {
      long bytes = bytes(weight.getValue());
      if (used > 0 && used + bytes > mostBytes) {
        shards.add(new ArrayList<>());
        used = 0;
      }
      shards.get(shards.size() - 1).add(weight.getKey());
      used += bytes;
    }
    return shards;
  }

  private void write(Path file, List<String> names) {
    SafeTensorsWriter writer = new SafeTensorsWriter().metadata("format", "pt");
    for (String name : names) {
      writer.floats(name, weights.get(name).shape(), type, weights.get(name).data());
    }
    writer.write(file);
  }

  private static void writeIndex(Path file, ObjectNode index) {
    try {
      String json = StrictJson.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(index);
      ByteBuffer bytes = StandardCharsets.UTF_8.encode(json + "\n");
      AtomicFiles.write(
          file,
          channel -> {
            while (bytes.hasRemaining()) {
              channel.write(bytes);
            }
          });
    } catch (JsonProcessingException e) {
      throw new CheckpointException(file + " cannot be written: " + e, e);
    }
  }

  private long bytes(Weight weight) {
    return Math.multiplyExact(weight.shape().elements(), type.bytes());
  }

  private long bytes(Map<String, Weight> all) {
    return all.values().stream().mapToLong(this::bytes).sum();
  }
}
