package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.router.Circuit.Event;
import org.junit.jupiter.api.Test;

class RosterTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long GRACE = 60 * SECOND;
  private static final Seating SEATING =
      new Seating(2, true, 10, Duration.ZERO, Line.Order.FIFO, 0, false);

  private final Roster roster = new Roster(3, GRACE);
  private final Slots slots = new Slots();

  private static Known known(String name, int port, boolean running, boolean healthy) {
    return known(name, port, running, healthy, false, Map.of("type", "openai-api"));
  }

  private static Known known(
      String name,
      int port,
      boolean running,
      boolean healthy,
      boolean fixed,
      Map<String, Object> metadata) {
    return new Known(
        name,
        "h",
        port,
        "http://h:" + port,
        List.of("m"),
        null,
        metadata,
        1,
        running,
        healthy,
        fixed,
        null,
        null);
  }

  private static Known ok(String name) {
    return known(name, 8100, true, true);
  }

  private State state(String name) {
    return entry(name).state();
  }

  private Roster.Entry entry(String name) {
    return Objects.requireNonNull(roster.entry(name));
  }

  private boolean up(String name, double seconds) {
    return roster.up(name, seconds, null, 0, 0.5);
  }

  private boolean down(String name) {
    return roster.down(name, "does not answer", false, null, 0, 0.5);
  }

  /// What an exchange saw of it, at a second.
  private boolean saw(String name, Event event, long second) {
    return roster.saw(name, entry(name).slot, event, second * SECOND, 0.5);
  }

  private boolean table(long second, Known... entries) {
    return roster.table(List.of(entries), List.of(), second * SECOND);
  }

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

  private void refuse(String name, long second) {
    for (int k = 0; k < 3; k++) {
      saw(name, Event.REFUSED, second);
    }
  }

  /// C6: what answers at the babysitter's port is another process.
  @Test
  void aHealthyBabysitterDoesNotBringBackAnInstanceWhosePortRefuses() {
    table(0, ok("a"));
    refuse("a", 1);
    assertThat(state("a")).isEqualTo(State.EJECTED);
    for (int second = 2; second < 60; second++) {
      assertThat(roster.up("a", 0.01, false, second * SECOND, 0.5)).isFalse();
      assertThat(state("a")).isEqualTo(State.EJECTED);
      assertThat(entry("a").suspect()).as("it is watched").isTrue();
    }
    assertThat(roster.up("a", 0.01, true, 60 * SECOND, 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  /// Killed with requests on it, whose second instances answered them: its new process sat out the
  /// pause of the one that died, up to two minutes.
  @Test
  void whoDiedWithRequestsOnItIsTriedAsSoonAsItsPortAnswersAgain() {
    table(0, ok("a"), ok("b"), ok("c"));
    for (int k = 0; k < 6; k++) {
      strike("a", 1 + k);
      saw("a", Event.ANSWERED, 1 + k);
    }
    assertThat(state("a")).isEqualTo(State.EJECTED);
    roster.down("a", "it refuses", false, false, 10 * SECOND, 0.5);
    assertThat(roster.up("a", 0.01, false, 11 * SECOND, 0.5)).isFalse();
    assertThat(state("a")).as("its babysitter alone answers").isEqualTo(State.EJECTED);
    roster.down("a", "it refuses", false, false, 12 * SECOND, 0.5);
    assertThat(roster.up("a", 0.01, true, 13 * SECOND, 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.TRIAL);
  }

  @Test
  void refusalsThatTheProberSeesCountWithThoseOfRequests() {
    table(0, ok("a"));
    saw("a", Event.REFUSED, 1);
    roster.up("a", 0.01, false, 2 * SECOND, 0.5);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    roster.up("a", 0.01, false, 3 * SECOND, 0.5);
    assertThat(state("a")).isEqualTo(State.EJECTED);
  }

  private void strike(String name, long second) {
    for (int k = 0; k < 3; k++) {
      saw(name, Event.STRIKE, second);
    }
  }

  @Test
  void atMostHalfOfThoseThatServeAModelAreOutForWhatTheyAnswered() {
    table(0, ok("a"), ok("b"), ok("c"), ok("d"), ok("e"));
    for (String name : List.of("a", "b", "c", "d", "e")) {
      strike(name, 1);
    }
    assertThat(state("a")).isEqualTo(State.EJECTED);
    assertThat(state("b")).isEqualTo(State.EJECTED);
    for (String name : List.of("c", "d", "e")) {
      assertThat(state(name)).as(name).isEqualTo(State.ROUTABLE);
    }
    refuse("c", 1);
    refuse("d", 1);
    refuse("e", 1);
    assertThat(state("e"))
        .as("a port that refuses is no matter of shares")
        .isEqualTo(State.EJECTED);
  }

  /// Counted twice, a broken server that is listed twice could not leave under its second name.
  @Test
  void aServerUnderTwoNamesTakesOneShareOfThoseThatMayBeOut() {
    table(0, ok("a"), ok("b"), ok("b2"));
    entry("a").server = "1";
    entry("b").server = "2";
    entry("b2").server = "2";
    strike("b", 1);
    strike("b2", 1);
    assertThat(state("b")).isEqualTo(State.EJECTED);
    assertThat(state("b2")).isEqualTo(State.EJECTED);
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void twoNamesOfTheOnlyServerAreNoReasonToTakeItOut() {
    table(0, ok("a"), ok("b"));
    entry("a").server = "1";
    entry("b").server = "1";
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void theOnlyOneInServiceIsNeverTakenOutForWhatItAnswered() {
    table(0, ok("a"));
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    table(1, ok("a"), ok("b"));
    refuse("b", 2);
    strike("a", 3);
    assertThat(state("a")).as("the other is out already").isEqualTo(State.ROUTABLE);
  }

  @Test
  void afterThePauseOneTrialDecides() {
    table(0, ok("a"), ok("b"));
    strike("a", 1);
    saw("a", Event.ANSWERED, 2);
    assertThat(state("a")).as("an answer from before").isEqualTo(State.EJECTED);
    assertThat(saw("a", Event.TIME, 7)).isTrue();
    assertThat(state("a")).isEqualTo(State.TRIAL);
    saw("a", Event.STRIKE, 8);
    assertThat(state("a")).isEqualTo(State.EJECTED);
    saw("a", Event.TIME, 30);
    saw("a", Event.ANSWERED, 31);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void anAnswerDoesNotOverruleAServerThatSaysItIsNotWell() {
    table(0, ok("a"), ok("b"));
    for (int k = 0; k < 3; k++) {
      down("a");
      roster.down("b", "answers 503", true, null, 0, 0.5);
    }
    saw("a", Event.ANSWERED, 1);
    saw("b", Event.ANSWERED, 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(state("b")).isEqualTo(State.EJECTED);
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

  private static Known onDemand(String name, String status) {
    boolean running = status.equals("running");
    Known k = known(name, 8100, running, running);
    return new Known(
        k.name(),
        k.host(),
        k.port(),
        k.url(),
        k.models(),
        k.modelsList(),
        k.metadata(),
        k.weight(),
        k.running(),
        k.registryHealthy(),
        false,
        null,
        null,
        null,
        null,
        false,
        new Known.Demand(status, "key"));
  }

  private void table(String status) {
    roster.table(List.of(onDemand("a", status)), List.of(), 0);
  }

  @Test
  void oneOnDemandIsInTheStateOfItsOwnWord() {
    Map<String, State> expected = new HashMap<>();
    expected.put("asleep", State.ASLEEP);
    List.of("waking", "starting", "loading", "restarting")
        .forEach(w -> expected.put(w, State.WAKING));
    List.of("draining", "failed", "unhealthy", "whatever")
        .forEach(w -> expected.put(w, State.DRAINING));
    expected.put("running", State.ROUTABLE);
    expected.forEach((word, state) -> {
      table(word);
      assertThat(state("a")).as(word).isEqualTo(state);
      assertThat(entry("a").why().isEmpty()).as(word).isEqualTo(word.equals("running"));
    });
    // the same words of one that runs always
    roster.table(List.of(known("b", 8200, false, false)), List.of(), 0);
    assertThat(state("b")).isEqualTo(State.DRAINING);
  }

  @Test
  void whatWasSeenOfTheLastProcessSaysNothingOfTheNext() {
    table("running");
    long life = entry("a").life;
    for (int k = 0; k < 4; k++) {
      saw("a", Event.REFUSED, k);
      down("a");
    }
    assertThat(state("a")).isEqualTo(State.EJECTED);
    table("asleep");
    down("a");
    assertThat(state("a")).isEqualTo(State.ASLEEP);
    table("running");
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").life).isGreaterThan(life);
  }

  @Test
  void theBabysittersWordHoldsUntilTheRegistrySaysAnything() {
    table("running");
    assertThat(roster.awake("a")).isFalse();
    table("asleep");
    assertThat(roster.awake("a")).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").why()).isEmpty();
    assertThat(roster.awake("a")).as("no news").isFalse();
    // the table that it was in before, once more
    table("asleep");
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    table("running");
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    table("asleep");
    assertThat(state("a")).isEqualTo(State.ASLEEP);
    table("draining");
    assertThat(roster.awake("a")).isFalse();
    assertThat(state("a")).isEqualTo(State.DRAINING);
  }
}
