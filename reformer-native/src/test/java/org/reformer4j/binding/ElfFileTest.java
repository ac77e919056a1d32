package org.reformer4j.binding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Headers of libraries: whole, cut, and of other kinds. */
class ElfFileTest {
  private static final int LENGTH = 1000;

  @TempDir Path folder;

  /** A library of two segments, the second of which ends at 900, and sections up to the end. */
  private static byte[] library() {
    ByteBuffer elf = ByteBuffer.allocate(LENGTH).order(ByteOrder.LITTLE_ENDIAN);
    elf.putInt(0, 0x464C457F).put(4, (byte) 2).put(5, (byte) 1);
    elf.putShort(16, (short) 3).putShort(18, (short) 62);
    elf.putLong(32, 64).putLong(40, LENGTH - 64);
    elf.putShort(54, (short) 56).putShort(56, (short) 2);
    elf.putShort(58, (short) 64).putShort(60, (short) 1);
    elf.putLong(64 + 8, 0).putLong(64 + 32, 300);
    elf.putLong(120 + 8, 300).putLong(120 + 32, 600);
    return elf.array();
  }

  private void refused(String part, byte[] content) throws IOException {
    Path file = Files.write(folder.resolve("library.so"), content);
    Optional<String> problem = ElfFile.problem(content);
    assertEquals(problem, ElfFile.problem(file));
    assertTrue(problem.orElse("nothing").contains(part), problem::toString);
  }

  private static byte[] with(int at, int value) {
    byte[] content = library();
    content[at] = (byte) value;
    return content;
  }

  @Test
  void wholeLibrariesPass() throws IOException {
    assertEquals(Optional.empty(), ElfFile.problem(library()));
    Path file = Files.write(folder.resolve("library.so"), library());
    assertEquals(Optional.empty(), ElfFile.problem(file));
    // What stands behind the end does not matter.
    assertEquals(Optional.empty(), ElfFile.problem(Arrays.copyOf(library(), LENGTH + 9)));
  }

  @Test
  void everyCutIsSeen() throws IOException {
    for (int length = 0; length < LENGTH; length++) {
      refused(length < 64 ? "has only" : "truncated", Arrays.copyOf(library(), length));
    }
  }

  @Test
  void otherKindsAreRefused() throws IOException {
    refused("no ELF", with(0, 'P'));
    refused("64-bit", with(4, 1));
    refused("64-bit", with(5, 2));
    refused("64-bit", with(18, 183));
    refused("no shared library", with(16, 2));
    refused("program headers", with(56, 0));
    refused("program headers", with(54, 32));
    refused("truncated", with(39, 0x80));
    refused("truncated", with(64 + 39, 0x7F));
    assertTrue(ElfFile.problem(folder.resolve("none.so")).orElse("").contains("cannot be read"));
  }

  /** Whatever the bytes are, there is an answer. */
  @Test
  void anyHeaderGivesAnAnswer() {
    Random random = new Random(1);
    for (int i = 0; i < 20_000; i++) {
      byte[] content = library();
      for (int changes = random.nextInt(6); changes >= 0; changes--) {
        content[16 + random.nextInt(170)] = (byte) random.nextInt(256);
      }
      assertTrue(ElfFile.problem(content).map(text -> !text.isBlank()).orElse(true));
    }
  }
}
