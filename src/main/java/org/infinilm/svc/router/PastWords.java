package org.infinilm.svc.router;

import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.history.Ended;
import org.infinilm.svc.history.Entry;
import org.infinilm.svc.history.History;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// A decision as history keeps it. Stateless.
final class PastWords implements History.Words<Decision> {
  private final SizeMetric metric;

  PastWords(SizeMetric metric) {
    this.metric = metric;
  }

  /// A decision as figures ask of it.
  private record Past(Decision of) implements Ended {
    @Override
    public long epochMillis() {
      return of.epochMillis();
    }

    @Override
    public String key() {
      return orEmpty(of.key());
    }

    @Override
    public String model() {
      return of.model();
    }

    /// That of its instance: policies that choose from all say no pool.
    @Override
    public String pool() {
      String name = of.instance();
      if (name == null) {
        return "";
      }
      Pool pool = of.pool();
      if (pool != null && pool != Pool.ANY) {
        return pool.label();
      }
      Roll roll = of.roll();
      for (int k = 0; k < roll.size(); k++) {
        if (roll.name(k).equals(name)) {
          return roll.pool(k).label();
        }
      }
      return Pool.ANY.label();
    }

    @Override
    public String reason() {
      Reason r = of.reason();
      return r == null ? "" : r.label();
    }

    @Override
    public Entry.End end() {
      return of.outcome() == Outcome.OK
          ? Entry.End.WELL
          : Figures.isError(of.outcome()) ? Entry.End.ERROR : Entry.End.OTHERWISE;
    }

    @Override
    public int attempts() {
      return of.attempts();
    }

    @Override
    public long ttftNanos() {
      return of.ttftNanos();
    }

    @Override
    public boolean told() {
      return of.usage() != null;
    }

    @Override
    public long promptTokens() {
      Usage u = of.usage();
      return u == null ? 0 : u.promptTokens();
    }

    @Override
    public long cachedTokens() {
      Usage u = of.usage();
      return u == null ? 0 : u.cachedTokens();
    }

    @Override
    public long completionTokens() {
      Usage u = of.usage();
      return u == null ? 0 : u.completionTokens();
    }
  }

  @Override
  public Ended ended(Decision d) {
    return new Past(d);
  }

  @Override
  public Entry entry(Decision d) {
    Past p = new Past(d);
    return new Entry(
        p.epochMillis(),
        d.requestId(),
        p.key(),
        p.model(),
        p.pool(),
        orEmpty(d.instance()),
        p.reason(),
        d.outcome().label(),
        d.status(),
        p.end(),
        p.attempts(),
        p.ttftNanos(),
        d.totalNanos(),
        tokens(d.usage()));
  }

  private static String orEmpty(@Nullable String name) {
    return name == null ? "" : name;
  }

  private static Entry.@Nullable Tokens tokens(@Nullable Usage u) {
    return u == null
        ? null
        : new Entry.Tokens(u.promptTokens(), u.cachedTokens(), u.completionTokens());
  }

  @Override
  public byte[] whole(Decision d) {
    return Json.bytes(DecisionJson.whole(d, metric));
  }
}
