package org.reformer4j.reference;

import java.util.List;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** out = dropout(token row) + dropout(position rows of all axes, concatenated). */
final class Embedding {
  private Embedding() {}

  static void forward(
      Workers workers,
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    TrainingArguments.embed(out, ids, positions, tokens, tables, spec);
    IntRows id = IntRows.of(ids);
    IntRows position = IntRows.of(positions);
    checkRange("embed", "ids", id, (int) out.rows(), tokens.rows());
    checkRange("embed", "positions", position, (int) out.rows(), spec.positions());
    FloatRows target = FloatRows.of(out);
    FloatRows table = FloatRows.of(tokens);
    List<FloatRows> axes = tables.stream().map(FloatRows::of).toList();
    int columns = target.columns;
    workers.forRange(
        target.rows,
        16,
        (from, to) -> {
          float[] factors = new float[columns];
          for (int i = from; i < to; i++) {
            int t = target.at(i);
            Residual.factors(factors, spec.tokenDropout(), i, columns);
            int s = table.at(id.get(i));
            for (int j = 0; j < columns; j++) {
              target.data[t + j] = table.data[s + j] * factors[j];
            }
            positionFactors(factors, spec, i, position.get(i), columns);
            int column = 0;
            for (int a = 0; a < axes.size(); a++) {
              Axis axis = spec.axes().get(a);
              FloatRows rows = axes.get(a);
              int r = rows.at(axis.index(position.get(i)));
              for (int j = 0; j < axis.width(); j++) {
                target.data[t + column + j] += rows.data[r + j] * factors[column + j];
              }
              column += axis.width();
            }
          }
        });
  }

  static void backward(
      Workers workers,
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec) {
    TrainingArguments.embedBackward(dTokens, dTables, dOut, ids, positions, spec);
    IntRows id = IntRows.of(ids);
    IntRows position = IntRows.of(positions);
    checkRange("embedBackward", "ids", id, (int) dOut.rows(), dTokens.rows());
    checkRange("embedBackward", "positions", position, (int) dOut.rows(), spec.positions());
    FloatRows source = FloatRows.of(dOut);
    FloatRows table = FloatRows.of(dTokens);
    List<FloatRows> axes = dTables.stream().map(FloatRows::of).toList();
    int columns = source.columns;
    // Parallel over columns: several rows add to one table row, in their own order.
    workers.forRange(
        columns,
        16,
        (from, to) -> {
          float[] factors = new float[columns];
          for (int i = 0; i < source.rows; i++) {
            int s = source.at(i);
            int t = table.at(id.get(i));
            Residual.factors(factors, spec.tokenDropout(), i, columns);
            for (int j = from; j < to; j++) {
              table.data[t + j] += source.data[s + j] * factors[j];
            }
            positionFactors(factors, spec, i, position.get(i), columns);
            int column = 0;
            for (int a = 0; a < axes.size(); a++) {
              Axis axis = spec.axes().get(a);
              FloatRows rows = axes.get(a);
              int r = rows.at(axis.index(position.get(i)));
              int last = Math.min(to, column + axis.width());
              for (int j = Math.max(from, column); j < last; j++) {
                rows.data[r + j - column] += source.data[s + j] * factors[j];
              }
              column += axis.width();
            }
          }
        });
  }

  private static void positionFactors(
      float[] factors, EmbeddingSpec spec, int row, int position, int columns) {
    Dropout dropout = spec.positionDropout();
    if (dropout.isNone() || !spec.sharesPositionDropout()) {
      Residual.factors(factors, dropout, row, columns);
      return;
    }
    Axis last = spec.axes().get(spec.axes().size() - 1);
    float[] one = new float[1];
    long sequence = row / spec.rowsPerSequence();
    dropout.factors(one, 0, 1, sequence * last.size() + last.index(position));
    java.util.Arrays.fill(factors, 0, columns, one[0]);
  }

  private static void checkRange(String op, String name, IntRows values, int count, long limit) {
    for (int i = 0; i < count; i++) {
      int value = values.get(i);
      if (value < 0 || value >= limit) {
        throw Arguments.wrongIndex(op, name, i, limit, value);
      }
    }
  }
}
