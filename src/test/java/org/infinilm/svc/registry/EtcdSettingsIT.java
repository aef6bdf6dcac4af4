package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What registries agree on, at an etcd that holds nothing else.
@Timeout(60)
class EtcdSettingsIT {
  private static final EtcdKeys KEYS = new EtcdKeys("/p/");
  private static final Duration LEASE = Duration.ofSeconds(90);

  private final Client http = Client.create();
  private final AtomicInteger refusals = new AtomicInteger();
  private final AtomicInteger reads = new AtomicInteger();
  private volatile boolean full;
  private volatile byte @Nullable [] there;
  private Server server;
  private EtcdSettings settings;
  private Thread running;

  @BeforeEach
  void begin() throws Exception {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
    EtcdAddress at = EtcdAddress.parse("etcd://127.0.0.1:" + server.port() + "/p");
    settings =
        new EtcdSettings(new Etcd(http, at, null, Ticker.SYSTEM), KEYS, LEASE, Ticker.SYSTEM);
    running =
        Thread.ofVirtual()
            .start(() -> {
              try {
                settings.run();
              } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
              }
            });
  }

  @AfterEach
  void end() throws Exception {
    running.interrupt();
    running.join();
    server.close();
    http.close();
  }

  private Response answer(Request r) {
    if (full && !r.path().endsWith("/range")) {
      return Response.json(
          400, Map.of("code", 8, "message", "etcdserver: mvcc: database space exceeded"));
    }
    if (refusals.getAndDecrement() > 0) {
      return Response.json(400, Map.of("code", 7, "message", "etcdserver: permission denied"));
    }
    Map<String, Object> out = new HashMap<>();
    out.put("header", Map.of("cluster_id", "7", "revision", "9"));
    byte[] now = there;
    List<Object> kvs = now == null ? List.of() : List.of(key(now));
    if (r.path().equals("/v3/kv/txn")) {
      JsonNode txn = tree(r.body());
      boolean holds =
          txn.path("compare").path(0).path("mod_revision").asInt(-1) == (now == null ? 0 : 9);
      out.put("succeeded", holds);
      out.put("responses", List.of(Map.of("response_range", Map.of("kvs", kvs))));
      if (holds) {
        put(txn.path("success").path(0).path("request_put"));
      }
    } else if (r.path().equals("/v3/kv/put")) {
      put(tree(r.body()));
    } else {
      reads.incrementAndGet();
      out.put("kvs", kvs);
    }
    return Response.json(200, out);
  }

  private void put(JsonNode put) {
    there = Base64.getDecoder().decode(put.path("value").asText());
  }

  private static JsonNode tree(byte[] body) {
    try {
      return Json.tree(body);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Map<String, Object> key(byte[] value) {
    return Map.of(
        "key", base64(KEYS.settings().getBytes(StandardCharsets.UTF_8)),
        "value", base64(value),
        "mod_revision", "9");
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  /// What the watch says of the key.
  private static List<Etcd.Change> change(boolean deleted, byte[] value) {
    return List.of(new Etcd.Change(deleted, new KeyValue(KEYS.settings(), value, 9, 0)));
  }

  @Test
  void whatWasRemovedIsWrittenAgainEachTime() throws Exception {
    settings.agree();
    for (int k = 0; k < 2; k++) {
      assertThat(there).isEqualTo(EtcdKeys.agreed(LEASE));
      there = null;
      settings.heard(change(true, new byte[0]));
      await().until(() -> there != null);
    }
  }

  /// As after a table that was read anew.
  @Test
  void whatMayHaveBeenRemovedIsLookedFor() {
    settings.look();
    await().until(() -> there != null);
  }

  @Test
  void whatCannotBeWrittenYetIsTriedAgain() {
    refusals.set(1);
    settings.heard(change(true, new byte[0]));
    await().until(() -> there != null);
  }

  /// It refuses every change, also one whose condition does not hold.
  @Test
  void whereTheyStandAnEtcdWithoutRoomEndsNoStart() throws Exception {
    settings.agree();
    full = true;
    settings.agree();
    there = null;
    assertThatThrownBy(settings::agree).hasMessageContaining("space exceeded");
  }

  @Test
  void othersSettingsStayAndEndAStart() {
    byte[] others = EtcdKeys.agreed(LEASE.plusSeconds(1));
    there = others;
    settings.heard(change(false, others));
    settings.heard(change(true, new byte[0]));
    int before = reads.get();
    await().until(() -> reads.get() > before + 2); // it has tried once, and tries again
    assertThat(there).as("by the one that runs").isSameAs(others);
    assertThatThrownBy(settings::agree)
        .hasMessageContaining("--lease 91.0 (expected: --lease 90.0, or another prefix)");
    assertThat(there).isSameAs(others);
  }
}
