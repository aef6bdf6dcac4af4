package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.policy.Samples.IDLE;
import static org.infinilm.svc.policy.Samples.among;
import static org.infinilm.svc.policy.Samples.counts;
import static org.infinilm.svc.policy.Samples.instance;
import static org.infinilm.svc.policy.Samples.key;
import static org.infinilm.svc.policy.Samples.paged;
import static org.infinilm.svc.policy.Samples.size;
import static org.infinilm.svc.policy.Samples.statics;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.ModelState;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Policies.Options;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Who is full, who asked for a pause, who comes back, and tiers.
class SeatsAndTiersTest {
  private final SplittableRandom random = new SplittableRandom(5);
  private final Set<Integer> full = new HashSet<>();
  private final Set<Integer> pausing = new HashSet<>();
  private final Set<Integer> last = new HashSet<>();
  private final Map<Integer, Double> shares = new HashMap<>();
  private final AtomicInteger looks = new AtomicInteger();
  private final Load load =
      new Load() {
        @Override
        public int inFlight(int slot) {
          return 0;
        }

        @Override
        public boolean free(int slot) {
          looks.incrementAndGet();
          return !full.contains(slot);
        }

        @Override
        public boolean passedOver(int slot) {
          return pausing.contains(slot);
        }

        @Override
        public boolean askedLast(int slot) {
          return last.contains(slot);
        }

        @Override
        public double share(int slot) {
          return shares.getOrDefault(slot, 1.0);
        }
      };

  static List<String> names() {
    return Policies.names();
  }

  private Choice choose(Policy p, Ask ask, Candidates among) {
    return p.choose(ask, among, load, random);
  }

  private String sent(Policy p, Ask ask, Candidates among) {
    return ((Choice.Send) choose(p, ask, among)).instance().name();
  }

  @Test
  void theSizeRuleWaitsForItsPoolAndDoesNotLeaveIt() {
    Candidates all = among(paged("p", 0), statics("s", 1), statics("t", 2));
    Policy strict = Policies.create("cache-type");
    full.add(1);
    assertThat(sent(strict, size(2, 1), all)).isEqualTo("t");
    full.add(2);
    assertThat(choose(strict, size(2, 1), all))
        .isEqualTo(
            new Choice.Wait(Pool.STATIC, Reason.SIZE, List.of(statics("s", 1), statics("t", 2))));
    assertThat(sent(strict, size(1, 1), all)).isEqualTo("p");
  }

  @Test
  void withSpillAFreeOneOfTheOtherPoolTakesIt() {
    Candidates all = among(paged("p", 0), statics("s", 1));
    Policy spilling = Policies.create("cache-type", new Options(true));
    assertThat(choose(spilling, size(2, 1), all))
        .isEqualTo(new Choice.Send(statics("s", 1), Pool.STATIC, Reason.SIZE));
    full.add(1);
    assertThat(choose(spilling, size(2, 1), all))
        .isEqualTo(new Choice.Send(paged("p", 0), Pool.PAGED, Reason.SPILL));
    full.add(0);
    assertThat(choose(spilling, size(2, 1), all))
        .as("whichever is free first")
        .isEqualTo(
            new Choice.Wait(
                List.of(
                    new Choice.Send(paged("p", 0), Pool.PAGED, Reason.SPILL),
                    new Choice.Send(statics("s", 1), Pool.STATIC, Reason.SIZE))));
    full.clear();
    pausing.add(1);
    assertThat(sent(spilling, size(2, 1), all)).as("who asked to be left alone").isEqualTo("p");
    pausing.add(0);
    assertThat(choose(spilling, size(2, 1), all)).isInstanceOf(Choice.Send.class);
  }

  /// A pool of which all asked for a pause is out for that long, as a dead one is, and not full.
  @Test
  void whereAllOfThePoolAskedToBeLeftAloneTheOtherTakesItWithoutSpillToo() {
    Candidates all = among(paged("p", 0), statics("s", 1), statics("t", 2));
    Policy strict = Policies.create("cache-type");
    pausing.add(1);
    full.add(2);
    assertThat(choose(strict, size(2, 1), all))
        .as("one is only full")
        .isEqualTo(new Choice.Wait(Pool.STATIC, Reason.SIZE, List.of(statics("t", 2))));
    pausing.add(2);
    Choice elsewhere = new Choice.Send(paged("p", 0), Pool.PAGED, Reason.SPILL);
    assertThat(choose(strict, size(2, 1), all)).isEqualTo(elsewhere);
    full.add(1);
    assertThat(choose(strict, size(2, 1), all)).as("full besides").isEqualTo(elsewhere);
    full.clear();
    pausing.add(0);
    assertThat(sent(strict, size(2, 1), all)).as("nobody is left").isIn("p", "s", "t");
    pausing.clear();
    assertThat(sent(strict, size(2, 1), all)).as("the pause is over").isIn("s", "t");
  }

  /// Who fails such requests is better than a wait, and who is left alone is not.
  @ParameterizedTest
  @MethodSource("names")
  void whoIsAskedLastIsAskedBeforeAnybodyWaits(String name) {
    Policy p = Policies.create(name);
    Candidates all = among(statics("s", 0), statics("t", 1), statics("u", 2));
    last.add(1);
    pausing.add(2);
    for (int k = 0; k < 4; k++) {
      assertThat(sent(p, size(2, 1), all)).isEqualTo("s");
    }
    full.add(0);
    assertThat(sent(p, size(2, 1), all)).isEqualTo("t");
    full.add(1);
    assertThat(choose(p, size(2, 1), all))
        .extracting(c -> ((Choice.Wait) c).accepted())
        .isEqualTo(List.of(statics("s", 0), statics("t", 1)));
    full.clear();
    last.add(0);
    last.add(2);
    assertThat(sent(p, size(2, 1), all)).as("nobody else is left").isIn("s", "t");
  }

  @Test
  void whereAllOfThePoolAreAskedLastTheOtherTakesIt() {
    Candidates all = among(paged("p", 0), statics("s", 1));
    Policy strict = Policies.create("cache-type");
    last.add(1);
    assertThat(sent(strict, size(2, 1), all)).isEqualTo("p");
    full.add(0);
    assertThat(sent(strict, size(2, 1), all)).as("and is full").isEqualTo("s");
    full.clear();
    pausing.add(0);
    assertThat(sent(strict, size(2, 1), all)).as("and asked for a pause").isEqualTo("s");
  }

  @Test
  void anInstanceWithoutCacheTypeIsACandidateWhereTheRulesPoolCannot() {
    Policy p = Policies.create("cache-type");
    Candidates all = among(statics("s", 0), Samples.untyped("u", 1));
    Set<String> seen = new HashSet<>();
    for (int k = 0; k < 20; k++) {
      seen.add(sent(p, size(1, 1), all));
      assertThat(sent(p, size(2, 1), all)).as("the rule's pool has one").isEqualTo("s");
    }
    assertThat(seen).containsExactlyInAnyOrder("s", "u");
    full.add(0);
    assertThat(choose(p, size(1, 1), all))
        .isEqualTo(new Choice.Send(Samples.untyped("u", 1), Pool.ANY, Reason.EMPTY_POOL));
    full.add(1);
    assertThat(choose(p, size(1, 1), all))
        .isEqualTo(
            new Choice.Wait(
                List.of(
                    new Choice.Send(statics("s", 0), Pool.STATIC, Reason.EMPTY_POOL),
                    new Choice.Send(Samples.untyped("u", 1), Pool.ANY, Reason.EMPTY_POOL))));
    full.remove(1);
    Candidates small =
        among(statics("s", 0), Samples.untyped("u", 1), instance("p", CacheType.PAGED, 10, 1, 2));
    assertThat(choose(p, new Ask(1, 1, 50, 1, 0), small))
        .as("the rule's pool cannot hold it and the other is full")
        .isEqualTo(new Choice.Send(Samples.untyped("u", 1), Pool.ANY, Reason.FIT));
  }

  @ParameterizedTest
  @MethodSource("names")
  void whatTheEstimatePutsAboveAllGoesToAnyOfTheLargest(String name) {
    Policy p = Policies.create(name);
    Candidates three =
        among(
            instance("a", CacheType.STATIC, 100, 1, 0),
            instance("b", CacheType.STATIC, 100, 1, 1),
            instance("c", CacheType.STATIC, 99, 1, 2));
    Ask tooLong = new Ask(2, 1, 500, 50, 0);
    Set<String> seen = new HashSet<>();
    for (int k = 0; k < 50; k++) {
      seen.add(sent(p, tooLong, three));
      Load busy = slot -> slot == 0 ? 1 : 0;
      assertThat(((Choice.Send) p.choose(tooLong, three, busy, random)).instance().name())
          .isEqualTo("b");
    }
    assertThat(seen).containsExactlyInAnyOrder("a", "b");
    full.add(0);
    assertThat(sent(p, tooLong, three)).isEqualTo("b");
    full.add(1);
    assertThat(choose(p, tooLong, three))
        .isInstanceOfSatisfying(
            Choice.Wait.class,
            w -> assertThat(w.accepted()).extracting(Instance::name).containsExactly("a", "b"));
  }

  @Test
  void aKeyKeepsItsHomeAmongTheLargest() {
    Policy p = Policies.create("cache-type");
    Candidates two =
        among(instance("a", CacheType.STATIC, 9, 1, 0), instance("b", CacheType.STATIC, 9, 1, 1));
    Ask tooLong = new Ask(2, 1, 500, 5, Policies.affinity("k"));
    String home = sent(p, tooLong, two);
    for (int k = 0; k < 20; k++) {
      assertThat(sent(p, tooLong, two)).isEqualTo(home);
    }
  }

  @Test
  void onlyWhoFitsIsWaitedFor() {
    Candidates two =
        among(instance("a", CacheType.STATIC, 10, 1, 0), instance("b", CacheType.STATIC, 99, 1, 1));
    full.add(1);
    Ask ask = new Ask(2, 1, 50, 1, 0);
    assertThat(choose(Policies.create("cache-type"), ask, two))
        .isEqualTo(
            new Choice.Wait(
                Pool.STATIC, Reason.SIZE, List.of(instance("b", CacheType.STATIC, 99, 1, 1))));
    full.add(0);
    Ask tooLong = new Ask(2, 1, 500, 1, 0);
    assertThat(choose(Policies.create("cache-type"), tooLong, two))
        .as("the largest, when the estimate fits nobody")
        .isEqualTo(
            new Choice.Wait(
                Pool.STATIC, Reason.FIT, List.of(instance("b", CacheType.STATIC, 99, 1, 1))));
  }

  @Test
  void aFullHomePassesItsKeyOnInsideThePool() {
    Candidates three = among(paged("a", 0), paged("b", 1), paged("c", 2));
    Policy p = Policies.create("cache-type");
    Choice.Send home = (Choice.Send) choose(p, key("k"), three);
    assertThat(home.why()).isEqualTo(Reason.AFFINITY);
    full.add(home.instance().slot());
    Choice.Send second = (Choice.Send) choose(p, key("k"), three);
    assertThat(second.why()).isEqualTo(Reason.SPILL);
    assertThat(choose(p, key("k"), three)).as("the same each time").isEqualTo(second);
    full.addAll(Set.of(0, 1, 2));
    assertThat(choose(p, key("k"), three)).isInstanceOf(Choice.Wait.class);
  }

  private static Instance holding(String name, int slot, ModelState m) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name,
        List.of("m"),
        null,
        Instance.UNKNOWN,
        1,
        State.ROUTABLE,
        slot,
        Map.of(),
        1,
        0,
        m == ModelState.LOADED ? Map.of() : Map.of("m", m));
  }

  @ParameterizedTest
  @MethodSource("names")
  void anInstanceThatHasTheModelTakesAllAndOneThatCanLoadItTakesOver(String policy) {
    Policy p = Policies.create(policy);
    Candidates mixed =
        among(
            holding("a", 0, ModelState.UNLOADED),
            holding("b", 1, ModelState.LOADED),
            holding("c", 2, ModelState.UNLOADED));
    for (int k = 0; k < 50; k++) {
      assertThat(sent(p, size(1, 1), mixed)).isEqualTo("b");
      assertThat(sent(p, key("k" + k), mixed)).isEqualTo("b");
    }
    Set<String> loads = new HashSet<>();
    Candidates left = mixed.without(i -> i.name().equals("b"));
    for (int k = 0; k < 50; k++) {
      loads.add(sent(p, size(1, 1), left));
      loads.add(sent(p, key("k" + k), left));
    }
    assertThat(loads).as("one loads it, not each in turn").hasSize(1);
    full.add(loads.contains("a") ? 0 : 2);
    assertThat(sent(p, size(1, 1), left)).isNotIn(loads);
  }

  @ParameterizedTest
  @MethodSource("names")
  void whoAskedForAPauseIsPassedOverWhileAnotherCan(String name) {
    Policy p = Policies.create(name);
    Candidates two = among(Samples.untyped("a", 0), Samples.untyped("b", 1));
    pausing.add(0);
    for (int k = 0; k < 10; k++) {
      assertThat(sent(p, size(1, 1), two)).isEqualTo("b");
      assertThat(sent(p, key("k" + k), two)).isEqualTo("b");
    }
    pausing.add(1);
    assertThat(choose(p, size(1, 1), two)).isInstanceOf(Choice.Send.class);
    pausing.remove(1);
    full.add(1);
    assertThat(choose(p, size(1, 1), two))
        .as("the other one is waited for")
        .isInstanceOfSatisfying(
            Choice.Wait.class,
            w -> assertThat(w.accepted()).extracting(Instance::name).containsExactly("b"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"cache-type", "round-robin", "least-loaded", "power-of-two"})
  void whoComesBackGetsItsShareOfTheRequests(String name) {
    Policy p = Policies.create(name);
    Candidates two = among(Samples.untyped("a", 0), Samples.untyped("b", 1));
    shares.put(0, 0.2);
    List<String> all = new ArrayList<>();
    for (int k = 0; k < 10_000; k++) {
      all.add(sent(p, size(1, 1), two));
    }
    assertThat(counts(all).get("a")).isBetween(700, 2300);
  }

  private static Instance tiered(String name, int slot, int tier, long capacity) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name,
        List.of("m"),
        null,
        capacity,
        1,
        State.ROUTABLE,
        slot,
        Map.of(),
        tier,
        0,
        Map.of());
  }

  @ParameterizedTest
  @MethodSource("names")
  void theNextTierIsAskedOnlyWhenTheFirstIsFullOrCannot(String name) {
    Policy p = Policies.create(name);
    Candidates all = among(tiered("a", 0, 1, 100), tiered("b", 1, 1, 100), tiered("z", 2, 2, 1000));
    Set<String> seen = new HashSet<>();
    for (int k = 0; k < 20; k++) {
      seen.add(sent(p, size(1, 1), all));
      seen.add(sent(p, key("k" + k), all));
    }
    assertThat(seen).containsExactlyInAnyOrder("a", "b");
    full.add(0);
    assertThat(sent(p, size(1, 1), all)).isEqualTo("b");
    full.add(1);
    Choice.Send lower = (Choice.Send) choose(p, size(1, 1), all);
    assertThat(lower.instance().name()).isEqualTo("z");
    assertThat(lower.why()).isEqualTo(Reason.TIER);
    full.add(2);
    assertThat(choose(p, size(1, 1), all))
        .isInstanceOfSatisfying(Choice.Wait.class, w -> assertThat(w.accepted()).hasSize(3));
    full.clear();
    Choice.Send large = (Choice.Send) choose(p, new Ask(1, 1, 500, 1, 0), all);
    assertThat(large.instance().name()).isEqualTo("z");
    assertThat(choose(p, new Ask(1, 1, 5000, 2000, 0), all))
        .isEqualTo(new Choice.Refuse(2000, 1000));
    pausing.addAll(Set.of(0, 1));
    assertThat(sent(p, size(1, 1), all)).isEqualTo("z");
    pausing.add(2);
    assertThat(sent(p, size(1, 1), all)).isIn("a", "b");
  }

  private static Candidates many(int n) {
    Instance[] out = new Instance[n];
    for (int k = 0; k < n; k++) {
      out[k] = Samples.untyped("i" + k, k);
    }
    return among(out);
  }

  /// A decision among 1,000 looked at each of them.
  @ParameterizedTest
  @ValueSource(strings = {"cache-type", "least-loaded", "power-of-two", "session"})
  void aDecisionAmongAThousandLooksAtAFew(String name) {
    Policy p = Policies.create(name);
    Candidates thousand = many(1000);
    for (int k = 0; k < 500; k++) {
      choose(p, size(1, 1), thousand);
    }
    assertThat(looks.get()).isLessThan(2000);
  }

  @Test
  void ofManyAFreeOneIsFoundHoweverFewThereAre() {
    Candidates thousand = many(1000);
    for (int k = 0; k < 1000; k++) {
      full.add(k);
    }
    full.remove(777);
    assertThat(sent(Policies.create("least-loaded"), size(1, 1), thousand)).isEqualTo("i777");
  }

  @Test
  void drawnOnesShareTheLoad() {
    int[] inFlight = new int[100];
    Policy p = Policies.create("power-of-two");
    Candidates hundred = many(100);
    for (int k = 0; k < 10_000; k++) {
      Choice.Send s = (Choice.Send) p.choose(size(1, 1), hundred, slot -> inFlight[slot], random);
      inFlight[s.instance().slot()]++;
    }
    for (int n : inFlight) {
      assertThat(n).isBetween(85, 110);
    }
  }

  @Test
  void sessionsGoHomeWhateverTheCacheType() {
    Policy p = Policies.create("session");
    Candidates mixed = among(paged("a", 0), statics("b", 1), Samples.untyped("c", 2));
    Set<String> homes = new HashSet<>();
    for (int k = 0; k < 100; k++) {
      Choice.Send s = (Choice.Send) p.choose(key("k" + k), mixed, IDLE, random);
      assertThat(s.why()).isEqualTo(Reason.AFFINITY);
      homes.add(s.instance().name());
    }
    assertThat(homes).hasSize(3);
  }

  /// Homes as they were before names' hashes were kept and logarithms saved: keys must not move.
  @Test
  void homesAreWhatTheLogarithmicMethodSays() {
    List<Instance> ten = many(10).in(Pool.ANY);
    Candidates even = Candidates.of("m", ten);
    for (int k = 0; k < 1000; k++) {
      long affinity = Policies.affinity("key " + k);
      Instance best = ten.getFirst();
      double bestScore = 0;
      for (Instance i : ten) {
        long h = Hash.mix(affinity ^ Hash.mix(Hash.of(i.name())));
        double score = 1 / -Math.log(((h >>> 11) + 0.5) * 0x1.0p-53);
        if (score > bestScore) {
          best = i;
          bestScore = score;
        }
      }
      Ask ask = new Ask(0, 0, 0, 0, affinity);
      assertThat(Samples.chosen(Policies.create("session"), ask, even, IDLE))
          .isEqualTo(best.name());
    }
  }
}
