package org.reformer4j.model.train;

import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.SequenceLabels;

/** How often a model is right, by the kind of label. */
final class Scores {
  private static final String ACCURACY = "accuracy";

  private final boolean regression;
  private final SortedMap<String, long[]> rightAndAll = new TreeMap<>();

  Scores(ReformerModel model) {
    this.regression =
        model
            .config()
            .problemType()
            .map(type -> type == ProblemType.REGRESSION)
            .orElse(model.config().numLabels() == 1);
  }

  /** Adds an example, which is number {@code index} of the batch that the outputs are of. */
  void add(Example example, int index, Map<String, ModelOutput> outputs) {
    SequenceLabels labels = example.labels();
    if (example.isPair()) {
      float[] vectors = outputs.get("embeddings").values();
      int columns = (int) outputs.get("embeddings").shape().columns();
      count("retrieval", nearest(vectors, columns, 2 * index) == 2 * index + 1);
      count("retrieval", nearest(vectors, columns, 2 * index + 1) == 2 * index);
    } else if (labels instanceof SequenceLabels.Spans spans) {
      int length = example.sequences()[0].length;
      int start = Math.max(0, spans.starts()[0]);
      int end = Math.max(0, spans.ends()[0]);
      if (start < length && end < length) {
        count(
            "exact_match",
            best(outputs.get("start_logits"), index, length) == start
                && best(outputs.get("end_logits"), index, length) == end);
      }
    } else if (labels instanceof SequenceLabels.Values values) {
      float[] logits = outputs.get("logits").values();
      for (int i = 0; i < values.columns() && !regression; i++) {
        boolean belongs = logits[index * values.columns() + i] > 0;
        count(ACCURACY, belongs == values.values()[i] > 0.5f);
      }
    } else if (labels instanceof SequenceLabels.Classes classes) {
      ModelOutput logits = outputs.get("logits");
      int columns = (int) logits.shape().columns();
      count(ACCURACY, best(logits, index, columns) == classes.ids()[0]);
    } else {
      tokens(example.targets(), index, outputs.get("logits"));
    }
  }

  private void tokens(int[] targets, int index, ModelOutput logits) {
    int columns = (int) logits.shape().columns();
    int stride = (int) logits.shape().dim(1);
    for (int t = 0; t < targets.length; t++) {
      if (targets[t] != Batch.IGNORE) {
        int from = (index * stride + t) * columns;
        count(ACCURACY, argmax(logits.values(), from, columns) == targets[t]);
      }
    }
  }

  private void count(String score, boolean right) {
    long[] counts = rightAndAll.computeIfAbsent(score, name -> new long[2]);
    counts[0] += right ? 1 : 0;
    counts[1]++;
  }

  /** Returns the largest of the first {@code count} columns of a row. */
  private static int best(ModelOutput rows, int row, int count) {
    return argmax(rows.values(), row * (int) rows.shape().columns(), count);
  }

  private static int argmax(float[] values, int from, int count) {
    int best = 0;
    for (int i = 1; i < count; i++) {
      best = values[from + i] > values[from + best] ? i : best;
    }
    return best;
  }

  /** Returns the row whose product with a row is the largest. */
  private static int nearest(float[] vectors, int columns, int row) {
    int best = -1;
    double largest = Double.NEGATIVE_INFINITY;
    for (int other = 0; other < vectors.length / columns; other++) {
      double product = 0;
      for (int i = 0; i < columns; i++) {
        product += (double) vectors[row * columns + i] * vectors[other * columns + i];
      }
      if (other != row && product > largest) {
        largest = product;
        best = other;
      }
    }
    return best;
  }

  /** Returns the share of right answers, by name. */
  SortedMap<String, Double> means() {
    SortedMap<String, Double> means = new TreeMap<>();
    rightAndAll.forEach((name, counts) -> means.put(name, (double) counts[0] / counts[1]));
    return means;
  }
}
