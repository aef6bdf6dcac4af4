package org.infinilm.svc.fleet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.Instance.State;
import org.junit.jupiter.api.Test;

class FleetTest {
  private static Instance instance(String name, State state, CacheType type, String... models) {
    return new Instance(
        name, "h", 1, "http://h:1", List.of(models), type, Instance.UNKNOWN, 1, state, 0, Map.of());
  }

  private static List<String> names(List<Instance> instances) {
    return instances.stream().map(Instance::name).toList();
  }

  private static Candidates of(Fleet fleet, String model) {
    return Objects.requireNonNull(fleet.forModel(model));
  }

  /// A41: a second name of a server was an instance that had not been tried yet.
  @Test
  void aSecondNameOfAServerIsNobodysCandidate() {
    Instance first = instance("a", State.EJECTED, null, "m");
    Instance second = instance("b", State.EJECTED, null, "m").asTwin();
    Fleet fleet = new Fleet(1, List.of(first, second));
    assertThat(of(fleet, "m").panic()).isTrue();
    assertThat(names(of(fleet, "m").in(Pool.ANY))).containsExactly("a");
    assertThat(fleet.instances()).as("it is shown all the same").hasSize(2);
    assertThat(second).isNotEqualTo(instance("b", State.EJECTED, null, "m"));
  }

  @Test
  void candidatesAreTheRoutableInstancesOfTheModelInTheOrderOfNames() {
    Fleet fleet =
        new Fleet(
            7,
            List.of(
                instance("c", State.ROUTABLE, CacheType.PAGED, "m"),
                instance("a", State.ROUTABLE, CacheType.STATIC, "m", "n"),
                instance("b", State.EJECTED, CacheType.PAGED, "m"),
                instance("d", State.DRAINING, CacheType.PAGED, "m"),
                instance("e", State.ROUTABLE, null, "other")));
    Candidates m = of(fleet, "m");
    assertThat(names(m.in(Pool.ANY))).containsExactly("a", "c");
    assertThat(names(m.in(Pool.PAGED))).containsExactly("c");
    assertThat(names(m.in(Pool.STATIC))).containsExactly("a");
    assertThat(m.panic()).isFalse();
    assertThat(names(fleet.any().in(Pool.ANY))).containsExactly("a", "c", "e");
    assertThat(fleet.models()).containsExactly("m", "n", "other");
    assertThat(fleet.routable()).isEqualTo(3);
    assertThat(fleet.version()).isEqualTo(7);
    assertThat(names(fleet.instances())).containsExactly("a", "b", "c", "d", "e");
  }

  @Test
  void ejectedInstancesAreTriedOnlyWhenAModelHasNoOther() {
    Fleet fleet =
        new Fleet(
            1,
            List.of(
                instance("a", State.EJECTED, CacheType.PAGED, "m"),
                instance("b", State.DRAINING, CacheType.PAGED, "m"),
                instance("c", State.ROUTABLE, CacheType.PAGED, "n")));
    assertThat(of(fleet, "m").panic()).isTrue();
    assertThat(names(of(fleet, "m").in(Pool.ANY))).containsExactly("a");
    assertThat(fleet.models()).containsExactly("n");
    assertThat(fleet.any().panic()).isFalse();
  }

  @Test
  void drainingInstancesAreNeverTried() {
    Fleet fleet = new Fleet(1, List.of(instance("a", State.DRAINING, CacheType.PAGED, "m")));
    assertThat(of(fleet, "m").isEmpty()).isTrue();
    assertThat(fleet.any().isEmpty()).isTrue();
    assertThat(fleet.forModel("never-seen")).isNull();
  }

  @Test
  void aFleetDoesNotFollowTheListItWasMadeFrom() {
    List<Instance> all = new ArrayList<>(List.of(instance("a", State.ROUTABLE, null, "m")));
    Fleet fleet = new Fleet(1, all);
    all.clear();
    assertThat(fleet.instances()).hasSize(1);
  }

  @Test
  void withoutLeavesTheOthersInTheirPools() {
    Candidates all =
        Candidates.of(
            "m",
            List.of(
                instance("a", State.ROUTABLE, CacheType.PAGED, "m"),
                instance("b", State.ROUTABLE, CacheType.STATIC, "m")));
    Candidates left = all.without(i -> i.name().equals("a"));
    assertThat(names(left.in(Pool.ANY))).containsExactly("b");
    assertThat(left.in(Pool.PAGED)).isEmpty();
    assertThat(left.model()).isEqualTo("m");
    assertThat(names(all.in(Pool.PAGED))).containsExactly("a");
  }

  @Test
  void anInstanceKnowsWhatFitsAndRefusesANegativeWeight() {
    Instance unknown = instance("a", State.ROUTABLE, null, "m");
    assertThat(unknown.fits(Long.MAX_VALUE)).isTrue();
    assertThat(unknown.serves("m")).isTrue();
    assertThat(unknown.serves("M")).isFalse();
    assertThatThrownBy(() ->
            new Instance(
                "a", "h", 1, "http://h:1", List.of(), null, 1, -1, State.ROUTABLE, 0, Map.of()))
        .hasMessage("weight: -1 (expected: 0 or more)");
  }

  @Test
  void cacheTypesAreTheTwoWordsAndNothingElse() {
    assertThat(CacheType.parse("paged")).isEqualTo(CacheType.PAGED);
    assertThat(CacheType.parse("static")).isEqualTo(CacheType.STATIC);
    for (Object other : List.of("Paged", "", 1, true)) {
      assertThat(CacheType.parse(other)).as(other.toString()).isNull();
    }
    assertThat(CacheType.parse(null)).isNull();
    assertThat(Pool.of(null)).isEqualTo(Pool.ANY);
    assertThat(Pool.of(CacheType.STATIC)).isEqualTo(Pool.STATIC);
  }

  private static Instance tiered(String name, State state, int tier, String... models) {
    return new Instance(
        name,
        "h",
        1,
        "http://h:1",
        List.of(models),
        null,
        -1,
        1,
        state,
        0,
        Map.of(),
        tier,
        0,
        Map.of());
  }

  private static Instance with(String name, int tier, ModelState m) {
    Map<String, ModelState> not = m == ModelState.LOADED ? Map.of() : Map.of("m", m);
    return new Instance(
        name,
        "h",
        1,
        "http://h:1",
        List.of("m", "n"),
        null,
        -1,
        name.startsWith("zero") ? 0 : 1,
        State.ROUTABLE,
        0,
        Map.of(),
        tier,
        0,
        not);
  }

  private static List<List<String>> tiers(Candidates c) {
    return c.tiers().stream().map(t -> names(t.in(Pool.ANY))).toList();
  }

  @Test
  void whoHasTheModelComesFirstWithinATierThenWhoLoadsItThenWhoCould() {
    Fleet fleet =
        new Fleet(
            1,
            List.of(
                with("a", 1, ModelState.FAILED),
                with("b", 1, ModelState.UNLOADED),
                with("c", 1, ModelState.LOADING),
                with("d", 1, ModelState.LOADED),
                with("e", 1, ModelState.LOADED),
                with("f", 2, ModelState.LOADED)));
    assertThat(tiers(of(fleet, "m")))
        .containsExactly(List.of("d", "e"), List.of("c"), List.of("b"), List.of("a"), List.of("f"));
    assertThat(tiers(of(fleet, "n")))
        .as("another model of theirs")
        .containsExactly(List.of("a", "b", "c", "d", "e"), List.of("f"));
  }

  /// In turn, each of them would load the model.
  @Test
  void whoCouldLoadAModelIsAskedOneByOneInAnOrderThatIsTheSameEverywhere() {
    List<Instance> cold = new ArrayList<>();
    for (int k = 0; k < 8; k++) {
      cold.add(with("i" + k, 1, ModelState.UNLOADED));
    }
    cold.add(with("zero", 1, ModelState.UNLOADED));
    List<List<String>> one = tiers(of(new Fleet(1, cold), "m"));
    assertThat(one).hasSize(4);
    assertThat(one.subList(0, 3)).allMatch(t -> t.size() == 1);
    assertThat(one.getLast()).hasSize(6).isSorted().contains("zero");
    assertThat(tiers(of(new Fleet(9, cold.reversed()), "m"))).isEqualTo(one);
    assertThat(tiers(Candidates.of("m", cold))).isEqualTo(one);
    List<Instance> less = new ArrayList<>(cold);
    less.removeIf(i -> i.name().equals(one.get(2).getFirst()));
    assertThat(tiers(of(new Fleet(1, less), "m")).subList(0, 2)).isEqualTo(one.subList(0, 2));
  }

  @Test
  void whetherAModelIsInMemoryIsAChangeOfItsCandidates() {
    Fleet one = new Fleet(1, List.of(with("a", 1, ModelState.UNLOADED)));
    Fleet two = one.next(List.of(with("a", 1, ModelState.LOADED)));
    assertThat(of(two, "m")).isNotSameAs(of(one, "m"));
    assertThat(of(two, "m").tiers()).isEmpty();
  }

  @Test
  void whoIsOnTrialIsACandidateOnlyAsATrial() {
    Instance trial = instance("b", State.TRIAL, CacheType.PAGED, "m");
    Fleet fleet = new Fleet(1, List.of(instance("a", State.ROUTABLE, null, "m"), trial));
    Candidates m = of(fleet, "m");
    assertThat(names(m.in(Pool.ANY))).containsExactly("a");
    assertThat(m.in(Pool.PAGED)).isEmpty();
    assertThat(m.trials()).containsExactly(trial);
    Candidates pair = m.pair(m.in(Pool.ANY).getFirst(), trial);
    assertThat(names(pair.in(Pool.ANY))).containsExactly("a", "b");
    assertThat(pair.in(Pool.PAGED)).containsExactly(trial);
    assertThat(pair.trials()).isEmpty();
    assertThat(m.without(i -> i.name().equals("b")).trials()).isEmpty();
    assertThat(fleet.routable()).isEqualTo(1);
  }

  @Test
  void inPanicTrialsAreTriedLikeTheOthersThatAreOut() {
    Fleet fleet =
        new Fleet(
            1,
            List.of(
                instance("b", State.EJECTED, null, "m"), instance("a", State.TRIAL, null, "m")));
    assertThat(of(fleet, "m").panic()).isTrue();
    assertThat(names(of(fleet, "m").in(Pool.ANY))).containsExactly("a", "b");
    assertThat(of(fleet, "m").trials()).isEmpty();
  }

  @Test
  void tiersAreSplitOnceAndKnowWhetherAHigherOneIsOut() {
    Instance first = tiered("a", State.ROUTABLE, 1, "m");
    Instance second = tiered("b", State.ROUTABLE, 2, "m");
    Candidates both = of(new Fleet(1, List.of(second, first)), "m");
    assertThat(both.tiers()).hasSize(2);
    assertThat(names(both.tiers().getFirst().in(Pool.ANY))).containsExactly("a");
    assertThat(names(both.tiers().getLast().in(Pool.ANY))).containsExactly("b");
    assertThat(both.lowered()).isFalse();
    Candidates out = of(new Fleet(1, List.of(second, tiered("a", State.EJECTED, 1, "m"))), "m");
    assertThat(out.tiers()).as("one tier").isEmpty();
    assertThat(out.lowered()).isTrue();
    Candidates drained =
        of(new Fleet(1, List.of(second, tiered("a", State.DRAINING, 1, "m"))), "m");
    assertThat(drained.lowered()).isFalse();
  }

  @Test
  void whatDidNotChangeIsTheSameObjectInTheNextFleet() {
    Instance a = instance("a", State.ROUTABLE, null, "m");
    Instance b = instance("b", State.ROUTABLE, null, "n");
    Fleet one = new Fleet(1, List.of(a, b));
    Fleet two = one.next(List.of(a, instance("b", State.EJECTED, null, "n")));
    assertThat(two.version()).isEqualTo(2);
    assertThat(of(two, "m")).isSameAs(of(one, "m"));
    assertThat(of(two, "n")).isNotSameAs(of(one, "n"));
    assertThat(of(two, "m").version()).isEqualTo(1);
    assertThat(of(two, "n").version()).isEqualTo(2);
    assertThat(two.any().version()).isEqualTo(2);
    Fleet three = two.next(List.of(a));
    assertThat(three.forModel("n")).isNull();
  }

  @Test
  void aModelThatIsListedTwiceMakesNoSecondCandidate() {
    Fleet fleet = new Fleet(1, List.of(instance("a", State.ROUTABLE, null, "m", "n", "m")));
    assertThat(of(fleet, "m").in(Pool.ANY)).hasSize(1);
  }

  /// 400 instances of 50 adapters each took 9.6 s: models x instances x models per instance. In one
  /// pass a model is compared only with itself, so that names are not looked at again.
  @Test
  void aFleetIsMadeInOnePassOverWhatInstancesList() {
    List<Instance> many = new ArrayList<>();
    for (int k = 0; k < 2000; k++) {
      String[] models = new String[50];
      for (int m = 0; m < 50; m++) {
        models[m] = "model-" + k + "-" + m;
      }
      many.add(instance("i" + k, State.ROUTABLE, null, models));
    }
    Fleet fleet = new Fleet(1, many);
    assertThat(fleet.models()).hasSize(100_000);
    assertThat(of(fleet, "model-1999-49").in(Pool.ANY)).hasSize(1);
    assertThat(fleet.next(many).forModel("model-7-7")).isSameAs(fleet.forModel("model-7-7"));
  }

  @Test
  void aRollKeepsWordsAndNumbersAndNoMoreThanSixtyFour() {
    List<Instance> many = new ArrayList<>();
    for (int k = 0; k < 1000; k++) {
      many.add(instance("i%03d".formatted(k), State.ROUTABLE, CacheType.STATIC, "m"));
    }
    Candidates c = Candidates.of("m", many);
    Roll r = c.roll();
    assertThat(c.roll()).isSameAs(r);
    assertThat(r.size()).isEqualTo(Roll.MOST);
    assertThat(r.total()).isEqualTo(1000);
    assertThat(r.name(63)).isEqualTo("i063");
    assertThat(r.pool(63)).isEqualTo(Pool.STATIC);
    assertThat(r.slot(63)).isZero();
    assertThat(r.capacityTokens(63)).isEqualTo(Instance.UNKNOWN);
  }

  @Test
  void thoseThatSleepAreNobodysCandidatesAndTheirModelsAreOnOffer() {
    Instance awake = instance("a", State.ROUTABLE, CacheType.PAGED, "m");
    Instance out = instance("o", State.EJECTED, CacheType.PAGED, "n");
    Instance asleep = instance("s", State.ASLEEP, CacheType.STATIC, "m", "n");
    Fleet fleet = new Fleet(1, List.of(awake, out, asleep));
    Candidates m = of(fleet, "m");
    assertThat(names(m.in(Pool.ANY))).containsExactly("a");
    assertThat(names(m.asleep())).containsExactly("s");
    assertThat(names(m.without(i -> true).asleep())).containsExactly("s");
    assertThat(of(fleet, "n").panic()).isTrue();
    assertThat(fleet.models()).containsExactly("m", "n");
    assertThat(fleet.routable()).isEqualTo(1);
    assertThat(fleet.asleep()).isEqualTo(1);
    // who waits for it hears when that changes
    Fleet next =
        fleet.next(List.of(awake, out, instance("s", State.WAKING, CacheType.STATIC, "m", "n")));
    assertThat(of(next, "m").version()).isEqualTo(2);
    assertThat(next.asleep()).isEqualTo(1);
  }

  @Test
  void anUpperTierThatSleepsLowersTheOthers() {
    Instance upper = instance("u", State.ASLEEP, null, "m");
    Instance lower =
        new Instance(
            "l",
            "h",
            1,
            "http://h:1",
            List.of("m"),
            null,
            Instance.UNKNOWN,
            1,
            State.ROUTABLE,
            0,
            Map.of(),
            2,
            0,
            Map.of());
    assertThat(of(new Fleet(1, List.of(upper, lower)), "m").lowered()).isTrue();
  }
}
