package org.infinilm.svc.history;

import org.jspecify.annotations.Nullable;

/// One finished request, as history keeps it: names and numbers, never text.
///
/// @param key name of the client's key; empty where there is none
/// @param model empty when it is not known
/// @param pool `paged`, `static` or `any`; empty when it came to no instance
/// @param instance empty when it came to none
/// @param reason why it went there; empty when it went nowhere
/// @param outcome the closed set of the metrics
/// @param attempts that were sent to instances
/// @param ttftNanos 0 when it is not known
/// @param tokens null when the answer did not tell them
public record Entry(
    long epochMillis,
    String requestId,
    String key,
    String model,
    String pool,
    String instance,
    String reason,
    String outcome,
    int status,
    End end,
    int attempts,
    long ttftNanos,
    long totalNanos,
    @Nullable Tokens tokens)
    implements Ended {

  /// How it ended, as far as figures ask.
  public enum End {
    WELL,
    /// By no fault of its client.
    ERROR,
    OTHERWISE
  }

  /// As the `usage` of the answer tells them; cached ones are prompt tokens too.
  public record Tokens(long prompt, long cached, long completion) {}

  @Override
  public boolean told() {
    return tokens != null;
  }

  @Override
  public long promptTokens() {
    return tokens == null ? 0 : tokens.prompt();
  }

  @Override
  public long cachedTokens() {
    return tokens == null ? 0 : tokens.cached();
  }

  @Override
  public long completionTokens() {
    return tokens == null ? 0 : tokens.completion();
  }
}
