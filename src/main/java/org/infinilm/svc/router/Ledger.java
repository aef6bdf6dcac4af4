package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;
import org.infinilm.svc.policy.Load;

/// Requests in flight and sent in all, per instance slot. Lock-free; slots stand a cache line
/// apart.
final class Ledger implements Load {
  static final int SLOTS = 2048;
  private static final int INT_STRIDE = 16;
  private static final int LONG_STRIDE = 8;

  private final AtomicIntegerArray inFlight = new AtomicIntegerArray(SLOTS * INT_STRIDE);
  private final AtomicLongArray sent = new AtomicLongArray(SLOTS * LONG_STRIDE);

  @Override
  public int inFlight(int slot) {
    return inFlight.get(slot * INT_STRIDE);
  }

  /// Counts a request in, before it is sent.
  void take(int slot) {
    inFlight.incrementAndGet(slot * INT_STRIDE);
    sent.incrementAndGet(slot * LONG_STRIDE);
  }

  /// Counts it out, once.
  void release(int slot) {
    inFlight.decrementAndGet(slot * INT_STRIDE);
  }

  long sent(int slot) {
    return sent.get(slot * LONG_STRIDE);
  }

  /// Clears the total for a new instance in the slot.
  void reuse(int slot) {
    sent.set(slot * LONG_STRIDE, 0);
  }
}
