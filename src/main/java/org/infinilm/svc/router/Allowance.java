package org.infinilm.svc.router;

/// How much of its limits a key has used: requests in flight, which count without limits too, and
/// requests and tokens of the last minute. Immutable and pure.
///
/// @param drains the limits that requests and tokens had last, at whose rates what was used drains
///   while they have none
/*
 * Requests and tokens are leaky buckets as deep as a minute's worth (the meter of ITU-T I.371, Annex A): what
 * is used drains at the rate of the limit, and what does not fit is denied. Tokens are known when an answer has
 * come: an estimate is taken at the start, never more than the bucket holds, and set right at the end. What
 * an answer took beyond its estimate may overfill the bucket, and time pays it back. What is used while there is
 * no limit is not metered; what was used before stays and drains as it did.
 */
record Allowance(
    long inFlight, double requests, double tokens, long nanos, Allowance.Limits drains) {
  private static final double MINUTE_NANOS = 60e9;

  /// What one key may do at most.
  ///
  /// @param inFlight requests at once; 0 for no limit, as with the others
  /// @param requests in a minute
  /// @param tokens of prompts and answers in a minute
  record Limits(long inFlight, long requests, long tokens) {
    static final Limits NONE = new Limits(0, 0, 0);

    /// These as a part of one whole, as the same share of another; of a limit that was none, all.
    Limits scaled(Limits from, Limits to) {
      return new Limits(
          scaled(inFlight, from.inFlight, to.inFlight),
          scaled(requests, from.requests, to.requests),
          scaled(tokens, from.tokens, to.tokens));
    }

    private static long scaled(long part, long from, long to) {
      return from == 0 || to == 0 ? to : Math.clamp((long) ((double) part * to / from), 1, to);
    }

    /// The same, with the rates of others where it has none.
    private Limits orElse(Limits o) {
      return new Limits(
          inFlight, requests == 0 ? o.requests : requests, tokens == 0 ? o.tokens : tokens);
    }
  }

  /// Which limit was met.
  enum Limit {
    IN_FLIGHT,
    REQUESTS,
    TOKENS
  }

  sealed interface Verdict {}

  /// @param reserved tokens, for [#settled]
  record Granted(Allowance now, long reserved) implements Verdict {}

  /// @param retryNanos when it may be granted; 0 when no time tells
  record Denied(Allowance now, Limit limit, long retryNanos) implements Verdict {}

  Allowance(long inFlight, double requests, double tokens, long nanos) {
    this(inFlight, requests, tokens, nanos, Limits.NONE);
  }

  /// Nothing used.
  static Allowance fresh(long nowNanos) {
    return new Allowance(0, 0, 0, nowNanos);
  }

  /// The same at a later time, under limits that have been in force since.
  Allowance at(Limits l, long nowNanos) {
    Limits by = l.equals(drains) ? drains : l.orElse(drains);
    long passed = Math.max(0, nowNanos - nanos);
    return passed == 0 && by.equals(drains)
        ? this
        : new Allowance(
            inFlight,
            left(requests, passed, by.requests()),
            left(tokens, passed, by.tokens()),
            nanos + passed,
            by);
  }

  /// Whether nothing is used.
  boolean isUnused() {
    return inFlight == 0 && requests == 0 && tokens == 0;
  }

  private static double left(double used, long passedNanos, long limit) {
    return limit == 0 ? 0 : Math.max(0, used - passedNanos * (limit / MINUTE_NANOS));
  }

  /// One more request, which comes to about so many tokens.
  Verdict ask(Limits l, long estimate, long nowNanos) {
    Allowance a = at(l, nowNanos);
    long tokens = l.tokens() == 0 ? 0 : Math.min(estimate, l.tokens());
    if (l.inFlight() > 0 && a.inFlight >= l.inFlight()) {
      return new Denied(a, Limit.IN_FLIGHT, 0);
    }
    if (l.requests() > 0 && a.requests + 1 > l.requests()) {
      return new Denied(a, Limit.REQUESTS, until(a.requests + 1 - l.requests(), l.requests()));
    }
    if (l.tokens() > 0 && (a.tokens + tokens > l.tokens() || a.tokens >= l.tokens())) {
      return new Denied(
          a, Limit.TOKENS, until(a.tokens + Math.max(1, tokens) - l.tokens(), l.tokens()));
    }
    double requests = l.requests() == 0 ? a.requests : a.requests + 1;
    return new Granted(
        new Allowance(a.inFlight + 1, requests, a.tokens + tokens, a.nanos, a.drains), tokens);
  }

  /// A granted request is over.
  ///
  /// @param reserved what was taken for it
  /// @param used what it came to
  Allowance settled(Limits l, long reserved, long used, long nowNanos) {
    Allowance a = at(l, nowNanos);
    long counts = l.tokens() == 0 ? Math.min(used, reserved) : used;
    double tokens = Math.max(0, a.tokens + counts - reserved);
    return new Allowance(Math.max(0, a.inFlight - 1), a.requests, tokens, a.nanos, a.drains);
  }

  /// The same under other limits, with as much left as before: what moves from one router to
  /// another is no more than it was.
  Allowance moved(Limits from, Limits to) {
    return new Allowance(
        inFlight,
        moved(requests, from.requests(), to.requests()),
        moved(tokens, from.tokens(), to.tokens()),
        nanos,
        drains);
  }

  private static double moved(double used, long from, long to) {
    return from == 0 || to == 0 ? used : Math.max(0, used + to - from);
  }

  /// The same under other limits that are said in place of these: of a lower one a minute's worth
  /// is used at most, which a minute gives back; what overfilled it does so in proportion.
  Allowance lowered(Limits from, Limits to) {
    return new Allowance(
        inFlight,
        lowered(requests, from.requests(), to.requests()),
        lowered(tokens, from.tokens(), to.tokens()),
        nanos,
        drains);
  }

  private static double lowered(double used, long from, long to) {
    return from == 0 || to == 0 || to >= from
        ? used
        : Math.min(used, Math.max(1, used / from) * to);
  }

  private static long until(double over, long limit) {
    return (long) Math.ceil(over * (MINUTE_NANOS / limit));
  }

  /// Requests that may still come now.
  long requestsLeft(Limits l) {
    return (long) Math.max(0, l.requests() - requests);
  }

  long tokensLeft(Limits l) {
    return (long) Math.max(0, l.tokens() - tokens);
  }

  /// Time until all requests of a minute may come again.
  long requestsResetNanos(Limits l) {
    return until(requests, l.requests());
  }

  long tokensResetNanos(Limits l) {
    return until(tokens, l.tokens());
  }
}
