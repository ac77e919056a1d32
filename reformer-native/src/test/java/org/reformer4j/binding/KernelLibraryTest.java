package org.reformer4j.binding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.annotation.Cast;
import org.junit.jupiter.api.Test;

/** The class, the list of functions in reformer_library.h, and reformer_kernels.h say the same. */
class KernelLibraryTest {
  private static final Path INCLUDE = Path.of("..", "native-src", "include");
  private static final Pattern FUNCTION =
      Pattern.compile("RF_EXPORT\\s+([\\w\\s*]+?)(rf_\\w+)\\(([^)]*)\\)\\s*;");

  /** Parameters that several functions share; the later ones may contain earlier ones. */
  private static final Pattern PARAMETERS =
      Pattern.compile("#define (RF_[A-Z]+)((?:[^\\n]*\\\\\\n)+[^\\n]*)");

  private final String header = withoutComments(INCLUDE.resolve("reformer_kernels.h"));

  private static String withoutComments(Path file) {
    try {
      return Files.readString(file).replaceAll("//[^\n]*", "");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Signatures by name: return type, then parameter types, as in C. */
  private Map<String, List<String>> declared() {
    Map<String, String> macros = new TreeMap<>();
    Matcher macro = PARAMETERS.matcher(header);
    while (macro.find()) {
      macros.put(macro.group(1), expanded(macro.group(2).replace("\\", ""), macros));
    }
    assertTrue(macros.containsKey("RF_DROPOUT"), macros::toString);
    Map<String, List<String>> functions = new TreeMap<>();
    Matcher matcher = FUNCTION.matcher(header);
    while (matcher.find()) {
      List<String> types = new ArrayList<>(List.of(tidy(matcher.group(1))));
      String parameters = expanded(matcher.group(3), macros).strip();
      if (!parameters.equals("void")) {
        for (String parameter : parameters.split(",")) {
          types.add(tidy(parameter.replaceFirst("\\w+\\s*$", "")));
        }
      }
      functions.put(matcher.group(2), types);
    }
    return functions;
  }

  private static String expanded(String parameters, Map<String, String> macros) {
    for (Map.Entry<String, String> macro : macros.entrySet()) {
      parameters = parameters.replace(macro.getKey(), macro.getValue());
    }
    return parameters;
  }

  private static String tidy(String type) {
    return type.strip().replaceAll("\\s+", " ").replace(" *", "*");
  }

  private static Map<String, List<String>> bound() {
    Map<String, List<String>> functions = new TreeMap<>();
    for (Method method : KernelLibrary.class.getDeclaredMethods()) {
      if (Modifier.isNative(method.getModifiers()) && !Modifier.isStatic(method.getModifiers())) {
        List<String> types = new ArrayList<>();
        types.add(type(method.getReturnType(), method.getAnnotation(Cast.class)));
        for (Parameter parameter : method.getParameters()) {
          types.add(type(parameter.getType(), parameter.getAnnotation(Cast.class)));
        }
        functions.put(method.getName(), types);
      }
    }
    return functions;
  }

  private static String type(Class<?> type, Cast cast) {
    if (cast != null) {
      return cast.value()[0];
    }
    return type == String.class ? "const char*" : type.getSimpleName().replace("[]", "*");
  }

  @Test
  void everyFunctionIsBoundWithItsTypes() {
    Map<String, List<String>> declared = declared();
    assertTrue(declared.size() > 20, declared::toString);
    assertEquals(declared.keySet(), bound().keySet());
    declared.forEach((name, types) -> assertEquals(types, bound().get(name), name));
  }

  @Test
  void everyFunctionIsLookedUp() {
    String library = withoutComments(INCLUDE.resolve("reformer_library.h"));
    Matcher names = Pattern.compile("X\\((rf_\\w+)\\)").matcher(library);
    TreeSet<String> found = new TreeSet<>();
    while (names.find()) {
      assertTrue(found.add(names.group(1)), names.group(1));
    }
    assertEquals(declared().keySet(), found);
  }

  @Test
  void theVersionIsTheSame() {
    Matcher version = Pattern.compile("#define RF_ABI_VERSION (\\d+)").matcher(header);
    assertTrue(version.find());
    assertEquals(Integer.parseInt(version.group(1)), KernelLibrary.ABI_VERSION);
  }

  @Test
  void addressesAreNeverIntegersOf32Bits() {
    for (Method method : KernelLibrary.class.getDeclaredMethods()) {
      Arrays.stream(method.getParameters())
          .filter(p -> p.isAnnotationPresent(Cast.class))
          .filter(p -> p.getAnnotation(Cast.class).value()[0].endsWith("*"))
          .forEach(
              p ->
                  assertTrue(p.getType() == long.class || p.getType().isArray(), method::toString));
    }
  }
}
