package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdCluster;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What is wrong with an etcd, or with what stands there, is named, and nothing else disturbed. Run
/// by `./infini test --cluster`.
@Timeout(180)
class EtcdNamedFaults extends OnEtcd {
  private static final Duration SHORT = Duration.ofSeconds(5);

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
  void largeValuesBesideAndAmongTheKeysKeepNobodyFromStarting() throws Exception {
    String at = etcd.freshAddress();
    Etcd direct = etcd.client(at);
    String prefix = direct.address().prefix();
    // nobody beats here
    client(registry(at, Lease.FRESH)).register(entry("x"));
    byte[] large = new byte[1_500_000];
    for (int k = 0; k < 30; k++) {
      direct.put(new Etcd.Op.Put(prefix + "junk" + k, large, 0), SOON);
      direct.put(new Etcd.Op.Put(prefix + "entries/w" + k, large, 0), SOON);
    }
    assertThat(names(registry(at, Lease.FRESH))).containsExactly("x");
  }

  /// Heartbeats need no room, and nobody is taken out meanwhile.
  @Test
  void anEtcdWithoutRoomIsSaidOnceAndHeartbeatsGoOn(@TempDir Path other) throws Exception {
    try (EtcdCluster small = new EtcdCluster(other, 1, null, "--quota-backend-bytes=4000000")) {
      String at = small.freshAddress();
      Path log = dir.resolve("small.log");
      process(at, log);
      RegistryClient r = listening(log);
      r.register(entry("x"));
      Etcd direct = small.client(at);
      for (int k = 0; k < 3; k++) {
        direct.put(new Etcd.Op.Put(direct.address().prefix() + "event" + k, new byte[1], 0), SOON);
      }
      assertThatThrownBy(
              () -> {
                for (int k = 0; k < 20; k++) {
                  direct.put(new Etcd.Op.Put("/filler" + k, new byte[1 << 20], 0), SOON);
                }
              })
          .hasMessageContaining("database space exceeded");
      await()
          .atMost(SOON)
          .untilAsserted(() -> assertThat(Files.readString(log)).contains("until it has room"));
      assertThatThrownBy(() -> r.register(entry("y"))).hasMessageContaining("507");
      // each is an event that needs no room, and says nothing of who lives
      for (int k = 0; k < 3; k++) {
        direct.delete(direct.address().prefix() + "event" + k, SOON);
        pass(Duration.ofSeconds(4));
        assertThat(journal(log)).isEqualTo("failing");
      }
      assertThat(r.heartbeat("x", null)).isTrue();
      assertThat(r.services()).filteredOn(Service::isHealthy).hasSize(1);
      assertThat(lines(log, "nothing from|is followed again")).isEmpty();
      assertThat(lines(log, "database space exceeded; until it has room")).hasSize(1);
      for (int k = 0; k < 20; k++) {
        direct.delete("/filler" + k, SOON);
      }
      small.makeRoom();
      await()
          .atMost(SOON)
          .ignoreExceptionsInstanceOf(IOException.class)
          .until(() -> {
            r.register(entry("y"));
            return journal(log).equals("on");
          });
      assertThat(lines(log, "has room again")).hasSize(1);
      assertThat(r.heartbeat("x", null)).isTrue();
    }
  }

  private RegistryClient listening(Path log) {
    return new RegistryClient(http, url(log), null);
  }

  private String journal(Path log) throws Exception {
    return journal(url(log));
  }

  private String journal(RegistryServer r) throws Exception {
    return journal(URI.create("http://127.0.0.1:" + r.port()));
  }

  private String journal(URI registry) throws Exception {
    byte[] stats = http.get(registry.resolve("/stats"), SOON).body();
    return Json.tree(stats).path("journal").asText();
  }

  private static List<String> lines(Path log, String regex) throws IOException {
    Pattern p = Pattern.compile(regex);
    return Files.readAllLines(log).stream().filter(l -> p.matcher(l).find()).toList();
  }

  private int leases() throws Exception {
    return Json.tree(etcd.call("/v3/lease/leases", Map.of()).body()).path("leases").size();
  }

  @Test
  void whatIsRefusedLeavesNoLeaseBehind() throws Exception {
    client(a).register(entry("x"));
    pass(Duration.ofSeconds(2));
    int before = leases();
    Registration large =
        new Registration(
            "large",
            "127.0.0.1",
            1,
            "h",
            "http://127.0.0.1:1",
            "running",
            Map.of("type", "mock", "text", "x".repeat(1_900_000)),
            1);
    for (int k = 0; k < 5; k++) {
      assertThatThrownBy(() -> client(a).register(large)).hasMessageContaining("413");
    }
    // a registry may have begun a window of heartbeats meanwhile
    assertThat(leases()).isLessThan(before + 5);
    Etcd direct = etcd.client(address);
    long lease = direct.grant(Duration.ofSeconds(20), SOON);
    Client.Reply again =
        etcd.call("/v3/lease/grant", Map.of("ID", String.valueOf(lease), "TTL", "20"));
    assertThat(again.ok()).isFalse();
    assertThat(new String(again.body(), StandardCharsets.UTF_8)).contains("lease already exists");
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
        .hasMessageContaining("--lease 10.0 (expected: --lease 60.0, or another prefix)");
  }

  /// So that a router that starts finds a deployment, and a registry with another lease ends.
  @Test
  void settingsThatSomebodyRemovesAreWrittenAgain() throws Exception {
    Etcd direct = etcd.client(address);
    String key = new EtcdKeys(direct.address().prefix()).settings();
    direct.delete(key, SOON);
    await().atMost(SOON).until(() -> direct.get(key, SOON) != null);
    assertThatThrownBy(() -> registry(address, LEASE.plusSeconds(1)))
        .hasMessageContaining("or another prefix");
  }

  @Test
  void aDeploymentAroundAnotherIsRefusedWhicheverIsSecond() throws Exception {
    String around = address.substring(0, address.lastIndexOf('/')) + "/nest";
    try (RegistryServer inside = registry(around + "/entries")) {
      assertThat(inside.port()).isPositive();
      assertThatThrownBy(() -> registry(around))
          .hasMessageContaining("key /test/nest/entries/settings is inside (expected: beside it)");
    }
    try (RegistryServer again = registry(around + "/entries")) {
      assertThat(again.port()).isPositive();
    }
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

  /// As long as the first answers nobody would ask it.
  @Test
  void aMemberOfAnotherClusterIsNamedAtTheStart(@TempDir Path other) throws Exception {
    try (EtcdCluster second = new EtcdCluster(other, 1)) {
      String mixed =
          "etcd://"
              + etcd.member(0)
              + ","
              + second.member(0)
              + ",127.0.0.1:"
              + a.port()
              + "/test/mixed";
      assertThat(etcd.client(mixed).look(SOON))
          .containsOnlyKeys(second.member(0), "127.0.0.1:" + a.port());
      Path log = dir.resolve("mixed.log");
      process(mixed, log);
      await()
          .atMost(SOON.multipliedBy(2))
          .untilAsserted(() ->
              assertThat(Files.readString(log))
                  .containsPattern(
                      "WARN .*etcd "
                          + second.member(0)
                          + ": cluster [0-9a-f]+ \\(expected: [0-9a-f]+, that of "
                          + etcd.member(0))
                  .containsPattern(
                      "WARN .*etcd 127.0.0.1:"
                          + a.port()
                          + ": .*\\(expected: an etcd with its JSON gateway"));
    }
  }

  @Test
  void whereNoMemberIsOfUseEachIsNamed() throws Exception {
    Etcd none = etcd.client("etcd://127.0.0.1:1,127.0.0.1:2/x");
    assertThatThrownBy(() -> none.get("k", Duration.ofSeconds(3)))
        .hasMessageContaining("etcd 127.0.0.1:1: ")
        .hasMessageContaining("; etcd 127.0.0.1:2: ");
  }

  /// With each such change etcd refuses the tokens it gave.
  @Test
  void aChangeOfUsersFailsNothing() throws Exception {
    etcd.call("/v3/auth/user/add", Map.of("name", "root", "password", "secret"));
    etcd.call("/v3/auth/role/add", Map.of("name", "root"));
    etcd.call("/v3/auth/user/grant", Map.of("user", "root", "role", "root"));
    assertThat(etcd.call("/v3/auth/enable", Map.of()).status()).isEqualTo(200);
    RegistryServer r = guarded(etcd.freshAddress(), "secret");
    client(r).register(entry("x"));
    for (int i = 0; i < 5; i++) {
      Client.Reply in =
          etcd.call("/v3/auth/authenticate", Map.of("name", "root", "password", "secret"));
      Headers as = Headers.of("authorization", Json.tree(in.body()).path("token").asText());
      URI add = URI.create("http://" + etcd.member(0) + "/v3/auth/user/add");
      byte[] user = Json.bytes(Map.of("name", "u" + i, "password", "p"));
      assertThat(http.send("POST", add, as, user, SOON).status()).isEqualTo(200);
      client(r).register(entry("y" + i));
      assertThat(client(r).heartbeat("x", null)).isTrue();
    }
  }

  private void asRoot(String route, Map<String, ?> said) throws Exception {
    Client.Reply in =
        etcd.call("/v3/auth/authenticate", Map.of("name", "root", "password", "secret"));
    Headers as = Headers.of("authorization", Json.tree(in.body()).path("token").asText());
    URI to = URI.create("http://" + etcd.member(0) + route);
    assertThat(http.send("POST", to, as, Json.bytes(said), SOON).status()).isEqualTo(200);
  }

  /// Until it is changed back, its registry asks seldom: logins cost etcd's CPU.
  @Test
  void aRegistryWhosePasswordWasChangedIsBackWhenItIsItsOwnAgain() throws Exception {
    etcd.call("/v3/auth/user/add", Map.of("name", "root", "password", "secret"));
    etcd.call("/v3/auth/role/add", Map.of("name", "root"));
    etcd.call("/v3/auth/user/grant", Map.of("user", "root", "role", "root"));
    etcd.call("/v3/auth/user/add", Map.of("name", "inf", "password", "one"));
    etcd.call("/v3/auth/user/grant", Map.of("user", "inf", "role", "root"));
    assertThat(etcd.call("/v3/auth/enable", Map.of()).status()).isEqualTo(200);
    RegistryServer r = guarded(etcd.freshAddress(), "inf", "one");
    client(r).register(entry("x"));
    asRoot("/v3/auth/user/changepw", Map.of("name", "inf", "password", "other"));
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThatThrownBy(() -> client(r).register(entry("y")))
                .hasMessageContaining("etcd refuses our user"));
    asRoot("/v3/auth/user/changepw", Map.of("name", "inf", "password", "one"));
    await()
        .atMost(SOON)
        .ignoreExceptionsInstanceOf(IOException.class)
        .until(() -> client(r).heartbeat("x", null));
    client(r).register(entry("y"));
    assertThat(names(r)).containsExactly("x", "y");
  }

  private void authentication() throws Exception {
    etcd.call("/v3/auth/user/add", Map.of("name", "root", "password", "secret"));
    etcd.call("/v3/auth/role/add", Map.of("name", "root"));
    etcd.call("/v3/auth/user/grant", Map.of("user", "root", "role", "root"));
    assertThat(etcd.call("/v3/auth/enable", Map.of()).status()).isEqualTo(200);
  }

  /// A token of before names a step of the log that the new etcd waits for.
  @Test
  void anEtcdWithUsersThatWasMadeAnewIsLoggedInAtAnew() throws Exception {
    Etcd direct = etcd.client(address);
    for (int k = 0; k < 300; k++) {
      direct.put(new Etcd.Op.Put("/filler", new byte[1], 0), SOON);
    }
    authentication();
    RegistryServer r = guarded(etcd.freshAddress(), "secret");
    client(r).register(entry("x"));
    etcd.makeAnew();
    authentication();
    await()
        .atMost(SOON)
        .ignoreExceptionsInstanceOf(IOException.class)
        .untilAsserted(() -> {
          client(r).register(entry("y"));
          assertThat(names(r)).containsExactly("y");
        });
  }

  @Test
  void authenticationThatIsSwitchedOffFailsNothing() throws Exception {
    authentication();
    RegistryServer r = guarded(etcd.freshAddress(), "secret");
    client(r).register(entry("x"));
    asRoot("/v3/auth/disable", Map.of());
    client(r).register(entry("y"));
    assertThat(client(r).heartbeat("x", null)).isTrue();
    assertThat(names(guarded(etcd.freshAddress(), "secret"))).isEmpty();
    assertThat(etcd.call("/v3/auth/enable", Map.of()).status()).isEqualTo(200);
    client(r).register(entry("z"));
    assertThat(names(r)).containsExactly("x", "y", "z");
    assertThat(journal(r)).isEqualTo("on");
  }

  private static String base64(String key) {
    return Base64.getEncoder().encodeToString(key.getBytes(StandardCharsets.UTF_8));
  }

  private void permit(String kind, String prefix) throws Exception {
    Map<String, Object> keys =
        Map.of(
            "permType",
            kind,
            "key",
            base64(prefix),
            "range_end",
            base64(prefix.replaceFirst("/$", "0")));
    asRoot("/v3/auth/role/grant", Map.of("name", "team", "perm", keys));
  }

  /// Signs of life that one hears come to no other.
  @Test
  void whileRegistriesMayNotWriteNoLeaseRuns() throws Exception {
    authentication();
    String at = etcd.freshAddress();
    String prefix = EtcdAddress.parse(at).prefix();
    asRoot("/v3/auth/user/add", Map.of("name", "inf", "password", "one"));
    asRoot("/v3/auth/role/add", Map.of("name", "team"));
    permit("READWRITE", prefix);
    asRoot("/v3/auth/user/grant", Map.of("user", "inf", "role", "team"));
    RegistryServer one = guarded(at, "inf", "one", SHORT);
    RegistryServer two = guarded(at, "inf", "one", SHORT);
    Instance x = new Instance("x", one);
    awaitHealthy(two, "x");
    try (Watching watching = new Watching(two, "x")) {
      permit("READ", prefix);
      await().atMost(SOON).until(() -> journal(one).equals("failing"));
      await().atMost(SOON).until(() -> journal(two).equals("failing"));
      assertThatThrownBy(() -> client(one).heartbeat("x", null))
          .as("it may be heard elsewhere")
          .hasMessageContaining("503");
      pass(SHORT.multipliedBy(2));
      permit("READWRITE", prefix);
      await().atMost(SOON).until(() -> journal(one).equals("on") && journal(two).equals("on"));
      pass(SHORT.multipliedBy(2));
      assertThat(watching.missed).isEmpty();
    }
    x.fallSilent();
    await().atMost(SOON).until(() -> healthy(two).isEmpty());
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
    return guarded(at, "root", password);
  }

  private RegistryServer guarded(String at, String user, String password) throws IOException {
    return guarded(at, user, password, Lease.FRESH);
  }

  private RegistryServer guarded(String at, String user, String password, Duration lease)
      throws IOException {
    RegistryServer r =
        RegistryServer.start(
            RegistryServer.Options.at(0)
                .lease(lease)
                .etcd(new EtcdHome(EtcdAddress.parse(at), new Etcd.Login(user, password))),
            Ticker.SYSTEM,
            new Random(++seed));
    opened.add(r);
    return r;
  }
}
