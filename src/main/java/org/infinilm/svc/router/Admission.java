package org.infinilm.svc.router;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Policy;
import org.jspecify.annotations.Nullable;

/// Who gets a request: the policy's choice with its seat taken, or the one trial of an instance
/// that comes back, where the policy would rather have sent the request there. Thread-safe.
/*
 * A trial is compared with the policy's own choice among those in service, by the policy: what it
 * prefers of the two it would most likely have chosen of all. So a decision costs no more for the
 * number of those that are tried. Of many instances policies look at two at random, and a request
 * looks at a trial as often as it would have been drawn. One with a session's key comes to its home
 * first with all that its client sends: for some time it is nobody's trial.
 */
final class Admission {
  /// How often a choice is made anew because another request took the seat first.
  private static final int TRIES = 4;

  /// From so many instances on a trial is drawn among all of them.
  private static final int MANY = 64;

  private final Policy policy;
  private final Seats seats;

  Admission(Policy policy, Seats seats) {
    this.policy = policy;
    this.seats = seats;
  }

  /// Whether the policy wants lengths, requests in flight and every answer's `usage`.
  boolean learns() {
    return policy.learns();
  }

  /// The same with what comes of it, for a request that has waited and gets its seat now.
  ///
  /// @param model as candidates have it
  Choice.Send foretold(Ask ask, String model, Choice.Send s) {
    return policy.learns()
        ? new Choice.Send(
            s.instance(),
            s.pool(),
            s.why(),
            policy.foretell(ask, model, s.instance(), seats).after(s.forecast(), ask.waitedNanos()))
        : s;
  }

  /// A `Send` has its seat, to be released once.
  ///
  /// @param offer who may be asked for it
  /// @param mayTry whether the request may be an instance's trial: only one that can be repeated
  Choice choose(Ask ask, Candidates among, Offer offer, boolean mayTry, RandomGenerator random) {
    Choice last = policy.choose(ask, among, offer, random);
    if (mayTry) {
      Choice.Send s = trial(ask, among, offer, last, random);
      if (s != null && seats.tryTrial(s.instance(), ask.affinity() != 0)) {
        seats.take(s.instance());
        return s;
      }
    }
    for (int k = 1; last instanceof Choice.Send s && !seats.tryTake(s.instance()); k++) {
      last = k < TRIES ? policy.choose(ask, among, offer, random) : new Choice.Wait(List.of(s));
    }
    return last;
  }

  /// The choice as things are; nothing is taken.
  Choice look(Ask ask, Candidates among, Offer offer, boolean mayTry, RandomGenerator random) {
    Choice c = policy.choose(ask, among, offer, random);
    Choice.Send s = mayTry ? trial(ask, among, offer, c, random) : null;
    return s != null ? s : c;
  }

  /// The choice of an instance whose trial is offered, where the policy prefers it to `other`.
  private Choice.@Nullable Send trial(
      Ask ask, Candidates among, Offer offer, Choice other, RandomGenerator random) {
    Instance t = among.trials().isEmpty() ? null : drawn(among, ask.affinity() != 0, random);
    if (t == null) {
      return null;
    }
    Instance one =
        switch (other) {
          case Choice.Send s -> s.instance();
          case Choice.Wait w -> w.ways().getFirst().instance();
          case Choice.Refuse r -> among.in(Pool.ANY).getFirst();
        };
    return policy.choose(ask, among.pair(one, t), offer, random) instanceof Choice.Send s
            && s.instance().equals(t)
        ? s
        : null;
  }

  /// One of those whose trial is offered, at random; of many instances perhaps none.
  private @Nullable Instance drawn(Candidates among, boolean keyed, RandomGenerator random) {
    List<Instance> trials = among.trials();
    int n = trials.size();
    int all = among.in(Pool.ANY).size() + n;
    boolean many = all >= MANY;
    // two of many are drawn in each decision
    int first = random.nextInt(many ? Math.max(n, all / 2) : n);
    for (int k = 0; first < n && k < (many ? 1 : n); k++) {
      Instance t = trials.get((first + k) % n);
      if (seats.trialOffered(t.slot(), keyed)) {
        return t;
      }
    }
    return null;
  }

  /// Gives back the seat of a choice that is not made use of.
  void giveBack(Choice.Send s) {
    seats.giveBack(s.instance().slot());
  }
}
