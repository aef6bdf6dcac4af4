package org.infinilm.svc.policy;

/// Requests on an instance that this router did not send, as the instance's own gauges tell.
///
/// @param running in its batch
/// @param waiting in its queue
/// @param steadyNanos how long its gauges have told the very same: of an engine that works they
///   move, of one whose gauges stand still nothing is known
public record Others(int running, int waiting, long steadyNanos) {
  /// None, or nobody tells.
  public static final Others NONE = new Others(0, 0);

  /// As told this moment.
  public Others(int running, int waiting) {
    this(running, waiting, 0);
  }

  boolean any() {
    return running > 0 || waiting > 0;
  }

  Others plus(Others more) {
    return !more.any()
        ? this
        : new Others(
            running + more.running,
            waiting + more.waiting,
            any() ? Math.min(steadyNanos, more.steadyNanos) : more.steadyNanos);
  }
}
