package org.reformer4j.kernels;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.Shape;

/** Flags on the device, one for each of some steps on fixed-point streams, and which steps. */
final class StepFlags {
  /** How many there are; the steps that come after them share the last one. */
  static final int COUNT = 1024;

  /** A step, or several of one branch. */
  record Step(String op, String place, Shape shape) {}

  private final List<Step> steps = new ArrayList<>();

  /** Where they are on the device, 0 before the first is needed. */
  long address;

  /** Whether they are to be freed after the next look at them. */
  boolean unused;

  /** How many of the steps this run of them has come to. */
  private int at;

  private boolean shared;

  /** Returns the address of a step's flag. */
  long of(Step step) {
    if (at == 0 || !steps.get(at - 1).equals(step)) {
      if (at == COUNT) {
        shared = true;
      } else {
        if (at == steps.size()) {
          steps.add(step);
        }
        at++;
      }
    }
    return address + (at - 1L) * Integer.BYTES;
  }

  /** Begins a second run of the same steps. */
  void restart() {
    at = 0;
  }

  /** Forgets the steps. */
  void clear() {
    steps.clear();
    at = 0;
    shared = false;
  }

  /** Returns the steps that have flags. */
  List<Step> steps() {
    return List.copyOf(steps);
  }

  /** Returns whether the last flag is one of several steps. */
  boolean shared() {
    return shared;
  }
}
