package org.infinilm.svc.registry;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.KeyValue;
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

@Timeout(60)
class EtcdNotesIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final String RUN = "a-router";

  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch granted = new CountDownLatch(1);
  private final Set<String> leases = ConcurrentHashMap.newKeySet();
  private final AtomicInteger puts = new AtomicInteger();
  private volatile boolean denies;
  private final Client http = Client.create();
  private Server server;
  private Etcd etcd;
  private EtcdNotes notes;

  @BeforeEach
  void begin() throws IOException {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
    EtcdAddress at = EtcdAddress.parse("etcd://127.0.0.1:" + server.port() + "/p");
    etcd = new Etcd(http, at, null, Ticker.SYSTEM);
    notes = new EtcdNotes(etcd, new EtcdKeys("/p/"), "boot", Ticker.SYSTEM);
  }

  @AfterEach
  void end() {
    etcd.close();
    http.close();
    server.close();
  }

  private Response answer(Request r) throws Exception {
    JsonNode body = Json.tree(r.body());
    switch (r.path()) {
      case "/v3/lease/grant" -> {
        asked.countDown();
        granted.await();
        leases.add(body.path("ID").asText());
      }
      case "/v3/lease/keepalive" -> {
        return Response.json(
            200,
            Map.of(
                "header",
                Map.of("cluster_id", "7", "revision", "1"),
                "ID",
                body.path("ID").asText(),
                "TTL",
                "10"));
      }
      case "/v3/lease/revoke" -> leases.remove(body.path("ID").asText());
      case "/v3/kv/put" -> {
        puts.incrementAndGet();
        if (denies) {
          return Response.json(403, Map.of("code", 7, "error", "etcdserver: permission denied"));
        }
      }
      default -> {
        // deletes
      }
    }
    return Response.json(200, Map.of("header", Map.of("cluster_id", "7", "revision", "1")));
  }

  private static FutureTask<Void> task(Call call) {
    return new FutureTask<>(() -> {
      call.run();
      return null;
    });
  }

  private interface Call {
    void run() throws Exception;
  }

  /// A router's last word may still be on its way to etcd when it leaves: nothing of it stays
  /// there.
  @Test
  void whatARunWritesWhileItLeavesGoesWithIt() throws Exception {
    FutureTask<Void> says = task(() -> notes.write(RUN, Map.of("seats", "{}".getBytes(UTF_8))));
    FutureTask<Void> leaves = task(() -> notes.remove(RUN));
    Thread.ofPlatform().daemon().start(says);
    asked.await();
    Thread leaving = Thread.ofPlatform().daemon().start(leaves);
    await().atMost(SOON).until(() -> leaves.isDone() || leaving.getState() == Thread.State.BLOCKED);
    granted.countDown();
    says.get(SOON.toSeconds(), TimeUnit.SECONDS);
    leaves.get(SOON.toSeconds(), TimeUnit.SECONDS);
    assertThat(leases).isEmpty();
  }

  /// Routers speak each second; an etcd that lets them not is asked less and less often.
  @Test
  void whatMayNotBeWrittenIsTriedSeldom() throws Exception {
    granted.countDown();
    denies = true;
    Samples.Clock clock = new Samples.Clock();
    EtcdNotes seldom = new EtcdNotes(etcd, new EtcdKeys("/p/"), "boot", clock);
    Map<String, byte[]> seats = Map.of("seats", "{}".getBytes(UTF_8));
    for (int second = 0; second < 120; second++) {
      assertThatThrownBy(() -> seldom.write(RUN, seats))
          .isInstanceOf(EtcdFailure.class)
          .hasMessageContaining("permission denied");
      clock.advance(Duration.ofSeconds(1));
    }
    assertThat(puts.get()).as("in two minutes").isLessThan(10);
    denies = false;
    clock.advance(Duration.ofSeconds(30));
    seldom.write(RUN, seats);
    denies = true;
    int before = puts.get();
    assertThatThrownBy(() -> seldom.write(RUN, seats)).isInstanceOf(EtcdFailure.class);
    clock.advance(Duration.ofSeconds(1));
    assertThatThrownBy(() -> seldom.write(RUN, seats)).isInstanceOf(EtcdFailure.class);
    assertThat(puts).as("a first refusal is short").hasValue(before + 2);
  }

  /// What a board in memory refuses goes to no etcd either.
  @Test
  void whatIsTooMuchForABoardIsNotWritten() throws Exception {
    granted.countDown();
    byte[] large = new byte[Notes.MOST_BYTES];
    for (String kind : "abcdefgh".split("")) {
      notes.write(RUN, Map.of(kind, large));
    }
    assertThat(status(() -> notes.write(RUN, Map.of("ninth", new byte[1])))).isEqualTo(413);
    assertThat(status(() -> notes.write("c", Map.of("a", new byte[2], "b", new byte[1 << 20]))))
        .isEqualTo(413);
    assertThat(leases).as("the small one is written, and the run lives").hasSize(2);
    notes.remove("c");
    byte[] larger = new byte[Notes.MOST_BYTES + 1];
    assertThat(status(() -> notes.write(RUN, Map.of("a", larger)))).isEqualTo(413);
    assertThat(status(() -> notes.write("b", Map.of("no kind", large)))).isEqualTo(400);
    for (int run = 0; run < Notes.MOST_BYTES_IN_ALL / 8 / Notes.MOST_BYTES - 1; run++) {
      for (String kind : "abcdefgh".split("")) {
        notes.write("run" + run, Map.of(kind, large));
      }
    }
    assertThat(status(() -> notes.write("last", Map.of("a", large)))).isEqualTo(507);
    notes.write(RUN, Map.of("a", new byte[2]));
  }

  private Etcd.Change note(String run, String value) {
    return new Etcd.Change(
        false, new KeyValue(new EtcdKeys("/p/").note(run, "seats"), value.getBytes(UTF_8), 1, 1));
  }

  /// Who shares with none, or not with all, says so once and not each second.
  @Test
  void notesThatAreNoneAndRunsThatAreTooManyAreNamedOnce() {
    PrintStream stderr = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, UTF_8));
    try {
      for (int second = 0; second < 3; second++) {
        notes.heard(List.of(note("other", "no JSON"), note("another", "[]")));
        for (int run = 0; run < Notes.MOST_RUNS + 5; run++) {
          notes.heard(List.of(note("r" + run, "{}")));
        }
      }
    } finally {
      System.setErr(stderr);
    }
    assertThat(said.toString(UTF_8).lines().filter(l -> l.contains("is ignored")))
        .satisfiesExactlyInAnyOrder(
            l -> assertThat(l).contains("WARN", "routers/other/seats", "no JSON"),
            l -> assertThat(l).contains("WARN", "routers: 64 are known already"));
  }

  private static int status(Call call) throws Exception {
    try {
      call.run();
      return 0;
    } catch (Refused e) {
      return e.status();
    }
  }
}
