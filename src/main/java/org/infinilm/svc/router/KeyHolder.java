package org.infinilm.svc.router;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// One client's key at work: what it has used of its limits, over all event loops, and counts.
/// Thread-safe; nothing waits.
final class KeyHolder implements KeyRing.Who {
  /// Counts by the values of an enum.
  private static final class Counts<E extends Enum<E>> {
    private final LongAdder[] by;

    Counts(Class<E> of) {
      by = new LongAdder[of.getEnumConstants().length];
      Arrays.setAll(by, k -> new LongAdder());
    }

    @SuppressWarnings("EnumOrdinal") // the index of an array that lives no longer than this process
    void add(E what, long n) {
      by[what.ordinal()].add(n);
    }

    @SuppressWarnings("EnumOrdinal") // as above
    long sum(E what) {
      return by[what.ordinal()].sum();
    }
  }

  private final Ticker ticker;
  private final AtomicReference<Allowance> used;
  private final Counts<KeyRing.Cause> refused = new Counts<>(KeyRing.Cause.class);
  private final Counts<Outcome> ended = new Counts<>(Outcome.class);
  private final Counts<Series.Tokens> tokens = new Counts<>(Series.Tokens.class);
  private final LongAdder asked = new LongAdder();
  private final LongAdder askedTokens = new LongAdder();
  private final LongAdder askedAtOnce = new LongAdder();
  private volatile ClientKey key;

  /// This router's part of the limits; null for all of them.
  private volatile Allowance.@Nullable Limits part;

  private AskRate rate = AskRate.NONE;

  KeyHolder(ClientKey key, Ticker ticker) {
    this(key, ticker, new AtomicReference<>(Allowance.fresh(ticker.nanos())));
  }

  private KeyHolder(ClientKey key, Ticker ticker, AtomicReference<Allowance> used) {
    this.key = key;
    this.ticker = ticker;
    this.used = used;
  }

  /// The same key under another name: what it has used is one, what is counted by name is not.
  KeyHolder renamed(ClientKey other) {
    KeyHolder h = new KeyHolder(key, ticker, used);
    h.part = part;
    h.is(other);
    return h;
  }

  String name() {
    return key.name();
  }

  /// What the file says of it.
  ClientKey key() {
    return key;
  }

  /// The file says something else of it now. This router's part stays the same share of it, until
  /// the routers have divided it anew.
  void is(ClientKey other) {
    Allowance.Limits until = limits();
    Allowance.Limits whole = key.limits();
    long now = ticker.nanos();
    if (other.limits().equals(whole)) {
      used.updateAndGet(a -> a.at(until, now));
    } else {
      Allowance.Limits p = part;
      Allowance.Limits next = p == null ? other.limits() : p.scaled(whole, other.limits());
      used.updateAndGet(a -> a.at(until, now).lowered(until, next));
      part = p == null ? null : next;
    }
    key = other;
  }

  /// What it may do here: its limits, or this router's part of them.
  private Allowance.Limits limits() {
    Allowance.Limits p = part;
    return p == null ? key.limits() : p;
  }

  /// Puts this router's part of its limits into force.
  void share(Allowance.Limits now) {
    Allowance.Limits before = limits();
    if (!now.equals(before)) {
      long nanos = ticker.nanos();
      part = now.equals(key.limits()) ? null : now;
      used.updateAndGet(a -> a.at(before, nanos).moved(before, now));
    }
  }

  /// What is asked for with it: at once, and of late in a minute. One thread at a time.
  Sibling.Ask asked() {
    rate = rate.after(asked.sum(), askedTokens.sum(), ticker.nanos());
    return rate.ask(inFlight() + askedAtOnce.sumThenReset());
  }

  /// Whether nothing would be lost if it were forgotten.
  boolean isUnused() {
    return used.get().at(limits(), ticker.nanos()).isUnused();
  }

  /// Counts a request in, or says which limit it meets.
  Allowance.Verdict enter(long estimate) {
    Allowance.Limits l = limits();
    long now = ticker.nanos();
    asked.increment();
    askedTokens.add(Math.max(0, estimate));
    while (true) {
      Allowance before = used.get();
      Allowance.Verdict v = before.ask(l, estimate, now);
      switch (v) {
        case Allowance.Denied d -> {
          askedAtOnce.add(d.limit() == Allowance.Limit.IN_FLIGHT ? 1 : 0);
          return d;
        }
        case Allowance.Granted g -> {
          if (used.compareAndSet(before, g.now())) {
            return g;
          }
        }
      }
    }
  }

  /// A request that was counted in is over.
  ///
  /// @param reserved tokens that were taken for it
  /// @param came tokens that it came to
  void leave(long reserved, long came) {
    Allowance.Limits l = limits();
    long now = ticker.nanos();
    askedTokens.add(Math.max(0, came - reserved));
    used.updateAndGet(a -> a.settled(l, reserved, came, now));
  }

  void refused(KeyRing.Cause cause) {
    refused.add(cause, 1);
  }

  /// A request of it ended so.
  void ended(Outcome outcome, @Nullable Usage usage) {
    ended.add(outcome, 1);
    if (usage != null) {
      tokens.add(Series.Tokens.PROMPT, usage.promptTokens());
      tokens.add(Series.Tokens.CACHED, usage.cachedTokens());
      tokens.add(Series.Tokens.COMPLETION, usage.completionTokens());
    }
  }

  long refusals(KeyRing.Cause cause) {
    return refused.sum(cause);
  }

  long requests(Outcome outcome) {
    return ended.sum(outcome);
  }

  long tokens(Series.Tokens kind) {
    return tokens.sum(kind);
  }

  long inFlight() {
    return used.get().inFlight();
  }

  /// What is said of its limits with an answer; nothing of those that it has not.
  ///
  /// @param anthropic whether in that API's names as well
  List<Header> fields(boolean anthropic) {
    Allowance.Limits l = limits();
    List<Header> out = new ArrayList<>(l.requests() + l.tokens() == 0 ? 0 : 12);
    if (l.requests() + l.tokens() == 0) {
      return out;
    }
    Allowance.Limits all = key.limits();
    Allowance a = used.get().at(l, ticker.nanos());
    if (l.requests() > 0) {
      add(out, "requests", all.requests(), a.requestsLeft(l), a.requestsResetNanos(l), anthropic);
    }
    if (l.tokens() > 0) {
      add(out, "tokens", all.tokens(), a.tokensLeft(l), a.tokensResetNanos(l), anthropic);
    }
    return out;
  }

  private void add(
      List<Header> out, String what, long limit, long left, long resetNanos, boolean anthropic) {
    out.add(new Header("x-ratelimit-limit-" + what, Long.toString(limit)));
    out.add(new Header("x-ratelimit-remaining-" + what, Long.toString(left)));
    out.add(new Header("x-ratelimit-reset-" + what, duration(resetNanos)));
    if (anthropic) {
      String name = "anthropic-ratelimit-" + what;
      Instant reset = ticker.now().plusNanos(resetNanos).truncatedTo(ChronoUnit.SECONDS);
      out.add(new Header(name + "-limit", Long.toString(limit)));
      out.add(new Header(name + "-remaining", Long.toString(left)));
      out.add(new Header(name + "-reset", reset.toString()));
    }
  }

  /// As OpenAI writes it: `20ms`, `7.5s`, `6m0s`.
  static String duration(long nanos) {
    long millis = (nanos + 999_999) / 1_000_000;
    if (millis < 1000) {
      return millis + "ms";
    }
    String seconds = String.format(Locale.ROOT, "%.3f", millis % 60_000 / 1e3);
    String short_ = seconds.replaceAll("\\.?0+$", "");
    return (millis < 60_000 ? "" : millis / 60_000 + "m") + (short_.isEmpty() ? "0" : short_) + "s";
  }

  /// What a request is told that meets a limit.
  ApiError denied(Allowance.Denied d) {
    Allowance.Limits l = key.limits();
    String of = "the key " + name() + " has ";
    String said =
        switch (d.limit()) {
          case IN_FLIGHT ->
              of + l.inFlight() + " requests in flight (expected: one of them to end)";
          case REQUESTS -> of + "used its " + l.requests() + " requests a minute";
          case TOKENS -> of + "used its " + l.tokens() + " tokens a minute";
        };
    long seconds = Math.max(1, (d.retryNanos() + 999_999_999) / 1_000_000_000);
    return ApiError.rateLimited(said, Long.toString(seconds));
  }
}
