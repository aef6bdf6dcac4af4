package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a client of etcd asks for, by a server that counts it and is slow or lost as etcd may be.
@Timeout(60)
class EtcdCallsIT {
  private static final Duration SOON = Duration.ofSeconds(30);

  private final Client http = Client.create();
  private final List<Long> granted = new CopyOnWriteArrayList<>();
  private final Set<Long> leases = ConcurrentHashMap.newKeySet();
  private final Set<Long> kept = ConcurrentHashMap.newKeySet();
  private final AtomicInteger unanswered = new AtomicInteger();
  private final AtomicInteger logins = new AtomicInteger();
  private final CountDownLatch lets = new CountDownLatch(1);
  private Server server;

  @BeforeEach
  void begin() throws IOException {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
  }

  @AfterEach
  void end() {
    server.close();
    http.close();
  }

  private Etcd client(Etcd.Login login) {
    return new Etcd(
        http, EtcdAddress.parse("etcd://127.0.0.1:" + server.port() + "/p"), login, Ticker.SYSTEM);
  }

  private Response answer(Request r) throws Exception {
    JsonNode body = Json.tree(r.body());
    return switch (r.path()) {
      case "/v3/auth/authenticate" -> {
        logins.incrementAndGet();
        lets.await();
        yield said(Map.of("token", "t" + logins.get()));
      }
      case "/v3/lease/grant" -> {
        long id = body.path("ID").asLong();
        granted.add(id);
        boolean fresh = leases.add(id);
        if (unanswered.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
          yield Response.json(503, Map.of("code", 14, "error", "etcdserver: request timed out"));
        }
        yield fresh
            ? said(Map.of("ID", String.valueOf(id)))
            : Response.json(400, Map.of("code", 9, "error", "etcdserver: lease already exists"));
      }
      case "/v3/lease/keepalive" -> {
        kept.add(body.path("ID").asLong());
        yield said(Map.of("ID", body.path("ID").asText(), "TTL", "10"));
      }
      default -> said(Map.of());
    };
  }

  private static Response said(Map<String, Object> what) {
    Map<String, Object> all = new HashMap<>(what);
    all.put("header", Map.of("cluster_id", "7", "revision", "1"));
    return Response.json(200, all);
  }

  @Test
  void ofManyThatNeedATokenOneLogsIn() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    AtomicInteger answered = new AtomicInteger();
    List<Throwable> failed = new CopyOnWriteArrayList<>();
    List<Thread> all = new ArrayList<>();
    for (int k = 0; k < 32; k++) {
      all.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  etcd.get("k", SOON);
                  answered.incrementAndGet();
                } catch (EtcdFailure | InterruptedException e) {
                  failed.add(e);
                }
              }));
    }
    await()
        .atMost(SOON)
        .until(() ->
            logins.get() > 0
                && all.stream()
                    .allMatch(t ->
                        t.getState() == Thread.State.WAITING
                            || t.getState() == Thread.State.TIMED_WAITING));
    lets.countDown();
    for (Thread t : all) {
      t.join();
    }
    assertThat(failed).isEmpty();
    assertThat(answered).hasValue(32);
    assertThat(logins).hasValue(1);
  }

  @Test
  void aGrantThatWasNotAnsweredForIsAskedForUnderItsNumber() throws Exception {
    unanswered.set(2);
    long lease = client(null).grant(Duration.ofSeconds(10), SOON);
    assertThat(granted).containsExactly(lease, lease, lease);
    assertThat(leases).containsExactly(lease);
    assertThat(kept).as("some of its time may be over").containsExactly(lease);
  }

  @Test
  void aGrantThatFailedIsTheNextOneOfItsLength() throws Exception {
    Etcd etcd = client(null);
    unanswered.set(Integer.MAX_VALUE);
    assertThatThrownBy(() -> etcd.grant(Duration.ofSeconds(10), Duration.ofMillis(600)))
        .isInstanceOf(EtcdFailure.class);
    unanswered.set(0);
    long other = etcd.grant(Duration.ofSeconds(20), SOON);
    long lease = etcd.grant(Duration.ofSeconds(10), SOON);
    assertThat(lease).isEqualTo(granted.getFirst()).isNotEqualTo(other);
    assertThat(etcd.grant(Duration.ofSeconds(10), SOON)).isNotEqualTo(lease);
    assertThat(leases).hasSize(3);
  }
}
