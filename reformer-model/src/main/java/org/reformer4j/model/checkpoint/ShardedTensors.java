package org.reformer4j.model.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.reformer4j.api.CheckpointException;

/** Tensors of several files, which an index lists: a <i>sharded</i> checkpoint. */
final class ShardedTensors implements StoredTensors {
  private final Path index;
  private final Map<String, StoredTensors> tensors;

  private ShardedTensors(Path index, Map<String, StoredTensors> tensors) {
    this.index = index;
    this.tensors = tensors;
  }

  /**
   * Opens and checks all files of an index.
   *
   * @param index the index
   * @param opener opens a file of the kind that the index lists
   * @throws CheckpointException if a file is missing or damaged, or holds others than the tensors
   *     that the index says; the message lists all of that
   */
  static ShardedTensors open(Path index, Function<Path, StoredTensors> opener) {
    Map<String, String> files = ShardIndex.read(index);
    Problems problems = new Problems(index);
    Map<String, StoredTensors> opened = new LinkedHashMap<>();
    for (String file : new LinkedHashSet<>(files.values())) {
      Path path = index.resolveSibling(file);
      if (Files.isRegularFile(path)) {
        try {
          opened.put(file, opener.apply(path));
        } catch (CheckpointException e) {
          problems.add(e.getMessage());
        }
      } else {
        problems.add("file " + file + " is missing: get all files of the checkpoint");
      }
    }
    problems.throwIfAny();
    Map<String, StoredTensors> tensors = new LinkedHashMap<>();
    files.forEach(
        (name, file) -> {
          if (opened.get(file).contains(name)) {
            tensors.put(name, opened.get(file));
          } else {
            problems.add("tensor " + Problems.quote(name) + " is not in " + file);
          }
        });
    opened.forEach(
        (file, shard) -> {
          Set<String> unlisted = new LinkedHashSet<>(shard.names());
          unlisted.removeIf(name -> file.equals(files.get(name)));
          unlisted.forEach(
              name ->
                  problems.add(
                      "tensor " + Problems.quote(name) + " is in " + file + " but not listed so"));
        });
    problems.throwIfAny();
    return new ShardedTensors(index, tensors);
  }

  @Override
  public List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  @Override
  public boolean contains(String name) {
    return tensors.containsKey(name);
  }

  @Override
  public Entry entry(String name) {
    return shard(name).entry(name);
  }

  @Override
  public float[] floats(String name) {
    return shard(name).floats(name);
  }

  @Override
  public double[] doubles(String name) {
    return shard(name).doubles(name);
  }

  @Override
  public long[] longs(String name) {
    return shard(name).longs(name);
  }

  private StoredTensors shard(String name) {
    StoredTensors shard = tensors.get(name);
    if (shard == null) {
      throw new CheckpointException(index + " has no tensor " + Problems.quote(name));
    }
    return shard;
  }
}
