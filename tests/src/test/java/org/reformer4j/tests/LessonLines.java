package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * What each head learns, as lines of a file: ordinary tokens 1 to 9 with markers from 10 on among
 * them. See {@link Lessons}.
 */
enum LessonLines {
  NAMES("classification", "accuracy"),
  SETS("classification", "accuracy"),
  NUMBERS("classification", null),
  TAGS("token-classification", "accuracy"),
  ANSWERS("question-answering", "exact_match"),
  PAIRS("embedding", "retrieval");

  private final String task;
  private final String score;

  LessonLines(String task, String score) {
    this.task = task;
    this.score = score;
  }

  /** Returns its name on the command line. */
  String task() {
    return task;
  }

  /** Returns the name of its score, or null. */
  String score() {
    return score;
  }

  List<String> lines(int count, int seed) {
    Random random = new Random(seed);
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] ids = random.ints(6 + random.nextInt(10), 1, 10).toArray();
      int place = random.nextInt(ids.length - 3);
      int marker = random.nextInt(3);
      ids[place] = 10 + marker;
      lines.add("{\"id\": " + i + ", " + line(random, ids, place, marker, i) + "}");
    }
    return lines;
  }

  private String line(Random random, int[] ids, int place, int marker, int number) {
    String label =
        switch (this) {
          case NAMES -> "\"label\": \"" + "cba".charAt(marker) + '"';
          case SETS -> {
            ids[place + 2] = 10 + (marker + number) % 3;
            yield number % 3 == 0
                ? "\"label\": [\"" + marker + "\"]"
                : "\"label\": [\"" + marker + "\", \"" + (marker + number) % 3 + "\"]";
          }
          case NUMBERS -> "\"label\": " + (marker - 1.0);
          case TAGS -> {
            Object[] tags = new Object[ids.length];
            Arrays.fill(tags, "\"O\"");
            tags[place] = "\"B\"";
            tags[place + 1] = "\"I\"";
            tags[ids.length - 1] = null;
            yield "\"labels\": " + Arrays.toString(tags);
          }
          case ANSWERS -> {
            int end = place + 1 + random.nextInt(ids.length - place - 1);
            ids[place] = 10;
            ids[end] = 11;
            yield "\"start\": " + place + ", \"end\": " + end;
          }
          case PAIRS -> {
            int[] other = random.ints(ids.length + 2, 1, 10).toArray();
            ids[place] = 10 + number % 12;
            other[place + 2] = ids[place];
            yield "\"pair\": " + Arrays.toString(other);
          }
        };
    return "\"ids\": " + Arrays.toString(ids) + ", " + label;
  }

  /** Returns how many things of a prediction are right, and of how many. */
  int[] right(JsonNode given, JsonNode said) {
    assertEquals(given.get("id"), said.get("id"));
    return switch (this) {
      case NAMES -> one(given.get("label").equals(said.get("label")));
      case SETS -> {
        List<String> names = new ArrayList<>();
        given.get("label").forEach(name -> names.add(name.textValue()));
        List<String> found = new ArrayList<>();
        said.get("labels").forEach(name -> found.add(name.textValue()));
        int right = 0;
        for (String name : List.of("0", "1", "2")) {
          right += names.contains(name) == found.contains(name) ? 1 : 0;
        }
        yield new int[] {right, 3};
      }
      case NUMBERS -> {
        double value = said.get("values").get("LABEL_0").doubleValue();
        yield one(Math.abs(value - given.get("label").doubleValue()) < 0.5);
      }
      case TAGS -> {
        assertEquals(given.get("ids").size(), said.get("labels").size());
        int right = 0;
        int count = given.get("labels").size() - 1;
        for (int i = 0; i < count; i++) {
          right += given.get("labels").get(i).equals(said.get("labels").get(i)) ? 1 : 0;
        }
        yield new int[] {right, count};
      }
      case ANSWERS ->
          one(
              given.get("start").equals(said.get("start"))
                  && given.get("end").equals(said.get("end")));
      case PAIRS -> {
        assertEquals(32, said.get("embedding").size());
        yield one(said.get("similarity").doubleValue() > 0.5);
      }
    };
  }

  private static int[] one(boolean right) {
    return new int[] {right ? 1 : 0, 1};
  }
}
