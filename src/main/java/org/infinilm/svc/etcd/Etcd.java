package org.infinilm.svc.etcd;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A cluster of etcd 3.4 or newer, over the JSON gateway that its members serve beside gRPC. Calls
/// block; a member that does not answer is left for the next. Calls share kept connections; a watch
/// and a look at a member have their own. Thread-safe.
///
/// Every method throws [EtcdFailure] when no member did what was asked.
public final class Etcd implements AutoCloseable {
  /* How it works: etcd's documentation "gRPC gateway". Numbers of 64 bits are strings there, keys and
   * values base64. A stream is lines of JSON. What a stream reads must fit into the gateway's first read
   * of the body (512 bytes): with HTTP/1.1 it drops the rest once it has begun to answer. */

  private static final Logger log = LoggerFactory.getLogger(Etcd.class);

  /// One member may take so long, then the next is asked.
  private static final Duration ATTEMPT = Duration.ofSeconds(2);

  private static final Duration BETWEEN_ROUNDS = Duration.ofMillis(250);

  /// With less nobody is asked once more: what a member said before tells more than that it did not
  /// answer so soon.
  private static final Duration LEAST = Duration.ofMillis(100);

  private static final int MOST_BYTES = 16 << 20;
  private static final int AT_ONCE = 64;

  /// Of leases: no two clients of a cluster may ever choose the same.
  private static final SecureRandom NUMBERS = new SecureRandom();

  /// What may be asked again over another connection when a kept one ended without an answer: it
  /// changes nothing, or the same again. All else is in doubt then.
  private static final Set<String> REPEATED =
      Set.of(
          "/v3/kv/range", "/v3/lease/keepalive", "/v3/lease/timetolive", "/v3/auth/authenticate");

  /// What is answered to nobody whose token etcd does not know yet.
  private static final Set<String> TELLS_OF_TOKENS =
      Set.of("/v3/kv/range", "/v3/kv/put", "/v3/kv/txn", "/v3/kv/deleterange", "/v3/lease/grant");

  /// Leases that one call keeps alive: 30 bytes each.
  public static final int KEPT_AT_ONCE = 16;

  /// Who to be.
  public record Login(String user, String password) {
    @Override
    public String toString() {
      return user;
    }
  }

  /// Keys at one revision.
  ///
  /// @param cluster whose they are
  /// @param next the key that the next page begins with, byte for byte: what others wrote may be no
  ///   text; empty when there are no further ones
  public record Page(String cluster, long revision, List<KeyValue> keys, byte[] next) {}

  /// What one call says.
  ///
  /// @param mostBytes that an answer may have
  private record Call(String path, byte[] body, int mostBytes) {}

  /// One part of a change.
  public sealed interface Op {
    record Put(String key, byte[] value, long lease) implements Op {}

    record Delete(String key) implements Op {}
  }

  /// What became of a change.
  ///
  /// @param revision of etcd afterwards
  /// @param present the key as it stands when it was not as expected; null when there is none
  public record Written(boolean done, long revision, @Nullable KeyValue present) {}

  /// @param granted seconds that the lease lasts after each sign of life
  /// @param left seconds; negative when there is no such lease
  public record Remaining(long granted, long left) {}

  /// A connection a call.
  private final Client http;

  /// Keeps them.
  private final Client calls;

  private final EtcdAddress address;
  private final @Nullable Login login;
  private final Ticker ticker;
  private final Semaphore places = new Semaphore(AT_ONCE);
  private final AtomicInteger current = new AtomicInteger();
  private final Token token;

  /// Who logs in now; others wait for what comes of it.
  private final AtomicReference<@Nullable CompletableFuture<String>> loggingIn =
      new AtomicReference<>();

  /// The last login, where it was refused.
  private final AtomicReference<@Nullable EtcdFailure> refusedLogin = new AtomicReference<>();

  private final BackOff logins;

  /// Leases that may have been granted or not, by their seconds: nobody uses them.
  private final Map<Long, Queue<Long>> doubtful = new ConcurrentHashMap<>();

  private final Belonging belonging;

  /// @param http is not closed with this
  public Etcd(Client http, EtcdAddress address, @Nullable Login login, Ticker ticker) {
    this.http = http;
    this.calls = http.keeping();
    this.address = address;
    this.login = login;
    this.ticker = ticker;
    this.token = new Token(ticker);
    this.logins = new BackOff(BETWEEN_ROUNDS, BackOff.MOST_BETWEEN_REFUSALS, ticker);
    this.belonging = new Belonging(ticker);
  }

  public EtcdAddress address() {
    return address;
  }

  /// Keys from `from` on that begin with `prefix`, in order.
  ///
  /// @param from the bytes of a key
  /// @param revision to read at; 0 for the newest
  /// @param mostBytes of the answer, in which values are a third longer
  /// @throws EtcdFailure of kind [Kind#TOO_LARGE] when there are more
  public Page list(
      String prefix, byte[] from, long revision, int limit, int mostBytes, Duration patience)
      throws EtcdFailure, InterruptedException {
    Object range =
        Map.of(
            "key", KeyValue.base64(from),
            "range_end", KeyValue.behind(prefix),
            "revision", String.valueOf(revision),
            "limit", String.valueOf(limit));
    JsonNode n = ask(new Call("/v3/kv/range", Json.bytes(range), mostBytes), patience).getFirst();
    JsonNode found = n.path("kvs");
    byte[] next = {};
    if (n.path("more").asBoolean() && !found.isEmpty()) {
      byte[] last = KeyValue.key(found.get(found.size() - 1));
      next = Arrays.copyOf(last, last.length + 1);
    }
    return new Page(id(n), revision(n), keys(found), next);
  }

  /// One key as it is now; null when there is none.
  public @Nullable KeyValue get(String key, Duration patience)
      throws EtcdFailure, InterruptedException {
    return get(key, 0, patience);
  }

  /// One key as it was at a revision; null when there was none.
  ///
  /// @param revision 0 for the newest
  /// @throws EtcdFailure of kind [Kind#COMPACTED] when that is forgotten, or still to come
  public @Nullable KeyValue get(String key, long revision, Duration patience)
      throws EtcdFailure, InterruptedException {
    Object one = Map.of("key", KeyValue.base64(key), "revision", String.valueOf(revision));
    JsonNode n = call("/v3/kv/range", one, patience);
    List<KeyValue> found = keys(n.path("kvs"));
    return found.isEmpty() ? null : found.getFirst();
  }

  /// Makes all of the change if the last one of `key` was at `expected`, else nothing.
  ///
  /// @param expected 0 when there is to be no such key
  public Written change(String key, long expected, List<Op> ops, Duration patience)
      throws EtcdFailure, InterruptedException {
    Map<String, Object> asExpected =
        Map.of(
            "key",
            KeyValue.base64(key),
            "target",
            "MOD",
            "result",
            "EQUAL",
            "mod_revision",
            String.valueOf(expected));
    Map<String, Object> look = Map.of("request_range", Map.of("key", KeyValue.base64(key)));
    JsonNode n =
        call(
            "/v3/kv/txn",
            Map.of(
                "compare",
                List.of(asExpected),
                "success",
                ops.stream().map(Etcd::json).toList(),
                "failure",
                List.of(look)),
            patience);
    if (n.path("succeeded").asBoolean()) {
      return new Written(true, revision(n), null);
    }
    List<KeyValue> present = keys(n.path("responses").path(0).path("response_range").path("kvs"));
    return new Written(false, revision(n), present.isEmpty() ? null : present.getFirst());
  }

  /// Sets one key whatever it was.
  public void put(Op.Put put, Duration patience) throws EtcdFailure, InterruptedException {
    call("/v3/kv/put", put(put), patience);
  }

  /// Removes one key, if there is one.
  public void delete(String key, Duration patience) throws EtcdFailure, InterruptedException {
    call("/v3/kv/deleterange", Map.of("key", KeyValue.base64(key)), patience);
  }

  /// A new lease. Its number is our own choice, so that asking another member, or again after a
  /// failure, makes no second one.
  ///
  /// @param ttl in whole seconds; etcd may make it longer
  public long grant(Duration ttl, Duration patience) throws EtcdFailure, InterruptedException {
    long end = ticker.nanos() + patience.toNanos();
    long seconds = Math.max(1, ttl.plusMillis(999).toSeconds());
    Queue<Long> inDoubt = doubtful.computeIfAbsent(seconds, s -> new ConcurrentLinkedQueue<>());
    Long left = inDoubt.poll();
    long lease = left == null ? NUMBERS.nextLong(1, Long.MAX_VALUE) : left;
    boolean sure = false;
    try {
      while (!sure) {
        Duration rest = Duration.ofNanos(Math.max(0, end - ticker.nanos()));
        try {
          call(
              "/v3/lease/grant",
              Map.of("ID", String.valueOf(lease), "TTL", String.valueOf(seconds)),
              rest);
          sure = true;
        } catch (EtcdFailure e) {
          if (e.kind() != Kind.LEASE_EXISTS) {
            throw e;
          }
          // granted to us, by a try that was not answered for
          sure = !keepAlive(List.of(lease), rest).isEmpty();
        }
      }
      return lease;
    } finally {
      if (!sure) {
        inDoubt.add(lease);
      }
    }
  }

  /// Ends a lease with its keys; none is fine.
  public void revoke(long lease, Duration patience) throws EtcdFailure, InterruptedException {
    try {
      call("/v3/lease/revoke", id(lease), patience);
    } catch (EtcdFailure e) {
      if (e.kind() != Kind.NO_SUCH_LEASE) {
        throw e;
      }
    }
  }

  public Remaining remaining(long lease, Duration patience)
      throws EtcdFailure, InterruptedException {
    JsonNode n = call("/v3/lease/timetolive", id(lease), patience);
    return new Remaining(n.path("grantedTTL").asLong(), n.path("TTL").asLong());
  }

  /// Gives leases their whole time again.
  ///
  /// @return those that live; the others are gone
  public List<Long> keepAlive(List<Long> leases, Duration patience)
      throws EtcdFailure, InterruptedException {
    List<Long> alive = new ArrayList<>();
    for (int at = 0; at < leases.size(); at += KEPT_AT_ONCE) {
      List<Long> some = leases.subList(at, Math.min(leases.size(), at + KEPT_AT_ONCE));
      Map<Long, Boolean> told = keep(some, patience);
      for (long lease : some) {
        Boolean lives = told.get(lease);
        if (lives == null) {
          // The gateway left it out; alone it cannot.
          lives = keep(List.of(lease), patience).get(lease);
        }
        if (lives == null) {
          throw new EtcdFailure(Kind.AWAY, "etcd: a lease was not answered for");
        }
        if (lives) {
          alive.add(lease);
        }
      }
    }
    return alive;
  }

  private Map<Long, Boolean> keep(List<Long> leases, Duration patience)
      throws EtcdFailure, InterruptedException {
    StringBuilder lines = new StringBuilder();
    for (long lease : leases) {
      lines.append(Json.text(id(lease)));
    }
    byte[] body = lines.toString().getBytes(StandardCharsets.UTF_8);
    Map<Long, Boolean> out = new HashMap<>();
    for (JsonNode n : ask(new Call("/v3/lease/keepalive", body, MOST_BYTES), patience)) {
      out.put(n.path("ID").asLong(), n.path("TTL").asLong() > 0);
    }
    return out;
  }

  /// What a watcher hears, on the calling thread.
  public interface Watcher {
    /// All changes up to `revision` have come now.
    void heard(long revision, List<Change> changes);
  }

  /// @param deleted whether the key is gone; its value is then empty
  public record Change(boolean deleted, KeyValue key) {}

  /// Follows all keys below the prefix of the address; never returns. The next call goes to the
  /// next member.
  ///
  /// @param cluster whose keys are known up to there
  /// @param from the first revision to hear of
  /// @param silence after which the member is taken for hung
  /// @throws EtcdFailure of kind [Kind#COMPACTED] when `from` is forgotten, or of another history;
  ///   any other when the stream ends
  public void watch(String cluster, long from, Duration silence, Watcher watcher)
      throws EtcdFailure, InterruptedException {
    Map<String, Object> create =
        Map.of(
            "create_request",
            Map.of(
                "key", KeyValue.base64(address.prefix()),
                "range_end", KeyValue.behind(address.prefix()),
                "start_revision", String.valueOf(from)));
    int at = current.get();
    String member = member(at);
    WatchLines lines =
        new WatchLines(
            n -> {
              requireOurs(member, n);
              if (!id(n).equals(cluster)) {
                throw new EtcdFailure(Kind.COMPACTED, "etcd " + member + ": made anew");
              }
              if (n.path("created").asBoolean() && revision(n) < from - 1) {
                throw new EtcdFailure(
                    Kind.COMPACTED,
                    "etcd " + member + ": at revision " + revision(n) + ", after " + (from - 1));
              }
            },
            watcher);
    String shown = null;
    try {
      shown = token();
      URI to = uri(member, "/v3/watch");
      http.stream("POST", to, Token.headers(shown), Json.bytes(create), silence, lines);
      throw new EtcdFailure(Kind.AWAY, "etcd " + member + ": the watch ended");
    } catch (EtcdFailure e) {
      if (e.kind() == Kind.CREDENTIALS && shown != null) {
        token.ended(shown);
      }
      current.compareAndSet(at, at + 1);
      throw e;
    } catch (IOException e) {
      current.compareAndSet(at, at + 1);
      throw new EtcdFailure(Kind.AWAY, "etcd " + member + ": " + e.getMessage(), e);
    }
  }

  private JsonNode call(String path, Object body, Duration patience)
      throws EtcdFailure, InterruptedException {
    return ask(new Call(path, Json.bytes(body), MOST_BYTES), patience).getFirst();
  }

  private List<JsonNode> ask(Call what, Duration patience)
      throws EtcdFailure, InterruptedException {
    long end = ticker.nanos() + patience.toNanos();
    if (!places.tryAcquire(patience.toNanos(), TimeUnit.NANOSECONDS)) {
      throw new EtcdFailure(Kind.AWAY, "etcd: " + AT_ONCE + " calls wait for it already");
    }
    try {
      return ask(what, end);
    } finally {
      places.release();
    }
  }

  /// Asks one member after the other until one has an answer.
  private List<JsonNode> ask(Call what, long end) throws EtcdFailure, InterruptedException {
    // The last failure of each member, the newest at the end.
    Map<String, EtcdFailure> failures = new LinkedHashMap<>();
    boolean loggedInAgain = false;
    for (int tries = 0; ; tries++) {
      long left = end - ticker.nanos();
      boolean again = tries > 0 && tries % address.members().size() == 0;
      if (left <= (again ? LEAST.toNanos() : 0)) {
        throw together(failures.values());
      }
      int at = current.get();
      Duration attempt = Duration.ofNanos(Math.min(left, ATTEMPT.toNanos()));
      String shown = null;
      try {
        shown = token();
        return once(calls, member(at), what, shown, attempt);
      } catch (EtcdFailure e) {
        failures.remove(member(at));
        failures.put(member(at), e);
        if (e.kind() == Kind.AWAY || e.kind() == Kind.ANOTHER) {
          current.compareAndSet(at, at + 1);
        } else if (e.kind() == Kind.CREDENTIALS && shown != null && !loggedInAgain) {
          // It ended, or all did with a change of users; others may have a new one already.
          token.ended(shown);
          loggedInAgain = true;
        } else {
          throw e;
        }
      }
      if ((tries + 1) % address.members().size() == 0) {
        long pause = Math.clamp(end - ticker.nanos(), 0, BETWEEN_ROUNDS.toNanos());
        Thread.sleep(Duration.ofNanos(pause));
      }
    }
  }

  /// What the members said, each its own.
  private static EtcdFailure together(Collection<EtcdFailure> failures) {
    EtcdFailure last = new EtcdFailure(Kind.AWAY, "etcd: not asked");
    List<String> said = new ArrayList<>();
    for (EtcdFailure e : failures) {
      said.add(e.getMessage());
      last = e;
    }
    return said.size() < 2 ? last : new EtcdFailure(last.kind(), String.join("; ", said), last);
  }

  /// Asks each member for itself.
  ///
  /// @return why a member is of no use, by member; those that are well are not in it
  public Map<String, EtcdFailure> look(Duration limit) throws InterruptedException {
    Map<String, EtcdFailure> out = new LinkedHashMap<>();
    Call what = new Call("/v3/maintenance/status", Json.bytes(Map.of()), MOST_BYTES);
    for (String member : address.members()) {
      try {
        JsonNode said = once(http, member, what, token(), limit).getFirst();
        if (said.path("isLearner").asBoolean()) {
          out.put(
              member,
              new EtcdFailure(
                  Kind.OTHER, "etcd " + member + ": is a learner (expected: one that votes)"));
        }
      } catch (EtcdFailure e) {
        if (e.kind() == Kind.AWAY || e.kind() == Kind.ANOTHER) {
          out.put(member, e);
        }
      }
    }
    return out;
  }

  private List<JsonNode> once(
      Client by, String member, Call what, @Nullable String shown, Duration limit)
      throws EtcdFailure, InterruptedException {
    Client.Reply reply;
    boolean tells = TELLS_OF_TOKENS.contains(what.path());
    long began = ticker.nanos();
    try {
      reply = sent(by, uri(member, what.path()), Token.headers(shown), what, limit);
      if (tells) {
        token.answered(shown);
      }
    } catch (Client.TooLong e) {
      throw new EtcdFailure(Kind.TOO_LARGE, "etcd " + member + ": " + e.getMessage(), e);
    } catch (IOException e) {
      if (tells && !(e instanceof Client.NotConnected)) {
        token.unanswered(shown, began);
      }
      throw new EtcdFailure(Kind.AWAY, "etcd " + member + ": " + e.getMessage(), e);
    }
    if (!reply.ok()) {
      throw EtcdFailure.refused(member, reply.status(), reply.body());
    }
    List<JsonNode> answers = new ArrayList<>();
    for (byte[] line : WatchLines.documents(reply.body())) {
      JsonNode n = WatchLines.result(tree(line, what.path()));
      requireOurs(member, n);
      answers.add(n);
    }
    if (answers.isEmpty()) {
      throw new EtcdFailure(
          Kind.ANOTHER, "etcd " + member + ": " + what.path() + ": no answer in it");
    }
    return answers;
  }

  private Client.Reply sent(Client by, URI uri, Headers headers, Call what, Duration limit)
      throws IOException, InterruptedException {
    long end = ticker.nanos() + limit.toNanos();
    try {
      return by.send("POST", uri, headers, what.body(), limit, what.mostBytes());
    } catch (Client.Lost e) {
      Duration left = Duration.ofNanos(end - ticker.nanos());
      if (!REPEATED.contains(uri.getPath()) || !left.isPositive()) {
        throw e;
      }
      return by.send("POST", uri, headers, what.body(), left, what.mostBytes());
    }
  }

  /// All members have to be of one cluster, also after a restart of one of them.
  private void requireOurs(String member, JsonNode answer) throws EtcdFailure {
    String id = id(answer);
    if (id.isEmpty()) {
      throw new EtcdFailure(
          Kind.ANOTHER, "etcd " + member + ": names no cluster (expected: an etcd)");
    }
    String wrong = belonging.said(member, id);
    if (wrong != null) {
      throw new EtcdFailure(Kind.ANOTHER, "etcd " + member + ": " + wrong);
    }
  }

  private static String id(JsonNode answer) {
    return answer.path("header").path("cluster_id").asText();
  }

  /// Null where nobody asks for one. Of many that need a new one, one logs in: each login costs
  /// etcd a tenth of a second of CPU.
  private @Nullable String token() throws EtcdFailure, InterruptedException {
    Login as = login;
    if (as == null) {
      return null;
    }
    String t = token.get();
    if (t != null) {
      token.renewIfDoubted(() -> logIn(as));
      return t;
    }
    CompletableFuture<String> mine = new CompletableFuture<>();
    CompletableFuture<String> others = loggingIn.compareAndExchange(null, mine);
    if (others != null) {
      return awaited(others);
    }
    try {
      String since = token.get();
      String fresh = since == null ? logInOrWait(as) : since;
      token.set(fresh);
      over(mine);
      mine.complete(fresh);
      return fresh;
    } catch (EtcdFailure e) {
      over(mine);
      mine.completeExceptionally(e);
      throw e;
    } finally {
      over(mine);
      mine.completeExceptionally(new EtcdFailure(Kind.AWAY, "etcd: a login was given up"));
    }
  }

  /// Before anybody hears how it ended: who asks again then must not be given its end once more.
  private void over(CompletableFuture<String> login) {
    loggingIn.compareAndSet(login, null);
  }

  private static String awaited(CompletableFuture<String> login)
      throws EtcdFailure, InterruptedException {
    try {
      return login.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof EtcdFailure f
          ? f.again()
          : new EtcdFailure(Kind.OTHER, "etcd: login: " + e.getCause());
    }
  }

  /// Of a login that is refused time after time etcd is asked less and less often, whoever asks.
  private String logInOrWait(Login as) throws EtcdFailure, InterruptedException {
    EtcdFailure before = refusedLogin.get();
    if (before != null && logins.isPause()) {
      throw before.again();
    }
    try {
      String fresh = logIn(as);
      refusedLogin.set(null);
      logins.taken();
      return fresh;
    } catch (EtcdFailure e) {
      // once it may be that users were just changed
      if (e.isRefusal() && refusedLogin.getAndSet(e) != null) {
        logins.refused();
      }
      throw e;
    }
  }

  /// Empty where there are no users.
  private String logIn(Login as) throws EtcdFailure, InterruptedException {
    String member = member(current.get());
    byte[] body = Json.bytes(Map.of("name", as.user(), "password", as.password()));
    Call what = new Call("/v3/auth/authenticate", body, MOST_BYTES);
    Client.Reply reply;
    try {
      reply = sent(calls, uri(member, what.path()), Headers.NONE, what, ATTEMPT);
    } catch (IOException e) {
      throw new EtcdFailure(Kind.AWAY, "etcd " + member + ": " + e.getMessage(), e);
    }
    if (!reply.ok()) {
      EtcdFailure e = EtcdFailure.refused(member, reply.status(), reply.body());
      if (EtcdFailure.saysNoUsers(e)) {
        log.warn("{}; going on as nobody, user {} is not needed", e.getMessage(), as.user());
        return "";
      }
      throw new EtcdFailure(
          e.kind() == Kind.OTHER ? Kind.CREDENTIALS : e.kind(),
          e.getMessage() + " (user " + as.user() + ")");
    }
    log.debug("logged in at etcd {} as {}", member, as.user());
    return tree(reply.body(), "authenticate").path("token").asText();
  }

  /// Closes the connections that wait for calls; later calls are made all the same, over
  /// connections of their own.
  @Override
  public void close() {
    calls.close();
  }

  private String member(int at) {
    return address.members().get(Math.floorMod(at, address.members().size()));
  }

  private URI uri(String member, String path) {
    return URI.create(address.url(member) + path);
  }

  private static JsonNode tree(byte[] json, String what) throws EtcdFailure {
    try {
      return Json.tree(json);
    } catch (JsonProcessingException e) {
      throw new EtcdFailure(Kind.ANOTHER, "etcd: " + what + ": no JSON: " + Json.wrong(e), e);
    }
  }

  private static long revision(JsonNode n) {
    return n.path("header").path("revision").asLong();
  }

  private static List<KeyValue> keys(JsonNode kvs) {
    List<KeyValue> out = new ArrayList<>(kvs.size());
    kvs.forEach(n -> out.add(KeyValue.read(n)));
    return out;
  }

  private static Map<String, Object> json(Op op) {
    return switch (op) {
      case Op.Put p -> Map.of("request_put", put(p));
      case Op.Delete(String key) ->
          Map.of("request_delete_range", Map.of("key", KeyValue.base64(key)));
    };
  }

  private static Map<String, Object> put(Op.Put p) {
    return Map.of(
        "key", KeyValue.base64(p.key()),
        "value", KeyValue.base64(p.value()),
        "lease", String.valueOf(p.lease()));
  }

  private static Map<String, Object> id(long lease) {
    return Map.of("ID", String.valueOf(lease));
  }
}
