package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ByteSizeTest {
  @ParameterizedTest
  @CsvSource({
    "1B, 1",
    "5GB, 5000000000",
    "5 gb, 5000000000",
    "500MB, 500000000",
    "3kB, 3000",
    "2GiB, 2147483648",
    "1KiB, 1024",
    "9MiB, 9437184",
    "1TB, 1000000000000"
  })
  void readsSizes(String text, long bytes) {
    assertEquals(bytes, new ByteSize().convert(text));
  }

  @ParameterizedTest
  @CsvSource({"999, 999 bytes", "1000, 1.0 KB", "1540000, 1.5 MB", "2000000000000, 2.0 TB"})
  void writesSizes(long bytes, String text) {
    assertEquals(text, ByteSize.text(bytes));
  }
}
