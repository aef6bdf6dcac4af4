package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Handler;
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
  private final Semaphore lets = new Semaphore(0);

  /// Tokens that are none any more.
  private final Set<String> ended = ConcurrentHashMap.newKeySet();

  /// Tokens of a step of the log that etcd has yet to come to, for which it waits.
  private final Set<String> early = ConcurrentHashMap.newKeySet();

  private final CountDownLatch over = new CountDownLatch(1);

  private volatile boolean wrong;

  /// Authentication is off.
  private volatile boolean noUsers;

  /// Whoever shows no token is told so.
  private volatile boolean users;

  private Server server;

  @BeforeEach
  void begin() throws IOException {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
  }

  @AfterEach
  void end() {
    over.countDown();
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
        int n = logins.incrementAndGet();
        lets.acquire();
        if (noUsers) {
          yield Response.json(
              400, Map.of("code", 9, "error", "etcdserver: authentication is not enabled"));
        }
        yield wrong
            ? Response.json(
                400,
                Map.of(
                    "code",
                    3,
                    "error",
                    "etcdserver: authentication failed, invalid user ID or password"))
            : said(Map.of("token", "t" + n));
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
      case "/v3/kv/put" ->
          Response.json(403, Map.of("code", 7, "error", "etcdserver: permission denied"));
      default -> {
        String shown = String.valueOf(r.headers().get("authorization"));
        if (early.contains(shown)) {
          over.await();
        }
        if (users && shown.equals("null")) {
          yield Response.json(400, Map.of("code", 3, "error", "etcdserver: user name is empty"));
        }
        yield ended.contains(shown)
            ? Response.json(401, Map.of("code", 16, "error", "etcdserver: invalid auth token"))
            : said(Map.of());
      }
    };
  }

  /// Beside the first.
  private Server member(Handler answer) throws IOException {
    return Server.start(Server.Options.at("127.0.0.1", 0), answer);
  }

  private Etcd clientOf(Server... members) {
    String all =
        Stream.of(members).map(s -> "127.0.0.1:" + s.port()).collect(Collectors.joining(","));
    return new Etcd(http, EtcdAddress.parse("etcd://" + all + "/p"), null, Ticker.SYSTEM);
  }

  private static Response said(Map<String, Object> what) {
    Map<String, Object> all = new HashMap<>(what);
    all.put("header", Map.of("cluster_id", "7", "revision", "1"));
    return Response.json(200, all);
  }

  /// A clock by which a call that is cut has taken long.
  private static final class Fast implements Ticker {
    @Override
    public long nanos() {
      return System.nanoTime() * 10;
    }

    @Override
    public Instant now() {
      return Instant.EPOCH.plusNanos(nanos());
    }
  }

  /// Calls at once, and how they end.
  private static final class Calls {
    final AtomicInteger answered = new AtomicInteger();
    final List<Throwable> failed = new CopyOnWriteArrayList<>();
    final List<Thread> all = new ArrayList<>();

    Thread begin(Etcd etcd) {
      Thread t =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  etcd.get("k", SOON);
                  answered.incrementAndGet();
                } catch (EtcdFailure | InterruptedException e) {
                  failed.add(e);
                }
              });
      all.add(t);
      return t;
    }

    void begin(Etcd etcd, int many) {
      for (int k = 0; k < many; k++) {
        begin(etcd);
      }
    }

    /// Until each of them waits for something.
    void awaitWaiting() {
      await()
          .atMost(SOON)
          .until(() ->
              all.stream()
                  .allMatch(t ->
                      t.getState() == Thread.State.WAITING
                          || t.getState() == Thread.State.TIMED_WAITING));
    }

    void join() throws InterruptedException {
      for (Thread t : all) {
        t.join();
      }
    }
  }

  private void awaitLogins(int n) {
    await().atMost(SOON).until(() -> logins.get() == n);
  }

  @Test
  void ofManyThatNeedATokenOneLogsIn() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    Calls calls = new Calls();
    calls.begin(etcd, 32);
    awaitLogins(1);
    calls.awaitWaiting();
    lets.release(100);
    calls.join();
    assertThat(calls.failed).isEmpty();
    assertThat(calls.answered).hasValue(32);
    assertThat(logins).hasValue(1);
  }

  @Test
  void ofManyWhoseTokenEndedOneLogsInAgainAndAllAreAnswered() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    lets.release(1000);
    for (int round = 1; round <= 50; round++) {
      Calls calls = new Calls();
      calls.begin(etcd, 16);
      calls.join();
      assertThat(calls.failed).isEmpty();
      assertThat(logins).hasValue(round);
      ended.add("t" + round);
    }
  }

  /// Who was waiting hears why, and who asks next is not told of it: it logs in itself.
  @Test
  void aLoginThatFailedIsNobodysAfterIt() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    wrong = true;
    Calls calls = new Calls();
    calls.begin(etcd, 8);
    awaitLogins(1);
    calls.awaitWaiting();
    lets.release(1000);
    calls.join();
    assertThat(calls.answered).hasValue(0);
    assertThat(calls.failed)
        .hasSize(8)
        .allSatisfy(
            e -> assertThat(e).isInstanceOf(EtcdFailure.class).hasMessageContaining("user u"));
    wrong = false;
    int before = logins.get();
    assertThat(etcd.get("k", SOON)).isNull();
    assertThat(logins).hasValue(before + 1);
  }

  /// Each login costs etcd a tenth of a second of CPU, and many programs may have the old password.
  @Test
  void aLoginThatIsRefusedIsTriedLessAndLessOften() throws Exception {
    Clock clock = new Clock();
    Etcd etcd =
        new Etcd(
            http,
            EtcdAddress.parse("etcd://127.0.0.1:" + server.port() + "/p"),
            new Etcd.Login("u", "p"),
            clock);
    wrong = true;
    lets.release(1000);
    for (int k = 0; k < 200; k++) {
      assertThatThrownBy(() -> etcd.get("k", SOON))
          .isInstanceOf(EtcdFailure.class)
          .hasMessageContaining("authentication failed");
      clock.advance(Duration.ofMillis(100));
    }
    assertThat(logins.get()).as("in 20 s").isLessThan(10);
    wrong = false;
    clock.advance(Duration.ofSeconds(5));
    assertThat(etcd.get("k", SOON)).isNull();
    int before = logins.get();
    ended.add("t" + before);
    assertThat(etcd.get("k", SOON)).as("a token that ends is no refused login").isNull();
    assertThat(logins).hasValue(before + 1);
  }

  @Test
  void whereAuthenticationIsSwitchedOffNobodyHasToLogInUntilItIsOn() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    lets.release(1000);
    users = true;
    assertThat(etcd.get("k", SOON)).isNull();
    users = false;
    noUsers = true;
    ended.add("t1");
    for (int k = 0; k < 5; k++) {
      assertThat(etcd.get("k", SOON)).isNull();
    }
    assertThat(logins).hasValue(2);
    users = true;
    noUsers = false;
    for (int k = 0; k < 5; k++) {
      assertThat(etcd.get("k", SOON)).isNull();
    }
    assertThat(logins).hasValue(3);
  }

  /// As an etcd that was made anew does with a token of the one before.
  @Test
  void aTokenThatEtcdWaitsOverIsRenewedWithoutAWord() throws Exception {
    Etcd etcd =
        new Etcd(
            http,
            EtcdAddress.parse("etcd://127.0.0.1:" + server.port() + "/p"),
            new Etcd.Login("u", "p"),
            new Fast());
    lets.release(1000);
    assertThat(etcd.get("k", SOON)).isNull();
    early.add("t1");
    await()
        .atMost(SOON)
        .ignoreExceptionsInstanceOf(EtcdFailure.class)
        .until(() -> {
          // answered all the same, whoever asks
          assertThat(etcd.keepAlive(List.of(5L), SOON)).containsExactly(5L);
          return etcd.get("k", Duration.ofMillis(500)) == null;
        });
    assertThat(logins).hasValue(2);
  }

  @Test
  void aRightThatIsMissingIsNoReasonToLogInAgain() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    lets.release(1000);
    for (int k = 0; k < 5; k++) {
      assertThatThrownBy(() -> etcd.put(new Etcd.Op.Put("k", new byte[0], 0), SOON))
          .isInstanceOf(EtcdFailure.class)
          .hasMessageContaining("permission denied");
    }
    assertThat(etcd.get("k", SOON)).isNull();
    assertThat(logins).hasValue(1);
  }

  @Test
  void whoWaitsForALoginThatIsGivenUpLogsIn() throws Exception {
    Etcd etcd = client(new Etcd.Login("u", "p"));
    Calls calls = new Calls();
    Thread first = calls.begin(etcd);
    awaitLogins(1);
    calls.begin(etcd, 7);
    calls.awaitWaiting();
    first.interrupt();
    awaitLogins(2);
    lets.release(1000);
    calls.join();
    assertThat(calls.failed).singleElement().isInstanceOf(InterruptedException.class);
    assertThat(calls.answered).hasValue(7);
    assertThat(logins).hasValue(2);
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

  /// Its gateway has ended its own connections already.
  @Test
  void ofAMemberThatEndsTheNextIsAsked() throws Exception {
    try (Server ends =
        member(_ ->
            Response.json(
                499, Map.of("code", 1, "error", "grpc: the client connection is closing")))) {
      Etcd etcd = clientOf(ends, server);
      assertThat(etcd.get("k", SOON)).isNull();
      assertThat(etcd.grant(Duration.ofSeconds(10), SOON)).isPositive();
    }
  }

  /// It takes no call that means the table, and answers for itself all the same.
  @Test
  void aMemberThatIsALearnerIsNamed() throws Exception {
    try (Server learns = member(_ -> said(Map.of("isLearner", true)))) {
      String member = "127.0.0.1:" + learns.port();
      Map<String, EtcdFailure> found = clientOf(server, learns).look(SOON);
      assertThat(found).containsOnlyKeys(member);
      assertThat(found.get(member))
          .hasMessage("etcd " + member + ": is a learner (expected: one that votes)");
    }
  }
}
