package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.Instance.State;
import org.junit.jupiter.api.Test;

class RosterTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long GRACE = 60 * SECOND;

  private final Roster roster = new Roster(3, GRACE);
  private final Ledger ledger = new Ledger();

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
      roster.down("s");
    }
    assertThat(state("s")).isEqualTo(State.EJECTED);
  }

  @Test
  void anotherStatusTakesItOutAtOnceWhateverProbesSay() {
    table(0, ok("a"));
    roster.up("a", 0.01);
    assertThat(table(1, known("a", 8100, false, false))).isTrue();
    assertThat(state("a")).isEqualTo(State.DRAINING);
    table(2, ok("a"));
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void whatWasSeenHereWinsOverTheLease() {
    table(0, ok("a"));
    assertThat(roster.down("a")).isFalse();
    assertThat(roster.down("a")).isFalse();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(roster.down("a")).isTrue();
    assertThat(state("a")).isEqualTo(State.EJECTED);
    table(1, ok("a"));
    assertThat(state("a")).as("a healthy lease undoes nothing").isEqualTo(State.EJECTED);
    assertThat(entry("a").errors).isEqualTo(3);
    assertThat(roster.up("a", 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").errors).isZero();
    table(2, known("a", 8100, true, false));
    assertThat(state("a")).as("its probes succeed").isEqualTo(State.ROUTABLE);
  }

  @Test
  void failuresMustBeInARow() {
    table(0, ok("a"));
    for (int k = 0; k < 5; k++) {
      roster.down("a");
      roster.down("a");
      roster.up("a", 0.01);
    }
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").suspect()).isFalse();
    roster.down("a");
    assertThat(entry("a").suspect()).isTrue();
  }

  @Test
  void anotherPortIsANewIncarnationWithCountersOfItsOwn() {
    table(0, ok("a"));
    int before = entry("a").slot;
    for (int k = 0; k < 3; k++) {
      roster.down("a");
    }
    ledger.take(before);
    assertThat(table(1, known("a", 8300, true, true))).isTrue();
    assertThat(entry("a").slot).isNotEqualTo(before);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(entry("a").instance().port()).isEqualTo(8300);
  }

  @Test
  void aSlotComesBackOnlyWhenNothingIsInFlightOnIt() {
    table(0, ok("a"));
    int slot = entry("a").slot;
    ledger.take(slot);
    roster.table(List.of(), List.of("a"), SECOND);
    roster.reclaim(ledger);
    table(2, ok("b"));
    assertThat(entry("b").slot).isNotEqualTo(slot);
    ledger.release(slot);
    roster.reclaim(ledger);
    table(3, ok("b"), ok("c"));
    assertThat(entry("c").slot).isEqualTo(slot);
    assertThat(ledger.sent(slot)).as("counts of the one before are gone").isZero();
  }

  @Test
  void fixedEntriesStayAndWinOverTheRegistrysOfTheSameName() {
    roster.fixed(known("f", 9000, true, true, true, Map.of()));
    table(0, known("f", 8100, true, true));
    table(1000);
    assertThat(roster.table(List.of(), List.of("f"), 2000 * SECOND)).isFalse();
    assertThat(entry("f").instance().port()).isEqualTo(9000);
    assertThat(state("f")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void theInstancesOwnModelsCountWhenItRegisteredNone() {
    Known silent =
        new Known("a", "h", 1, "http://h:1", null, null, Map.of(), 1, true, true, true, null, null);
    roster.fixed(silent);
    assertThat(entry("a").instance().models()).isEmpty();
    assertThat(entry("a").suspect()).isTrue();
    List<Map<String, Object>> list = List.of(Map.of("id", "x", "max_model_len", 4096));
    assertThat(roster.models("a", List.of("x"), list)).isTrue();
    assertThat(roster.models("a", List.of("x"), list)).isFalse();
    assertThat(entry("a").instance().models()).containsExactly("x");
    assertThat(entry("a").instance().capacityTokens()).isEqualTo(4096);
  }

  @Test
  void reportsAboutStrangersChangeNothing() {
    assertThat(roster.up("x", 1)).isFalse();
    assertThat(roster.down("x")).isFalse();
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
}
