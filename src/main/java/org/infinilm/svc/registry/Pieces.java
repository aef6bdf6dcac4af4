package org.infinilm.svc.registry;

import java.util.concurrent.atomic.AtomicInteger;

/// How large the pieces of large answers are: a reader holds a few of them when it does not read,
/// so that many readers get smaller ones. Thread-safe.
final class Pieces {
  private static final int FEW = 32;
  private static final int LARGE_BYTES = 512 << 10;
  private static final int SMALL_BYTES = 32 << 10;

  private final AtomicInteger answers = new AtomicInteger();

  /// To be followed by [#end].
  void begin() {
    answers.incrementAndGet();
  }

  void end() {
    answers.decrementAndGet();
  }

  int bytes() {
    return answers.get() <= FEW ? LARGE_BYTES : SMALL_BYTES;
  }
}
