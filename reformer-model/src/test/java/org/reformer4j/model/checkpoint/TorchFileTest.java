package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.CheckpointException;

/** Files that torch itself wrote, see make.py beside them. */
class TorchFileTest {
  @TempDir Path folder;

  private static String refusal(Path file) {
    String message =
        assertThrows(CheckpointException.class, () -> TorchFile.open(file)).getMessage();
    assertTrue(message.contains(file.toString()), message);
    return message;
  }

  /** Views, shared storages and all types come out as torch's own copies of them. */
  @ParameterizedTest
  @ValueSource(strings = {"1.13", "1.13-protocol4", "2.13", "2.13-protocol4"})
  void readsWhatTorchReads(String version) {
    TorchFile actual = TorchFile.open(TestFiles.path("torch-" + version + ".bin"));
    SafeTensors expected = SafeTensors.open(TestFiles.path("expected.safetensors"));
    Set<String> names = new HashSet<>(actual.names());
    assertEquals(17, names.size());
    assertEquals(new HashSet<>(expected.names()), names);
    assertEquals("plain", actual.names().get(0), "the order of the file");
    for (String name : names) {
      assertTrue(actual.contains(name));
      assertEquals(expected.entry(name).shape(), actual.entry(name).shape(), name);
      assertEquals(expected.entry(name).dtype(), actual.entry(name).dtype(), name);
      switch (ElementType.of(actual.entry(name).dtype()).kind()) {
        case REAL -> {
          assertArrayEquals(expected.doubles(name), actual.doubles(name), name);
          assertArrayEquals(expected.floats(name), actual.floats(name), name);
        }
        default -> assertArrayEquals(expected.longs(name), actual.longs(name), name);
      }
    }
  }

  @Test
  void typesAreNotConfused() {
    TorchFile file = TorchFile.open(TestFiles.path("torch-2.13.bin"));
    assertThrows(CheckpointException.class, () -> file.floats("int64"));
    assertThrows(CheckpointException.class, () -> file.longs("plain"));
    assertThrows(CheckpointException.class, () -> file.entry("absent"));
    assertFalse(file.contains("absent"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "malicious | 'posix.system'",
        "hidden | 'torch.hub.load'",
        "nested | 'epoch' is no tensor",
        "nested | torch.save(model.state_dict(), ...)",
        "legacy | torch before 1.6",
        "legacy | torch.load(",
      })
  void refusesAndSaysWhy(String name, String part) {
    String message = refusal(TestFiles.path(name + ".bin"));
    assertTrue(message.contains(part), message);
  }

  @Test
  void refusesWhatIsNoArchive() throws IOException {
    assertTrue(refusal(folder).contains("no regular file"));
    assertTrue(refusal(folder.resolve("none")).contains("does not exist"));
    Path file = folder.resolve("f.bin");
    Files.write(file, new byte[0]);
    assertTrue(refusal(file).contains("does not begin as a zip archive"));
    byte[] whole = Files.readAllBytes(TestFiles.path("torch-2.13.bin"));
    for (int length : new int[] {4, 100, whole.length / 2, whole.length - 1}) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertTrue(refusal(file).contains("truncated or damaged"));
    }
  }

  /** A number of the same length keeps the archive whole. */
  private Path patched(String name, String from, String to) throws IOException {
    byte[] bytes = Files.readAllBytes(TestFiles.path(name + ".bin"));
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    assertTrue(text.contains(from));
    assertEquals(from.length(), to.length());
    Path file = folder.resolve(name);
    return Files.writeString(file, text.replace(from, to), StandardCharsets.ISO_8859_1);
  }

  @Test
  void refusesTensorsOutsideTheirStorage() throws IOException {
    // plain: offset 0, size (2, 3), strides (3, 1) of a storage of 6 elements
    String plain = "K\0K\2K\3\u0086q\tK\3K\1\u0086";
    for (String bad :
        List.of(
            "K\1K\2K\3\u0086q\tK\3K\1\u0086",
            "K\0K\3K\3\u0086q\tK\3K\1\u0086",
            "K\0K\2K\3\u0086q\tK\4K\1\u0086",
            "K\0K\2K\3\u0086q\tK\3K\2\u0086")) {
      String message = refusal(patched("torch-2.13", plain, bad));
      assertTrue(message.contains("'plain'"), message);
      assertTrue(message.contains("not inside its storage of 6 elements"), message);
    }
    String one = "K\0K\2K\3\u0086q\tK\3K\1\u0085";
    assertTrue(refusal(patched("torch-2.13", plain, one)).contains("tuple"));
  }

  @Test
  void readsViewsThatRepeatElements() throws IOException {
    // expanded: size (3, 4), strides (1, 0)
    TorchFile file = TorchFile.open(patched("torch-2.13", "K\3K\4\u0086", "K\3K\u00ff\u0086"));
    assertEquals(255, file.entry("expanded").shape().dim(1));
    float[] values = file.floats("expanded");
    for (int i = 0; i < values.length; i++) {
      assertEquals(values[i / 255 * 255], values[i]);
    }
    assertEquals(3 * 255, values.length);
  }

  @Test
  void refusesStoragesOfAnotherSizeOrByteOrder() throws IOException {
    String message = refusal(patched("torch-2.13", "q\7K\6t", "q\7K\7t"));
    assertTrue(message.contains("storage '0' should have 7 elements of F32"), message);
    assertTrue(refusal(patched("torch-2.13", "data/13", "data/31")).contains("'13' is missing"));
    assertTrue(refusal(patched("torch-2.13", "little", "BIGBIG")).contains("byte order"));
  }

  @Test
  void noticesAChangedFile() throws IOException {
    Path file = Files.copy(TestFiles.path("torch-2.13.bin"), folder.resolve("f"));
    TorchFile opened = TorchFile.open(file);
    opened.floats("plain");
    Files.copy(TestFiles.path("torch-1.13.bin"), file, StandardCopyOption.REPLACE_EXISTING);
    String message =
        assertThrows(CheckpointException.class, () -> opened.floats("plain")).getMessage();
    assertTrue(message.contains("has changed"), message);
  }
}
