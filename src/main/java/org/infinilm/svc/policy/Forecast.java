package org.infinilm.svc.policy;

/// What a policy foretold of a request when it sent it.
///
/// @param newTokens of the prompt that no cache was expected to hold
/// @param prefillNanos what computing them should cost
/// @param firstNanos until the first token, waiting included
/// @param tokenNanos between tokens of the answer
/// @param outputTokens of the answer
/// @param alone whether nothing else was to be computed before it, so that the time to its first
///   token is the cost of its prompt
public record Forecast(
    double newTokens,
    double prefillNanos,
    double firstNanos,
    double tokenNanos,
    double outputTokens,
    boolean alone) {
  /// Nothing was foretold.
  public static final Forecast NONE = new Forecast(0, 0, 0, 0, 0, false);
}
