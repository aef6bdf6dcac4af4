package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.regex.Matcher;
import java.util.stream.Collectors;
import org.awaitility.core.ConditionTimeoutException;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdCluster;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Registries beside each other over a real etcd of three members that are killed, frozen,
/// compacted and started again. Run by `./infini test --cluster`.
@Timeout(180)
class EtcdFaults extends OnEtcd {
  @Test
  void whatOneConfirmsTheOthersAnswerAndSoDoesOneThatStartsLater() throws Exception {
    client(a).register(entry("x"));
    client(a).register(entry("gone"));
    client(b).unregister("gone");
    // At once: who has not heard of it yet looks.
    assertThat(client(b).heartbeat("x", null)).isTrue();
    assertThat(client(b).setStatus("x", "busy")).isTrue();
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          Service there = client(a).services().getFirst();
          assertThat(there.status()).isEqualTo("busy");
          assertThat(client(a).watch(null, Duration.ZERO).deleted()).containsExactly("gone");
        });
    RegistryServer c = registry(address);
    assertThat(client(c).services()).extracting(Service::status).containsExactly("busy");
    assertThat(client(c).watch(null, Duration.ZERO).deleted()).containsExactly("gone");
    client(c).register(entry("gone"));
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(client(b).watch(null, Duration.ZERO).deleted()).isEmpty());
  }

  @Test
  void heartbeatsAtOneCountAtAllAndSilenceEndsAtAll() throws Exception {
    try (Instance _ = new Instance("x", a);
        Instance silent = new Instance("silent", a)) {
      awaitHealthy(b, "x", "silent");
      silent.fallSilent();
      try (Watching w = new Watching(b, "x")) {
        await()
            .atMost(LEASE.plusSeconds(10))
            .untilAsserted(() -> assertThat(healthy(b)).containsExactly("x"));
        assertThat(healthy(a)).containsExactly("x");
        agrees(registry(address), "x");
        await()
            .atMost(LEASE.multipliedBy(4))
            .untilAsserted(() -> assertThat(names(a)).isEqualTo(names(b)).containsExactly("x"));
        assertThat(w.missed).isEmpty();
      }
    }
  }

  /// One that starts now: ages that it reads from etcd are too young by as long as the last sign of
  /// life took to get there.
  private void agrees(RegistryServer fresh, String... names) {
    await()
        .atMost(LEASE)
        .untilAsserted(() -> assertThat(healthy(fresh)).containsExactly(names));
  }

  @Test
  void aRegistryThatEndsIsMissedByNobody() throws Exception {
    try (Instance _ = new Instance("x", a, b)) {
      awaitHealthy(b, "x");
      try (Watching w = new Watching(b, "x")) {
        a.close();
        opened.remove(a);
        pass(LEASE.plusSeconds(2));
        assertThat(w.missed).isEmpty();
      }
      client(b).register(entry("later"));
      assertThat(names(registry(address))).containsExactly("later", "x");
    }
  }

  @Test
  void aRegistryProcessThatIsKilledIsReplacedByAnyOther() throws Exception {
    Path log = dir.resolve("registry.log");
    Process killed = process(address, log);
    Matcher m =
        await()
            .atMost(Duration.ofSeconds(60))
            .until(
                () -> LISTENS.matcher(Files.readString(log)),
                found -> found.find() || !killed.isAlive());
    assertThat(Files.readString(log)).contains(address + " (on)");
    RegistryClient both =
        new RegistryClient(
            http,
            new RegistryClient.Urls(
                List.of(
                    URI.create("http://127.0.0.1:" + m.group(1)),
                    URI.create("http://127.0.0.1:" + b.port()))),
            null);
    both.register(entry("x"));
    Watch before = both.watch(null, Duration.ZERO);
    assertThat(before.services()).extracting(Service::name).containsExactly("x");
    killed.destroyForcibly();
    killed.waitFor();
    assertThat(both.heartbeat("x", null)).isTrue();
    Watch after = both.watch(before.version(), SOON);
    assertThat(after.services()).extracting(Service::name).containsExactly("x");
    assertThat(healthy(b)).containsExactly("x");
  }

  @Test
  void overTlsItIsTheSame(@TempDir Path files) throws Exception {
    X509Bundle authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    X509Bundle server =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=one machine")
            .addSanIpAddress("127.0.0.1")
            .buildIssuedBy(authority);
    Path ca = Files.writeString(files.resolve("ca.pem"), authority.getCertificatePEM());
    Path cert = Files.writeString(files.resolve("cert.pem"), server.getCertificatePEM());
    Path key = Files.writeString(files.resolve("key.pem"), server.getPrivateKeyPEM());
    try (EtcdCluster secure = new EtcdCluster(files, 1, new EtcdCluster.Shown(ca, cert, key))) {
      RegistryServer.Options o =
          RegistryServer.Options.at(0)
              .etcd(new EtcdHome(EtcdAddress.parse(secure.freshAddress()), null));
      TlsSettings believed = new TlsSettings(null, null, null, true, ca, new Tls.Own(cert, key));
      try (RegistryServer r = RegistryServer.start(o.tls(believed), Ticker.SYSTEM, new Random(1))) {
        client(r).register(entry("x"));
        assertThat(client(r).heartbeat("x", null)).isTrue();
      }
      TlsSettings stranger = new TlsSettings(null, null, null, true, ca, null);
      assertThatThrownBy(() -> RegistryServer.start(o.tls(stranger), Ticker.SYSTEM, new Random(2)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(secure.member(0));
    }
  }

  /// Nothing of ours asks a clock of another machine, etcd's neither: who is alive each counts by
  /// its own monotonic one.
  @Test
  void registriesWhoseClocksAreApartByMoreThanALeaseSayTheSame() throws Exception {
    Path late = dir.resolve("late.log");
    process(address, late, "faketime", "-m", "-f", "+30s");
    RegistryClient ahead = new RegistryClient(http, url(late), null);
    assertThat(clock(url(late)) - clock(URI.create("http://127.0.0.1:" + a.port())))
        .as("seconds between the clocks")
        .isBetween(25L, 60L);
    try (Instance _ = new Instance("here", a);
        Instance _ = new Instance("there", ahead);
        Instance silent = new Instance("silent", ahead)) {
      awaitHealthy(a, "here", "there", "silent");
      await()
          .atMost(SOON)
          .untilAsserted(() -> assertThat(healthy(ahead)).contains("here", "there", "silent"));
      silent.fallSilent();
      try (Watching atA = new Watching(a, "here", "there");
          Watching atB = new Watching(b, "here", "there")) {
        await()
            .atMost(LEASE.plus(SOON))
            .untilAsserted(() -> {
              for (RegistryClient each : List.of(client(a), client(b), ahead)) {
                assertThat(healthy(each)).contains("here", "there").doesNotContain("silent");
              }
            });
        agrees(registry(address), "here", "there");
        assertThat(atA.missed).isEmpty();
        assertThat(atB.missed).isEmpty();
      }
    }
  }

  private long clock(URI at) throws Exception {
    String now = Json.tree(http.get(at.resolve("/health"), SOON).body()).path("timestamp").asText();
    return Instant.parse(now.replace("+00:00", "Z")).getEpochSecond();
  }

  /// Registers until it is confirmed or the time is over.
  private static boolean registers(RegistryClient at, String name) throws InterruptedException {
    return registers(at, name, SOON);
  }

  private static boolean registers(RegistryClient at, String name, Duration atMost)
      throws InterruptedException {
    try {
      await()
          .atMost(atMost)
          .pollDelay(Duration.ZERO)
          .ignoreException(IOException.class)
          .until(() -> {
            at.register(entry(name));
            return true;
          });
      return true;
    } catch (ConditionTimeoutException never) {
      return false;
    }
  }

  @Test
  void aLeaderThatIsKilledUnderRegistrationsLosesNone() throws Exception {
    Set<String> confirmed = ConcurrentHashMap.newKeySet();
    try (Instance _ = new Instance("x", a, b)) {
      awaitHealthy(a, "x");
      awaitHealthy(b, "x");
      try (Watching atA = new Watching(a, "x");
          Watching atB = new Watching(b, "x")) {
        List<Thread> load = new ArrayList<>();
        for (RegistryServer r : List.of(a, b)) {
          load.add(
              Thread.ofVirtual()
                  .start(() -> {
                    for (int i = 0; i < 60; i++) {
                      String name = "n" + r.port() + "-" + i;
                      try {
                        if (registers(client(r), name)) {
                          confirmed.add(name);
                        }
                      } catch (InterruptedException ended) {
                        return;
                      }
                    }
                  }));
        }
        await().atMost(SOON).until(() -> confirmed.size() > 10);
        int leader = etcd.leader();
        etcd.kill(leader);
        for (Thread t : load) {
          t.join();
        }
        assertThat(confirmed).hasSize(120);
        etcd.start(leader);
        etcd.awaitServing(leader);
        await()
            .atMost(Duration.ofSeconds(5))
            .untilAsserted(() -> {
              assertThat(names(a)).containsAll(confirmed);
              assertThat(names(b)).containsAll(confirmed);
            });
        assertThat(atA.missed).isEmpty();
        assertThat(atB.missed).isEmpty();
      }
    }
  }

  @Test
  void withoutAMajorityNothingIsConfirmedNothingLostAndReadingGoesOn() throws Exception {
    try (Instance _ = new Instance("x", a, b);
        Instance dead = new Instance("dead", a, b)) {
      awaitHealthy(a, "x", "dead");
      awaitHealthy(b, "x", "dead");
      try (Watching atA = new Watching(a, "x");
          Watching atB = new Watching(b, "x")) {
        etcd.kill(0);
        etcd.kill(1);
        byte[] body = Json.bytes(Map.of("status", "busy"));
        Client.Reply r =
            http.send(
                "POST",
                URI.create("http://127.0.0.1:" + a.port() + "/services/x/heartbeat"),
                Headers.of("content-type", "application/json"),
                body,
                SOON);
        assertThat(r.status()).isEqualTo(503);
        assertThat(r.headers().get("retry-after")).isNotNull();
        assertThatThrownBy(() -> client(b).register(entry("new"))).hasMessageContaining("503");
        dead.fallSilent();
        // Longer than a lease: who cannot be heard is not taken out.
        pass(LEASE.plusSeconds(3));
        assertThat(healthy(b)).contains("x");
        String stats =
            new String(
                http.get(URI.create("http://127.0.0.1:" + a.port() + "/stats"), SOON).body(),
                StandardCharsets.UTF_8);
        assertThat(stats).contains("\"journal\":\"failing\"");
        etcd.start(0);
        etcd.start(1);
        etcd.awaitServing(0);
        assertThat(registers(client(b), "new")).isTrue();
        awaitHealthy(a, "x", "new");
        await()
            .atMost(LEASE.plus(SOON))
            .untilAsserted(() -> {
              assertThat(healthy(a)).doesNotContain("dead");
              assertThat(healthy(b)).doesNotContain("dead");
            });
        assertThat(client(a).services())
            .filteredOn(s -> s.name().equals("x"))
            .extracting(Service::status)
            .as("what was not confirmed did not happen")
            .containsExactly("running");
        assertThat(atA.missed).isEmpty();
        assertThat(atB.missed).isEmpty();
      }
    }
  }

  /// Of a router that is known each other one has a part the less.
  @Test
  void aRouterThatLeftNoNoteLivesForALeaseAtAllRegistries() throws Exception {
    client(a).exchange("ghost", Map.of(), "");
    assertThat(live(a)).contains("ghost");
    await().atMost(SOON).untilAsserted(() -> assertThat(live(b)).contains("ghost"));
    int leader = etcd.leader();
    etcd.kill(leader);
    etcd.kill((leader + 1) % 3);
    assertThatThrownBy(
            () -> client(a).exchange("late", Map.of("seats", Map.of("at", Map.of())), ""))
        .isInstanceOf(IOException.class);
    etcd.start(leader);
    etcd.start((leader + 1) % 3);
    await()
        .atMost(SOON.plus(PeerBoard.LEASE))
        .ignoreExceptionsInstanceOf(IOException.class)
        .untilAsserted(() -> {
          assertThat(live(a)).containsExactly("asks");
          assertThat(live(b)).containsExactly("asks");
        });
  }

  @Test
  void aRouterMayLeaveAtAnotherRegistryThanItSpokeTo() throws Exception {
    client(a).exchange("r", Map.of("seats", Map.of("at", Map.of())), "");
    await().atMost(SOON).untilAsserted(() -> assertThat(live(b)).contains("r"));
    client(b).leave("r");
    Etcd direct = etcd.client(address);
    assertThat(direct.get(direct.address().prefix() + "routers/r/seats", SOON)).isNull();
    await().atMost(SOON).untilAsserted(() -> assertThat(live(a)).containsExactly("asks"));
  }

  @Test
  void allOfEtcdStartedAgainFromItsDiskHasAll() throws Exception {
    try (Instance _ = new Instance("x", a, b)) {
      awaitHealthy(b, "x");
      client(a).register(entry("y"));
      client(a).register(entry("gone"));
      client(a).unregister("gone");
      try (Watching atA = new Watching(a, "x")) {
        for (int i = 0; i < etcd.size(); i++) {
          etcd.kill(i);
        }
        for (int i = 0; i < etcd.size(); i++) {
          etcd.start(i);
        }
        etcd.awaitServing(0);
        assertThat(registers(client(a), "new")).isTrue();
        await()
            .atMost(SOON)
            .untilAsserted(() -> assertThat(names(b)).contains("x", "new").doesNotContain("gone"));
        assertThat(client(b).watch(null, Duration.ZERO).deleted()).containsExactly("gone");
        assertThat(names(registry(address))).contains("x", "new");
        assertThat(atA.missed).isEmpty();
      }
    }
  }

  /// The registry of one frozen member sees nothing for longer than a lease, while history goes on
  /// and is compacted.
  @Test
  void aStalledWatchAndACompactionAreCaughtUpWith() throws Exception {
    int follower = (etcd.leader() + 1) % etcd.size();
    EtcdAddress all = EtcdAddress.parse(address);
    RegistryServer c =
        registry("etcd://" + etcd.member(follower) + all.prefix().replaceFirst("/$", ""));
    List<String> others = new ArrayList<>(all.members());
    others.remove(etcd.member(follower));
    RegistryServer d =
        registry("etcd://" + String.join(",", others) + all.prefix().replaceFirst("/$", ""));
    try (Instance _ = new Instance("x", d)) {
      client(d).register(entry("leaves"));
      awaitHealthy(c, "x", "leaves");
      try (Watching atC = new Watching(c, "x");
          Watching atD = new Watching(d, "x")) {
        etcd.freeze(follower);
        client(d).register(entry("comes"));
        client(d).unregister("leaves");
        pass(LEASE.plusSeconds(3));
        assertThat(names(c)).as("what it knew").contains("leaves").doesNotContain("comes");
        assertThatThrownBy(() -> client(c).heartbeat("x", null)).hasMessageContaining("503");
        etcd.compact();
        etcd.thaw(follower);
        await()
            .atMost(SOON)
            .untilAsserted(() -> assertThat(names(c)).isEqualTo(names(d)).doesNotContain("leaves"));
        assertThat(client(c).heartbeat("x", null)).isTrue();
        assertThat(atC.missed).isEmpty();
        assertThat(atD.missed).isEmpty();
      }
    }
  }

  @Test
  void aThousandThatRegisterAtOnceAreAllThere() throws Exception {
    // Nobody of them beats here.
    String another = etcd.freshAddress();
    RegistryServer c = registry(another, Lease.FRESH);
    RegistryServer d = registry(another, Lease.FRESH);
    Set<String> failed = ConcurrentHashMap.newKeySet();
    Semaphore places = new Semaphore(64);
    List<Thread> all = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      String name = "n" + i;
      RegistryServer r = i % 2 == 0 ? c : d;
      all.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  places.acquire();
                  if (!registers(client(r), name)) {
                    failed.add(name);
                  }
                } catch (InterruptedException e) {
                  failed.add(name);
                } finally {
                  places.release();
                }
              }));
    }
    for (Thread t : all) {
      t.join();
    }
    assertThat(failed).isEmpty();
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          assertThat(names(c)).hasSize(1000);
          assertThat(names(d)).hasSize(1000);
        });
  }

  /// Restored without its history, or emptied: other members at the same addresses.
  @Test
  void anEtcdThatWasMadeAnewIsTakenOver() throws Exception {
    try (Instance _ = new Instance("x", a, b)) {
      awaitHealthy(b, "x");
      client(a).register(entry("forgotten"));
      etcd.makeAnew();
      // it is believed when it has lasted; the members have come up one by one
      assertThat(registers(client(b), "new", SOON.multipliedBy(2))).isTrue();
      try (Instance _ = new Instance("new", b)) {
        awaitAnew();
      }
      assertThat(names(registry(address))).contains("x");
    }
  }

  private void awaitAnew() {
    await()
        .atMost(SOON)
        .ignoreExceptionsInstanceOf(IOException.class)
        .untilAsserted(() -> {
          assertThat(healthy(a)).containsExactly("new", "x");
          assertThat(healthy(b)).containsExactly("new", "x");
        });
  }

  /// Whoever reads etcd itself needs no registry for what it knows already.
  @Test
  void withoutRegistriesAReaderOfEtcdKeepsTheTable() throws Exception {
    // longer than it takes to know that none speaks
    Duration lease = Duration.ofSeconds(10);
    String at = etcd.freshAddress();
    RegistryServer c = registry(at, lease);
    try (TableSource reader =
        new EtcdFollower(
            Client.create(),
            new EtcdHome(EtcdAddress.parse(at), null),
            "reader",
            Ticker.SYSTEM,
            new Random(7))) {
      Instance first = new Instance("x", c);
      client(c).register(entry("dead"));
      await()
          .atMost(SOON)
          .untilAsserted(() -> assertThat(healthyAt(reader)).containsExactly("dead", "x"));
      opened.remove(c);
      c.close();
      first.fallSilent();
      Etcd direct = etcd.client(at);
      await()
          .atMost(lease.multipliedBy(6))
          .until(() -> direct.get(direct.address().prefix() + "entries/x", SOON) == null);
      pass(Duration.ofSeconds(2));
      assertThat(healthyAt(reader)).contains("x");
      try (Instance _ = new Instance("x", registry(at, lease))) {
        await()
            .atMost(lease.plus(SOON))
            .untilAsserted(() -> {
              Set<String> now = healthyAt(reader);
              assertThat(now).contains("x");
              assertThat(now).doesNotContain("dead");
            });
        await()
            .atMost(SOON)
            .untilAsserted(() ->
                assertThat(reader.watch(null, Duration.ZERO).services())
                    .extracting(Service::name)
                    .containsExactly("x"));
      }
    }
  }

  private static Set<String> healthyAt(TableSource reader) throws Exception {
    return reader.watch(null, Duration.ZERO).services().stream()
        .filter(Service::isHealthy)
        .map(Service::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
