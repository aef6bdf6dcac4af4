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
}
