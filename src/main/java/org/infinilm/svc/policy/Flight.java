package org.infinilm.svc.policy;

/// One request that was sent to an instance and has not ended, as the router itself knows it. Read
/// from event loops while others write; times from a monotonic clock, in nanoseconds.
public interface Flight {
  /// Estimate of its prompt.
  long promptTokens();

  /// The most tokens that its client allows for the answer; 0 when it did not say.
  long maxTokens();

  long dispatchNanos();

  /// When the first of its answer came; 0 before.
  long firstNanos();

  /// Tokens of its answer that came so far.
  long tokens();

  /// When the last of them came; 0 where nobody looks.
  default long lastNanos() {
    return 0;
  }

  /// The key of its prompt's beginning, as [Ask#prefix]; 0 for none.
  default long prefix() {
    return 0;
  }

  /// What the policy foretold when it sent it; [Forecast#NONE] when it foretold nothing.
  default Forecast forecast() {
    return Forecast.NONE;
  }
}
