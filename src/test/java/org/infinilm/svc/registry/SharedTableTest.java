package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.registry.Samples.at;
import static org.infinilm.svc.registry.Samples.entry;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// What a table learns from a store that several registries share.
class SharedTableTest {
  private static final Instant REGISTERED = at(0).second();

  private static Table learned(Table t, Entry e, boolean anew, double age, double now) {
    Event event = new Event.Learned(e, REGISTERED, anew, Duration.ofMillis(Math.round(age * 1000)));
    return t.apply(event, at(now)).next();
  }

  private static Lease a(Table t) {
    Lease l = t.leases().get("a");
    assertThat(l).isNotNull();
    return l;
  }

  @Test
  void anEntryComesWithItsAge() {
    Table t = learned(Table.EMPTY, entry("a"), true, 119, 200);
    assertThat(a(t).age(at(200))).isEqualTo(Duration.ofSeconds(119));
    assertThat(a(t).heartbeatAt()).isEqualTo(at(81).second());
    assertThat(a(t).isHealthy(at(200.5))).isTrue();
    assertThat(a(t).isHealthy(at(201))).isFalse();
    assertThat(a(learned(Table.EMPTY, entry("a"), true, 130, 200)).fresh()).isFalse();
  }

  @Test
  void noSignOfLifeIsShownAsOlderThanTheRegistration() {
    assertThat(a(learned(Table.EMPTY, entry("a"), true, 1, 0.5)).heartbeatAt())
        .isEqualTo(REGISTERED);
  }

  @Test
  void theNewerSignOfLifeCounts() {
    Table t = learned(Table.EMPTY, entry("a"), true, 0, 10);
    t = learned(t, entry("a"), false, 5, 12);
    assertThat(a(t).age(at(12))).isEqualTo(Duration.ofSeconds(2));
    t = learned(t, entry("a"), false, 1, 20);
    assertThat(a(t).age(at(20))).isEqualTo(Duration.ofSeconds(1));
  }

  @Test
  void aRegistrationForgetsTheVerdictAndAChangeDoesNot() {
    Table t = learned(Table.EMPTY, entry("a"), true, 0, 0);
    t = t.apply(new Event.Probed("a", a(t).serial(), false), at(1)).next();
    Table changed = learned(t, entry("a", "busy", Map.of()), false, 0, 2);
    assertThat(a(changed).probe()).isEqualTo(Lease.Probe.UNHEALTHY);
    Table anew = learned(t, entry("a"), true, 0, 2);
    assertThat(a(anew).probe()).isEqualTo(Lease.Probe.UNKNOWN);
    assertThat(a(anew).serial()).as("a late probe is not of it").isNotEqualTo(a(t).serial());
  }

  @Test
  void whatChangesNothingForAReaderKeepsTheVersion() {
    Table t = learned(Table.EMPTY, entry("a"), true, 0, 0);
    assertThat(learned(t, entry("a"), false, 0, 50).version()).isEqualTo(t.version());
    assertThat(t.apply(new Event.Heard(Set.of("a", "b")), at(50)).next().version())
        .isEqualTo(t.version());
    assertThat(t.apply(new Event.Lost("b"), at(50)).next()).isSameAs(t);
    assertThat(t.apply(new Event.Forgotten("b"), at(50)).next()).isSameAs(t);
    assertThat(t.apply(new Event.Buried("a", REGISTERED), at(50)).next())
        .as("it was registered again")
        .isSameAs(t);
    Table stale = t.apply(new Event.Aged(), at(120)).next();
    Table heard = stale.apply(new Event.Heard(Set.of("a")), at(121)).next();
    assertThat(heard.version()).isGreaterThan(stale.version());
    assertThat(a(heard).fresh()).isTrue();
  }

  @Test
  void tombstonesComeAndGoAndTheCountOfBytesStaysRight() {
    Table t = learned(Table.EMPTY, entry("a"), true, 0, 0);
    Table gone =
        t.apply(
                new Event.Together(List.of(new Event.Lost("a"), new Event.Buried("a", REGISTERED))),
                at(1))
            .next();
    assertThat(gone.leases()).isEmpty();
    assertThat(gone.deleted()).containsOnlyKeys("a");
    Table back = learned(gone, entry("a"), true, 0, 2);
    assertThat(back.deleted()).isEmpty();
    assertThat(back.bytes()).isEqualTo(t.bytes());
    Table forgotten = gone.apply(new Event.Forgotten("a"), at(3)).next();
    assertThat(forgotten.deleted()).isEmpty();
    assertThat(forgotten.bytes()).isZero();
  }

  @Test
  void whatGoesTogetherSaysWhoLeft() {
    Table t = learned(Table.EMPTY, entry("a"), true, 0, 0);
    Table.Step step =
        t.apply(new Event.Together(List.of(new Event.Lost("a"), new Event.Lost("b"))), at(1));
    assertThat(step.removed()).containsExactly("a");
  }
}
