package org.reformer4j.tokenizers;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.reformer4j.api.CheckpointException;

/** A tokenizer file on disk. */
record TokenizerFile(Path path) {
  /** The largest vocabularies in use, of some 250 000 words, have files of 17 MB. */
  static final int MOST_BYTES = 1 << 26;

  /**
   * Reads the file.
   *
   * @throws CheckpointException if it is too large or cannot be read
   */
  byte[] read() {
    try (InputStream in = Files.newInputStream(path)) {
      byte[] bytes = in.readNBytes(MOST_BYTES + 1);
      if (bytes.length > MOST_BYTES) {
        throw damaged("has more than " + MOST_BYTES + " bytes, which no tokenizer needs");
      }
      return bytes;
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be read: " + e, e);
    }
  }

  /**
   * Loads an engine's native library.
   *
   * @throws UnsupportedOperationException if it does not run here
   */
  void require(String engine, Runnable load) {
    try {
      load.run();
    } catch (RuntimeException | LinkageError e) {
      throw new UnsupportedOperationException(
          path
              + " needs "
              + engine
              + ", which cannot be loaded here: "
              + e
              + "; it comes for Linux, macOS (arm64) and Windows on 64 bits, and is unpacked to the"
              + " folder that ENGINE_CACHE_DIR names, else to .djl.ai of the home folder",
          e);
    }
  }

  /** Runs what reads the content; its complaints become the file's. */
  <T> T parse(Supplier<T> parser) {
    try {
      return parser.get();
    } catch (DamagedException e) {
      throw damaged(e.getMessage());
    }
  }

  CheckpointException damaged(String problem) {
    return new CheckpointException(
        path + " " + problem + "; copy it again from where the checkpoint came from");
  }
}
