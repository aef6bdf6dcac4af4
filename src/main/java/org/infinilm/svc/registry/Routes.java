package org.infinilm.svc.registry;

import java.net.URI;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Metrics;
import org.jspecify.annotations.Nullable;

/// The registry's routes. Every failure is `{"error":"text"}`.
final class Routes implements Handler {
  /// Of [Table#bytes]; 50,000 ordinary entries are 100 MiB.
  static final long MAX_TABLE_BYTES = 192 << 20;

  /// How many requests may wait on behalf of their clients, each with a connection of its own:
  /// never so many that a heartbeat finds no place.
  ///
  /// @param watchers that wait for a change
  /// @param probes requests that wait for one
  /// @param lists large ones that are being read
  record Waits(int watchers, int probes, int lists) {
    /// @param places connections that the server has
    static Waits of(int places) {
      return new Waits(part(places, 2, 512), part(places, 8, 128), part(places, 4, 256));
    }

    private static int part(int places, int parts, int most) {
      return Math.clamp(places / parts, 1, most);
    }
  }

  private static final int DEFAULT_WAIT_SECONDS = 30;
  private static final int MAX_WAIT_SECONDS = 300;
  private static final String READ = "GET, HEAD";

  private record Said(long second, byte[] json) {}

  /// What a route does once its method is known to be right.
  @FunctionalInterface
  private interface Action {
    Response run() throws Refused, InterruptedException;
  }

  private final LeaseStore store;
  private final LiveProbes probes;
  private final ProbeGuard guard;
  private final RegistryMetrics metrics;
  private final Tokens tokens;
  private final @Nullable URI router;
  private final Now started;
  private final Conflicts conflicts = new Conflicts();
  private final Pieces pieces = new Pieces();
  private final Waits most;
  private final Semaphore watchers;
  private final Semaphore lists;
  private volatile Said said = new Said(Long.MIN_VALUE, new byte[0]);

  /// @param tokens wanted for every change, and for every read but `/health`
  /// @param router whose page `/ui` leads to, or null
  Routes(
      LeaseStore store,
      Prober.Ask ask,
      Waits most,
      ProbeGuard guard,
      RegistryMetrics metrics,
      Tokens tokens,
      @Nullable URI router) {
    this.store = store;
    this.most = most;
    this.probes = new LiveProbes(ask, most.probes());
    this.watchers = new Semaphore(most.watchers());
    this.lists = new Semaphore(most.lists());
    this.guard = guard;
    this.metrics = metrics;
    this.tokens = tokens;
    this.router = router;
    this.started = store.now();
  }

  @Override
  public Response handle(Request r) throws InterruptedException {
    try {
      return route(r);
    } catch (Refused e) {
      Response said = Response.json(e.status(), Answers.error(String.valueOf(e.getMessage())));
      return switch (e.status()) {
        case 401 -> said.with("www-authenticate", "Bearer");
        case 503 -> said.with("retry-after", "1");
        default -> said;
      };
    }
  }

  private Response route(Request r) throws Refused, InterruptedException {
    if (r.path().equals("/ui")) {
      return only(READ, r, this::page);
    }
    requireReader(r);
    List<String> at = Arrays.asList(r.path().split("/", -1));
    if (at.size() == 3 && at.getFirst().isEmpty() && at.get(1).equals("routers")) {
      return peers(r, Request.unescape(at.get(2)));
    }
    boolean service =
        at.size() > 2
            && at.getFirst().isEmpty()
            && at.get(1).equals("services")
            && !at.get(2).isEmpty();
    if (!service) {
      return table(r);
    }
    String name = Request.unescape(at.get(2));
    if (at.size() == 3) {
      return one(r, name);
    }
    return switch (at.size() == 4 ? at.get(3) : "") {
      case "health" -> only(READ, r, () -> probe(r, name));
      case "heartbeat" -> only("POST", r, () -> heartbeat(r, name));
      default -> throw notFound(r);
    };
  }

  /// The page is the router's.
  private Response page() throws Refused {
    if (router == null) {
      throw new Refused(
          404, "/ui: no router is known here (expected: --router-url http://host:port)");
    }
    return Response.empty(307).with("location", router.toString().replaceFirst("/+$", "") + "/ui");
  }

  private Response table(Request r) throws Refused, InterruptedException {
    return switch (r.path()) {
      case "/services" ->
          only(READ + ", POST", r, () -> r.method().equals("POST") ? register(r) : list(r));
      case "/watch" -> only(READ, r, () -> watch(r));
      case "/health" ->
          only(READ, r, () -> Response.json(200, Answers.health(store.table(), store.now())));
      case "/stats" -> only(READ, r, this::stats);
      case "/metrics" ->
          only(
              READ,
              r,
              () ->
                  new Response(
                      200,
                      Headers.of("content-type", Metrics.CONTENT_TYPE),
                      metrics.scrape(),
                      null));
      default -> throw notFound(r);
    };
  }

  /// Routers read, so theirs is the token for reading: what they leave is for one another alone.
  private Response peers(Request r, String run) throws Refused, InterruptedException {
    if (!tokens.mayRead(r.headers().get("authorization"))) {
      throw new Refused(401, "reading needs the registry's token (Authorization: Bearer TOKEN)");
    }
    return only(
        "POST, DELETE",
        r,
        () -> {
          if (!PeerBoard.Run.mayBe(run, r.headers().get(PeerBoard.Run.FIELD))) {
            throw new Refused(
                403,
                "routers: "
                    + run
                    + " is another's (expected: its key in "
                    + PeerBoard.Run.FIELD
                    + ")");
          }
          if (r.method().equals("DELETE")) {
            store.leave(run);
            return rendered(200, Json.bytes(Map.of("message", "Router '" + run + "' left")));
          }
          requireJson(r);
          Notes.Asked asked = Notes.Asked.read(r.body());
          return rendered(200, Notes.json(store.exchange(run, asked.notes(), asked.since())));
        });
  }

  private Response one(Request r, String name) throws Refused, InterruptedException {
    return only(
        READ + ", PUT, DELETE",
        r,
        () ->
            switch (r.method()) {
              case "PUT" -> update(r, name);
              case "DELETE" -> delete(r, name);
              default -> rendered(200, Answers.service(find(name), store.now()));
            });
  }

  private Response list(Request r) throws Refused {
    String status = single(r, "status");
    String healthy = single(r, "healthy");
    Now now = store.now();
    Collection<Lease> found =
        store.table().all().stream()
            .filter(l -> status == null || l.entry().status().equals(status))
            .filter(l -> healthy == null || l.isHealthy(now) == healthy.equalsIgnoreCase("true"))
            .toList();
    return listed(r, Answers.services(found, now));
  }

  private Response register(Request r) throws Refused, InterruptedException {
    requireToken(r);
    requireJson(r);
    Entry entry = Bodies.registration(r.body());
    guard.requireOpen(entry);
    requireRoom(entry);
    Lease lease = ours(store.apply(new Event.Register(entry)), entry.name());
    return rendered(201, Answers.registered(lease, store.now()));
  }

  private Response update(Request r, String name) throws Refused, InterruptedException {
    requireToken(r);
    requireJson(r);
    Event.Update update = Bodies.update(name, r.body());
    Entry next = update.over(find(name).entry());
    guard.requireOpen(next);
    requireRoom(next);
    return rendered(200, Answers.updated(ours(store.apply(update), name), store.now()));
  }

  private Response delete(Request r, String name) throws Refused, InterruptedException {
    requireToken(r);
    ours(store.apply(new Event.Delete(name, single(r, "incarnation"))), name);
    return Response.json(200, Answers.unregistered(name));
  }

  private Response heartbeat(Request r, String name) throws Refused, InterruptedException {
    requireToken(r);
    ours(store.apply(Bodies.heartbeat(name, r.body())), name);
    return rendered(200, beaten(store.now()));
  }

  /// The answer to a heartbeat, the same for everyone within a second.
  private byte[] beaten(Now now) {
    Said last = said;
    if (last.second() != now.wall().getEpochSecond()) {
      last = new Said(now.wall().getEpochSecond(), Json.bytes(Answers.heartbeat(now)));
      said = last;
    }
    return last.json();
  }

  private Response probe(Request r, String name) throws Refused, InterruptedException {
    r.gone().onGone(Thread.currentThread()::interrupt);
    return Response.json(200, Answers.probed(probes.of(find(name)), store.now()));
  }

  private Response stats() {
    Now now = store.now();
    Duration uptime = Duration.ofNanos(now.nanos() - started.nanos());
    return Response.json(
        200, Answers.stats(store.table(), now, uptime, conflicts.names(now), store.journal()));
  }

  private Response watch(Request r) throws Refused, InterruptedException {
    String since = single(r, "since");
    if (since != null) {
      return stream(r, since);
    }
    String version = single(r, "version");
    Duration wait = Duration.ofSeconds(waitSeconds(single(r, "wait")));
    Table t = store.table();
    if (version != null && version.equals(store.version(t)) && !r.method().equals("HEAD")) {
      if (!watchers.tryAcquire()) {
        throw tooMany(most.watchers(), "watchers");
      }
      try {
        r.gone().onGone(Thread.currentThread()::interrupt);
        t = store.await(version, store.trouble(), wait);
      } finally {
        watchers.release();
      }
    }
    return listed(r, Answers.watch(t, store.version(t), store.trouble(), store.now()));
  }

  private Response stream(Request r, String since) throws Refused {
    Headers headers =
        Headers.of("content-type", "text/event-stream").with("cache-control", "no-store");
    if (r.method().equals("HEAD")) {
      return new Response(200, headers, new byte[0], null);
    }
    if (!watchers.tryAcquire()) {
      throw tooMany(most.watchers(), "watchers");
    }
    return Response.stream(
        200,
        headers,
        sink -> {
          pieces.begin();
          try {
            Thread self = Thread.currentThread();
            r.gone().onGone(self::interrupt);
            new WatchStream(store, pieces).write(since, sink);
          } finally {
            pieces.end();
            watchers.release();
          }
        });
  }

  /// Large lists go out piece by piece: nobody needs megabytes at once.
  private Response listed(Request r, Answers.Listing list) throws Refused {
    if (list.isSmall() || r.method().equals("HEAD")) {
      return rendered(200, list.bytes());
    }
    if (!lists.tryAcquire()) {
      throw tooMany(most.lists(), "readers of large lists");
    }
    return Response.stream(
        200,
        Headers.of("content-type", "application/json"),
        sink -> {
          pieces.begin();
          try {
            list.writeTo(pieces.bytes(), sink::write);
          } finally {
            pieces.end();
            lists.release();
          }
        });
  }

  private static Response rendered(int status, byte[] json) {
    return new Response(status, Headers.of("content-type", "application/json"), json, null);
  }

  private static int waitSeconds(@Nullable String wait) throws Refused {
    if (wait == null) {
      return DEFAULT_WAIT_SECONDS;
    }
    try {
      int s = Integer.parseInt(wait);
      if (s >= 0) {
        return Math.min(s, MAX_WAIT_SECONDS);
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new Refused(
        400, "wait: " + wait + " (expected: whole seconds 0.." + MAX_WAIT_SECONDS + ")");
  }

  /// The entry after an event; 409 when the name is another registrant's.
  private Lease ours(Table.Step step, String name) throws Refused {
    Lease holder = step.holder();
    if (holder != null) {
      conflicts.note(name, store.now());
      throw new Refused(
          409,
          "Service '"
              + name
              + "' is registered by another instance, at "
              + holder.entry().host()
              + ":"
              + holder.entry().port());
    }
    return known(step.lease(), name);
  }

  private Lease find(String name) throws Refused, InterruptedException {
    return known(store.find(name), name);
  }

  private static Lease known(@Nullable Lease lease, String name) throws Refused {
    if (lease == null) {
      throw new Refused(404, "Service '" + name + "' not found");
    }
    return lease;
  }

  private void requireToken(Request r) throws Refused {
    if (!tokens.mayWrite(r.headers().get("authorization"))) {
      throw new Refused(401, "changes need the registry's token (Authorization: Bearer TOKEN)");
    }
  }

  /// `/health` is everyone's: scripts wait for it. What changes something has its own token.
  private void requireReader(Request r) throws Refused {
    boolean reads = r.method().equals("GET") || r.method().equals("HEAD");
    if (reads && !r.path().equals("/health") && !tokens.mayRead(r.headers().get("authorization"))) {
      throw new Refused(401, "reading needs the registry's token (Authorization: Bearer TOKEN)");
    }
  }

  private static void requireJson(Request r) throws Refused {
    String type = r.headers().get("content-type");
    String essence = Headers.mediaType(type);
    if (!essence.equals("application/json")
        && !(essence.startsWith("application/") && essence.endsWith("+json"))) {
      throw new Refused(
          415,
          "content-type: " + (type == null ? "missing" : type) + " (expected: application/json)");
    }
  }

  /// Keeps the table within its bound; approximate when several register at once.
  private void requireRoom(Entry entry) throws Refused {
    Table t = store.table();
    Lease old = t.leases().get(entry.name());
    long before = old == null ? 0 : old.sizeBytes();
    if (t.bytes() - before + entry.sizeBytes() > MAX_TABLE_BYTES) {
      throw new Refused(
          507,
          "services: all "
              + t.all().size()
              + " entries together exceed "
              + MAX_TABLE_BYTES
              + " bytes");
    }
  }

  /// The value of a query parameter that may stand once.
  private static @Nullable String single(Request r, String name) throws Refused {
    List<String> values = r.query(name);
    if (values.size() > 1) {
      throw new Refused(400, name + ": given " + values.size() + " times (expected: once)");
    }
    return values.isEmpty() ? null : values.getFirst();
  }

  private static Response only(String allow, Request r, Action action)
      throws Refused, InterruptedException {
    if (!Arrays.asList(allow.split(", ", -1)).contains(r.method())) {
      return Response.json(
              405,
              Answers.error(
                  r.method() + " " + r.path() + ": not allowed (expected: " + allow + ")"))
          .with("allow", allow);
    }
    return action.run();
  }

  private static Refused tooMany(int most, String whom) {
    return new Refused(503, most + " " + whom + " are here already (expected: fewer than that)");
  }

  private static Refused notFound(Request r) {
    return new Refused(404, r.path() + ": no such route");
  }
}
