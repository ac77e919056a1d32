package org.reformer4j.cli;

import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Sizes as Hugging Face takes them: 5GB is 5 billion bytes, 5GiB counts by 1024. */
final class ByteSize implements ITypeConverter<Long> {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,9})\\s*([KMGT]?I?B)");
  private static final Map<String, Long> UNITS =
      Map.of(
          "B", 1L,
          "KB", 1_000L,
          "MB", 1_000_000L,
          "GB", 1_000_000_000L,
          "TB", 1_000_000_000_000L,
          "KIB", 1L << 10,
          "MIB", 1L << 20,
          "GIB", 1L << 30,
          "TIB", 1L << 40);

  @Override
  public Long convert(String text) {
    Matcher parts = SIZE.matcher(text.strip().toUpperCase(Locale.ROOT));
    Long unit = parts.matches() ? UNITS.get(parts.group(2)) : null;
    if (unit == null || Long.parseLong(parts.group(1)) > Long.MAX_VALUE / unit) {
      throw new TypeConversionException("'" + text + "' is no size such as 5GB, 500MB or 2GiB");
    }
    return Long.parseLong(parts.group(1)) * unit;
  }

  /** Returns a size in the largest unit that it has one of. */
  static String text(long bytes) {
    String[] units = {"bytes", "KB", "MB", "GB", "TB", "PB"};
    double value = bytes;
    int unit = 0;
    for (; value >= 1000 && unit < units.length - 1; unit++) {
      value /= 1000;
    }
    return unit == 0 ? bytes + " bytes" : String.format(Locale.ROOT, "%.1f %s", value, units[unit]);
  }
}
