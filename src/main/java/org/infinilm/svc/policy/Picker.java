package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.jspecify.annotations.Nullable;

/// Picks within one pool: who fits, who is free, then the home of the key or the least loaded.
/// Thread-safe.
/*
 * Up to MANY instances all are looked at, so that idle ones take exact turns. Above, two are drawn and
 * the less loaded wins: the cost of a decision stays the same at 1,000 instances, and the longest queue
 * stays near that of a full look (Mitzenmacher). Keys always look at all: a home must be the same
 * everywhere.
 */
final class Picker {
  static final int MANY = 64;

  private final Turns turns = new Turns();

  /// A place in `pool`, or a wait for one when all that fit are full; null when none of it fits.
  @Nullable Choice pick(
      Ask ask, Candidates of, Pool pool, Reason why, Load load, RandomGenerator random) {
    List<Instance> all = of.in(pool);
    if (all.size() >= MANY && ask.affinity() == 0) {
      Instance drawn = Sample.lesser(of, pool, ask.needTokens(), load, random);
      if (drawn != null) {
        return new Choice.Send(drawn, pool, why);
      }
    }
    List<Instance> fit = Shortlist.fitting(all, ask.needTokens());
    if (fit.isEmpty()) {
      return null;
    }
    List<Instance> now = Shortlist.now(fit, load, random);
    if (now.isEmpty()) {
      return new Choice.Wait(pool, why, Shortlist.awaited(fit, load));
    }
    if (ask.affinity() != 0 && fit.size() > 1) {
      return Rendezvous.place(ask.affinity(), pool, fit, now, of.evenWeights(), load);
    }
    return new Choice.Send(turns.next(of, pool, now, load), pool, why);
  }
}
