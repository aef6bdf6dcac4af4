package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.junit.jupiter.api.Test;

/// What the keeper makes of reports.
class FleetKeeperTest extends KeeperRig {
  private static Known typed(String name, String cacheType, String authorization) {
    return new Known(
        name,
        "10.0.0.1",
        80,
        "http://10.0.0.1:80",
        List.of("m"),
        null,
        Map.of("cache_type", cacheType),
        1,
        true,
        true,
        true,
        null,
        authorization);
  }

  /// Besides those that are there, or in their place.
  private void fixed(Known... more) {
    for (Known k : more) {
      there.put(k.name(), k);
    }
    keeper.tell(new Report.Fixed(List.copyOf(there.values())));
  }

  private void onlyFixed(Known... all) {
    there.clear();
    fixed(all);
  }

  /// One whose models are not known yet.
  private static Known unread(String name, String host) {
    return new Known(
        name,
        host,
        1,
        "http://" + host + ":1",
        null,
        null,
        Map.of(),
        1,
        true,
        true,
        true,
        null,
        null);
  }

  @Test
  void whoIsNoLongerListedLeavesWhenThoseThatComeMayBeAsked() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    onlyFixed(known("a", "10.0.0.1", 1));
    candidatesAre("a");
    onlyFixed(unread("c", "10.0.0.3"));
    await().atMost(SOON).until(() -> keeper.views().size() == 2);
    assertThat(candidates()).as("c cannot be asked yet").containsExactly("a");
    keeper.tell(new Report.Models("c", List.of("m"), List.of(Map.of("id", "m"))));
    candidatesAre("c");
    await().atMost(SOON).until(() -> keeper.views().size() == 1);
  }

  @Test
  void whoIsNoLongerListedLeavesAfterFiveSecondsAtMostAndStaysWhereItComesBack() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    onlyFixed(unread("c", "10.0.0.3"), known("b", "10.0.0.2", 1));
    await().atMost(SOON).until(() -> keeper.views().size() == 3);
    onlyFixed(unread("c", "10.0.0.3"), known("a", "10.0.0.1", 1));
    skippedNanos.addAndGet(5_000_000_000L);
    candidatesAre("a");
  }

  @Test
  void anEntryOfAFileGivesWayToTheRegistrysWhenItLeaves() {
    fixed(known("a", "10.0.0.1", 1));
    Known listed =
        new Known(
            "a",
            "10.0.0.9",
            1,
            "http://10.0.0.9:1",
            List.of("m"),
            null,
            Map.of(),
            4,
            true,
            true,
            false,
            null,
            null);
    keeper.tell(new Report.Table(List.of(listed), List.of()));
    candidatesAre("a");
    assertThat(instance("a").url()).isEqualTo("http://10.0.0.1:1");
    onlyFixed();
    await().atMost(SOON).until(() -> instance("a").url().equals("http://10.0.0.9:1"));
    fixed(known("a", "10.0.0.1", 1));
    await().atMost(SOON).until(() -> instance("a").url().equals("http://10.0.0.1:1"));
  }

  private List<String> candidates() {
    Candidates c = keeper.table().fleet().forModel("m");
    return c == null || c.panic()
        ? List.of()
        : c.in(Pool.ANY).stream().map(Instance::name).toList();
  }

  private void candidatesAre(String... expected) {
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(candidates()).containsExactlyInAnyOrder(expected));
  }

  private Instance instance(String name) {
    return keeper.table().fleet().instances().stream()
        .filter(i -> i.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  /// L10: look-ups were made one after another on the thread that owns the fleet.
  @Test
  void aNameThatHangsStopsNobodyElse() {
    names.put("good", List.of("10.0.0.2"));
    fixed(known("a", "hangs", 1), known("b", "10.0.0.1", 1), known("c", "good", 1));
    candidatesAre("b", "c");
    fixed(known("d", "10.0.0.4", 1));
    candidatesAre("b", "c", "d");
    assertThat(instance("a").state()).isEqualTo(State.EJECTED);
    names.put("hangs", List.of("10.0.0.3"));
    hang.countDown();
    candidatesAre("a", "b", "c", "d");
  }

  @Test
  void callsGoToEachAddressOfAHostInTurn() {
    names.put("h", List.of("10.0.0.1", "10.0.0.2"));
    fixed(known("a", "h", 80));
    candidatesAre("a");
    Target t = Objects.requireNonNull(keeper.table().target(instance("a")));
    assertThat(t.origin(0).authority()).isEqualTo("h:80");
    Set<String> addresses = new HashSet<>();
    addresses.add(address(t, 0));
    addresses.add(address(t, 0));
    assertThat(addresses).containsExactlyInAnyOrder("10.0.0.1", "10.0.0.2");
  }

  private static String address(Target t, long now) {
    return t.origin(now).server().replaceAll(":[0-9]+$", "");
  }

  @Test
  void anAddressThatRefusesIsLeftOutWhileAnotherServes() {
    names.put("h", List.of("10.0.0.1", "10.0.0.2"));
    fixed(known("a", "h", 80));
    candidatesAre("a");
    Target t = Objects.requireNonNull(keeper.table().target(instance("a")));
    Origin first = t.origins().getFirst();
    assertThat(t.failed(first, 100)).as("there is another").isTrue();
    for (int k = 0; k < 4; k++) {
      assertThat(address(t, 100)).isEqualTo("10.0.0.2");
    }
    assertThat(t.failed(t.origins().getLast(), 100)).isFalse();
    String one = address(t, 100);
    assertThat(address(t, 100)).as("both, when both refuse").isNotEqualTo(one);
    long later = 100 + Duration.ofSeconds(30).toNanos();
    assertThat(t.failed(first, later)).as("it may be tried again").isTrue();
  }

  @Test
  void withDnsAllEachAddressIsAnInstanceAndChangesAreFollowed() {
    names.put("h", List.of("10.0.0.1", "10.0.0.2"));
    fixed(known("a", "h", 80, true, "m"));
    candidatesAre("a@10.0.0.1", "a@10.0.0.2");
    Instance one = instance("a@10.0.0.1");
    assertThat(one.url()).isEqualTo("http://10.0.0.1:80");
    assertThat(Objects.requireNonNull(keeper.table().target(one)).origin(0).authority())
        .as("the server is called by its name")
        .isEqualTo("h:80");
    names.put("h", List.of("10.0.0.2", "10.0.0.3"));
    skip(Duration.ofSeconds(31));
    candidatesAre("a@10.0.0.2", "a@10.0.0.3");
  }

  @Test
  void aRefusalHasTheNameOfAnAddressLookedUpAgain() {
    names.put("h", List.of("10.0.0.1"));
    fixed(known("a", "h", 80, true, "m"), known("a@x", "other", 80, true, "m"));
    candidatesAre("a@10.0.0.1");
    names.put("h", List.of("10.0.0.2"));
    names.put("other", List.of("10.0.0.9"));
    skip(Duration.ofSeconds(2));
    watch.saw(instance("a@10.0.0.1"), Sight.REFUSED, Part.ANY);
    candidatesAre("a@10.0.0.2", "a@x@10.0.0.9");
  }

  /// A43: a rolling restart of the only instance of a model made it unknown at once.
  @Test
  void aModelIsMissedForAWhileAfterItsLastInstanceLeft() {
    Known registered = registered("a", "10.0.0.1", 1, "m");
    keeper.tell(new Report.Table(List.of(registered), List.of()));
    candidatesAre("a");
    keeper.tell(new Report.Table(List.of(), List.of("a")));
    await().atMost(SOON).until(() -> keeper.table().fleet().forModel("m") == null);
    assertThat(keeper.table().leftLately("m", ticker.nanos())).isTrue();
    skip(Duration.ofSeconds(61));
    assertThat(keeper.table().leftLately("m", ticker.nanos())).isFalse();
  }

  @Test
  void theFirstTableOfTheRegistryEndsTheWaitForItHoweverEmpty() throws Exception {
    keeper.close();
    keeper = keeper(Map.of("registry_url", "http://10.0.0.9:1"));
    keeper.start();
    fixed(known("a", "10.0.0.1", 1));
    candidatesAre("a");
    assertThat(keeper.table().awaited()).containsExactly("registry");
    keeper.tell(new Report.Table(List.of(), List.of()));
    await().atMost(SOON).until(() -> keeper.table().awaited().isEmpty());
  }

  private static Known registered(String name, String host, int port, String... models) {
    return new Known(
        name,
        host,
        port,
        "http://" + host + ":" + port,
        List.of(models),
        null,
        Map.of("type", "openai-api"),
        1,
        true,
        true,
        false,
        null,
        null);
  }

  private void skip(Duration d) {
    skippedNanos.addAndGet(d.toNanos());
  }

  @Test
  void oneServerUnderTwoNamesIsOneCandidate() {
    names.put("h", List.of("10.0.0.1"));
    fixed(known("a", "10.0.0.1", 80), known("b", "h", 80), known("c", "10.0.0.1", 81));
    candidatesAre("a", "c");
    assertThat(instance("b").state()).isEqualTo(State.EJECTED);
    fixed(known("d", "10.0.0.1", 80, false, "m", "other"));
    candidatesAre("a", "c", "d");
  }

  /// A46: two virtual hosts behind one ingress were taken for one, which then was the only one
  /// asked.
  @Test
  void twoNamesAtOneAddressAreTwoServersAndTheAddressIsNeither() {
    names.put("gpu-1", List.of("10.0.0.1"));
    names.put("gpu-2", List.of("10.0.0.1"));
    fixed(known("a", "gpu-1", 80), known("b", "gpu-2", 80));
    candidatesAre("a", "b");
    names.put("GPU-2", List.of("10.0.0.1"));
    fixed(known("c", "10.0.0.1", 80), known("d", "GPU-2", 80));
    await().atMost(SOON).until(() -> keeper.table().fleet().instances().size() == 4);
    candidatesAre("a", "b", "c");
    assertThat(instance("d").twin()).isTrue();
  }

  /// A27: the entry without the key got most of the traffic, and the clients' keys with it.
  @Test
  void theEntryThatHasTheKeyStandsForTheOneThatHasNone() {
    Known mine = keyed("mine", "10.0.0.1", 80);
    fixed(mine);
    keeper.tell(new Report.Table(List.of(registered("a-server", "10.0.0.1", 80, "m")), List.of()));
    await().atMost(SOON).until(() -> keeper.table().fleet().instances().size() == 2);
    candidatesAre("mine");
    assertThat(instance("a-server").twin()).isTrue();
    keeper.tell(
        new Report.Table(
            List.of(typed(registered("a-server", "10.0.0.1", 80, "m"), "paged")), List.of()));
    await().atMost(SOON).until(() -> instance("a-server").cacheType() != null);
    candidatesAre("mine");
  }

  @Test
  void theEntryThatHasTheCacheTypeStandsForTheOneThatHasNone() {
    fixed(known("mine", "10.0.0.1", 80));
    candidatesAre("mine");
    Known typed = typed(registered("a-server", "10.0.0.1", 80, "m"), "paged");
    keeper.tell(new Report.Table(List.of(typed), List.of()));
    candidatesAre("a-server");
    keeper.tell(new Report.Table(List.of(), List.of("a-server")));
    candidatesAre("mine");
  }

  private static Known keyed(String name, String host, int port) {
    Known k = known(name, host, port);
    return new Known(
        name,
        host,
        port,
        k.url(),
        k.models(),
        null,
        k.metadata(),
        1,
        true,
        true,
        true,
        null,
        "Bearer k");
  }

  private static Known typed(Known k, String cacheType) {
    return new Known(
        k.name(),
        k.host(),
        k.port(),
        k.url(),
        k.models(),
        null,
        Map.of("type", "openai-api", "cache_type", cacheType),
        1,
        true,
        true,
        k.fixed(),
        null,
        null);
  }

  /// B38: an Error ended the thread, and the router went on with the fleet of that moment for ever.
  @Test
  void anErrorCostsOneReport() {
    List<Known> overflows =
        new AbstractList<>() {
          @Override
          public Known get(int index) {
            throw new StackOverflowError();
          }

          @Override
          public int size() {
            return 1;
          }
        };
    keeper.tell(new Report.Fixed(overflows));
    fixed(known("a", "10.0.0.1", 1));
    keeper.tell(new Report.Table(overflows, List.of()));
    fixed(known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
  }

  /// Its second name came into service the moment that the first was out.
  @Test
  void aServerThatIsOutIsOutUnderEachOfItsNames() {
    names.put("h", List.of("10.0.0.2"));
    fixed(known("a", "10.0.0.1", 80), known("b", "10.0.0.2", 80), known("b2", "h", 80));
    candidatesAre("a", "b");
    await().atMost(SOON).until(() -> keeper.views().size() == 3);
    for (int k = 0; k < 3; k++) {
      watch.saw(instance("b"), Sight.DISPROVED, Part.ANY);
    }
    candidatesAre("a");
    assertThat(keeper.views().getLast().why()).isEqualTo("it is b under another name");
  }

  /// A registry's entry of a server whose key the operator gave was asked without it.
  @Test
  void anEntryWithoutKeyOrCacheTypeIsTheOneThatHasThem() {
    fixed(typed("mine", "paged", "Bearer k"));
    fixed(known("reg-server", "10.0.0.1", 80));
    await().atMost(SOON).until(() -> keeper.views().size() == 2);
    assertThat(candidates()).containsExactly("mine");
  }

  @Test
  void refusedConnectionsTakeAnInstanceOutAndAStrangersDoNot() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    Instance a = instance("a");
    assertThat(watch.failuresInARow(a, Part.ANY)).isZero();
    for (int k = 0; k < 3; k++) {
      watch.saw(a, Sight.REFUSED, Part.ANY);
    }
    candidatesAre("b");
    assertThat(watch.failuresInARow(a, Part.ANY)).isEqualTo(3);
    assertThat(keeper.views().getFirst().errors()).isEqualTo(3);
    keeper.tell(new Report.Up("a", 0.1, false));
    keeper.tell(new Report.Up("a", 0.1, null));
    keeper.tell(new Report.Up("b", 0.5, null));
    await().atMost(SOON).until(() -> keeper.views().getLast().probeSeconds() == 0.5);
    assertThat(candidates()).as("a babysitter's word is not enough").containsExactly("b");
  }

  @Test
  void whoFailsFarMoreThanItsPeersIsOutAndWhoIsAloneIsNot() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    Instance a = instance("a");
    Instance b = instance("b");
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          for (int k = 0; k < 10; k++) {
            watch.saw(a, Sight.ANSWERED, Part.ANY);
            watch.saw(b, Sight.SERVER_ERROR, Part.ANY);
          }
          assertThat(candidates()).containsExactly("a");
        });
    for (int k = 0; k < 50; k++) {
      watch.saw(a, Sight.SERVER_ERROR, Part.ANY);
      watch.saw(a, Sight.DISPROVED, Part.ANY);
    }
    keeper.tell(new Report.Up("a", 0.25, null));
    await().atMost(SOON).until(() -> keeper.views().getFirst().probeSeconds() == 0.25);
    assertThat(candidates()).containsExactly("a");
  }

  @Test
  void whoseFirstBytesComeFarLaterThanItsPeersIsOut() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    Instance a = instance("a");
    Instance b = instance("b");
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          for (int k = 0; k < 10; k++) {
            watch.saw(a, Sight.ANSWERED, Part.ANY);
            watch.firstByte(a, 100_000_000L, 50, Part.ANY);
            watch.saw(b, Sight.ANSWERED, Part.ANY);
            watch.firstByte(b, 3_000_000_000L, 50, Part.ANY);
          }
          assertThat(candidates()).containsExactly("a");
        });
  }

  /// All requests of a session come to one instance, however long its prompts are or however much
  /// of another's is cached.
  @Test
  void oneSessionShowsNothingAboutItsHome() {
    fixed(known("a", "10.0.0.1", 1), known("b", "10.0.0.2", 1));
    candidatesAre("a", "b");
    Instance a = instance("a");
    Instance b = instance("b");
    SplittableRandom keys = new SplittableRandom(1);
    await()
        .during(Duration.ofSeconds(1))
        .atMost(SOON)
        .until(() -> {
          for (int k = 0; k < 10; k++) {
            watch.saw(a, Sight.ANSWERED, Part.ANY);
            watch.firstByte(a, 100_000_000L, 50, Part.ANY);
            watch.saw(b, Sight.ANSWERED, new Part("m", 7));
            watch.firstByte(b, 3_000_000_000L, 50, new Part("m", 7));
            watch.saw(b, Sight.SERVER_ERROR, new Part("m", 8));
          }
          skip(Duration.ofMillis(200));
          return candidates().size() == 2;
        });
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          for (int k = 0; k < 10; k++) {
            watch.saw(a, Sight.ANSWERED, Part.ANY);
            watch.saw(b, Sight.SERVER_ERROR, new Part("m", keys.nextLong()));
          }
          assertThat(candidates()).as("many sessions do").containsExactly("a");
        });
  }

  /// Whoever saw a new static instance first could fill it beyond its places.
  @Test
  void noInstanceCanBeChosenBeforeItsLimitHolds() throws Exception {
    AtomicBoolean unlimited = new AtomicBoolean();
    AtomicBoolean done = new AtomicBoolean();
    Thread chooser =
        Thread.ofPlatform()
            .start(() -> {
              while (!done.get()) {
                for (Instance i : keeper.table().fleet().instances()) {
                  if (slots.at(i.slot()).limit == 0) {
                    unlimited.set(true);
                  }
                }
              }
            });
    for (int k = 0; k < 300; k++) {
      fixed(typed(known("s" + k, "10.0." + k / 250 + "." + (1 + k % 250), 80), "static"));
      int n = k + 1;
      await()
          .pollInterval(Duration.ofMillis(1))
          .atMost(SOON)
          .until(() -> keeper.table().fleet().instances().size() == n);
    }
    done.set(true);
    chooser.join();
    assertThat(unlimited).isFalse();
  }

  @Test
  void fiveThousandInstancesAreRoutable() {
    List<Known> many = new ArrayList<>();
    for (int k = 0; k < 5000; k++) {
      many.add(known("i" + k, "10.0." + k / 250 + "." + (1 + k % 250), 80));
    }
    keeper.tell(new Report.Fixed(many));
    await().atMost(SOON).until(() -> candidates().size() == 5000);
    assertThat(keeper.table().target(instance("i4999"))).isNotNull();
  }

  private FleetKeeper follows(String... flags) throws Exception {
    keeper.close();
    keeper = keeper(Map.of(flags[0], flags[1], flags[2], flags[3]));
    keeper.start();
    return keeper;
  }

  @Test
  void aSourceThatSaysNothingKeepsItsOwnWhateverOthersSay() throws Exception {
    follows("registry_url", "http://127.0.0.1:1", "discover", "dns:a:1");
    keeper.tell(
        new Report.Table(List.of(TablesTest.listed("registry", "r", "10.0.0.1")), List.of()));
    keeper.tell(
        new Report.Table(
            "dns:a:1", List.of(TablesTest.listed("dns:a:1", "d", "10.0.0.2")), List.of()));
    candidatesAre("d", "r");
    keeper.tell(new Report.Table(List.of(), List.of()));
    await().atMost(SOON).until(() -> keeper.listedBy("r") == null);
    skippedNanos.addAndGet(Duration.ofMinutes(10).toNanos());
    keeper.tell(
        new Report.Table(
            "dns:a:1", List.of(TablesTest.listed("dns:a:1", "e", "10.0.0.3")), List.of()));
    candidatesAre("e", "r");
    assertThat(keeper.listedBy("e")).isEqualTo("dns");
    keeper.tell(new Report.Table(List.of(), List.of()));
    candidatesAre("e");
  }

  @Test
  void aNameOfTwoSourcesIsTheFirstOnesAndTheSecondsWhenThatGoes() throws Exception {
    follows("discover", "folder:/f,dns:a:1", "policy", "round-robin");
    keeper.tell(
        new Report.Table(
            "dns:a:1", List.of(TablesTest.listed("dns:a:1", "x", "10.0.0.2")), List.of()));
    candidatesAre("x");
    keeper.tell(
        new Report.Table(
            "folder:/f", List.of(TablesTest.listed("folder:/f", "x", "10.0.0.1")), List.of()));
    await().atMost(SOON).until(() -> instance("x").url().equals("http://10.0.0.1:1"));
    keeper.tell(new Report.Table("folder:/f", List.of(), List.of()));
    await().atMost(SOON).until(() -> instance("x").url().equals("http://10.0.0.2:1"));
    candidatesAre("x");
  }

  @Test
  void aStartWaitsForEachSourcesFirstWordAndNotForEver() throws Exception {
    follows("registry_url", "http://127.0.0.1:1", "discover", "dns:a:1");
    keeper.tell(new Report.Table("dns:a:1", List.of(), List.of()));
    await().atMost(SOON).until(() -> keeper.awaited().equals(List.of("registry")));
    skippedNanos.addAndGet(Duration.ofSeconds(6).toNanos());
    assertThat(keeper.awaited()).isEmpty();
    assertThat(keeper.table().awaited()).containsExactly("registry");
  }

  @Test
  void whatDidNotChangeIsTheSameInstanceInTheNextTable() {
    fixed(known("a", "10.0.0.1", 1));
    candidatesAre("a");
    Instance a = instance("a");
    Target t = keeper.table().target(a);
    fixed(known("b", "10.0.0.2", 1, false, "other"));
    await().atMost(SOON).until(() -> keeper.table().fleet().instances().size() == 2);
    assertThat(instance("a")).isSameAs(a);
    assertThat(keeper.table().target(a)).isSameAs(t);
  }
}
