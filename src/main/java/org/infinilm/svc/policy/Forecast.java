package org.infinilm.svc.policy;

/// What a policy foretold of a request when it sent it, and what it took the instance for; it gets
/// that back with the [Facts].
///
/// @param newTokens of the prompt that no cache was expected to hold
/// @param prefillNanos what computing them should cost
/// @param firstNanos until the first token, waiting included
/// @param tokenNanos between tokens of the answer
/// @param alone whether nothing else was to be computed before it, so that the time to its first
///   token is the cost of its prompt
/// @param longestTokens longest context on the instance, its own included
/// @param totalTokens contexts on the instance together, its own included
/// @param ruleLoss what the fixed rule's choice was expected to lose
public record Forecast(
    double newTokens,
    double prefillNanos,
    double firstNanos,
    double tokenNanos,
    boolean alone,
    double longestTokens,
    double totalTokens,
    double ruleLoss) {
  /// Nothing was foretold.
  public static final Forecast NONE = new Forecast(0, 0, 0, 0, false, 0, 0, 0);
}
