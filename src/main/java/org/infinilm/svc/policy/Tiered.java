package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// Tiers around another policy: it chooses within the first tier; the next is asked only when that
/// one is out of service, full, left alone, asked last or cannot hold the request (`tier`).
///
/// When no tier takes it at once, it waits for a place in any tier whose pool it may go to. Without
/// tiers it costs one comparison.
final class Tiered implements Policy {
  private final Policy within;

  Tiered(Policy within) {
    this.within = within;
  }

  @Override
  public String name() {
    return within.name();
  }

  @Override
  public boolean learns() {
    return within.learns();
  }

  @Override
  public Forecast foretell(Ask ask, String model, Instance to, Load load) {
    return within.foretell(ask, model, to, load);
  }

  @Override
  public void settled(Facts facts) {
    within.settled(facts);
  }

  @Override
  public List<Insight> insights(long nowNanos) {
    return within.insights(nowNanos);
  }

  @Override
  public Map<String, Object> remembered(long nowNanos) {
    return within.remembered(nowNanos);
  }

  @Override
  public void recall(Map<String, Object> from, long nowNanos) {
    within.recall(from, nowNanos);
  }

  @Override
  public void told(List<Told> others, long nowNanos) {
    within.told(others, nowNanos);
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    List<Candidates> tiers = candidates.tiers();
    if (tiers.isEmpty()) {
      return named(within.choose(ask, candidates, load, random), candidates.lowered());
    }
    Choice.Send reluctant = null;
    List<Choice.Send> ways = new ArrayList<>();
    long look = 0;
    for (Candidates tier : tiers) {
      boolean lower = tier != tiers.getFirst() || candidates.lowered();
      switch (within.choose(ask, tier, load, random)) {
        case Choice.Send s -> {
          if (s.instance().fits(ask.needTokens())) {
            if (!load.othersFirst(s.instance().slot())) {
              return named(s, lower);
            }
            reluctant = reluctant == null ? s : reluctant;
          }
        }
        case Choice.Wait w -> {
          if (isByChoice(w, tier, ask, load)) {
            return named(w, lower);
          }
          look = sooner(look, w.lookNanos());
          for (Choice.Send s : w.ways()) {
            if (s.instance().fits(ask.needTokens())) {
              ways.add(named(s, lower));
            }
          }
        }
        case Choice.Refuse r -> {}
      }
    }
    if (reluctant != null) {
      return reluctant;
    }
    return ways.isEmpty()
        ? Largest.choose(ask, candidates, load, random)
        : new Choice.Wait(ways, look);
  }

  /// Of two times after which to ask again, of which 0 is never.
  private static long sooner(long a, long b) {
    return a == 0 || b == 0 ? Math.max(a, b) : Math.min(a, b);
  }

  /// Whether the wait is worth more than what is free in this tier.
  private static boolean isByChoice(Choice.Wait w, Candidates tier, Ask ask, Load load) {
    if (w.ways().getFirst().why() != Reason.LEARNED) {
      return false;
    }
    for (Instance i : tier.in(Pool.ANY)) {
      if (i.fits(ask.needTokens()) && load.free(i.slot()) && !load.othersFirst(i.slot())) {
        return true;
      }
    }
    return false;
  }

  private static Choice named(Choice c, boolean lower) {
    return switch (c) {
      case Choice.Send s -> named(s, lower);
      case Choice.Wait w when lower -> w.by(w.ways().stream().map(s -> named(s, true)).toList());
      default -> c;
    };
  }

  private static Choice.Send named(Choice.Send s, boolean lower) {
    return lower ? new Choice.Send(s.instance(), s.pool(), Reason.TIER, s.forecast()) : s;
  }
}
