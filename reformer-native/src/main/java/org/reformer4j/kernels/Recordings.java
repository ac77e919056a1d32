package org.reformer4j.kernels;

import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.reformer4j.api.ExclusiveUse;
import org.reformer4j.api.Recording;

/**
 * Recordings of a GPU: graphs of the kernel library. Operations are issued twice. The first time
 * they are done, and everything that they make when it is first needed comes into being: memory,
 * plans of products, tables, code on the device. The second time they are only kept, with the
 * addresses of the first.
 */
final class Recordings {
  private final Device device;
  private final ExclusiveUse use;
  private final DeviceMemory memory;
  private final StreamRange range;
  private final SequenceTable sequences;
  private final Set<Graph> open = new LinkedHashSet<>();

  Recordings(
      Device device,
      ExclusiveUse use,
      DeviceMemory memory,
      StreamRange range,
      SequenceTable sequences) {
    this.device = device;
    this.use = use;
    this.memory = memory;
    this.range = range;
    this.sequences = sequences;
  }

  /** Issues operations and keeps them; leaves everything as it was if they throw. */
  Recording record(Runnable operations) {
    Graph graph = new Graph();
    boolean complete = false;
    try {
      graph.enter();
      device.issue(Device.Issue.FIRST_RUN);
      operations.run();
      graph.memory.requireReturned();
      graph.memory.keepWorkspace();
      graph.flags.restart();
      graph.address = capture(operations, graph.memory);
      open.add(graph);
      complete = true;
      return graph;
    } finally {
      device.issue(Device.Issue.AT_ONCE);
      graph.leave();
      if (!complete) {
        graph.release();
      }
    }
  }

  private long capture(Runnable operations, RecordedMemory recorded) {
    device.check("record", "", device.kernels().rf_record_begin(device.context()));
    device.issue(Device.Issue.CAPTURE);
    boolean complete = false;
    try {
      operations.run();
      recorded.requireReturned();
      complete = true;
    } finally {
      if (!complete) {
        device.note("record", device.kernels().rf_record_end(device.context(), null));
      }
    }
    long[] graph = new long[1];
    device.check("record", "", device.kernels().rf_record_end(device.context(), graph));
    return graph[0];
  }

  /** Closes all that are open. */
  void close() {
    List<Graph> all = new ArrayList<>(open);
    all.forEach(Graph::finish);
  }

  /** One recording. */
  private final class Graph implements Recording {
    private final RecordedMemory memory = new RecordedMemory(device, Recordings.this.memory);
    private final StepFlags flags = new StepFlags();
    private final Map<IntBuffer, Long> tables = new HashMap<>();
    private long address;
    private boolean closed;

    void enter() {
      Recordings.this.memory.record(memory);
      range.record(flags);
      sequences.record(tables);
    }

    void leave() {
      Recordings.this.memory.record(null);
      range.record(null);
      sequences.record(null);
      memory.freeForeign();
    }

    @Override
    public void replay() {
      use.run("replay", this::launch);
    }

    private void launch() {
      if (closed) {
        throw new IllegalStateException("this recording is closed: record the operations again");
      }
      device.begin("replay");
      device.requireUnrecorded("replay");
      memory.replay();
      device.check("replay", "", device.kernels().rf_replay(device.context(), address));
      range.queue(flags);
    }

    @Override
    public void close() {
      use.run(
          "close",
          () -> {
            if (!closed) {
              device.requireUnrecorded("close");
              finish();
            }
          });
    }

    void finish() {
      closed = true;
      open.remove(this);
      release();
    }

    /** Frees in the order of the stream, behind what is still at work. */
    void release() {
      if (address != 0 && device.alive()) {
        device.note("close", device.kernels().rf_recording_destroy(device.context(), address));
      }
      range.free(flags);
      sequences.free(tables);
      memory.close();
    }
  }
}
