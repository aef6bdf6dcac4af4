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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.Semaphore;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Registries beside each other over a real etcd of three members that are killed, frozen,
/// compacted and started again. Run by `./infini test --cluster`.
@Timeout(180)
class EtcdFaults {
  private static final Duration LEASE = Duration.ofSeconds(5);
  private static final Duration BEAT = Duration.ofMillis(500);
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Pattern LISTENS = Pattern.compile("listens on 127\\.0\\.0\\.1:([0-9]+)");

  @TempDir private Path dir;
  private final Client http = Client.create();
  private final List<AutoCloseable> opened = new ArrayList<>();
  private EtcdCluster etcd;
  private String address;
  private RegistryServer a;
  private RegistryServer b;
  private int seed;

  @BeforeEach
  void begin() throws Exception {
    etcd = new EtcdCluster(dir, 3);
    address = etcd.freshAddress();
    a = registry(address);
    b = registry(address);
  }

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : opened.reversed()) {
      c.close();
    }
    etcd.close();
    http.close();
  }

  private RegistryServer registry(String at) throws IOException {
    return registry(at, LEASE);
  }

  private RegistryServer registry(String at, Duration lease) throws IOException {
    RegistryServer r =
        RegistryServer.start(
            RegistryServer.Options.at(0)
                .lease(lease)
                .etcd(new EtcdHome(EtcdAddress.parse(at), null)),
            Ticker.SYSTEM,
            new Random(++seed));
    opened.add(r);
    return r;
  }

  private RegistryClient client(RegistryServer r) {
    return new RegistryClient(http, URI.create("http://127.0.0.1:" + r.port()), null);
  }

  private static Registration entry(String name) {
    return new Registration(
        name, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of("type", "mock"), 1);
  }

  private Set<String> names(RegistryServer r) throws Exception {
    return client(r).services().stream()
        .map(Service::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private Set<String> healthy(RegistryServer r) throws Exception {
    return client(r).services().stream()
        .filter(Service::isHealthy)
        .map(Service::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// What a babysitter does: registers until that is confirmed, beats, registers again when it is
  /// told to; at the first registry that takes it.
  private final class Instance implements AutoCloseable {
    private final String name;
    private final List<RegistryServer> registries;
    private final Thread thread;

    Instance(String name, RegistryServer... registries) {
      this.name = name;
      this.registries = List.of(registries);
      this.thread = Thread.ofVirtual().start(this::live);
      opened.add(this);
    }

    private void live() {
      boolean registered = false;
      while (true) {
        for (RegistryServer r : registries) {
          try {
            if (!registered) {
              client(r).register(entry(name));
              registered = true;
            } else {
              registered = client(r).heartbeat(name, null);
            }
            break;
          } catch (IOException next) {
            // another registry, or later
          } catch (InterruptedException ended) {
            return;
          }
        }
        try {
          Thread.sleep(BEAT);
        } catch (InterruptedException ended) {
          return;
        }
      }
    }

    @Override
    public void close() {
      thread.interrupt();
      await().until(() -> !thread.isAlive());
    }

    void fallSilent() {
      close();
    }
  }

  /// Looks all the while whether these are healthy at a registry; says when they are not.
  private final class Watching implements AutoCloseable {
    private final Set<String> missed = new ConcurrentSkipListSet<>();
    private final Thread thread;

    Watching(RegistryServer r, String... names) {
      thread =
          Thread.ofVirtual()
              .start(() -> {
                while (!Thread.currentThread().isInterrupted()) {
                  try {
                    Set<String> now = healthy(r);
                    for (String n : names) {
                      if (!now.contains(n)) {
                        missed.add(n);
                      }
                    }
                    Thread.sleep(50);
                  } catch (InterruptedException ended) {
                    return;
                  } catch (Exception e) {
                    missed.add("cannot be read: " + e);
                  }
                }
              });
      opened.add(this);
    }

    @Override
    public void close() {
      thread.interrupt();
      await().until(() -> !thread.isAlive());
    }
  }

  private void awaitHealthy(RegistryServer r, String... names) {
    await().atMost(SOON).untilAsserted(() -> assertThat(healthy(r)).contains(names));
  }

  /// What is not to happen has this time to happen in.
  private static void pass(Duration d) {
    await().pollDelay(d).timeout(d.plus(SOON)).until(() -> true);
  }

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
        assertThat(healthy(registry(address))).as("of one that starts now").containsExactly("x");
        await()
            .atMost(LEASE.multipliedBy(4))
            .untilAsserted(() -> assertThat(names(a)).isEqualTo(names(b)).containsExactly("x"));
        assertThat(w.missed).isEmpty();
      }
    }
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
    Process killed =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:TieredStopAtLevel=1",
                "-Dinfini.program=registry",
                "-jar",
                System.getProperty("infini.jar", "target/infini.jar"),
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--lease",
                String.valueOf(LEASE.toSeconds()),
                "--store",
                address)
            .redirectError(log.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    opened.add(killed::destroyForcibly);
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

  /// Registers until it is confirmed or the time is over.
  private static boolean registers(RegistryClient at, String name) throws InterruptedException {
    try {
      await()
          .atMost(SOON)
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
            .atMost(LEASE.plusSeconds(5))
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

  @Test
  void whatIsNoEntryIsIgnoredAndNothingElseDisturbed() throws Exception {
    Etcd direct = etcd.client(address);
    String prefix = direct.address().prefix();
    client(a).register(entry("good"));
    long lease = direct.grant(Duration.ofMinutes(1), SOON);
    byte[] good = EtcdKeysTest.stored("other").json();
    for (Etcd.Op.Put bad :
        List.of(
            new Etcd.Op.Put(
                prefix + "entries/text", "hello".getBytes(StandardCharsets.UTF_8), lease),
            new Etcd.Op.Put(
                prefix + "entries/array", "[1]".getBytes(StandardCharsets.UTF_8), lease),
            new Etcd.Op.Put(prefix + "entries/another-name", good, lease),
            new Etcd.Op.Put(prefix + "entries/other", good, 0),
            new Etcd.Op.Put(prefix + "gone/x", "{}".getBytes(StandardCharsets.UTF_8), lease),
            new Etcd.Op.Put(prefix + "registries/r", "{".getBytes(StandardCharsets.UTF_8), lease),
            new Etcd.Op.Put(prefix + "whatever", new byte[] {0, 1}, lease))) {
      direct.put(bad, SOON);
    }
    client(a).register(entry("later"));
    await().atMost(SOON).untilAsserted(() -> assertThat(names(b)).containsExactly("good", "later"));
    assertThat(names(registry(address))).containsExactly("good", "later");
    client(a).register(entry("text"));
    assertThat(names(a)).as("its key is taken over").contains("text");
  }

  @Test
  void anAddressThatIsNoneAndAPrefixOfOthersStopTheStartAndAreNamed() throws Exception {
    assertThatThrownBy(() -> registry("etcd://127.0.0.1:1"))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("127.0.0.1:1");
    assertThatThrownBy(() -> registry("etcd://127.0.0.1:" + a.port()))
        .hasMessageContaining("127.0.0.1:" + a.port())
        .hasMessageContaining("(expected: an etcd with its JSON gateway)");
    assertThatThrownBy(() ->
            RegistryServer.start(
                RegistryServer.Options.at(0)
                    .lease(Duration.ofSeconds(60))
                    .etcd(new EtcdHome(EtcdAddress.parse(address), null)),
                Ticker.SYSTEM,
                new Random(9)))
        .hasMessageContaining("--lease 5.0 (expected: --lease 60.0, or another prefix)");
  }

  @Test
  void aMemberOfAnotherClusterIsNamedAndNotBelieved(@TempDir Path other) throws Exception {
    try (EtcdCluster second = new EtcdCluster(other, 1)) {
      Etcd mixed = etcd.client("etcd://" + etcd.member(0) + "," + second.member(0) + "/test/mixed");
      mixed.put(new Etcd.Op.Put("/test/mixed/k", new byte[] {1}, 0), SOON);
      etcd.kill(0);
      assertThatThrownBy(() -> mixed.get("/test/mixed/k", Duration.ofSeconds(2)))
          .hasMessageMatching(
              "(?s).*(cluster [0-9a-f]+ \\(expected: [0-9a-f]+, that of .*|cannot connect.*)");
      assertThat(
              second
                  .client("etcd://" + second.member(0) + "/test/mixed")
                  .get("/test/mixed/k", SOON))
          .isNull();
    }
  }

  @Test
  void credentialsAreUsedAndWrongOnesNamed() throws Exception {
    etcd.call("/v3/auth/user/add", Map.of("name", "root", "password", "secret"));
    etcd.call("/v3/auth/role/add", Map.of("name", "root"));
    etcd.call("/v3/auth/user/grant", Map.of("user", "root", "role", "root"));
    assertThat(etcd.call("/v3/auth/enable", Map.of()).status()).isEqualTo(200);
    String guarded = etcd.freshAddress();
    assertThatThrownBy(() -> registry(guarded)).hasMessageContaining("user name is empty");
    assertThatThrownBy(() -> guarded(guarded, "wrong"))
        .hasMessageContaining("authentication failed")
        .hasMessageContaining("(user root)")
        .hasMessageNotContaining("wrong");
    RegistryServer r = guarded(guarded, "secret");
    client(r).register(entry("x"));
    assertThat(client(r).heartbeat("x", null)).isTrue();
    assertThat(names(guarded(guarded, "secret"))).containsExactly("x");
  }

  private RegistryServer guarded(String at, String password) throws IOException {
    RegistryServer r =
        RegistryServer.start(
            RegistryServer.Options.at(0)
                .etcd(new EtcdHome(EtcdAddress.parse(at), new Etcd.Login("root", password))),
            Ticker.SYSTEM,
            new Random(++seed));
    opened.add(r);
    return r;
  }
}
