package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.policy.Samples.IDLE;
import static org.infinilm.svc.policy.Samples.among;
import static org.infinilm.svc.policy.Samples.chosen;
import static org.infinilm.svc.policy.Samples.counts;
import static org.infinilm.svc.policy.Samples.instance;
import static org.infinilm.svc.policy.Samples.key;
import static org.infinilm.svc.policy.Samples.load;
import static org.infinilm.svc.policy.Samples.sequence;
import static org.infinilm.svc.policy.Samples.size;
import static org.infinilm.svc.policy.Samples.statics;
import static org.infinilm.svc.policy.Samples.untyped;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.junit.jupiter.api.Test;

class CacheTypePolicyTest {
  private final Policy policy = new CacheTypePolicy(false);

  @Test
  void theThresholdItselfIsSmall() {
    Candidates both = among(paged("p", 0), statics("s", 1));
    for (long threshold : new long[] {0, 1, 51200, Long.MAX_VALUE - 1}) {
      assertThat(send(policy, size(threshold, threshold), both, IDLE))
          .isEqualTo(new Choice.Send(paged("p", 0), Pool.PAGED, Reason.SIZE));
      assertThat(send(policy, size(threshold + 1, threshold), both, IDLE))
          .isEqualTo(new Choice.Send(statics("s", 1), Pool.STATIC, Reason.SIZE));
      if (threshold > 0) {
        assertThat(chosen(policy, size(threshold - 1, threshold), both, IDLE)).isEqualTo("p");
      }
    }
  }

  @Test
  void anEmptyPoolFallsBackToTheOtherInBothDirections() {
    Choice.Send large = send(policy, size(2, 1), among(paged("p", 0)), IDLE);
    assertThat(large).isEqualTo(new Choice.Send(paged("p", 0), Pool.PAGED, Reason.EMPTY_POOL));
    Choice.Send small = send(policy, size(1, 1), among(statics("s", 0)), IDLE);
    assertThat(small).isEqualTo(new Choice.Send(statics("s", 0), Pool.STATIC, Reason.EMPTY_POOL));
    Choice.Send third =
        send(policy, size(2, 1), among(paged("p", 0, 10), untyped("u", 1)), IDLE, 100);
    assertThat(third.instance().name()).isEqualTo("u");
    assertThat(third.pool()).isEqualTo(Pool.ANY);
  }

  private static Instance paged(String name, int slot, long capacity) {
    return instance(name, CacheType.PAGED, capacity, 1, slot);
  }

  private static Instance paged(String name, int slot) {
    return Samples.paged(name, slot);
  }

  private static Choice.Send send(Policy p, Ask ask, Candidates among, Load load) {
    return Samples.send(p, ask, among, load);
  }

  private static Choice.Send send(Policy p, Ask ask, Candidates among, Load load, long need) {
    return Samples.send(
        p, new Ask(ask.size(), ask.threshold(), need, 1, ask.affinity()), among, load);
  }

  @Test
  void whatThePoolCannotHoldMovesAndWhatNobodyCanHoldIsRefused() {
    Candidates both = among(paged("p", 0, 1000), instance("s", CacheType.STATIC, 100, 1, 1));
    Choice.Send moved = (Choice.Send) choose(new Ask(2, 1, 101, 20, 0), both);
    assertThat(moved).isEqualTo(new Choice.Send(paged("p", 0, 1000), Pool.PAGED, Reason.FIT));
    assertThat(((Choice.Send) choose(new Ask(2, 1, 100, 20, 0), both)).instance().name())
        .isEqualTo("s");
    Choice.Send estimateMayBeWrong = (Choice.Send) choose(new Ask(2, 1, 5000, 1000, 0), both);
    assertThat(estimateMayBeWrong.instance().name()).isEqualTo("p");
    assertThat(estimateMayBeWrong.why()).isEqualTo(Reason.FIT);
    assertThat(choose(new Ask(2, 1, 5000, 1001, 0), both)).isEqualTo(new Choice.Refuse(1001, 1000));
  }

  private Choice choose(Ask ask, Candidates among) {
    return policy.choose(ask, among, IDLE, new SplittableRandom(1));
  }

  @Test
  void withinAPoolOnlyInstancesThatFitAreAsked() {
    Candidates among = among(paged("a", 0, 10), paged("b", 1, 1000), paged("c", 2, 1000));
    for (int k = 0; k < 6; k++) {
      Choice.Send s = (Choice.Send) choose(new Ask(1, 1, 500, 1, 0), among);
      assertThat(s.instance().name()).isNotEqualTo("a");
      assertThat(s.why()).isEqualTo(Reason.SIZE);
    }
  }

  @Test
  void aFleetWithoutCacheTypesIsOnePool() {
    Candidates one = among(untyped("a", 0));
    assertThat(send(policy, size(9, 1), one, IDLE).why()).isEqualTo(Reason.ONLY);
    Candidates two = among(untyped("a", 0), untyped("b", 1));
    assertThat(send(policy, size(9, 1), two, IDLE).pool()).isEqualTo(Pool.ANY);
    assertThat(send(policy, size(9, 1), two, IDLE).why()).isEqualTo(Reason.POLICY);
    assertThat(sequence(policy, size(9, 1), two, 4)).containsExactly("a", "b", "a", "b");
  }

  @Test
  void idleInstancesAlternateAndTheLessLoadedGoesFirst() {
    Candidates two = among(paged("a", 0), paged("b", 1));
    assertThat(sequence(policy, size(1, 1), two, 6)).containsExactly("a", "b", "a", "b", "a", "b");
    assertThat(chosen(policy, size(1, 1), two, load(Map.of(0, 1)))).isEqualTo("b");
    assertThat(chosen(policy, size(1, 1), two, load(Map.of(0, 1, 1, 2)))).isEqualTo("a");
  }

  @Test
  void aKeyHasOneHomeWhateverTheOrderOfOtherRequests() {
    Candidates three = among(paged("a", 0), paged("b", 1), paged("c", 2));
    for (int k = 0; k < 50; k++) {
      Ask ask = key("conversation-" + k);
      String home = chosen(policy, ask, three, IDLE);
      chosen(policy, size(0, 0), three, IDLE);
      assertThat(send(policy, ask, three, IDLE).instance().name()).isEqualTo(home);
      assertThat(send(policy, ask, three, IDLE).why()).isEqualTo(Reason.AFFINITY);
      assertThat(chosen(new CacheTypePolicy(false), ask, three, IDLE)).isEqualTo(home);
    }
  }

  @Test
  void keysSpreadEvenly() {
    Instance[] five = new Instance[5];
    for (int k = 0; k < 5; k++) {
      five[k] = paged("paged-" + k + "-server", k);
    }
    List<String> homes = new ArrayList<>();
    for (int k = 0; k < 10_000; k++) {
      homes.add(chosen(policy, key("conv_" + k), among(five), IDLE));
    }
    assertThat(counts(homes)).hasSize(5);
    assertThat(counts(homes).values()).allSatisfy(n -> assertThat(n).isBetween(1850, 2150));
  }

  @Test
  void oneMoreInstanceMovesItsShareOfTheKeysAndNoOthers() {
    Instance[] four = new Instance[4];
    Instance[] five = new Instance[5];
    for (int k = 0; k < 5; k++) {
      five[k] = paged("i" + k, k);
      if (k < 4) {
        four[k] = five[k];
      }
    }
    int moved = 0;
    for (int k = 0; k < 10_000; k++) {
      String before = chosen(policy, key("k" + k), among(four), IDLE);
      String after = chosen(policy, key("k" + k), among(five), IDLE);
      if (!before.equals(after)) {
        assertThat(after).isEqualTo("i4");
        moved++;
      }
    }
    assertThat(moved).isBetween(1850, 2150);
  }

  @Test
  void aHomeOverOneAndAQuarterOfTheMeanSpills() {
    Candidates two = among(paged("a", 0), paged("b", 1));
    Ask ask = key("k");
    String home = chosen(policy, ask, two, IDLE);
    int slot = home.equals("a") ? 0 : 1;
    Map<Integer, Integer> inFlight = new HashMap<>(Map.of(slot, 1));
    assertThat(chosen(policy, ask, two, load(inFlight))).isEqualTo(home);
    inFlight.put(slot, 4);
    Choice.Send spilt = send(policy, ask, two, load(inFlight));
    assertThat(spilt.instance().name()).isNotEqualTo(home);
    assertThat(spilt.why()).isEqualTo(Reason.SPILL);
    inFlight.put(1 - slot, 4);
    assertThat(send(policy, ask, two, load(inFlight)).why()).isEqualTo(Reason.AFFINITY);
  }

  @Test
  void affinityStaysInsideThePoolOfTheSizeRule() {
    Candidates all = among(paged("p", 0), paged("q", 1), statics("s", 2), statics("t", 3));
    for (int k = 0; k < 40; k++) {
      Ask large = new Ask(2, 1, 0, 0, Policies.affinity("k" + k));
      assertThat(send(policy, large, all, IDLE).pool()).isEqualTo(Pool.STATIC);
    }
  }

  @Test
  void anInstanceOfWeightZeroIsAskedOnlyWhenThereIsNoOther() {
    Instance off = instance("a", CacheType.PAGED, Instance.UNKNOWN, 0, 0);
    assertThat(sequence(policy, size(1, 1), among(off, paged("b", 1)), 4)).containsOnly("b");
    assertThat(sequence(policy, size(1, 1), among(off), 1)).containsExactly("a");
    for (int k = 0; k < 100; k++) {
      assertThat(chosen(policy, key("k" + k), among(off, paged("b", 1)), IDLE)).isEqualTo("b");
    }
  }
}
