package org.reformer4j.kernels;

import java.util.Arrays;
import org.reformer4j.api.Sequences;

/** Lengths and slots of a batch's sequences on the device: [2, B], the lengths first. */
final class SequenceTable {
  private final Device device;
  private final Transfers transfers;

  /** What is on the device, null for nothing. */
  private int[] uploaded;

  private long address;

  SequenceTable(Device device, Transfers transfers) {
    this.device = device;
    this.transfers = transfers;
  }

  /** Returns the address of the table; an upload waits, but all layers of a batch share one. */
  long address(String op, Sequences sequences) {
    int batch = sequences.batch();
    int[] table = new int[2 * batch];
    for (int b = 0; b < batch; b++) {
      table[b] = sequences.length(b);
      table[batch + b] = sequences.slots(b);
    }
    if (!Arrays.equals(table, uploaded)) {
      close();
      long[] allocated = new long[1];
      long bytes = (long) table.length * Integer.BYTES;
      device.check(op, "", device.kernels().rf_allocate(device.context(), bytes, allocated));
      address = allocated[0];
      transfers.upload(op, address, table);
      uploaded = table;
    }
    return address;
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
    if (address != 0 && device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), address));
    }
    address = 0;
    uploaded = null;
  }
}
