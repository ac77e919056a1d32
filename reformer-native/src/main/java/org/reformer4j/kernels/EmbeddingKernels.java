package org.reformer4j.kernels;

import java.util.List;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** Token rows plus position rows, and their gradient: one table after the other. */
final class EmbeddingKernels {
  private final Device device;
  private final DeviceMemory memory;
  private final IndexCheck indices;

  EmbeddingKernels(Device device, DeviceMemory memory, IndexCheck indices) {
    this.device = device;
    this.memory = memory;
    this.indices = indices;
  }

  /**
   * One table of an embedding.
   *
   * @param values its elements
   * @param indices address of what tokens take rows by
   * @param axis size, width and stride
   * @param firstColumn of the embedding
   * @param dropout the mask
   * @param shared the axis whose rows share an element of the mask, null for one per element
   */
  private record Table(
      Rows values, long indices, Axis axis, long firstColumn, Dropout dropout, Axis shared) {
    long maskSize() {
      return shared == null ? 0 : shared.size();
    }

    long maskStride() {
      return shared == null ? 1 : shared.stride();
    }
  }

  void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    String op = "embed";
    TrainingArguments.embed(out, ids, positions, tokens, tables, spec);
    Rows target = Rows.of(memory, out);
    Table[] all = tables(ids, positions, tokens, tables, spec);
    check(op, ids, positions, tokens, spec);
    for (Table table : all) {
      Dropout dropout = table.dropout();
      device.check(
          op,
          out,
          device
              .kernels()
              .rf_embed(
                  device.context(),
                  target.address(),
                  target.stride(),
                  table.indices(),
                  table.axis().stride(),
                  table.values().address(),
                  table.values().stride(),
                  table.axis().size(),
                  table.axis().width(),
                  out.rows(),
                  out.columns(),
                  table.firstColumn(),
                  table == all[0] ? 0 : 1,
                  dropout.stream().seed(),
                  (int) dropout.stream().step(),
                  ResidualKernels.counter(dropout.stream()),
                  (int) dropout.threshold(),
                  dropout.scale(),
                  dropout.firstRow(),
                  spec.rowsPerSequence(),
                  table.maskSize(),
                  table.maskStride()));
    }
  }

  void embedBackward(
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec) {
    String op = "embedBackward";
    TrainingArguments.embedBackward(dTokens, dTables, dOut, ids, positions, spec);
    Rows source = Rows.of(memory, dOut);
    Table[] all = tables(ids, positions, dTokens, dTables, spec);
    check(op, ids, positions, dTokens, spec);
    for (Table table : all) {
      Dropout dropout = table.dropout();
      long workspace =
          memory.workspace(
              device.kernels().rf_embed_backward_workspace(dOut.rows(), table.axis().size()));
      device.check(
          op,
          dOut,
          device
              .kernels()
              .rf_embed_backward(
                  device.context(),
                  table.values().address(),
                  table.values().stride(),
                  source.address(),
                  source.stride(),
                  table.indices(),
                  table.axis().stride(),
                  table.axis().size(),
                  table.axis().width(),
                  dOut.rows(),
                  dOut.columns(),
                  table.firstColumn(),
                  dropout.stream().seed(),
                  (int) dropout.stream().step(),
                  ResidualKernels.counter(dropout.stream()),
                  (int) dropout.threshold(),
                  dropout.scale(),
                  dropout.firstRow(),
                  spec.rowsPerSequence(),
                  table.maskSize(),
                  table.maskStride(),
                  workspace));
    }
  }

  private void check(String op, Tensor ids, Tensor positions, Tensor tokens, EmbeddingSpec spec) {
    indices.indices(op, "ids", ids, tokens.rows());
    indices.indices(op, "positions", positions, spec.positions());
  }

  /** Tokens first; they are a table over all columns. */
  private Table[] tables(
      Tensor ids, Tensor positions, Tensor tokens, List<Tensor> tables, EmbeddingSpec spec) {
    long place = memory.readOnly(positions);
    Axis last = spec.axes().get(spec.axes().size() - 1);
    Axis shared = spec.sharesPositionDropout() ? last : null;
    Table[] all = new Table[1 + tables.size()];
    Axis vocabulary =
        new Axis(Math.toIntExact(tokens.rows()), Math.toIntExact(tokens.columns()), 1);
    all[0] =
        new Table(
            Rows.of(memory, tokens),
            memory.readOnly(ids),
            vocabulary,
            0,
            spec.tokenDropout(),
            null);
    long column = 0;
    for (int a = 0; a < tables.size(); a++) {
      Axis axis = spec.axes().get(a);
      Rows rows = Rows.of(memory, tables.get(a));
      all[a + 1] = new Table(rows, place, axis, column, spec.positionDropout(), shared);
      column += axis.width();
    }
    return all;
  }
}
