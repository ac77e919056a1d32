package org.reformer4j.kernels;

import java.nio.IntBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.Sequences;

/**
 * Lengths and slots of a batch's sequences on the device: [2, B], the lengths first. An upload may
 * wait, but all layers of a batch that see the same places share one.
 */
final class SequenceTable {
  /** Local layers and LSH layers of one model may see different places. */
  private static final int KEPT = 4;

  private final Device device;
  private final Transfers transfers;

  /** Addresses of what is on the device, by content, the latest use last. */
  private final Map<IntBuffer, Long> uploaded = new LinkedHashMap<>(KEPT, 0.75f, true);

  /** Those of the recording that is being made, which must stay where they are; else null. */
  private Map<IntBuffer, Long> recorded;

  SequenceTable(Device device, Transfers transfers) {
    this.device = device;
    this.transfers = transfers;
  }

  /** Takes tables of a recording from now on, or the usual ones for null. */
  void record(Map<IntBuffer, Long> tables) {
    recorded = tables;
  }

  /** Returns the address of the table. */
  long address(String op, Sequences sequences) {
    int batch = sequences.batch();
    int[] values = new int[2 * batch];
    for (int b = 0; b < batch; b++) {
      values[b] = sequences.length(b);
      values[batch + b] = sequences.slots(b);
    }
    IntBuffer table = IntBuffer.wrap(values);
    Map<IntBuffer, Long> tables = recorded == null ? uploaded : recorded;
    Long known = tables.get(table);
    if (known != null) {
      return known;
    }
    device.requireFirstRun("a batch of such lengths, in " + op);
    if (recorded == null && uploaded.size() == KEPT) {
      free(uploaded.remove(uploaded.keySet().iterator().next()));
    }
    long[] allocated = new long[1];
    long bytes = (long) values.length * Integer.BYTES;
    device.check(op, "", device.kernels().rf_allocate(device.context(), bytes, allocated));
    boolean filled = false;
    try {
      transfers.upload(op, allocated[0], values);
      filled = true;
    } finally {
      if (!filled) {
        free(allocated[0]);
      }
    }
    tables.put(table, allocated[0]);
    return allocated[0];
  }

  /** Returns the address of the lengths, 0 where every sequence fills its rows. */
  long lengths(String op, Sequences sequences) {
    for (int b = 0; b < sequences.batch(); b++) {
      if (sequences.length(b) < sequences.stride()) {
        return address(op, sequences);
      }
    }
    return 0;
  }

  void close() {
    free(uploaded);
  }

  /** Gives tables back. */
  void free(Map<IntBuffer, Long> tables) {
    tables.values().forEach(this::free);
    tables.clear();
  }

  private void free(long address) {
    if (device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), address));
    }
  }
}
