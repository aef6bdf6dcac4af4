package org.infinilm.svc.router;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Policy;
import org.jspecify.annotations.Nullable;

/// Who gets a request: the policy's choice with its seat taken, after the one trial of an instance
/// that comes back, where the policy would have sent the request to it. Thread-safe.
final class Admission {
  /// How often a choice is made anew because another request took the seat first.
  private static final int TRIES = 4;

  private final Policy policy;
  private final Seats seats;

  Admission(Policy policy, Seats seats) {
    this.policy = policy;
    this.seats = seats;
  }

  /// A `Send` has its seat, to be released once.
  ///
  /// @param mayTry whether the request may be an instance's trial: only one that can be repeated
  Choice choose(Ask ask, Candidates among, boolean mayTry, RandomGenerator random) {
    List<Instance> trials = mayTry ? among.trials() : List.of();
    for (int k = 0; k < trials.size(); k++) {
      Instance t = trials.get(k);
      Choice.Send s = trial(ask, among, t, random);
      if (s != null && seats.tryTrial(t)) {
        seats.take(t);
        return s;
      }
    }
    Choice last = policy.choose(ask, among, seats, random);
    for (int k = 1; last instanceof Choice.Send s && !seats.tryTake(s.instance()); k++) {
      last = k < TRIES ? policy.choose(ask, among, seats, random) : new Choice.Wait(List.of(s));
    }
    return last;
  }

  /// The choice as things are; nothing is taken.
  Choice look(Ask ask, Candidates among, boolean mayTry, RandomGenerator random) {
    List<Instance> trials = mayTry ? among.trials() : List.of();
    for (int k = 0; k < trials.size(); k++) {
      Choice.Send s = trial(ask, among, trials.get(k), random);
      if (s != null) {
        return s;
      }
    }
    return policy.choose(ask, among, seats, random);
  }

  /// The choice of an instance whose trial is offered, where the policy would make it.
  private Choice.@Nullable Send trial(
      Ask ask, Candidates among, Instance t, RandomGenerator random) {
    return seats.trialOffered(t.slot())
            && policy.choose(ask, among.with(t), seats, random) instanceof Choice.Send s
            && s.instance().equals(t)
        ? s
        : null;
  }

  /// Gives back the seat of a choice that is not made use of.
  void giveBack(Choice.Send s) {
    seats.giveBack(s.instance().slot());
  }
}
