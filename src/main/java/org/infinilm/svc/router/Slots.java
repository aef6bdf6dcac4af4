package org.infinilm.svc.router;

import java.util.Arrays;

/// The counters of all instances by slot; grows with the fleet. Thread-safe, reading never waits.
final class Slots {
  private static final int FIRST = 64;

  private volatile Slot[] slots = new Slot[0];

  Slot at(int slot) {
    Slot[] s = slots;
    return slot < s.length ? s[slot] : grown(slot);
  }

  private synchronized Slot grown(int slot) {
    Slot[] before = slots;
    if (slot >= before.length) {
      Slot[] more = Arrays.copyOf(before, Math.max(FIRST, Math.max(slot + 1, before.length * 2)));
      for (int k = before.length; k < more.length; k++) {
        more[k] = new Slot();
      }
      slots = more;
    }
    return slots[slot];
  }
}
