package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.router.Circuit.Event;
import org.junit.jupiter.api.Test;

class RosterTest extends RosterHarness {
  @Test
  void whoIsListedAndHealthyIsRoutable() {
    assertThat(table(0, ok("a"))).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(table(1, ok("a"))).as("nothing new").isFalse();
    assertThat(table(2, known("a", 8100, true, false))).isTrue();
    assertThat(state("a")).isEqualTo(State.EJECTED);
  }

  /// A40: a probe that failed once and has passed since stood there as the reason.
  @Test
  void whyItIsOutIsWhatKeepsItOutNow() {
    table(0, ok("a"), ok("b"), ok("c"), ok("d"));
    for (int k = 0; k < 3; k++) {
      saw("a", Event.STRIKE, 1);
    }
    saw("b", Event.OUTLIER, 1);
    for (String name : List.of("a", "b")) {
      roster.down(name, "answers 503", true, null, 0, 0.5);
      up(name, 0.1);
      assertThat(state(name)).isEqualTo(State.EJECTED);
    }
    assertThat(entry("a").why()).isEqualTo("it failed requests that others answered");
    assertThat(entry("b").why()).isEqualTo("it serves far worse than its peers");
    for (int k = 0; k < 3; k++) {
      down("a");
      saw("c", Event.REFUSED, 1);
    }
    assertThat(entry("a").why()).as("two reasons, the probes' first").isEqualTo("does not answer");
    assertThat(entry("c").why()).isEqualTo("connections failed");
    table(2, known("d", 8100, true, false));
    assertThat(entry("d").why()).isEqualTo("the registry calls it unhealthy");
  }

  private static Known fixed(int port) {
    return known("x", port, true, true, true, Map.of());
  }

  private void drainAndWeigh() {
    assertThat(roster.drain("x", true)).isTrue();
    assertThat(roster.weight("x", 0)).isTrue();
  }

  private void assertSaid(boolean still) {
    assertThat(entry("x").drained).isEqualTo(still);
    assertThat(entry("x").weight).isEqualTo(still ? 0 : null);
  }

  @Test
  void whatWasSaidOfAnInstanceEndsWhenItIsRemoved() {
    roster.fixed(fixed(1));
    drainAndWeigh();
    roster.dismiss("x");
    table(0);
    roster.fixed(fixed(1));
    assertSaid(false);
  }

  @Test
  void whatWasSaidOfAnInstanceIsNotSaidOfAnotherUnderItsName() {
    roster.fixed(fixed(1));
    drainAndWeigh();
    roster.fixed(fixed(2));
    assertSaid(false);
    drainAndWeigh();
    roster.dismiss("x");
    table(1, known("x", 3, true, true));
    assertSaid(false);
    drainAndWeigh();
    table(2, known("x", 4, true, true));
    assertSaid(false);
    drainAndWeigh();
    roster.table(List.of(), List.of("x"), 3 * SECOND);
    table(4, known("x", 5, true, true));
    assertSaid(false);
    roster.drain("x", true);
    roster.fixed(fixed(6));
    assertSaid(false);
  }

  /// A flap, a restart, an address that a name server forgot, another source: the same server.
  @Test
  void whatWasSaidOfAnInstanceHoldsWhenItComesBackAtItsUrl() {
    roster.fixed(fixed(1));
    drainAndWeigh();
    roster.leave("x");
    roster.fixed(fixed(1));
    assertSaid(true);
    roster.dismiss("x");
    table(1, known("x", 1, true, true));
    assertSaid(true);
    roster.table(List.of(), List.of("x"), 2 * SECOND);
    table(3, known("x", 1, true, true));
    assertSaid(true);
    assertThat(roster.drain("x", false)).isTrue();
    assertThat(roster.weight("x", null)).isTrue();
    roster.leave("x");
    roster.fixed(fixed(1));
    assertSaid(false);
  }

  /// A new process need not sit out the pause of the one that died.
  @Test
  void whoWasGoneAndIsThereAgainIsTriedAtOnce() {
    table(0, ok("a"), ok("b"));
    for (int k = 0; k < 3; k++) {
      saw("a", Event.STRIKE, 1);
    }
    down("a");
    up("a", 0.1);
    assertThat(state("a"))
        .as("a probe that fails while the port answers shortens nothing")
        .isEqualTo(State.EJECTED);
    saw("a", Event.REFUSED, 1);
    down("a");
    up("a", 0.1);
    assertThat(state("a")).isEqualTo(State.TRIAL);
  }

  @Test
  void absenceIsFollowedAfterTheGracePeriod() {
    table(0, ok("a"), ok("b"));
    table(10, ok("b"));
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(table(69, ok("b"))).isFalse();
    assertThat(roster.entry("a")).isNotNull();
    assertThat(table(70, ok("b"))).isTrue();
    assertThat(roster.entry("a")).isNull();
    assertThat(state("b")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void whoIsListedAgainInTimeStaysAndTheGraceStartsAnew() {
    table(0, ok("a"));
    table(10);
    table(60, ok("a"));
    table(65);
    assertThat(table(124)).isFalse();
    assertThat(roster.entry("a")).isNotNull();
    assertThat(table(125)).isTrue();
    assertThat(roster.entry("a")).isNull();
  }

  @Test
  void timeWithoutATableDoesNotCount() {
    table(0, ok("a"));
    assertThat(table(3600)).as("the first table after an hour lists nobody").isFalse();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    table(3601, ok("a"));
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void aDeleteIsFollowedAtOnceEvenForEntriesThatAreThereForGood() {
    table(0, ok("a"), known("s", 1, true, true, false, Map.of("static", true)));
    assertThat(roster.table(List.of(), List.of("a", "s", "unknown"), SECOND)).isTrue();
    assertThat(roster.entries()).isEmpty();
  }

  @Test
  void whoIsListedAgainAfterADeleteIsThere() {
    table(0, ok("a"));
    roster.table(List.of(ok("a")), List.of("a"), SECOND);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void staticMetadataKeepsAnEntryListedButNotHealthy() {
    Known s = known("s", 1, true, true, false, Map.of("static", true));
    Known text = known("t", 2, true, true, false, Map.of("static", "true"));
    table(0, s, text);
    table(10);
    table(1000);
    assertThat(roster.entry("t")).isNull();
    for (int k = 0; k < 3; k++) {
      down("s");
    }
    assertThat(state("s")).isEqualTo(State.EJECTED);
  }

  @Test
  void anotherStatusTakesItOutAtOnceWhateverProbesSay() {
    table(0, ok("a"));
    up("a", 0.01);
    assertThat(table(1, known("a", 8100, false, false))).isTrue();
    assertThat(state("a")).isEqualTo(State.DRAINING);
    table(2, ok("a"));
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void whatWasSeenHereWinsOverTheLease() {
    table(0, ok("a"));
    assertThat(down("a")).isFalse();
    assertThat(down("a")).isFalse();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(down("a")).isTrue();
    assertThat(state("a")).isEqualTo(State.EJECTED);
    table(1, ok("a"));
    assertThat(state("a")).as("a healthy lease undoes nothing").isEqualTo(State.EJECTED);
    assertThat(entry("a").errors).isEqualTo(3);
    assertThat(up("a", 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").errors).isZero();
    table(2, known("a", 8100, true, false));
    assertThat(state("a")).as("its probes succeed").isEqualTo(State.ROUTABLE);
  }

  @Test
  void failuresMustBeInARow() {
    table(0, ok("a"));
    for (int k = 0; k < 5; k++) {
      down("a");
      down("a");
      up("a", 0.01);
    }
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").suspect()).isFalse();
    down("a");
    assertThat(entry("a").suspect()).isTrue();
  }

  @Test
  void anotherPortIsANewIncarnationWithCountersOfItsOwn() {
    table(0, ok("a"));
    int before = entry("a").slot;
    for (int k = 0; k < 3; k++) {
      down("a");
    }
    slots.at(before).take();
    assertThat(table(1, known("a", 8300, true, true))).isTrue();
    assertThat(entry("a").slot).isNotEqualTo(before);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").instance(SEATING).port()).isEqualTo(8300);
  }

  @Test
  void aSlotComesBackOnlyWhenNothingIsInFlightOnIt() {
    table(0, ok("a"));
    int slot = entry("a").slot;
    slots.at(slot).take();
    roster.table(List.of(), List.of("a"), SECOND);
    roster.reclaim(slots);
    table(2, ok("b"));
    assertThat(entry("b").slot).isNotEqualTo(slot);
    slots.at(slot).release();
    roster.reclaim(slots);
    table(3, ok("b"), ok("c"));
    assertThat(entry("c").slot).isEqualTo(slot);
    assertThat(slots.at(slot).sent()).as("counts of the one before are gone").isZero();
  }

  @Test
  void fixedEntriesStayAndWinOverTheRegistrysOfTheSameName() {
    roster.fixed(known("f", 9000, true, true, true, Map.of()));
    table(0, known("f", 8100, true, true));
    table(1000);
    assertThat(roster.table(List.of(), List.of("f"), 2000 * SECOND)).isFalse();
    assertThat(entry("f").instance(SEATING).port()).isEqualTo(9000);
    assertThat(state("f")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void theInstancesOwnModelsCountWhenItRegisteredNone() {
    Known silent =
        new Known("a", "h", 1, "http://h:1", null, null, Map.of(), 1, true, true, true, null, null);
    roster.fixed(silent);
    assertThat(entry("a").instance(SEATING).models()).isEmpty();
    assertThat(entry("a").suspect()).isTrue();
    List<Map<String, Object>> list = List.of(Map.of("id", "x", "max_model_len", 4096));
    assertThat(roster.models("a", List.of("x"), list)).isTrue();
    assertThat(roster.models("a", List.of("x"), list)).isFalse();
    assertThat(entry("a").instance(SEATING).models()).containsExactly("x");
    assertThat(entry("a").instance(SEATING).capacityTokens()).isEqualTo(4096);
  }

  /// What was read here is newer than what was registered, about the models that were.
  @Test
  void anOwnListOfARegisteredInstanceIsOfItsModelsAndNeverHidesThem() {
    Map<String, Object> registered = Map.of("id", "m", "max_model_len", 10);
    Known k = known("a", 8100, true, true);
    Known with =
        new Known(
            "a",
            "h",
            8100,
            k.url(),
            List.of("m"),
            List.of(registered),
            k.metadata(),
            1,
            true,
            true,
            false,
            null,
            null);
    roster.table(List.of(with), List.of(), 0);
    assertThat(entry("a").instance(SEATING).capacityTokens()).isEqualTo(10);
    roster.models(
        "a",
        List.of("m", "n"),
        List.of(Map.of("id", "m", "max_model_len", 20), Map.of("id", "n", "max_model_len", 99)));
    assertThat(entry("a").instance(SEATING).capacityTokens()).isEqualTo(20);
    assertThat(entry("a").instance(SEATING).models()).containsExactly("m");
    assertThat(entry("a").modelsList()).hasSize(1);
    roster.models("a", List.of(), List.of());
    assertThat(entry("a").modelsList()).containsExactly(registered);
  }

  @Test
  void reportsAboutStrangersChangeNothing() {
    assertThat(up("x", 1)).isFalse();
    assertThat(down("x")).isFalse();
    assertThat(roster.models("x", List.of(), List.of())).isFalse();
  }

  @Test
  void weightsAndModelsAreReadFromMetadata() {
    assertThat(Metadata.weight(null, 1)).isEqualTo(1);
    assertThat(Metadata.weight(7L, 1)).isEqualTo(7);
    assertThat(Metadata.weight("x", 1)).isEqualTo(1);
    assertThat(Metadata.models(Map.of("models", List.of("a", 1, "b")))).containsExactly("a", "b");
    assertThat(Metadata.models(Map.of("models", "a"))).isNull();
    assertThat(Metadata.modelsList(List.of(Map.of("id", "a"), Map.of("id", 1), "x"))).hasSize(1);
    assertThat(Metadata.modelsList("x")).isNull();
  }

  @Test
  void whatIsSaidOfAnEarlierIncarnationChangesNothing() {
    table(0, ok("a"));
    int before = entry("a").slot;
    table(1, known("a", 8300, true, true));
    for (int k = 0; k < 5; k++) {
      assertThat(roster.saw("a", before, Event.REFUSED, SECOND, 0.5)).isFalse();
    }
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  /// L11: 2,048 was the end once.
  @Test
  void fiveThousandInstancesHaveASlotEachAndSlotsComeBack() {
    List<Known> many = new ArrayList<>();
    for (int k = 0; k < 5000; k++) {
      many.add(known("i" + k, 1 + k, true, true));
    }
    roster.table(many, List.of(), 0);
    assertThat(roster.entries()).hasSize(5000);
    assertThat(roster.entries().stream().mapToInt(e -> e.slot).distinct()).hasSize(5000);
    int stuck = entry("i7").slot;
    slots.at(stuck).take();
    roster.table(List.of(), many.stream().map(Known::name).toList(), SECOND);
    roster.reclaim(slots);
    roster.table(many, List.of(), 2 * SECOND);
    assertThat(roster.entries().stream().mapToInt(e -> e.slot))
        .as("all but the one on which a request is stuck")
        .doesNotContain(stuck)
        .allMatch(s -> s <= 5000);
  }

  @Test
  void anUnchangedEntryIsTheSameInstance() {
    table(0, ok("a"), ok("b"));
    Instance a = entry("a").instance(SEATING);
    table(1, ok("a"), known("b", 8100, true, false));
    assertThat(entry("a").instance(SEATING)).isSameAs(a);
    up("a", 0.3);
    assertThat(entry("a").instance(SEATING)).isSameAs(a);
  }

  @Test
  void seatsAndTiersAreReadFromMetadata() {
    Map<Map<String, Object>, Integer> table = new HashMap<>();
    table.put(Map.of(), 0);
    table.put(Map.of("cache_type", "static"), 2);
    table.put(Map.of("cache_type", "static", "max_concurrency", 5), 5);
    table.put(Map.of("cache_type", "static", "max_concurrency", 0), 0);
    table.put(Map.of("cache_type", "static", "max_batch_size", 16), 2);
    table.put(Map.of("max_concurrency", "7"), 7);
    table.put(Map.of("max_concurrency", -1), 0);
    table.put(Map.of("cache_type", "paged"), 0);
    table.put(Map.of("cache_type", "paged", "max_batch_size", 16), 16);
    table.put(Map.of("cache_type", "paged", "max_num_seqs", 256L), 256);
    table.put(Map.of("max_batch_size", 16), 0);
    table.forEach((metadata, seats) ->
        assertThat(
                SEATING.seats(
                    metadata, known("a", 1, true, true, true, metadata).cacheType(), null))
            .as(metadata.toString())
            .isEqualTo(seats));
    Seating any = new Seating(0, false, 10, Duration.ZERO, Line.Order.FIFO, 0, false);
    assertThat(any.seats(Map.of("max_batch_size", 16), CacheType.PAGED, null)).isZero();
    assertThat(any.seats(Map.of(), CacheType.STATIC, null)).isZero();
    List<Map<String, Object>> list = List.of(Map.of("id", "m", "max_num_seqs", 8));
    assertThat(SEATING.seats(Map.of(), CacheType.PAGED, list)).isEqualTo(8);
    assertThat(Seating.tier(Map.of())).isEqualTo(1);
    assertThat(Seating.tier(Map.of("tier", 2))).isEqualTo(2);
    assertThat(Seating.tier(Map.of("tier", "two"))).isEqualTo(1);
  }
}
