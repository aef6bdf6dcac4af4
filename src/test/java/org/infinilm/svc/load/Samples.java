package org.infinilm.svc.load;

import org.infinilm.svc.load.LoadSample.Outcome;
import org.infinilm.svc.workload.LoadItem;

/// Measured requests without a run. Times are nanoseconds after its start.
public final class Samples {
  private Samples() {}

  /// One that was answered, chunk by chunk, at the given times.
  public static LoadSample answered(
      int index, long intended, long sent, int promptTokens, int outputTokens, long... chunks) {
    LoadSample s = new LoadSample(index, LoadItem.of("x", 10));
    s.intended = intended;
    s.eligible = intended;
    s.sent = sent;
    for (long c : chunks) {
      s.chunk(c);
    }
    s.end = s.last;
    s.status = 200;
    s.outcome = Outcome.OK;
    s.promptTokens = promptTokens;
    s.outputTokens = outputTokens;
    s.bodyBytes = 100;
    return s;
  }

  /// The same with another end.
  public static LoadSample ended(LoadSample s, Outcome outcome) {
    s.outcome = outcome;
    return s;
  }

  /// One that was refused, 31 ms after it was sent.
  public static LoadSample refused(int index, long intended, long sent, int status, String detail) {
    LoadSample s = new LoadSample(index, LoadItem.of("x", 4));
    s.intended = intended;
    s.eligible = intended;
    s.sent = sent;
    s.status = status;
    s.outcome = Outcome.REJECTED;
    s.failure = "HTTP " + status;
    s.detail = detail;
    s.end = sent + 31_000_000;
    s.bodyBytes = 100;
    return s;
  }
}
