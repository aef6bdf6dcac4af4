package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The size rule between cache designs: small requests to paged instances, large ones to static
/// instances.
///
/// Inputs: size and threshold (`size <= threshold` is small), estimated need in tokens, affinity
/// key, in-flight counts. Order: the rule's pool, if one of it can hold the request; else the other
/// pool (`fit`, or `empty-pool` when the rule's pool has no instance); inside a pool the home of
/// the key (`affinity`, moved by `spill` when the home is over 1.25 of the mean load), else least
/// in-flight per weight, ties in turn. Refused only when even the fewest tokens that the body can
/// have fit nowhere. Cost: O(candidates). Source: the deployment case's own rule.
final class CacheTypePolicy implements Policy {
  private final Turns turns = new Turns();

  @Override
  public String name() {
    return "cache-type";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Pool wanted = ask.size() <= ask.threshold() ? Pool.PAGED : Pool.STATIC;
    Pool other = wanted == Pool.PAGED ? Pool.STATIC : Pool.PAGED;
    boolean typed = !candidates.in(Pool.PAGED).isEmpty() || !candidates.in(Pool.STATIC).isEmpty();
    if (!typed) {
      return untyped(ask, candidates, load);
    }
    List<Instance> rule = fitting(candidates.in(wanted), ask.needTokens());
    if (!rule.isEmpty()) {
      return pick(ask, candidates, wanted, rule, Reason.SIZE, load);
    }
    Reason why = candidates.in(wanted).isEmpty() ? Reason.EMPTY_POOL : Reason.FIT;
    List<Instance> second = fitting(candidates.in(other), ask.needTokens());
    if (!second.isEmpty()) {
      return pick(ask, candidates, other, second, why, load);
    }
    List<Instance> rest = fitting(candidates.in(Pool.ANY), ask.needTokens());
    if (!rest.isEmpty()) {
      return pick(ask, candidates, Pool.ANY, rest, why, load);
    }
    return Largest.choose(ask, candidates);
  }

  private Choice untyped(Ask ask, Candidates candidates, Load load) {
    List<Instance> all = candidates.in(Pool.ANY);
    List<Instance> fit = fitting(all, ask.needTokens());
    if (fit.isEmpty()) {
      return Largest.choose(ask, candidates);
    }
    Reason why = all.size() == 1 ? Reason.ONLY : Reason.POLICY;
    return pick(ask, candidates, Pool.ANY, fit, why, load);
  }

  private Choice pick(
      Ask ask, Candidates of, Pool pool, List<Instance> among, Reason why, Load load) {
    if (ask.affinity() != 0 && among.size() > 1) {
      Instance home = Rendezvous.home(ask.affinity(), among);
      Instance moved = Rendezvous.spill(ask.affinity(), home, among, load);
      return moved == null
          ? new Choice.Send(home, pool, Reason.AFFINITY)
          : new Choice.Send(moved, pool, Reason.SPILL);
    }
    return new Choice.Send(turns.next(of, pool, among, load), pool, why);
  }

  static List<Instance> fitting(List<Instance> among, long tokens) {
    for (int k = 0; k < among.size(); k++) {
      if (!among.get(k).fits(tokens)) {
        List<Instance> fit = new ArrayList<>(among);
        fit.removeIf(i -> !i.fits(tokens));
        return fit;
      }
    }
    return among;
  }
}
