package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.registry.Samples.at;
import static org.infinilm.svc.registry.Samples.entry;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The rules of leases as tables: (state, event, now) to (state, records).
class TableTest {
  private static Table after(Object... secondsAndEvents) {
    Table t = Table.EMPTY;
    for (int i = 0; i < secondsAndEvents.length; i += 2) {
      double s = ((Number) secondsAndEvents[i]).doubleValue();
      t = t.apply((Event) secondsAndEvents[i + 1], at(s)).next();
    }
    return t;
  }

  private static Lease lease(Table t, String name) {
    Lease l = t.leases().get(name);
    if (l == null) {
      throw new AssertionError(name + " is not in the table");
    }
    return l;
  }

  private static Event register(String name) {
    return new Event.Register(entry(name));
  }

  private static Event status(String name, String status) {
    return new Event.Update(name, null, null, null, null, status, null, null);
  }

  @ParameterizedTest(name = "{0} s old, status {1}, probe {2}: healthy {3}")
  @CsvSource({
    "0,       running,  UNKNOWN,   true",
    "119.999, running,  UNKNOWN,   true",
    "120,     running,  UNKNOWN,   false",
    "119.999, running,  HEALTHY,   true",
    "120,     running,  HEALTHY,   false",
    "0,       running,  UNHEALTHY, false",
    "0,       draining, HEALTHY,   false",
    "0,       Running,  HEALTHY,   false",
    "0,       '',       UNKNOWN,   false",
  })
  void healthyIsRunningAndFreshAndNotProbedUnhealthy(
      double age, String status, Lease.Probe probe, boolean healthy) {
    Table t = after(0, new Event.Register(entry("a", status, Map.of())));
    assertThat(lease(t, "a").with(probe).isHealthy(at(age))).isEqualTo(healthy);
  }

  @ParameterizedTest(name = "clean-up {0} s after the heartbeat leaves it: {1}")
  @CsvSource({"0, true", "120, true", "300, true", "300.001, false", "360, false"})
  void cleanUpRemovesAfterFiveMinutesOfSilence(double age, boolean stays) {
    Table.Step step = after(0, register("a")).apply(new Event.CleanUp(), at(age));
    assertThat(step.next().leases().containsKey("a")).isEqualTo(stays);
    assertThat(step.removed()).isEqualTo(stays ? List.of() : List.of("a"));
    assertThat(step.records())
        .isEqualTo(stays ? List.of() : List.of(new JournalRecord.Expired("a")));
  }

  @Test
  void aShorterLeaseIsStaleAndRemovedInProportion() {
    Table t = Table.EMPTY.apply(new Event.Register(entry("a")), at(0)).next();
    assertThat(lease(t, "a").isHealthy(shortly(0.9))).isTrue();
    assertThat(lease(t, "a").isHealthy(shortly(1))).isFalse();
    assertThat(t.untilStale(shortly(0.4))).isEqualTo(Duration.ofMillis(600));
    assertThat(t.apply(new Event.CleanUp(), shortly(2.5)).removed()).isEmpty();
    assertThat(t.apply(new Event.CleanUp(), shortly(2.6)).removed()).containsExactly("a");
  }

  private static Now shortly(double seconds) {
    return new Now(at(seconds).wall(), at(seconds).nanos(), Duration.ofSeconds(1).toNanos());
  }

  @Test
  void onlyACleanUpRemoves() {
    Table t = after(0, register("a"), 1000, new Event.Aged());
    assertThat(t.leases()).containsKey("a");
  }

  @Test
  void heartbeatMakesAStaleEntryHealthyAgain() {
    Table stale = after(0, register("a"), 200, new Event.Aged());
    assertThat(lease(stale, "a").isHealthy(at(200))).isFalse();
    Table.Step step = stale.apply(new Event.Heartbeat("a", null), at(201));
    assertThat(lease(step.next(), "a").isHealthy(at(201))).isTrue();
    assertThat(step.next().version()).isGreaterThan(stale.version());
    assertThat(step.records()).containsExactly(new JournalRecord.Beat("a", at(201).second()));
  }

  @Test
  void heartbeatSetsTheStatusItBrings() {
    Table t = after(0, register("a"), 1, new Event.Heartbeat("a", "restarting"));
    assertThat(lease(t, "a").entry().status()).isEqualTo("restarting");
    Table again = t.apply(new Event.Heartbeat("a", "running"), at(2)).next();
    assertThat(lease(again, "a").isHealthy(at(2))).isTrue();
  }

  @Test
  void heartbeatKeepsTheStatusWithoutOne() {
    Table t =
        after(0, register("a"), 1, status("a", "draining"), 2, new Event.Heartbeat("a", null));
    assertThat(lease(t, "a").entry().status()).isEqualTo("draining");
  }

  @Test
  void aPlainHeartbeatIsNoNewVersion() {
    Table before = after(0, register("a"));
    Table t = before.apply(new Event.Heartbeat("a", "running"), at(30)).next();
    assertThat(t.version()).isEqualTo(before.version());
    assertThat(lease(t, "a").heartbeatAt()).isEqualTo(at(30).second());
  }

  @Test
  void goingStaleIsANewVersionOnce() {
    Table fresh = after(0, register("a"));
    assertThat(fresh.apply(new Event.Aged(), at(119)).next()).isSameAs(fresh);
    Table stale = fresh.apply(new Event.Aged(), at(120)).next();
    assertThat(stale.version()).isEqualTo(fresh.version() + 1);
    assertThat(stale.apply(new Event.Aged(), at(121)).next()).isSameAs(stale);
  }

  @Test
  void untilStaleIsTheOldestFreshHeartbeat() {
    assertThat(Table.EMPTY.untilStale(at(0))).isNull();
    Table t = after(0, register("a"), 50, register("b"));
    assertThat(t.untilStale(at(60))).isEqualTo(Duration.ofMinutes(1));
    Table aStale = t.apply(new Event.Aged(), at(130)).next();
    assertThat(aStale.untilStale(at(130))).isEqualTo(Duration.ofSeconds(40));
  }

  @Test
  void registeringAgainReplacesTheEntryWhole() {
    Entry first = new Entry("a", "h", 1, "h", "http://h:1", "running", Map.of("k", "v"), 7);
    Table t = after(0, new Event.Register(first));
    t = t.apply(new Event.Probed("a", lease(t, "a").serial(), true), at(1)).next();
    t = t.apply(register("a"), at(2.9)).next();
    assertThat(lease(t, "a").entry()).isEqualTo(entry("a"));
    assertThat(lease(t, "a").probe()).isEqualTo(Lease.Probe.UNKNOWN);
    assertThat(lease(t, "a").registeredAt()).isEqualTo(Instant.parse("2026-02-10T08:06:47Z"));
  }

  @Test
  void updateKeepsWhatIsNotGiven() {
    Entry first = new Entry("a", "h", 1, "n", "http://h:1", "running", Map.of("k", "v"), 7);
    Table t =
        after(
            0,
            new Event.Register(first),
            5,
            new Event.Update("a", null, 2, null, null, null, Map.of("n", 1), null));
    assertThat(lease(t, "a").entry())
        .isEqualTo(new Entry("a", "h", 2, "n", "http://h:1", "running", Map.of("n", 1), 7));
    assertThat(lease(t, "a").registeredAt()).isEqualTo(at(0).second());
    assertThat(lease(t, "a").heartbeatAt()).isEqualTo(at(5).second());
  }

  @Test
  void unknownNamesChangeNothing() {
    Table t = after(0, register("a"));
    for (Event e :
        List.of(
            status("b", "x"),
            new Event.Heartbeat("b", null),
            new Event.Delete("b"),
            new Event.Probed("b", 1, true))) {
      Table.Step step = t.apply(e, at(1));
      assertThat(step.next()).isSameAs(t);
      assertThat(step.lease()).isNull();
      assertThat(step.records()).isEmpty();
    }
  }

  @Test
  void aProbeOfAnEarlierRegistrationIsDropped() {
    Table old = after(0, register("a"));
    long serial = lease(old, "a").serial();
    Table t = old.apply(register("a"), at(1)).next();
    assertThat(t.apply(new Event.Probed("a", serial, false), at(2)).next()).isSameAs(t);
  }

  @Test
  void aProbeNeitherRenewsTheLeaseNorIsJournalled() {
    Table t = after(0, register("a"));
    Table.Step step = t.apply(new Event.Probed("a", lease(t, "a").serial(), true), at(100));
    assertThat(lease(step.next(), "a").heartbeatAt()).isEqualTo(at(0).second());
    assertThat(lease(step.next(), "a").isHealthy(at(120))).isFalse();
    assertThat(step.records()).isEmpty();
    assertThat(step.next().version()).isEqualTo(t.version() + 1);
    Table same =
        step.next().apply(new Event.Probed("a", lease(t, "a").serial(), true), at(101)).next();
    assertThat(same).isSameAs(step.next());
  }

  @Test
  void deleteLeavesATombstoneForTenMinutesOrUntilRegistration() {
    Table t = after(0, register("a"), 10, new Event.Delete("a"));
    assertThat(t.leases()).isEmpty();
    assertThat(t.deleted()).containsOnlyKeys("a");
    assertThat(t.apply(new Event.CleanUp(), at(610)).next().deleted()).containsOnlyKeys("a");
    assertThat(t.apply(new Event.CleanUp(), at(611)).next().deleted()).isEmpty();
    assertThat(t.apply(register("a"), at(20)).next().deleted()).isEmpty();
  }

  @Test
  void tombstonesAreBoundedAndTheNewestStay() {
    Table t = Table.EMPTY;
    for (int i = 0; i < 3 * Table.MAX_TOMBSTONES; i++) {
      t = t.apply(register("n" + i), at(i)).next().apply(new Event.Delete("n" + i), at(i)).next();
    }
    assertThat(t.deleted())
        .hasSizeLessThanOrEqualTo(Table.MAX_TOMBSTONES)
        .containsKey("n" + (3 * Table.MAX_TOMBSTONES - 1))
        .doesNotContainKey("n0");
    assertThat(t.bytes()).isLessThan(1 << 20);
  }

  @Test
  void theSizeIsThatOfWhatIsThere() {
    Table one = after(0, register("a"));
    Table t =
        after(
            0,
            register("a"),
            1,
            register("b"),
            1,
            register("b"),
            2,
            status("b", "x"),
            3,
            new Event.Heartbeat("b", "y"),
            4,
            new Event.Delete("b"),
            700,
            new Event.Heartbeat("a", null),
            700,
            new Event.CleanUp());
    assertThat(t.deleted()).isEmpty();
    assertThat(t.bytes()).isEqualTo(one.bytes()).isPositive();
    assertThat(t.apply(new Event.Delete("a"), at(701)).next().apply(register("a"), at(702)).next())
        .satisfies(again -> assertThat(again.bytes()).isEqualTo(one.bytes()));
  }

  private static Event registerAs(String incarnation, int port) {
    return new Event.Register(
        new Entry("a", "h", port, "h", "http://h:" + port, "running", Map.of(), null, incarnation));
  }

  /// curl, or a client of the earlier system.
  @Test
  void whatSomebodyWithoutIdentityMakesOfAnEntryItsRegistrantSetsRight() {
    Table own = after(0, registerAs("A", 1));
    for (Event.Update u :
        List.of(
            new Event.Update("a", "other", null, null, null, null, null, null),
            new Event.Update("a", null, 7, null, null, null, null, null),
            new Event.Update("a", null, null, null, "http://x:1", null, null, null),
            new Event.Update("a", null, null, null, null, null, Map.of("k", "v"), null))) {
      Table altered = own.apply(u, at(1)).next();
      Table.Step beat = altered.apply(new Event.Heartbeat("a", null, "A"), at(2));
      assertThat(beat.lease()).as("404: it registers again").isNull();
      assertThat(beat.holder()).isNull();
      assertThat(altered.apply(new Event.Heartbeat("a", null), at(2)).lease())
          .as("the one who changed it may go on with it")
          .isNotNull();
      Table again = altered.apply(registerAs("A", 1), at(2)).next();
      assertThat(again.apply(new Event.Heartbeat("a", null, "A"), at(3)).lease()).isNotNull();
    }
    Table weighed =
        own.apply(new Event.Update("a", null, null, null, null, "draining", null, 3), at(1)).next();
    assertThat(weighed.apply(new Event.Heartbeat("a", null, "A"), at(2)).lease())
        .as("status and weight are an operator's to set")
        .isNotNull();
  }

  @Test
  void whatAnotherRegistrantSaysChangesNothingWhileTheHolderLives() {
    Table t = after(0, registerAs("A", 1), 1, registerAs("B", 2));
    for (Event e :
        List.of(
            new Event.Heartbeat("a", "draining", "A"),
            new Event.Update("a", null, 7, null, null, null, null, null, "A"),
            new Event.Delete("a", "A"))) {
      Table.Step step = t.apply(e, at(2));
      assertThat(step.next()).isSameAs(t);
      assertThat(step.lease()).isNull();
      assertThat(step.holder()).isNotNull();
    }
    assertThat(t.apply(new Event.Heartbeat("a", null, "B"), at(2)).lease()).isNotNull();
    assertThat(t.apply(new Event.Heartbeat("a", null), at(2)).lease())
        .as("an old client says nothing")
        .isNotNull();
    assertThat(t.apply(new Event.Delete("a"), at(2)).next().leases()).isEmpty();
  }

  @Test
  void whoDoesNotServeYetTakesNoNameAwayFromWhoDoes() {
    Table t = after(0, registerAs("A", 1));
    Event loading =
        new Event.Register(
            new Entry("a", "h", 2, "h", "http://h:2", "loading", Map.of(), null, "B"));
    Table.Step refused = t.apply(loading, at(1));
    assertThat(refused.next()).isSameAs(t);
    assertThat(refused.holder()).isNotNull();
    assertThat(t.apply(loading, at(200)).holder()).as("the holder's lease is over").isNull();
    Table ill = t.apply(new Event.Probed("a", lease(t, "a").serial(), false), at(2)).next();
    assertThat(ill.apply(loading, at(3)).holder()).as("the holder is ill").isNull();
    Table taken = t.apply(registerAs("B", 2), at(4)).next();
    assertThat(lease(taken, "a").entry().port()).as("who serves takes it").isEqualTo(2);
  }

  /// As a babysitter of an earlier version wrote its IPv6 address.
  @Test
  void anAddressOfIpv6IsOneHoweverItIsWritten() {
    String was = "http://[2001:db8:0:0:0:0:0:1]:1";
    String is = "http://[2001:db8::1]:1";
    Table t =
        after(
            0,
            new Event.Register(new Entry("a", "h", 1, "h", was, "running", Map.of(), null, "A")));
    Entry next = new Entry("a", "h", 1, "h", is, "loading", Map.of(), null, "B");
    Table.Step taken = t.apply(new Event.Register(next), at(1));
    assertThat(taken.holder()).isNull();
    assertThat(lease(taken.next(), "a").entry()).isEqualTo(next);
  }

  /// A babysitter that was killed and started again: its server loads, or sleeps until a request
  /// comes.
  @Test
  void whoDoesNotServeYetTakesTheNameOfWhoWasAtItsAddress() {
    Table t = after(0, registerAs("A", 1));
    for (String word : List.of("loading", "asleep")) {
      Entry next = new Entry("a", "h", 1, "h", "http://h:1", word, Map.of(), null, "B");
      Table.Step taken = t.apply(new Event.Register(next), at(1));
      assertThat(taken.holder()).as(word).isNull();
      assertThat(lease(taken.next(), "a").entry().status()).isEqualTo(word);
    }
  }

  @Test
  void whoRegisteredWithoutAnIdentityIsAnotherForWhoHasOne() {
    Table t = after(0, registerAs("A", 1), 1, register("a"));
    assertThat(t.apply(new Event.Heartbeat("a", null, "A"), at(2)).holder()).isNotNull();
    Table ill = t.apply(new Event.Probed("a", lease(t, "a").serial(), false), at(3)).next();
    Table.Step asked = ill.apply(new Event.Heartbeat("a", null, "A"), at(4));
    assertThat(asked.holder()).as("the dead entry is nobody's: register again").isNull();
    assertThat(asked.lease()).isNull();
    assertThat(t.apply(new Event.Heartbeat("a", null), at(5)).lease()).isNotNull();
  }

  @Test
  void whoLeavesGivesItsNameToTheOther() {
    Table t = after(0, registerAs("A", 1), 1, new Event.Heartbeat("a", "draining", "A"));
    Table.Step other = t.apply(new Event.Heartbeat("a", null, "B"), at(2));
    assertThat(other.lease()).isNull();
    assertThat(other.holder()).isNull();
  }

  @Test
  void whenTheHolderIsDeadTheOtherIsToldToRegister() {
    Table t = after(0, registerAs("A", 1), 1, registerAs("B", 2));
    Table.Step stale = t.apply(new Event.Heartbeat("a", null, "A"), at(200));
    assertThat(stale.lease()).isNull();
    assertThat(stale.holder()).isNull();
    Table ill = t.apply(new Event.Probed("a", lease(t, "a").serial(), false), at(2)).next();
    assertThat(ill.apply(new Event.Heartbeat("a", null, "A"), at(3)).holder()).isNull();
    Table back = ill.apply(registerAs("A", 1), at(4)).next();
    assertThat(lease(back, "a").entry().port()).isEqualTo(1);
    assertThat(back.apply(new Event.Heartbeat("a", null, "B"), at(5)).holder()).isNotNull();
  }

  @Test
  void expiryLeavesNoTombstone() {
    Table t = after(0, register("a"), 400, new Event.CleanUp());
    assertThat(t.leases()).isEmpty();
    assertThat(t.deleted()).isEmpty();
  }

  @ParameterizedTest(name = "stored {0} s ago: healthy {1}, removed by the first clean-up {2}")
  @CsvSource({
    "0, true, false",
    "119, true, false",
    "121, false, false",
    "299, false, false",
    "301, false, true",
    "99999999999, false, true",
    "-3600, true, false",
  })
  void restoredEntriesKeepTheAgeOfTheirHeartbeat(long age, boolean healthy, boolean removed) {
    Instant beat = at(0).wall().minusSeconds(age);
    Table t =
        after(
            0,
            new Event.Restore(
                List.of(new Event.Stored(entry("a"), beat, beat)),
                Map.of("gone", at(0).wall(), "a", at(0).wall())));
    assertThat(lease(t, "a").isHealthy(at(0))).isEqualTo(healthy);
    assertThat(t.deleted()).containsOnlyKeys("gone");
    Table cleaned = t.apply(new Event.CleanUp(), at(0)).next();
    assertThat(cleaned.leases().containsKey("a")).isEqualTo(!removed);
    Table heard = t.apply(new Event.Heartbeat("a", null), at(1)).next();
    assertThat(heard.apply(new Event.CleanUp(), at(60)).next().leases()).containsKey("a");
  }

  @Test
  void aWallClockThatJumpsTakesNobodyOut() {
    Table t = after(0, register("a"));
    Now jumped = new Now(at(0).wall().plus(Duration.ofDays(1)), at(1).nanos());
    assertThat(lease(t, "a").isHealthy(jumped)).isTrue();
    assertThat(t.apply(new Event.CleanUp(), jumped).next().leases()).containsKey("a");
  }

  @Test
  void recordsOfATableRestoreIt() {
    Table t =
        after(
            0,
            register("a"),
            1,
            register("b"),
            2,
            new Event.Delete("b"),
            3,
            new Event.Heartbeat("a", null));
    assertThat(t.records())
        .containsExactly(
            new JournalRecord.Deleted("b", at(2).second()),
            new JournalRecord.Put(new Event.Stored(entry("a"), at(0).second(), at(3).second())));
  }
}
