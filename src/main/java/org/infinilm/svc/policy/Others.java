package org.infinilm.svc.policy;

/// Requests on an instance that this router did not send, as the instance's own gauges tell.
///
/// @param running in its batch
/// @param waiting in its queue
public record Others(int running, int waiting) {
  /// None, or nobody tells.
  public static final Others NONE = new Others(0, 0);

  boolean any() {
    return running > 0 || waiting > 0;
  }

  Others plus(Others more) {
    return more.any() ? new Others(running + more.running, waiting + more.waiting) : this;
  }
}
