package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.registry.EtcdKeys.Stored;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a router that reads the table in etcd asks for when it starts.
@Timeout(60)
class EtcdFollowerIT {
  private static final Duration LEASE = Duration.ofSeconds(90);
  private static final EtcdKeys KEYS = new EtcdKeys("/p/");
  private static final int MARKS = 9;

  /// A member of etcd that knows keys (a character a byte) and what is left of leases, and counts
  /// calls.
  private static final class Stub {
    private record Key(byte[] value, long revision, long lease) {}

    /// When watches were asked for, in nanoseconds.
    final List<Long> watches = new CopyOnWriteArrayList<>();

    final Map<String, Integer> calls = new ConcurrentHashMap<>();
    private final TreeMap<String, Key> keys = new TreeMap<>();
    private final Map<Long, Duration> since = new HashMap<>();
    private long revision = 1;

    /// A page with more takes too long.
    int mostKeys = Integer.MAX_VALUE;

    /// After so many ranges all before is compacted.
    int compactedAfter = Integer.MAX_VALUE;

    /// Where ranges begin.
    final Set<String> asked = ConcurrentHashMap.newKeySet();

    void put(String key, byte[] value, Duration sinceSign) {
      revision++;
      since.put(revision, sinceSign);
      keys.put(key, new Key(value, revision, revision));
    }

    /// Another history takes the place of this one, and has come further; nobody is told.
    synchronized void restored(String key, byte[] value) {
      keys.keySet().removeIf(k -> !k.equals(KEYS.settings()));
      keys.put(key, new Key(value, 1, 1));
      revision += 60;
    }

    synchronized Response answer(Request r) {
      calls.merge(r.path(), 1, Integer::sum);
      try {
        JsonNode asked = Json.tree(r.body());
        return switch (r.path()) {
          case "/v3/kv/range" -> range(asked);
          case "/v3/watch" -> refusedWatch();
          case "/v3/lease/timetolive" -> left(asked.path("ID").asLong());
          default -> Response.json(404, Map.of());
        };
      } catch (java.io.IOException e) {
        throw new IllegalStateException(e);
      }
    }

    private Response range(JsonNode asked) {
      String from = text(asked.path("key"));
      boolean one = asked.path("range_end").asText().isEmpty();
      int limit = one ? 1 : asked.path("limit").asInt();
      this.asked.add(from);
      if (--compactedAfter <= 0 && asked.path("revision").asLong() != 0) {
        compactedAfter = Integer.MAX_VALUE;
        return Response.json(
            400, Map.of("code", 11, "error", "required revision has been compacted"));
      }
      List<Object> out = new ArrayList<>();
      boolean more = false;
      String end = one ? from + "\0" : text(asked.path("range_end"));
      for (Map.Entry<String, Key> e : keys.subMap(from, end).entrySet()) {
        if (out.size() == limit) {
          more = !one;
          break;
        }
        Key k = e.getValue();
        out.add(
            Map.of(
                "key",
                base64(e.getKey().getBytes(StandardCharsets.ISO_8859_1)),
                "value",
                base64(k.value()),
                "mod_revision",
                String.valueOf(k.revision()),
                "lease",
                String.valueOf(k.lease())));
      }
      return out.size() > mostKeys
          ? Response.json(504, Map.of("code", 4, "error", "context deadline exceeded"))
          : said(Map.of("kvs", out, "more", more));
    }

    /// What etcd says to a user that may not read.
    private Response refusedWatch() {
      watches.add(System.nanoTime());
      String line =
          Json.text(
                  Map.of(
                      "result",
                      Map.of(
                          "header",
                          Map.of("cluster_id", "7", "revision", String.valueOf(revision)),
                          "created",
                          true,
                          "canceled",
                          true,
                          "cancel_reason",
                          "rpc error: code = PermissionDenied desc = etcdserver: permission denied")))
              .concat("\n");
      return Response.text(200, "application/json", line);
    }

    private Response left(long lease) {
      long age = since.getOrDefault(lease, Duration.ZERO).toSeconds();
      return said(Map.of("grantedTTL", "225", "TTL", String.valueOf(225 - age)));
    }

    private Response said(Map<String, Object> what) {
      Map<String, Object> all = new HashMap<>(what);
      all.put("header", Map.of("cluster_id", "7", "revision", String.valueOf(revision)));
      return Response.json(200, all);
    }

    private static String text(JsonNode base64) {
      return new String(Base64.getDecoder().decode(base64.asText()), StandardCharsets.ISO_8859_1);
    }

    private static String base64(byte[] bytes) {
      return Base64.getEncoder().encodeToString(bytes);
    }
  }

  private final Stub etcd = new Stub();

  private void entry(String name, Duration sinceSign) {
    Entry e = new Entry(name, "h", 1, "h", "http://h:1", "running", Map.of(), null);
    etcd.put(
        KEYS.entry(name),
        new Stored(e, Instant.ofEpochSecond(1_700_000_000), name).json(),
        sinceSign);
  }

  /// What was written before it was known that the history is another is in no watch.
  @Test
  void anEtcdThatWasRestoredInPlaceAndHasComeFurtherIsReadAnew() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    entry("old", Duration.ZERO);
    Entry other = new Entry("other", "h", 2, "h", "http://h:2", "running", Map.of(), null);
    byte[] json = new Stored(other, Instant.ofEpochSecond(1_700_000_000), "other").json();
    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), etcd::answer);
        TableSource follower = follower(s)) {
      assertThat(follower.watch(null, Duration.ZERO).services())
          .extracting(Service::name)
          .containsExactly("old");
      etcd.restored(KEYS.entry("other"), json);
      await()
          .untilAsserted(() ->
              assertThat(follower.watch(null, Duration.ZERO).services())
                  .extracting(Service::name)
                  .contains("other"));
    }
  }

  private static List<String> names(String prefix, int n) {
    return IntStream.range(0, n).mapToObj(k -> prefix + k).toList();
  }

  private static TableSource follower(Server etcd) throws Exception {
    return new EtcdFollower(
        Client.create(),
        new EtcdHome(EtcdAddress.parse("etcd://127.0.0.1:" + etcd.port() + "/p"), null),
        "router",
        Ticker.SYSTEM,
        new Random(1));
  }

  private Map<String, Boolean> healthy() throws Exception {
    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), etcd::answer);
        TableSource follower = follower(s)) {
      Map<String, Boolean> out = new HashMap<>();
      follower.watch(null, Duration.ZERO).services().forEach(x -> out.put(x.name(), x.isHealthy()));
      return out;
    }
  }

  @Test
  void howOldAThousandEntriesAreIsAskedInAsManyCallsAsThereAreMarks() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("heard", 500).forEach(n -> entry(n, Duration.ofSeconds(20)));
    names("dead", 200).forEach(n -> entry(n, Duration.ofSeconds(150)));
    for (int k = 0; k < MARKS; k++) {
      Duration since = Duration.ofSeconds(11L * (MARKS - 1 - k));
      etcd.put(KEYS.heard("r", k), EtcdKeys.heard(names("heard", 500)), since);
    }
    names("new", 300).forEach(n -> entry(n, Duration.ofSeconds(3)));

    Map<String, Boolean> healthy = healthy();

    assertThat(healthy).hasSize(1000);
    healthy.forEach((name, well) -> assertThat(well).as(name).isEqualTo(!name.startsWith("dead")));
    assertThat(etcd.calls.getOrDefault("/v3/lease/timetolive", 0)).isEqualTo(MARKS);
  }

  /// As with a password that was changed: many programs would ask four times a second.
  @Test
  void aWatchThatIsRefusedIsAskedForLessAndLessOften() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), etcd::answer);
        TableSource follower = follower(s)) {
      follower.watch(null, Duration.ZERO);
      await().atMost(Duration.ofSeconds(30)).until(() -> etcd.watches.size() >= 4);
    }
    assertThat(etcd.watches.get(3) - etcd.watches.get(2))
        .isGreaterThanOrEqualTo(Duration.ofSeconds(1).toNanos());
  }

  @Test
  void ofAFewOfWhichNothingIsWrittenTheLeasesAreAsked() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    entry("slow", Duration.ofSeconds(80));
    entry("dead", Duration.ofSeconds(150));
    for (int k = 0; k < MARKS; k++) {
      etcd.put(KEYS.heard("r", k), EtcdKeys.heard(List.of()), Duration.ofSeconds(95 - 11L * k));
    }

    assertThat(healthy()).isEqualTo(Map.of("slow", true, "dead", false));
    assertThat(etcd.calls).containsEntry("/v3/lease/timetolive", MARKS + 2);
  }

  @Test
  void pagesThatDoNotComeAreAskedForInSmallerOnesAndWhatIsNotOursIsNotRead() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("x", 20).forEach(n -> entry(n, Duration.ofSeconds(20)));
    etcd.put("/p/junk", new byte[9], Duration.ZERO);
    etcd.mostKeys = 5;

    assertThat(healthy()).hasSize(20);
    assertThat(etcd.asked).allMatch(key -> key.matches("/p/(settings|[a-z]+/.*)"));
    assertThat(etcd.asked).noneMatch(key -> "/p/junk".startsWith(key));
  }

  @Test
  void timeInWhichNoRegistryListenedIsNobodysSilence() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("x", 100).forEach(n -> entry(n, Duration.ofSeconds(200)));
    etcd.put(KEYS.heard("r", 0), EtcdKeys.heard(List.of()), Duration.ofSeconds(2));

    assertThat(healthy().values()).hasSize(100).containsOnly(true);
    assertThat(etcd.calls).containsEntry("/v3/lease/timetolive", 1);
  }

  @Test
  void keysThatAreNoTextComeAfterEachOther() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("x", 20).forEach(n -> entry(n, Duration.ofSeconds(20)));
    names("\u00ff", 1200).forEach(n -> etcd.put(KEYS.entry(n), new byte[9], Duration.ZERO));
    etcd.put(KEYS.heard("r", 0), EtcdKeys.heard(List.of()), Duration.ofSeconds(2));

    assertThat(healthy().keySet()).containsExactlyInAnyOrderElementsOf(names("x", 20));
  }

  @Test
  void whatIsCompactedWhileItIsReadIsReadAnew() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("x", 700).forEach(n -> entry(n, Duration.ofSeconds(20)));
    etcd.put(KEYS.heard("r", 0), EtcdKeys.heard(List.of()), Duration.ofSeconds(2));
    etcd.compactedAfter = 3;

    assertThat(healthy()).hasSize(700);
    assertThat(etcd.compactedAfter).as("was not compacted").isGreaterThan(1000);
  }

  @Test
  void largeValuesThatAreNotOursAreReadInSmallPagesAndNotKept() throws Exception {
    etcd.put(KEYS.settings(), EtcdKeys.agreed(LEASE), Duration.ZERO);
    names("a", 30).forEach(n -> etcd.put(KEYS.entry(n), new byte[1 << 20], Duration.ZERO));
    names("r/a", 30).forEach(n -> etcd.put(KEYS.gone(n), new byte[1 << 20], Duration.ZERO));
    Map<String, Object> much = Map.of("note", "x".repeat(100_000));
    Entry e = new Entry("real", "h", 1, "h", "http://h:1", "running", much, null);
    byte[] real = new Stored(e, Instant.ofEpochSecond(1_700_000_000), "real").json();
    etcd.put(KEYS.entry("real"), real, Duration.ofSeconds(2));

    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), etcd::answer);
        Client http = Client.create();
        Etcd client =
            new Etcd(
                http,
                EtcdAddress.parse("etcd://127.0.0.1:" + s.port() + "/p"),
                null,
                Ticker.SYSTEM)) {
      List<KeyValue> read = EtcdListing.read(client, KEYS).keys();
      assertThat(read).hasSize(61);
      assertThat(read.stream().filter(kv -> kv.value().length > 0)).hasSize(1);
    }
    assertThat(healthy()).containsOnlyKeys("real");
  }
}
