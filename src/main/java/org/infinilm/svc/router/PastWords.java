package org.infinilm.svc.router;

import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.history.Entry;
import org.infinilm.svc.history.History;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// A decision as history keeps it. Stateless.
final class PastWords implements History.Words<Decision> {
  private final SizeMetric metric;

  PastWords(SizeMetric metric) {
    this.metric = metric;
  }

  @Override
  public Entry entry(Decision d) {
    Usage u = d.usage();
    return new Entry(
        d.epochMillis(),
        d.requestId(),
        d.key() == null ? "" : d.key(),
        d.model(),
        pool(d),
        d.instance() == null ? "" : d.instance(),
        d.reason() == null ? "" : d.reason().label(),
        d.outcome().label(),
        d.status(),
        end(d.outcome()),
        d.attempts(),
        d.ttftNanos(),
        d.totalNanos(),
        tokens(u));
  }

  private static Entry.@Nullable Tokens tokens(@Nullable Usage u) {
    return u == null
        ? null
        : new Entry.Tokens(u.promptTokens(), u.cachedTokens(), u.completionTokens());
  }

  private static Entry.End end(Outcome o) {
    return o == Outcome.OK
        ? Entry.End.WELL
        : Figures.isError(o) ? Entry.End.ERROR : Entry.End.OTHERWISE;
  }

  /// That of its instance: policies that choose from all say no pool.
  private static String pool(Decision d) {
    String name = d.instance();
    if (name == null) {
      return "";
    }
    if (d.pool() != null && d.pool() != Pool.ANY) {
      return d.pool().label();
    }
    Roll roll = d.roll();
    for (int k = 0; k < roll.size(); k++) {
      if (roll.name(k).equals(name)) {
        return roll.pool(k).label();
      }
    }
    return Pool.ANY.label();
  }

  @Override
  public byte[] whole(Decision d) {
    return Json.bytes(DecisionJson.whole(d, metric));
  }
}
