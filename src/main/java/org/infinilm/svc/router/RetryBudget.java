package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicLong;

/// Limits retries of answers (429, 502, 503) to a fifth of the requests, so that an overloaded
/// fleet is not asked more than it is. Lock-free.
final class RetryBudget {
  private static final long PER_REQUEST = 1;
  private static final long PER_RETRY = 5;
  private static final long MOST = 100 * PER_RETRY;
  private static final long FIRST = 10 * PER_RETRY;

  private final AtomicLong tokens = new AtomicLong(FIRST);

  void request() {
    if (tokens.get() < MOST) {
      tokens.addAndGet(PER_REQUEST);
    }
  }

  /// Takes the price of one retry; false when the budget is spent.
  boolean retry() {
    long left = tokens.get();
    while (left >= PER_RETRY) {
      if (tokens.compareAndSet(left, left - PER_RETRY)) {
        return true;
      }
      left = tokens.get();
    }
    return false;
  }
}
