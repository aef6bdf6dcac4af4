package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// The one request that decides whether an instance is back.
class AdmissionTest {
  private static final Ask SMALL = new Ask(1, 1, 0, 0, 0);
  private static final Ask LARGE = new Ask(2, 1, 0, 0, 0);

  private final SplittableRandom random = new SplittableRandom(1);
  private final Slots slots = new Slots();
  private final Seats seats =
      new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, Ticker.SYSTEM);

  static Instance instance(String name, int slot, State state, CacheType type, int most) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name,
        List.of("m"),
        type,
        -1,
        1,
        state,
        slot,
        Map.of(),
        1,
        most,
        Map.of());
  }

  private Candidates among(Instance... instances) {
    return among(List.of(instances));
  }

  private Candidates among(List<Instance> instances) {
    Fleet fleet = new Fleet(1, instances);
    seats.follow(fleet, () -> {});
    for (Instance i : instances) {
      if (i.state() == State.TRIAL) {
        slots.at(i.slot()).offerTrial(false);
      } else {
        slots.at(i.slot()).endTrial();
      }
    }
    return Objects.requireNonNull(fleet.forModel("m"));
  }

  private static Policy policy(String name) {
    return Policies.create(name);
  }

  private String sent(Admission a, Ask ask, Candidates among) {
    return ((Choice.Send) a.choose(ask, among, seats, true, random)).instance().name();
  }

  @Test
  void aTrialGetsOneRequestOfThoseThatThePolicyWouldSendIt() {
    Admission a = new Admission(policy("cache-type"), seats);
    Candidates all =
        among(
            instance("p", 0, State.ROUTABLE, CacheType.PAGED, 0),
            instance("s", 1, State.TRIAL, CacheType.STATIC, 2));
    for (int k = 0; k < 10; k++) {
      assertThat(sent(a, SMALL, all)).isEqualTo("p");
      assertThat(a.choose(LARGE, all, seats, false, random))
          .as("what cannot be repeated tries nobody")
          .extracting(c -> ((Choice.Send) c).instance().name())
          .isEqualTo("p");
    }
    assertThat(a.look(LARGE, all, seats, true, random))
        .extracting(c -> ((Choice.Send) c).instance().name())
        .isEqualTo("s");
    Choice.Send trial = (Choice.Send) a.choose(LARGE, all, seats, true, random);
    assertThat(trial.instance().name()).isEqualTo("s");
    assertThat(trial.why()).isEqualTo(Reason.SIZE);
    assertThat(sent(a, LARGE, all)).as("another request has it").isEqualTo("p");
  }

  /// All that a client sends with its key comes to the key's home: where that fails everywhere,
  /// each trial of the home failed.
  @Test
  void aRequestWithAKeyIsNoTrialWhileOthersMayBe() {
    Admission a = new Admission(policy("cache-type"), seats);
    Candidates all =
        among(
            instance("p", 0, State.ROUTABLE, CacheType.PAGED, 0),
            instance("s", 1, State.TRIAL, CacheType.STATIC, 2));
    Ask keyed = new Ask(2, 1, 0, 0, 7);
    assertThat(sent(a, keyed, all)).isEqualTo("p");
    slots.at(1).widenTrial();
    assertThat(sent(a, keyed, all)).isEqualTo("s");
    slots.at(1).widenTrial();
    assertThat(sent(a, keyed, all)).as("a trial that was taken is not offered").isEqualTo("p");
    slots.at(1).offerTrial(false);
    assertThat(sent(a, LARGE, all)).isEqualTo("s");
  }

  @Test
  void aTrialIsTakenWhenAllOthersAreFull() {
    Admission a = new Admission(policy("cache-type"), seats);
    Candidates all =
        among(
            instance("s", 0, State.ROUTABLE, CacheType.STATIC, 1),
            instance("t", 1, State.TRIAL, CacheType.STATIC, 1),
            instance("p", 2, State.TRIAL, CacheType.PAGED, 1));
    assertThat(seats.tryTake(all.in(Pool.ANY).getFirst())).isTrue();
    List<String> got = new ArrayList<>();
    for (int k = 0; k < 20; k++) {
      if (a.choose(LARGE, all, seats, true, random) instanceof Choice.Send s) {
        got.add(s.instance().name());
      }
    }
    assertThat(got).as("and not by one of the other pool").containsExactly("t");
  }

  @Test
  void aTrialComesSoonInTurn() {
    for (String name : Policies.names()) {
      Admission a = new Admission(policy(name), seats);
      Candidates all =
          among(
              instance("a", 0, State.ROUTABLE, CacheType.PAGED, 0),
              instance("b", 1, State.ROUTABLE, CacheType.PAGED, 0),
              instance("t", 2, State.TRIAL, CacheType.PAGED, 0));
      List<String> got = new ArrayList<>();
      for (int k = 0; k < 8; k++) {
        String to = sent(a, SMALL, all);
        got.add(to);
        seats.release(all.trials().getFirst().name().equals(to) ? 2 : to.equals("a") ? 0 : 1);
      }
      assertThat(got).as(name).containsOnlyOnce("t");
    }
  }

  /// Counts what a policy is asked to look at.
  private static final class Counting implements Policy {
    private final Policy of = Policies.create("least-loaded");
    private long calls;
    private long looked;

    @Override
    public String name() {
      return of.name();
    }

    @Override
    public Choice choose(Ask ask, Candidates among, Load load, RandomGenerator random) {
      calls++;
      looked += among.in(Pool.ANY).size();
      return of.choose(ask, among, load, random);
    }
  }

  private Candidates many(int n, int trials) {
    List<Instance> all = new ArrayList<>();
    for (int k = 0; k < n + trials; k++) {
      State state = k % ((n + trials) / trials) == 0 ? State.TRIAL : State.ROUTABLE;
      all.add(instance("i%05d".formatted(k), k, state, CacheType.PAGED, 0));
    }
    return among(all);
  }

  /// Each trial cost a copy of all candidates and a decision among them.
  @Test
  void theCostOfADecisionDoesNotGrowWithTheNumberOfTrials() {
    Counting policy = new Counting();
    Admission a = new Admission(policy, seats);
    Candidates all = many(1800, 200);
    assertThat(all.trials()).hasSize(200);
    int n = all.in(Pool.ANY).size();
    for (int k = 0; k < 100; k++) {
      a.look(SMALL, all, seats, true, random);
    }
    assertThat(policy.calls).isLessThanOrEqualTo(200);
    assertThat(policy.looked).isLessThanOrEqualTo(100L * (n + 2));
  }

  @Test
  void ofManyTrialsAsManyRequestsTakeOneAsWouldHaveBeenSentThere() {
    Admission a = new Admission(policy("least-loaded"), seats);
    Candidates all = many(1800, 200);
    int tried = 0;
    for (int k = 0; k < 5000; k++) {
      if (a.look(SMALL, all, seats, true, random) instanceof Choice.Send s
          && s.instance().state() == State.TRIAL) {
        tried++;
      }
    }
    assertThat(tried).as("of two drawn among 2,000, 200 of them on trial").isBetween(250, 1100);
  }
}
