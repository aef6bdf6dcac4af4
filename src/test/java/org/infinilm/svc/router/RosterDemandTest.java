package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.junit.jupiter.api.Test;

/// Instances on demand.
class RosterDemandTest extends RosterHarness {
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
        new Known.Demand(status, "key", null));
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

  /// Woken and stopped while the registry was away, it slept by the registry's word all along, and
  /// was in service here until that word changed.
  @Test
  void theBabysittersWordEndsWhenItSaysOtherwise() {
    table("asleep");
    assertThat(roster.awake("a")).isTrue();
    down("a");
    assertThat(state("a")).as("no answer says nothing of it").isEqualTo(State.ROUTABLE);
    assertThat(roster.down("a", "answers 503", true, null, 0, 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.ASLEEP);
    assertThat(roster.awake("a")).as("it may be woken again").isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  /// It was "asleep until a request comes" for a minute after its babysitter had been killed.
  @Test
  void whoseBabysitterIsGoneIsToldAsThat() {
    table("asleep");
    assertThat(entry("a").why()).isEqualTo("it sleeps until a request comes");
    roster.silent("a", "refused");
    assertThat(entry("a").silent()).isTrue();
    String silent = "it sleeps, and its babysitter did not answer when a request came: refused";
    assertThat(entry("a").why()).isEqualTo(silent);
    table("asleep");
    assertThat(entry("a").why()).as("no news").isEqualTo(silent);
    roster.table(List.of(), List.of(), 0);
    assertThat(entry("a").why()).isEqualTo(silent + "; the registry lists it no more");
    table("asleep");
    assertThat(entry("a").silent()).as("it has registered again").isFalse();
    roster.silent("a", "refused");
    table("loading");
    assertThat(entry("a").silent()).isFalse();
    roster.table(List.of(), List.of(), 0);
    assertThat(entry("a").why())
        .isEqualTo("its own status is loading; the registry lists it no more");
    roster.silent("a", "refused");
    table("asleep");
    roster.silent("a", "");
    assertThat(entry("a").why()).isEqualTo("it sleeps until a request comes");
  }

  /// Where one that sleeps can take over, it is not the last one.
  @Test
  void whoFailsMayLeaveForOneThatSleeps() {
    for (String word : List.of("asleep", "loading")) {
      roster.table(List.of(onDemand("a", word), ok("b")), List.of(), 0);
      strike("b", 1);
      assertThat(state("b")).as(word).isEqualTo(State.EJECTED);
      saw("b", Event.TIME, 20);
      saw("b", Event.ANSWERED, 21);
      saw("b", Event.TIME, 40);
      assertThat(state("b")).isEqualTo(State.ROUTABLE);
    }
    roster.table(List.of(onDemand("a", "failed"), ok("b")), List.of(), 50);
    strike("b", 51);
    assertThat(state("b")).as("nobody is started for a request").isEqualTo(State.ROUTABLE);
    roster.table(List.of(onDemand("a", "asleep"), ok("b")), List.of(), 60);
    roster.drain("a", true);
    strike("b", 61);
    assertThat(state("b")).as("it is drained here").isEqualTo(State.ROUTABLE);
  }

  @Test
  void oneThatSleepsHasAShareOfThoseThatMayBeOut() {
    roster.table(List.of(onDemand("a", "asleep"), ok("b"), ok("c")), List.of(), 0);
    strike("b", 1);
    strike("c", 1);
    assertThat(state("b")).isEqualTo(State.EJECTED);
    assertThat(state("c")).as("two of three would be out").isEqualTo(State.ROUTABLE);
  }
}
