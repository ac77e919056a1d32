package org.reformer4j.tests;

import java.io.File;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** This process's class path, taken apart: the native files of the library, and everything else. */
final class NativeClassPath {
  /** Folder of the library's native files. */
  static final String FOLDER = "org/reformer4j/binding/linux-x86_64";

  private final Path folder;
  private final List<String> others = new ArrayList<>();
  private final Map<String, byte[]> files = new LinkedHashMap<>();
  private int cases;

  /** Copies what has native files into a folder, without them. */
  NativeClassPath(Path folder) throws IOException {
    this.folder = folder;
    int copies = 0;
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path path = Path.of(entry);
      if (path.getFileName().toString().startsWith("reformer-cli")) {
        // Its manifest would bring back whatever is left out here.
        continue;
      }
      if (Files.isDirectory(path)) {
        others.add(take(path, path, copies++));
      } else if (entry.endsWith(".jar") && path.getFileName().toString().contains("reformer")) {
        try (FileSystem jar = FileSystems.newFileSystem(path)) {
          others.add(take(path, jar.getPath("/"), copies++));
        }
      } else {
        others.add(entry);
      }
    }
  }

  private String take(Path entry, Path root, int number) throws IOException {
    if (!Files.isDirectory(root.resolve(FOLDER))) {
      return entry.toString();
    }
    Path target = folder.resolve("classes" + number);
    try (Stream<Path> all = Files.walk(root)) {
      for (Path file : (Iterable<Path>) all.filter(Files::isRegularFile)::iterator) {
        String name = root.relativize(file).toString();
        if (name.startsWith(FOLDER)) {
          files.put(file.getFileName().toString(), Files.readAllBytes(file));
        } else {
          Path copy = target.resolve(name);
          Files.createDirectories(copy.getParent());
          Files.write(copy, Files.readAllBytes(file));
        }
      }
    }
    return target.toString();
  }

  /** Returns a copy of the native files by name. */
  Map<String, byte[]> files() {
    return new LinkedHashMap<>(files);
  }

  /**
   * Returns a class path with other native files.
   *
   * @param natives the files of the library by name; a name with a slash is any other resource,
   *     which hides the one of the same name
   * @param without parts of the names of jars that are left out
   */
  String with(Map<String, byte[]> natives, String... without) throws IOException {
    Path root = Files.createDirectory(folder.resolve("case" + cases++));
    for (Map.Entry<String, byte[]> entry : natives.entrySet()) {
      String name = entry.getKey();
      Path file = root.resolve(name.contains("/") ? name : FOLDER + "/" + name);
      Files.createDirectories(file.getParent());
      Files.write(file, entry.getValue());
    }
    List<String> entries = new ArrayList<>(List.of(root.toString()));
    for (String other : others) {
      String name = Path.of(other).getFileName().toString();
      if (Stream.of(without).noneMatch(name::matches)) {
        entries.add(other);
      }
    }
    return String.join(File.pathSeparator, entries);
  }

  /** Returns the content of a resource of this process. */
  static byte[] resource(String name) throws IOException {
    try (var in = NativeClassPath.class.getResourceAsStream("/" + name)) {
      return in.readAllBytes();
    }
  }
}
