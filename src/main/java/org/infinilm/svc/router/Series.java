package org.infinilm.svc.router;

import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.jspecify.annotations.Nullable;

/// What is counted of one model, pool and instance. A data point is made when it is first needed
/// and held from then on, so that recording allocates nothing. Thread-safe.
/*
 * Fields are filled without a lock: the library hands out one data point for the same labels, so two threads
 * that fill a field at once write the same.
 */
@SuppressWarnings("EnumOrdinal") // the index of arrays that live no longer than this process
final class Series {
  private static final int OUTCOMES = Outcome.values().length;

  /// @param instance empty for requests that came to none
  record Key(String model, Pool pool, String instance) {
    String[] labels() {
      return new String[] {model, pool.label(), instance};
    }
  }

  /// The families that all series are of.
  record Families(
      Counter requests,
      Histogram requestSeconds,
      Histogram ttftSeconds,
      Histogram tpotSeconds,
      Histogram queueSeconds,
      Counter tokens,
      Counter spills,
      Counter misroutes) {}

  /// Tokens as `usage` tells them; those of the prompt that came out of a cache are among both.
  enum Tokens {
    PROMPT("prompt"),
    CACHED("cached"),
    COMPLETION("completion");

    private final String label;

    Tokens(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }
  }

  private final Key key;
  private final Families of;
  private final @Nullable CounterDataPoint[] requests =
      new CounterDataPoint[(Reason.values().length + 1) * OUTCOMES];
  private final @Nullable CounterDataPoint[] tokens = new CounterDataPoint[Tokens.values().length];
  private final AtomicLongArray gaps = new AtomicLongArray(Tape.GAP_NANOS.length + 2);
  private volatile boolean streamed;
  private @Nullable DistributionDataPoint requestSeconds;
  private @Nullable DistributionDataPoint ttftSeconds;
  private @Nullable DistributionDataPoint tpotSeconds;
  private @Nullable DistributionDataPoint queueSeconds;
  private @Nullable CounterDataPoint spills;
  private @Nullable CounterDataPoint misroutes;

  /// The next of the same slot.
  @Nullable Series next;

  Series(Key key, Families of) {
    this.key = key;
    this.of = of;
  }

  Key key() {
    return key;
  }

  boolean is(String model, Pool pool, String instance) {
    return key.pool() == pool && key.instance().equals(instance) && key.model().equals(model);
  }

  /// @param tape what passed of its answer, or null
  void settled(Decision d, @Nullable Tape tape) {
    count(d.reason(), d.outcome());
    requestSeconds().observe(d.totalNanos() / 1e9);
    if (d.ttftNanos() > 0) {
      ttftSeconds().observe(d.ttftNanos() / 1e9);
    }
    if (d.queueNanos() > 0) {
      queueSeconds().observe(d.queueNanos() / 1e9);
    }
    long tpot = d.tpotNanos();
    if (tpot > 0) {
      tpotSeconds().observe(tpot / 1e9);
    }
    if (d.reason() == Reason.SPILL) {
      spills().inc();
    }
    Usage u = d.usage();
    if (u != null) {
      tokens(Tokens.PROMPT).inc(u.promptTokens());
      tokens(Tokens.CACHED).inc(u.cachedTokens());
      tokens(Tokens.COMPLETION).inc(u.completionTokens());
    }
    if (tape != null && tape.hasGaps) {
      streamed = true;
      for (int k = 0; k < tape.gaps.length; k++) {
        if (tape.gaps[k] != 0) {
          gaps.addAndGet(k, tape.gaps[k]);
        }
      }
      gaps.addAndGet(tape.gaps.length, tape.gapNanos);
    }
  }

  void count(@Nullable Reason reason, Outcome outcome) {
    int k = (reason == null ? 0 : reason.ordinal() + 1) * OUTCOMES + outcome.ordinal();
    CounterDataPoint p = requests[k];
    if (p == null) {
      p = of.requests().labelValues(labels(reason, outcome));
      requests[k] = p;
    }
    p.inc();
  }

  private String[] labels(@Nullable Reason reason, Outcome outcome) {
    return new String[] {
      key.model(),
      key.pool().label(),
      key.instance(),
      reason == null ? "" : reason.label(),
      outcome.label()
    };
  }

  /// It could not hold a prompt that was sent to it.
  void misrouted() {
    CounterDataPoint p = misroutes;
    if (p == null) {
      p = of.misroutes().labelValues(key.labels());
      misroutes = p;
    }
    p.inc();
  }

  private CounterDataPoint spills() {
    CounterDataPoint p = spills;
    if (p == null) {
      p = of.spills().labelValues(key.labels());
      spills = p;
    }
    return p;
  }

  private DistributionDataPoint requestSeconds() {
    DistributionDataPoint p = requestSeconds;
    if (p == null) {
      p = of.requestSeconds().labelValues(key.labels());
      requestSeconds = p;
    }
    return p;
  }

  private DistributionDataPoint ttftSeconds() {
    DistributionDataPoint p = ttftSeconds;
    if (p == null) {
      p = of.ttftSeconds().labelValues(key.labels());
      ttftSeconds = p;
    }
    return p;
  }

  private DistributionDataPoint tpotSeconds() {
    DistributionDataPoint p = tpotSeconds;
    if (p == null) {
      p = of.tpotSeconds().labelValues(key.labels());
      tpotSeconds = p;
    }
    return p;
  }

  private DistributionDataPoint queueSeconds() {
    DistributionDataPoint p = queueSeconds;
    if (p == null) {
      p = of.queueSeconds().labelValues(key.labels());
      queueSeconds = p;
    }
    return p;
  }

  private CounterDataPoint tokens(Tokens kind) {
    CounterDataPoint p = tokens[kind.ordinal()];
    if (p == null) {
      p = of.tokens().labelValues(labels(kind));
      tokens[kind.ordinal()] = p;
    }
    return p;
  }

  private String[] labels(Tokens kind) {
    return new String[] {key.model(), key.pool().label(), key.instance(), kind.label};
  }

  /// Requests that ended so, of all reasons.
  long requests(Outcome outcome) {
    double n = 0;
    for (int k = outcome.ordinal(); k < requests.length; k += OUTCOMES) {
      CounterDataPoint p = requests[k];
      n += p == null ? 0 : p.get();
    }
    return (long) n;
  }

  /// Requests of this reason, however they ended.
  long requests(Reason reason) {
    double n = 0;
    for (int o = 0; o < OUTCOMES; o++) {
      CounterDataPoint p = requests[(reason.ordinal() + 1) * OUTCOMES + o];
      n += p == null ? 0 : p.get();
    }
    return (long) n;
  }

  /// Tokens of a kind; null when no answer told any.
  @Nullable Long total(Tokens kind) {
    CounterDataPoint p = tokens[kind.ordinal()];
    return p == null ? null : (Long) (long) p.get();
  }

  /// The times between pieces of streams, or null when there were none.
  Metrics.@Nullable Kept kept() {
    if (!streamed) {
      return null;
    }
    long[] counts = new long[gaps.length() - 1];
    for (int k = 0; k < counts.length; k++) {
      counts[k] = gaps.get(k);
    }
    return new Metrics.Kept(List.of(key.labels()), counts, gaps.get(counts.length) / 1e9);
  }

  /// Takes all of it out of the families.
  void drop() {
    for (Outcome o : Outcome.values()) {
      of.requests().remove(labels(null, o));
      for (Reason r : Reason.values()) {
        of.requests().remove(labels(r, o));
      }
    }
    for (Tokens t : Tokens.values()) {
      of.tokens().remove(labels(t));
    }
    for (Histogram h :
        List.of(of.requestSeconds(), of.ttftSeconds(), of.tpotSeconds(), of.queueSeconds())) {
      h.remove(key.labels());
    }
    of.spills().remove(key.labels());
    of.misroutes().remove(key.labels());
  }
}
