package org.infinilm.svc.router;

/// How much is asked for in a minute, as an average over the last seconds. Immutable and pure.
record AskRate(
    long requests, long tokens, double requestsAMinute, double tokensAMinute, long nanos) {
  static final AskRate NONE = new AskRate(0, 0, 0, 0, 0);

  /// Older than this counts for about a third.
  private static final double MEMORY_NANOS = 5e9;

  private static final double MINUTE_NANOS = 60e9;

  /// @param requestsInAll ever asked for
  AskRate after(long requestsInAll, long tokensInAll, long nowNanos) {
    if (nanos == 0) {
      return new AskRate(requestsInAll, tokensInAll, 0, 0, nowNanos);
    }
    double passed = Math.max(1, nowNanos - nanos);
    double step = -Math.expm1(-passed / MEMORY_NANOS);
    return new AskRate(
        requestsInAll,
        tokensInAll,
        mean(requestsAMinute, requestsInAll - requests, passed, step),
        mean(tokensAMinute, tokensInAll - tokens, passed, step),
        nowNanos);
  }

  private static double mean(double before, long more, double passed, double step) {
    double now = before + step * (more * MINUTE_NANOS / passed - before);
    return now < 0.5 ? 0 : now;
  }

  Sibling.Ask ask(long inFlight) {
    return new Sibling.Ask(
        inFlight, (long) Math.ceil(requestsAMinute), (long) Math.ceil(tokensAMinute));
  }
}
