package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.etcd.Etcd.Change;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.registry.EtcdKeys.Stored;
import org.junit.jupiter.api.Test;

/// What is read, heard and written becomes one table, whatever comes first.
class EtcdViewTest {
  private static final Now NOW = new Now(Instant.ofEpochSecond(1_800_000_000), 1_000_000_000_000L);

  private final EtcdKeys keys = new EtcdKeys("/p/");
  private final EtcdView view = new EtcdView(keys, "self");
  private Table table = Table.EMPTY;

  private static Stored stored(String name, int port, String registration) {
    return new Stored(
        new Entry(name, "h", port, "h", "http://h:" + port, "running", Map.of(), null),
        NOW.second().minusSeconds(1000),
        registration);
  }

  private KeyValue entry(String name, int port, long revision) {
    return new KeyValue(keys.entry(name), stored(name, port, "r" + port).json(), revision, 7);
  }

  private static Change put(KeyValue kv) {
    return new Change(false, kv);
  }

  private static Change gone(String key, long revision) {
    return new Change(true, new KeyValue(key, new byte[0], revision, 0));
  }

  private KeyValue grave(String name, long revision) {
    return new KeyValue(keys.gone(name), EtcdKeys.grave(NOW.second()), revision, 8);
  }

  private void heard(long revision, Change... changes) {
    take(view.heard(revision, List.of(changes)));
  }

  private void take(Event e) {
    table = table.apply(e, NOW).next();
  }

  private int port(String name) {
    return table.leases().get(name).entry().port();
  }

  @Test
  void entriesComeChangeAndGo() {
    heard(2, put(entry("a", 1, 2)));
    assertThat(port("a")).isEqualTo(1);
    long serial = table.leases().get("a").serial();
    heard(3, put(entry("a", 2, 3)));
    assertThat(port("a")).isEqualTo(2);
    assertThat(table.leases().get("a").serial()).isNotEqualTo(serial);
    heard(4, gone(keys.entry("a"), 4), put(grave("a", 4)));
    assertThat(table.leases()).isEmpty();
    assertThat(table.deleted()).containsOnlyKeys("a");
    heard(5, put(entry("a", 3, 5)), gone(keys.gone("a"), 5));
    assertThat(table.leases()).containsOnlyKeys("a");
    assertThat(table.deleted()).isEmpty();
    heard(6, gone(keys.entry("a"), 6));
    assertThat(table.leases()).isEmpty();
    assertThat(table.deleted()).as("its lease ran out").isEmpty();
  }

  @Test
  void theLastKeyThatWasWrittenIsKnown() {
    assertThat(view.seen()).isNull();
    heard(3, put(entry("a", 1, 2)), put(entry("b", 1, 3)), gone(keys.entry("a"), 3));
    assertThat(view.seen()).isEqualTo(new EtcdView.Seen(keys.entry("b"), 3));
    heard(4, gone(keys.entry("b"), 4));
    assertThat(view.seen()).isEqualTo(new EtcdView.Seen(keys.entry("b"), 3));
    take(view.listed(9, List.of(entry("c", 1, 5), entry("d", 1, 4)), table, _ -> Duration.ZERO));
    assertThat(view.seen()).isEqualTo(new EtcdView.Seen(keys.entry("c"), 5));
  }

  /// Its revisions are as high, and tell of other writings.
  @Test
  void anOwnChangeThatAnotherHistoryDoesNotHaveIsGone() {
    take(view.wrote("a", 50, 7, stored("a", 5, "r5")));
    view.another();
    assertThat(view.seen()).isNull();
    take(view.listed(40, List.of(entry("b", 1, 2)), table, _ -> Duration.ZERO));
    assertThat(table.leases()).containsOnlyKeys("b");
    assertThat(view.expected("a")).isZero();
  }

  @Test
  void whatTheWatchSaysOfTheTimeBeforeAnOwnChangeIsOld() {
    heard(2, put(entry("a", 1, 2)));
    take(view.wrote("a", 5, 7, stored("a", 5, "r5")));
    heard(4, put(entry("a", 3, 3)), gone(keys.entry("a"), 4));
    assertThat(port("a")).isEqualTo(5);
    heard(5, put(entry("a", 5, 5)));
    heard(6, put(entry("a", 6, 6)));
    assertThat(port("a")).isEqualTo(6);
    take(view.removed("a", 9, new Event.Buried("a", NOW.second())));
    heard(8, put(entry("a", 8, 8)));
    assertThat(table.leases()).isEmpty();
    heard(10, gone(keys.entry("a"), 9), put(entry("a", 10, 10)));
    assertThat(port("a")).isEqualTo(10);
  }

  @Test
  void anOwnChangeThatTheWatchToldFirstChangesNothingMore() {
    heard(6, put(entry("a", 5, 5)), put(entry("a", 6, 6)));
    take(view.wrote("a", 5, 7, stored("a", 5, "r5")));
    assertThat(port("a")).isEqualTo(6);
    take(view.removed("a", 4, null));
    assertThat(port("a")).isEqualTo(6);
  }

  @Test
  void aReadIsNewsUnlessMoreIsKnown() {
    take(view.found("a", entry("a", 1, 2), 3));
    assertThat(port("a")).isEqualTo(1);
    heard(5, put(entry("a", 5, 5)));
    take(view.found("a", entry("a", 1, 2), 4));
    assertThat(port("a")).isEqualTo(5);
    take(view.found("a", null, 4));
    assertThat(table.leases()).as("not there before it came").containsOnlyKeys("a");
    take(view.found("a", null, 6));
    assertThat(table.leases()).isEmpty();
  }

  @Test
  void aListIsTheWholeTruthAndKeepsVerdictsAndAges() {
    heard(3, put(entry("a", 1, 2)), put(entry("b", 2, 3)));
    heard(4, put(grave("c", 4)));
    table = table.apply(new Event.Probed("a", table.leases().get("a").serial(), false), NOW).next();
    take(
        view.listed(
            9,
            List.of(entry("a", 1, 2), entry("d", 4, 8), grave("e", 9)),
            table,
            k -> k.stored().entry().name().equals("d") ? Duration.ofSeconds(500) : Duration.ZERO));
    assertThat(table.leases()).containsOnlyKeys("a", "d");
    assertThat(table.deleted()).containsOnlyKeys("e");
    assertThat(table.leases().get("a").probe()).isEqualTo(Lease.Probe.UNHEALTHY);
    assertThat(table.leases().get("d").fresh()).isFalse();
    assertThat(view.watched()).isEqualTo(9);
    heard(8, put(entry("a", 7, 1)));
    assertThat(port("a")).isEqualTo(1);
  }

  @Test
  void aListThatIsOlderThanAnOwnChangeDoesNotUndoIt() {
    heard(3, put(entry("a", 1, 2)), put(entry("b", 1, 3)));
    take(view.wrote("n", 6, 7, stored("n", 6, "r6")));
    take(view.wrote("a", 7, 7, stored("a", 7, "r7")));
    take(view.removed("b", 8, new Event.Buried("b", NOW.second())));
    take(view.listed(5, List.of(entry("a", 1, 2), entry("b", 1, 3)), table, _ -> Duration.ZERO));
    assertThat(table.leases()).containsOnlyKeys("a", "n");
    assertThat(port("a")).isEqualTo(7);
    assertThat(table.deleted()).containsOnlyKeys("b");
    assertThat(view.expected("a")).isEqualTo(7);
    heard(6, gone(keys.gone("b"), 6));
    assertThat(table.deleted()).as("that was before").containsOnlyKeys("b");
    heard(9, put(entry("n", 6, 6)), put(entry("a", 7, 7)), gone(keys.entry("b"), 8));
    assertThat(table.leases()).containsOnlyKeys("a", "n");
  }

  @Test
  void anOlderCopyOfEtcdIsTheTruthFromThenOn() {
    heard(30, put(entry("a", 1, 20)));
    take(view.wrote("n", 31, 7, stored("n", 6, "r6")));
    take(view.listed(5, List.of(entry("a", 2, 4)), table, _ -> Duration.ZERO));
    assertThat(table.leases()).containsOnlyKeys("a");
    assertThat(port("a")).isEqualTo(2);
    heard(6, put(entry("a", 3, 6)));
    assertThat(port("a")).isEqualTo(3);
  }

  @Test
  void heartbeatsAtOthersCountAndOwnOnesAreNoNews() {
    take(view.listed(2, List.of(entry("a", 1, 2)), table, _ -> Duration.ofSeconds(500)));
    assertThat(table.leases().get("a").fresh()).isFalse();
    byte[] beats = EtcdKeys.heard(List.of("a", "unknown"));
    heard(3, put(new KeyValue(keys.registry("self"), beats, 3, 1)));
    assertThat(table.leases().get("a").fresh()).isFalse();
    heard(4, put(new KeyValue(keys.registry("other"), beats, 4, 1)));
    assertThat(table.leases().get("a").fresh()).isTrue();
  }

  @Test
  void whatIsNoEntryTakesTheOldOneAwayAndNothingElse() {
    heard(3, put(entry("a", 1, 2)), put(entry("b", 1, 3)));
    byte[] rubbish = "rubbish".getBytes(StandardCharsets.UTF_8);
    heard(
        9,
        put(new KeyValue(keys.entry("a"), rubbish, 4, 7)),
        put(new KeyValue(keys.entry("c"), rubbish, 5, 7)),
        put(new KeyValue(keys.entry("d"), stored("d", 1, "r").json(), 6, 0)),
        put(new KeyValue(keys.gone("e"), rubbish, 7, 7)),
        put(new KeyValue(keys.registry("r"), rubbish, 8, 7)),
        put(new KeyValue("/p/else", rubbish, 9, 7)));
    assertThat(table.leases()).containsOnlyKeys("b");
    assertThat(table.deleted()).isEmpty();
    assertThat(view.watched()).isEqualTo(9);
    assertThat(view.expected("c")).as("to be replaced").isEqualTo(5);
    heard(11, put(entry("c", 3, 10)), gone(keys.entry("d"), 11));
    assertThat(port("c")).isEqualTo(3);
    assertThat(view.expected("c")).isEqualTo(10);
    assertThat(view.expected("d")).isZero();
  }

  @Test
  void whoseLeaseEndsWhileNobodyKeepsItStaysUntilAllHadTheirTime() {
    heard(4, put(entry("a", 1, 2)), put(entry("b", 2, 3)), put(entry("c", 3, 4)));
    view.keep(true);
    heard(5, gone(keys.entry("a"), 5));
    heard(6, gone(keys.entry("b"), 6), put(grave("b", 6)));
    assertThat(table.leases()).as("b was removed by somebody").containsOnlyKeys("a", "c");
    take(view.listed(7, List.of(grave("b", 6)), table, _ -> Duration.ZERO));
    assertThat(table.leases()).containsOnlyKeys("a", "c");
    view.keep(false);
    take(view.listed(8, List.of(entry("c", 4, 8)), table, _ -> Duration.ZERO));
    assertThat(table.leases()).as("a registry is back").containsOnlyKeys("a", "c");
    assertThat(port("c")).isEqualTo(4);
    assertThat(view.hasOrphans()).isTrue();
    take(view.abandoned());
    assertThat(table.leases()).containsOnlyKeys("c");
    assertThat(view.hasOrphans()).isFalse();
    heard(9, gone(keys.entry("c"), 9));
    assertThat(table.leases()).isEmpty();
  }

  @Test
  void whoStayedAndIsRemovedOrComesBackIsNoOrphan() {
    heard(3, put(entry("a", 1, 2)), put(entry("b", 2, 3)));
    view.keep(true);
    heard(5, gone(keys.entry("a"), 4), gone(keys.entry("b"), 5));
    heard(7, put(entry("a", 9, 6)), put(grave("b", 7)));
    assertThat(table.leases()).containsOnlyKeys("a");
    assertThat(table.deleted()).containsOnlyKeys("b");
    assertThat(port("a")).isEqualTo(9);
    assertThat(view.hasOrphans()).isFalse();
  }
}
