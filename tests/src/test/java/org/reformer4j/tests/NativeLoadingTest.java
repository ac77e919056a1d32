package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Native libraries that are missing, damaged or wrong: the process goes on, the reason is clear,
 * and the reference backend computes.
 */
class NativeLoadingTest {
  private static final String BINDING = "libjniKernelLibrary.so";
  private static final String KERNELS = "libreformer_cuda.so";
  private static final String CPU = "libreformer_cpu.so";

  /** What the CPU backend says of itself where it can be used. */
  private static final String USABLE = "CPU kernels";

  private static final String JAVACPP = "org/bytedeco/javacpp/linux-x86_64/libjnijavacpp.so";
  private static final String CUDART = "org/bytedeco/cuda/linux-x86_64/libjnicudart.so";
  private static final String CUBLAS = "org/bytedeco/cuda/linux-x86_64/libjnicublas.so";
  private static final String PRODUCT = "[14.0, 32.0, 32.0, 77.0]";

  /** What the reasons of CUDA and of the CPU must contain; any will do for the empty text. */
  private record Expected(String cuda, String cpu) {}

  @TempDir Path folder;

  private NativeClassPath classPath;
  private Path install;
  private final Map<String, Expected> expected = new LinkedHashMap<>();
  private final List<String> lines = new ArrayList<>();

  /** This JDK, and others where there are any. */
  static List<Path> jdks() throws IOException {
    List<Path> homes = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"))));
    Path all = Path.of("/usr/lib/jvm");
    if (Files.isDirectory(all)) {
      try (DirectoryStream<Path> found = Files.newDirectoryStream(all, "temurin-25*")) {
        found.forEach(homes::add);
      }
    }
    String more = System.getenv().getOrDefault("REFORMER_TEST_JDKS", "");
    Arrays.stream(more.split(File.pathSeparator))
        .filter(home -> !home.isEmpty())
        .forEach(home -> homes.add(Path.of(home)));
    return homes.stream().distinct().toList();
  }

  @BeforeEach
  void takeApart() throws IOException {
    classPath = new NativeClassPath(Files.createDirectory(folder.resolve("classpath")));
    assumeTrue(classPath.files().containsKey(BINDING), "this build has no native code");
    install = Path.of(System.getProperty("reformer.native.install"));
  }

  /** Adds a case in which both backends give the same reason. */
  private void addBoth(String name, Map<String, byte[]> natives, String part, String... without)
      throws IOException {
    add(name, "", natives, new Expected(part, part), without);
  }

  /** Adds a case in which the CPU backend can be used. */
  private void add(
      String name, String kernels, Map<String, byte[]> natives, String part, String... without)
      throws IOException {
    add(name, kernels, natives, new Expected(part, USABLE), without);
  }

  private void add(
      String name,
      String kernels,
      Map<String, byte[]> natives,
      Expected expectation,
      String... without)
      throws IOException {
    expected.put(name, expectation);
    lines.add(name + "\t" + kernels + "\t" + classPath.with(natives, without));
  }

  @ParameterizedTest
  @MethodSource("jdks")
  void damagedLibrariesOfOurOwn(Path jdk) throws IOException, InterruptedException {
    Map<String, byte[]> whole = classPath.files();
    byte[] simulated = Files.readAllBytes(install.resolve("lib/libreformer_cuda_simulated.so"));
    whole.putIfAbsent(KERNELS, simulated);
    whole.put("kernels.properties", bytes("cuda=built\n"));
    add("intact", "", classPath.files(), "");
    for (String name : new String[] {BINDING, KERNELS, CPU}) {
      addDamaged(name, name + " missing", without(whole, name), name + " is missing in");
      byte[] text = bytes("x".repeat(999));
      addDamaged(name, name + " is text", replaced(whole, name, text), "is no ELF file");
      byte[] content = whole.get(name);
      for (int length : new int[] {0, 1, 63, 64, 500, 4096, content.length / 2}) {
        addDamaged(
            name,
            name + " cut to " + length,
            cut(whole, name, length),
            length < 64 ? "only" : "truncat");
      }
      addDamaged(name, name + " cut by 1", cut(whole, name, content.length - 1), "truncated");
      byte[] arm = content.clone();
      arm[18] = (byte) 183;
      addDamaged(name, name + " for ARM", replaced(whole, name, arm), "64-bit x86");
      byte[] program = content.clone();
      program[16] = 2;
      addDamaged(name, name + " a program", replaced(whole, name, program), "no shared library");
    }
    addBoth("other binding", replaced(whole, BINDING, refused("no_kernels")), "another one");
    for (String name : new String[] {KERNELS, CPU}) {
      addRefused(name, "is the binding", whole, whole.get(BINDING), "no kernel library");
      addRefused(name, "without kernels", whole, refused("no_kernels"), "no kernel library");
      addRefused(name, "of another version", whole, refused("wrong_version"), "has ABI version");
      addRefused(name, "lacks one", whole, refused("missing_function"), "lacks the function");
    }
    addBoth("no native jar", Map.of(), "reformer-native:linux-x86_64");
    Map<String, byte[]> noNvcc = without(whole, KERNELS);
    noNvcc.put("kernels.properties", bytes("cuda=nvcc was not found\n"));
    add("no nvcc", "", noNvcc, "this build has no CUDA kernels: nvcc was not found");
    Map<String, byte[]> skipped =
        Map.of("org/reformer4j/binding/build.properties", bytes("native.skip=true\n"));
    addBoth("skipped", skipped, "this build has no native code");
    addBoth("no JavaCPP", whole, "org.bytedeco.javacpp.", "javacpp-[0-9.]+jar");
    byte[] javacpp = Arrays.copyOf(NativeClassPath.resource(JAVACPP), 9000);
    addBoth(
        "JavaCPP's library cut",
        replaced(whole, JAVACPP, javacpp),
        "libjnijavacpp.so in org.bytedeco:javacpp is truncated");
    add("intact again", "", classPath.files(), "");
    Map<String, String> reasons = run(jdk, null);
    assertEquals(reasons.get("intact"), reasons.get("intact again"));
  }

  /** The same with a device, as far as the stand-ins go: NVIDIA's libraries and bytedeco's. */
  @ParameterizedTest
  @MethodSource("jdks")
  void damagedLibrariesOfOthers(Path jdk) throws IOException, InterruptedException {
    String kernels = install.resolve("lib/libreformer_cuda_simulated.so").toString();
    Map<String, byte[]> whole = classPath.files();
    add("first", kernels, whole, "devices: 1");
    add("second", kernels, whole, "devices: 1");
    run(jdk, copyOfStandIns());

    for (String name : new String[] {"libcuda.so.1", "libcudart.so.13", "libcublasLt.so.13"}) {
      Path standIns = copyOfStandIns();
      Path library = standIns.resolve(name);
      Files.write(library, Arrays.copyOf(Files.readAllBytes(library), 5000));
      add(name + " cut", kernels, whole, name + " is truncated");
      run(jdk, standIns);
    }
    for (String name : new String[] {CUDART, CUBLAS}) {
      Map<String, byte[]> cut = classPath.files();
      cut.put(name, Arrays.copyOf(NativeClassPath.resource(name), 100_000));
      add(name, kernels, cut, name.substring(name.lastIndexOf('/') + 1) + " in org.bytedeco:cuda");
      run(jdk, copyOfStandIns());
    }
    add("no presets", kernels, whole, "org.bytedeco.cuda.", "cuda-[0-9.-]+jar");
    add(
        "no bindings",
        kernels,
        whole,
        "add org.bytedeco:cuda:linux-x86_64",
        "cuda-.*-linux-x86_64.jar");
    run(jdk, copyOfStandIns());
  }

  /** Adds a case of a damaged file, which the binding shares between both backends. */
  private void addDamaged(String file, String name, Map<String, byte[]> natives, String part)
      throws IOException {
    String cuda = file.equals(CPU) ? "" : part;
    add(name, "", natives, new Expected(cuda, file.equals(KERNELS) ? USABLE : part));
  }

  private void addRefused(
      String file, String what, Map<String, byte[]> whole, byte[] content, String part)
      throws IOException {
    addDamaged(file, file + " " + what, replaced(whole, file, content), part);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Map<String, byte[]> without(Map<String, byte[]> files, String name) {
    Map<String, byte[]> rest = new LinkedHashMap<>(files);
    assertNotNull(rest.remove(name), name);
    return rest;
  }

  private static Map<String, byte[]> replaced(
      Map<String, byte[]> files, String name, byte[] content) {
    Map<String, byte[]> result = new LinkedHashMap<>(files);
    result.put(name, content);
    return result;
  }

  private static Map<String, byte[]> cut(Map<String, byte[]> files, String name, int length) {
    return replaced(files, name, Arrays.copyOf(files.get(name), length));
  }

  private byte[] refused(String name) throws IOException {
    return Files.readAllBytes(install.resolve("lib/refused/libreformer_" + name + ".so"));
  }

  private Path copyOfStandIns() throws IOException {
    Path copy = Files.createTempDirectory(folder, "standins");
    try (DirectoryStream<Path> files = Files.newDirectoryStream(install.resolve("fakecuda"))) {
      for (Path file : files) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    return copy;
  }

  /** Runs the cases in one process and checks what each reported; returns the reasons. */
  private Map<String, String> run(Path jdk, Path standIns)
      throws IOException, InterruptedException {
    Path cases = Files.write(folder.resolve("cases"), lines);
    Path output = folder.resolve("output");
    List<String> command =
        new ArrayList<>(
            List.of(
                jdk.resolve("bin/java").toString(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:-CreateCoredumpOnCrash",
                "-XX:ErrorFile=" + folder.resolve("crash.log"),
                "-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("javacpp-cache")));
    String release = Files.readString(jdk.resolve("release"));
    if (!release.contains("JAVA_VERSION=\"17")) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            LoadingMain.class.getName(),
            cases.toString()));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    if (standIns != null) {
      builder.environment().put("LD_LIBRARY_PATH", standIns.toString());
    }
    Process process = builder.start();
    boolean ended = process.waitFor(120, TimeUnit.SECONDS);
    process.destroyForcibly();
    String text = Files.readString(output);
    assertTrue(ended, text);
    assertEquals(0, process.exitValue(), text);
    Map<String, String> reasons = new LinkedHashMap<>();
    int unexpected = 0;
    for (String line : text.lines().toList()) {
      String[] parts = line.split("\t");
      if (parts[0].equals("end")) {
        check(parts, text);
        reasons.put(parts[1], parts[5]);
      } else if (!parts[0].equals("begin") && !parts[0].equals("all")) {
        unexpected++;
      }
    }
    assertEquals(0, unexpected, () -> "something was printed: " + text);
    assertEquals(expected.keySet(), reasons.keySet(), text);
    expected.clear();
    lines.clear();
    return reasons;
  }

  /** Parts: end, name, product on CUDA or -, backend chosen, its product, two reasons. */
  private void check(String[] parts, String text) {
    assertEquals(7, parts.length, text);
    Expected here = expected.get(parts[1]);
    String part = here.cuda();
    assertTrue(parts[5].contains(part), () -> parts[1] + ": " + part + " is not in " + parts[5]);
    assertTrue(
        parts[6].contains(here.cpu()), () -> parts[1] + ": " + here.cpu() + " not in " + parts[6]);
    assertTrue(part.isEmpty() || parts[2].equals(part.contains("devices") ? PRODUCT : "-"), text);
    // Kernels of one's own are not what the service loader offers.
    if (!parts[3].equals("cuda")) {
      assertEquals(here.cpu().equals(USABLE) ? "cpu" : "reference", parts[3], text);
    }
    assertEquals(PRODUCT, parts[4], text);
  }
}
