package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.policy.Facts.Usage;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a request costs its key.
class AccountTest {
  private static final long PROMPT = 40;
  private static final long TAKEN = 500;

  private static Decisions.Decision ended(
      Outcome how, int attempts, int events, long bytes, @Nullable Usage usage) {
    SampleDecision d = new SampleDecision();
    d.outcome = how;
    d.attempts = attempts;
    d.events = events;
    d.responseBytes = bytes;
    d.usage = usage;
    return d.make();
  }

  /// How it ended; attempts; events and bytes that were relayed; tokens of prompt and answer in a
  /// `usage`; tokens that it costs.
  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "OK, 1, 0, 900, 30, 70, 100",
        "OK, 1, 50, 900, 30, 70, 100",
        "OK, 1, 50, 900, -, -, 90",
        "OK, 1, 0, 900, -, -, 500",
        // the instance broke it off: nothing, however far it came and whatever it told on the way
        "UPSTREAM_GONE, 1, 50, 900, -, -, 0",
        "UPSTREAM_GONE, 2, 50, 900, 30, 70, 0",
        "TIMEOUT, 1, 50, 900, 30, 1, 0",
        "UPSTREAM_ERROR, 1, 1, 9, 30, 0, 0",
        "CLIENT_ERROR, 1, 0, 9, -, -, 0",
        "REJECTED, 0, 0, 9, -, -, 0",
        "INTERNAL, 1, 5, 9, -, -, 0",
        // the client did: what had come, and no less for a usage that was told at the start
        "CLIENT_GONE, 1, 50, 900, -, -, 90",
        "CLIENT_GONE, 1, 50, 900, 30, 1, 90",
        "CLIENT_GONE, 1, 50, 900, 30, 70, 100",
        "CLIENT_GONE, 1, 0, 900, -, -, 500",
        "CLIENT_GONE, 1, 0, 0, -, -, 40",
        "CLIENT_GONE, 0, 0, 0, -, -, 0",
      })
  void aRequestCostsWhatCameOfItAndNothingWhenItFailed(
      Outcome how,
      int attempts,
      int events,
      long bytes,
      @Nullable Long prompt,
      @Nullable Long completion,
      long cost) {
    Usage usage = prompt == null || completion == null ? null : new Usage(prompt, completion, 0);
    Decisions.Decision d = ended(how, attempts, events, bytes, usage);
    assertThat(Account.cost(d, PROMPT, TAKEN)).isEqualTo(cost);
  }
}
