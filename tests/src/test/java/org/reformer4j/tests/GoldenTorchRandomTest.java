package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.HashSpec;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.Rotations;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.random.TorchGenerator;

/** torch's CPU generator, and the rotations that Hugging Face draws from a hash_seed. */
class GoldenTorchRandomTest {
  @AfterAll
  static void report() {
    System.out.println(Golden.summary("GoldenTorchRandomTest"));
  }

  @Test
  void everyRecordedNumberIsReproduced() {
    SafeTensors io = Golden.io("torch-random");
    int compared = 0;
    TreeMap<Integer, String> sequence = new TreeMap<>();
    for (String name : io.names()) {
      String[] parts = name.split("\\.");
      long seed = Long.parseLong(parts[1].substring("seed".length()));
      int n = Math.toIntExact(io.entry(name).shape().elements());
      TorchGenerator generator = new TorchGenerator(seed);
      switch (parts[0]) {
        case "randn" ->
            Golden.assertClose(
                name, io.doubles(name), generator.normals(n), Tolerances.TORCH_RANDOM, null);
        case "rand" -> Golden.assertClose(name, io.doubles(name), generator.uniforms(n), 0, null);
        case "randn64" -> {
          double[] expected = io.doubles(name);
          double[] actual = generator.normalsDouble(n);
          for (int i = 0; i < n; i++) {
            assertEquals(expected[i], actual[i], 1e-14, name + "[" + i + "]");
          }
        }
        case "raw" -> {
          long[] words = new long[n];
          for (int i = 0; i < n; i++) {
            words[i] = generator.nextInt32() & 0xFFFFFFFFL;
          }
          Golden.assertEqual(name, io.longs(name), words);
        }
        case "sequence" -> sequence.put(Integer.parseInt(parts[2]), name);
        default -> throw new IllegalStateException("unknown tensor " + name);
      }
      compared++;
    }
    TorchGenerator generator = new TorchGenerator(3);
    for (String name : sequence.values()) {
      int n = Math.toIntExact(io.entry(name).shape().elements());
      Golden.assertClose(
          name, io.doubles(name), generator.normals(n), Tolerances.TORCH_RANDOM, null);
    }
    assertEquals(io.names().size(), compared);
    assertEquals(6, sequence.size());
    Golden.countCase();
  }

  @Test
  void rotationsOfAHashSeedAreThoseOfHuggingFace() {
    for (String name : new String[] {"lsh-layer-causal-hashseed", "causal-lm-hash-seed"}) {
      ReformerConfig config = ConfigJson.read(Golden.root().resolve(name).resolve("config.json"));
      SafeTensors io = Golden.io(name);
      HashSpec hash = new HashSpec(config.numHashes(), config.numBuckets());
      assertTrue(config.hashSeed().isPresent(), name);
      int compared = 0;
      for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
        String rotations = "rotations." + layer;
        if (io.contains(rotations)) {
          float[] drawn =
              Rotations.torch(config.hashSeed().getAsLong())
                  .draw(layer, config.numAttentionHeads(), config.attentionHeadSize(), hash);
          Golden.assertClose(
              name + " " + rotations, io.doubles(rotations), drawn, Tolerances.TORCH_RANDOM, null);
          compared++;
        }
      }
      assertTrue(compared > 0, name);
      Golden.countCase();
    }
  }
}
