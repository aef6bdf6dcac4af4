package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Speaks to a registry, ours or an original one. Thread-safe; calls block, at most 10 s ([#watch]:
/// 10 s longer than its wait) for each of several, and 3 s more for a first table.
///
/// Every method throws [IOException] when the registry cannot be reached or answers with anything
/// but success; the message names its address, the status and what it said.
public final class RegistryClient implements TableSource {
  private static final Logger log = LoggerFactory.getLogger(RegistryClient.class);
  private static final String ROUTERS = "/routers/";
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  /// The first of several registries may hang: who has no table yet waits no longer for it while
  /// there are others.
  private static final Duration FIRST_TIMEOUT = Duration.ofSeconds(3);

  private static final Duration NOTES_TIMEOUT = Duration.ofSeconds(3);

  /// The registry's stream says something every 15 s.
  private static final Duration STREAM_SILENCE = Duration.ofSeconds(20);

  /// How long a trouble of one registry may last before another is looked for, and how often: an
  /// election at etcd is over by then.
  private static final Duration TROUBLE = Duration.ofSeconds(5);

  /// What another registry has to say for itself.
  private static final Duration LOOK_TIMEOUT = Duration.ofSeconds(3);

  /// How often it is seen whether a look has ended.
  private static final Duration LOOK_STEP = Duration.ofMillis(100);

  /// The whole table; of 50,000 entries it has 25 MB.
  private static final int MOST_LISTED_BYTES = 64 << 20;

  /// An error that is repeated in a message.
  private static final int MOST_SAID_BYTES = 16 << 10;

  /// A confirmation, a refusal.
  private static final int MOST_ANSWERED_BYTES = 1 << 20;

  /// Registries that answer the same: the first is asked until it does not answer, or says for a
  /// while that its table may be old, then the next.
  ///
  /// @param all `http://host:port` each, at least one
  public record Urls(List<URI> all) {
    public Urls {
      all = List.copyOf(all);
    }

    /// Null when one of the addresses, with commas between, is none.
    public static @Nullable Urls parse(String text) {
      List<URI> out = new ArrayList<>();
      for (String url : text.split(",", -1)) {
        if (BaseUrl.parse(url) == null) {
          return null;
        }
        try {
          out.add(URI.create(url.strip()));
        } catch (IllegalArgumentException notAUri) {
          return null;
        }
      }
      return new Urls(out);
    }

    public URI first() {
      return all.getFirst();
    }

    @Override
    public String toString() {
      return String.join(",", all.stream().map(URI::toString).toList());
    }
  }

  private final Client http;
  private final List<String> bases;
  private final AtomicInteger current = new AtomicInteger();
  private final AtomicLong lost = new AtomicLong();
  private final @Nullable String token;
  private final @Nullable Run run;
  private volatile int leftOut;

  /// Registries that were left for another because they did not answer, which was said.
  private final Set<String> silent = ConcurrentHashMap.newKeySet();

  private volatile @Nullable Watch last;
  private volatile @Nullable Followed followed;
  private volatile boolean streams = true;
  private final Ticker ticker;
  private final Duration patience;

  /// When the others are looked at, in nanoseconds; null while the one that is asked is well.
  private volatile @Nullable Long lookNanos;

  /// The look at the others that goes on while the stream is read.
  private volatile @Nullable Look look;

  /// Finds one that is well, as [#wellElsewhere].
  private record Look(FutureTask<Integer> found, Thread thread) {}

  /// A stream, and which registry's it is.
  private record Followed(TableFeed feed, int at) {}

  /// @param base `http://host:port`, with or without a path
  /// @param token sent as `Authorization: Bearer`, or null
  public RegistryClient(Client http, URI base, @Nullable String token) {
    this(http, new Urls(List.of(base)), token);
  }

  /// @param urls registries over one store
  /// @param token sent as `Authorization: Bearer`, or null
  public RegistryClient(Client http, Urls urls, @Nullable String token) {
    this(http, urls, token, null);
  }

  /// @param run who leaves notes, or null
  RegistryClient(Client http, Urls urls, @Nullable String token, @Nullable Run run) {
    this(http, urls, token, run, Ticker.SYSTEM, TROUBLE);
  }

  /// @param patience how long a trouble may last before another registry is looked for
  RegistryClient(
      Client http,
      Urls urls,
      @Nullable String token,
      @Nullable Run run,
      Ticker ticker,
      Duration patience) {
    this.http = http;
    this.run = run;
    this.ticker = ticker;
    this.patience = patience;
    this.bases = urls.all().stream().map(u -> u.toString().replaceFirst("/$", "")).toList();
    this.token = token == null || token.isEmpty() ? null : token;
  }

  /// Creates the entry, or replaces the one of the same name.
  ///
  /// @return whether that was done, or another registrant serves under the name and this entry does
  ///   not yet
  public Outcome register(Registration r) throws IOException, InterruptedException {
    Map<String, Object> body = new HashMap<>();
    body.put("name", r.name());
    body.put("host", r.host());
    body.put("port", r.port());
    body.put("hostname", r.hostname());
    body.put("url", r.url());
    body.put("status", r.status());
    body.put("metadata", r.metadata());
    if (r.weight() != 1) {
      body.put("weight", r.weight());
    }
    if (r.incarnation() != null) {
      body.put("incarnation", r.incarnation());
    }
    Client.Reply reply = ask("POST", "/services", body, TIMEOUT);
    if (reply.status() == 409) {
      return Outcome.TAKEN;
    }
    if (!reply.ok()) {
      throw failure("POST", "/services", reply);
    }
    return Outcome.DONE;
  }

  /// How the registry took what one registrant said about its entry.
  public enum Outcome {
    DONE,
    /// The registry does not know the name: register again.
    UNKNOWN,
    /// Another registrant has the name and lives.
    TAKEN
  }

  /// Renews the lease of `name`, and sets its status when one is given.
  ///
  /// @param incarnation that the entry was registered with, or null
  public Outcome renew(String name, @Nullable String status, @Nullable String incarnation)
      throws IOException, InterruptedException {
    Map<String, Object> body = new HashMap<>();
    if (status != null) {
      body.put("status", status);
    }
    if (incarnation != null) {
      body.put("incarnation", incarnation);
    }
    return outcome("POST", path(name) + "/heartbeat", body.isEmpty() ? null : body);
  }

  /// Sets the status of an entry and renews its lease.
  public Outcome setStatus(String name, String status, @Nullable String incarnation)
      throws IOException, InterruptedException {
    Map<String, Object> body = new HashMap<>(Map.of("status", status));
    if (incarnation != null) {
      body.put("incarnation", incarnation);
    }
    return outcome("PUT", path(name), body);
  }

  /// Removes the entry.
  public Outcome unregister(String name, @Nullable String incarnation)
      throws IOException, InterruptedException {
    String target = path(name);
    return outcome(
        "DELETE",
        incarnation == null ? target : target + "?incarnation=" + encode(incarnation),
        null);
  }

  /// [#renew] of whoever has the name.
  ///
  /// @return false when the registry does not know the name: register again
  public boolean heartbeat(String name, @Nullable String status)
      throws IOException, InterruptedException {
    return renew(name, status, null) == Outcome.DONE;
  }

  /// [#unregister] of whoever has the name.
  ///
  /// @return false when there was none
  public boolean unregister(String name) throws IOException, InterruptedException {
    return unregister(name, null) == Outcome.DONE;
  }

  /// [#setStatus] of whoever has the name.
  ///
  /// @return false when there is no such entry
  public boolean setStatus(String name, String status) throws IOException, InterruptedException {
    return setStatus(name, status, null) == Outcome.DONE;
  }

  /// Every entry; one that cannot be read is left out, with a warning when there are more than
  /// before. Of several registries one that is not in trouble is asked, where there is one.
  public List<Service> services() throws IOException, InterruptedException {
    return bases.size() == 1 ? listed() : polled(null, Duration.ZERO).services();
  }

  private List<Service> listed() throws IOException, InterruptedException {
    return services(tree(send("GET", "/services", null, false)));
  }

  /// One entry; null when the registry does not know the name, or the entry cannot be read.
  public @Nullable Service service(String name) throws IOException, InterruptedException {
    byte[] answer = send("GET", path(name), null, true);
    return answer == null ? null : Service.read(tree(answer));
  }

  /// Waits for a version other than `version`, at most `wait`; null answers at once.
  ///
  /// An original registry has no such route: the answer is then the table of now with an empty
  /// version, at once, and the caller paces itself. From the second call on single changes come
  /// over one stream, where the registry has one.
  ///
  /// Of several registries one whose trouble lasts is left for the next that has none: its table is
  /// a whole one, under a version of its own.
  @Override
  public Watch watch(@Nullable String version, Duration wait)
      throws IOException, InterruptedException {
    Watch before = last;
    Watch now;
    boolean follows = version != null && !version.isEmpty() && streams;
    if (follows && before != null && before.version().equals(version)) {
      now = fed(before, wait);
    } else {
      leave();
      now = polled(version, wait);
    }
    last = now;
    return now;
  }

  /// Ends the stream, where there is one, and the look at others.
  private void leave() {
    endLook();
    Followed f = followed;
    followed = null;
    if (f != null) {
      f.feed().end();
    }
  }

  private Watch fed(Watch before, Duration wait) throws IOException, InterruptedException {
    long endNanos = ticker.nanos() + wait.toNanos();
    while (true) {
      Followed f = followed;
      if (f == null) {
        int at = current.get();
        f = new Followed(TableFeed.start((since, to) -> stream(at, since, to), before), at);
        followed = f;
      }
      Watch now = awaited(f, before, endNanos);
      if (now == null) {
        streams = false;
        leave();
        return polled(before.version(), Duration.ofNanos(left(endNanos)));
      }
      boolean news =
          !now.version().equals(before.version())
              || !Objects.equals(now.trouble(), before.trouble());
      boolean due = isLookDue(now.trouble(), patience);
      if (!news && due && isFoundElsewhere(now, f.at())) {
        leave();
      } else if (news || left(endNanos) == 0) {
        return now;
      }
    }
  }

  /// Waits until there is news, or somebody else is to be looked for; null where there is no
  /// stream.
  private @Nullable Watch awaited(Followed f, Watch before, long endNanos)
      throws IOException, InterruptedException {
    Long at = lookNanos;
    long most = at == null ? Long.MAX_VALUE : left(at);
    try {
      return f.feed().await(before, Duration.ofNanos(Math.min(left(endNanos), most)));
    } catch (TableFeed.NoStream e) {
      return null;
    } catch (IOException e) {
      leave();
      throw new IOException("registry " + base(f.at()) + ": " + e.getMessage(), e);
    }
  }

  private long left(long endNanos) {
    return Math.max(0, endNanos - ticker.nanos());
  }

  /// @param after the trouble's beginning
  private boolean isLookDue(@Nullable String trouble, Duration after) {
    if (trouble == null || bases.size() == 1) {
      endLook();
      lookNanos = null;
      return false;
    }
    Long at = lookNanos;
    if (at == null) {
      at = ticker.nanos() + after.toNanos();
      lookNanos = at;
    }
    return left(at) == 0;
  }

  /// As [#isBetterElsewhere], on a thread of its own, since one that hangs takes its time: false
  /// also until that has ended.
  private boolean isFoundElsewhere(Watch now, int at) {
    Look l = look;
    if (l == null) {
      FutureTask<Integer> found = new FutureTask<>(() -> wellElsewhere(at));
      l = new Look(found, Thread.ofVirtual().name("registry-look").start(found));
      look = l;
    }
    if (!l.found().isDone()) {
      lookNanos = ticker.nanos() + LOOK_STEP.toNanos();
      return false;
    }
    look = null;
    boolean answered = l.found().state() == Future.State.SUCCESS;
    return goesOn(now, at, answered ? l.found().resultNow() : at);
  }

  private void endLook() {
    Look l = look;
    look = null;
    if (l != null) {
      l.thread().interrupt();
    }
  }

  /// Goes on to the next registry whose table is not old.
  ///
  /// @param at the one that is in trouble
  /// @return false when there is none
  private boolean isBetterElsewhere(Watch now, int at) throws InterruptedException {
    return goesOn(now, at, wellElsewhere(at));
  }

  /// The next registry whose table is not old; `at` when there is none.
  private int wellElsewhere(int at) throws InterruptedException {
    for (int next = at + 1; next < at + bases.size(); next++) {
      if (isWell(base(next))) {
        return next;
      }
    }
    return at;
  }

  private boolean goesOn(Watch now, int at, int next) {
    if (next == at) {
      lookNanos = ticker.nanos() + patience.toNanos();
      return false;
    }
    log.warn(
        "registry {}: {}; {} is well, and asked from now on", base(at), now.trouble(), base(next));
    current.set(next);
    lookNanos = null;
    return true;
  }

  /// Whether a registry of ours says that it hears and keeps all that it should. Its table may be
  /// large; this is not.
  private boolean isWell(String base) throws InterruptedException {
    try {
      URI uri = URI.create(base + "/stats");
      Client.Reply r =
          http.send("GET", uri, headers(), new byte[0], LOOK_TIMEOUT, MOST_ANSWERED_BYTES);
      String journal = r.ok() ? Json.tree(r.body()).path("journal").asText() : "";
      return journal.equals("on") || journal.equals("off");
    } catch (IOException e) {
      log.debug("registry {}: {}", base, e.getMessage());
      return false;
    }
  }

  private void stream(int at, String since, Client.Listener listener)
      throws IOException, InterruptedException {
    try {
      http.stream(
          "GET",
          URI.create(base(at) + "/watch?since=" + encode(since)),
          headers(),
          new byte[0],
          STREAM_SILENCE,
          listener);
    } catch (TableFeed.NoStream e) {
      throw e;
    } catch (IOException e) {
      current.compareAndSet(at, at + 1);
      throw e;
    }
  }

  /// As [#asked], of another registry where the one that is asked says that its table may be old,
  /// and another does not.
  private Watch polled(@Nullable String version, Duration wait)
      throws IOException, InterruptedException {
    Watch now = asked(version, wait);
    // A first table is not taken from one that may be old for a moment either.
    boolean first = version == null || version.isEmpty();
    return isLookDue(now.trouble(), first ? Duration.ZERO : patience)
            && isBetterElsewhere(now, current.get())
        ? asked(null, Duration.ZERO)
        : now;
  }

  private Watch asked(@Nullable String version, Duration wait)
      throws IOException, InterruptedException {
    byte[] answer;
    if (version == null || version.isEmpty()) {
      // answered at once, whatever the wait
      answer = first(TIMEOUT.plus(wait));
    } else {
      String target =
          "/watch?wait=" + Math.max(0, wait.toSeconds()) + "&version=" + encode(version);
      answer = exchange("GET", target, null, true, TIMEOUT.plus(wait));
    }
    if (answer == null) {
      return new Watch("", listed(), List.of());
    }
    JsonNode t = tree(answer);
    List<String> deleted = new ArrayList<>();
    t.path("deleted").forEach(n -> deleted.add(n.asText()));
    return new Watch(t.path("version").asText(), services(t), deleted, Watch.trouble(t));
  }

  /// The table without a wait. Of several registries each is given little time first: one that
  /// hangs is left for the next, and named. Where none answers in that each is given all of it.
  private byte @Nullable [] first(Duration limit) throws IOException, InterruptedException {
    String target = "/watch?wait=0";
    for (int tries = 0; bases.size() > 1 && tries < bases.size(); tries++) {
      int at = current.get();
      try {
        URI uri = URI.create(base(at) + target);
        Client.Reply reply =
            http.send("GET", uri, headers(), new byte[0], FIRST_TIMEOUT, MOST_LISTED_BYTES);
        silent.remove(base(at));
        if (reply.ok() || reply.status() == 404) {
          return reply.ok() ? reply.body() : null;
        }
      } catch (IOException e) {
        if (silent.add(base(at))) {
          log.warn("registry {}: {}; {} is asked", base(at), e.getMessage(), base(at + 1));
        }
      }
      current.compareAndSet(at, at + 1);
    }
    return exchange("GET", target, null, true, limit);
  }

  @Override
  public Answer exchange(String as, Map<String, Map<String, Object>> notes, String since)
      throws IOException, InterruptedException {
    String target = ROUTERS + encode(as);
    byte[] answer =
        exchange("POST", target, Map.of("notes", notes, "since", since), true, NOTES_TIMEOUT);
    return answer == null ? NONE : Notes.answer(tree(answer));
  }

  @Override
  public void leave(String as) throws IOException, InterruptedException {
    exchange("DELETE", ROUTERS + encode(as), null, true, NOTES_TIMEOUT);
  }

  /// Ends the look at others; the HTTP client is its giver's.
  @Override
  public void close() {
    endLook();
  }

  private Outcome outcome(String method, String target, @Nullable Object json)
      throws IOException, InterruptedException {
    Client.Reply reply = ask(method, target, json, TIMEOUT);
    return switch (reply.status()) {
      case 404 -> Outcome.UNKNOWN;
      case 409 -> Outcome.TAKEN;
      default -> {
        if (!reply.ok()) {
          throw failure(method, target, reply);
        }
        yield Outcome.DONE;
      }
    };
  }

  private byte @Nullable [] send(
      String method, String target, @Nullable Object json, boolean mayBeAbsent)
      throws IOException, InterruptedException {
    return exchange(method, target, json, mayBeAbsent, TIMEOUT);
  }

  /// The body of a 2xx answer; null for a 404 where that is an answer.
  private byte @Nullable [] exchange(
      String method, String target, @Nullable Object json, boolean mayBeAbsent, Duration timeout)
      throws IOException, InterruptedException {
    Client.Reply reply = ask(method, target, json, timeout);
    if (reply.ok()) {
      return reply.body();
    }
    if (mayBeAbsent && reply.status() == 404) {
      return null;
    }
    throw failure(method, target, reply);
  }

  private Client.Reply ask(String method, String target, @Nullable Object json, Duration timeout)
      throws IOException, InterruptedException {
    Headers headers = headers();
    byte[] body = new byte[0];
    if (json != null) {
      headers = headers.with("content-type", "application/json");
      body = Json.bytes(json);
    }
    if (run != null && target.startsWith(ROUTERS)) {
      headers = headers.with(Run.FIELD, run.key());
    }
    int most =
        method.equals("GET") || target.startsWith(ROUTERS)
            ? MOST_LISTED_BYTES
            : MOST_ANSWERED_BYTES;
    for (int left = bases.size() - 1; ; left--) {
      int at = current.get();
      try {
        URI uri = URI.create(base(at) + target);
        Client.Reply reply = http.send(method, uri, headers, body, timeout, most);
        if (reply.status() != 503 || left == 0) {
          return reply;
        }
        lost.incrementAndGet();
      } catch (IOException e) {
        if (!(e instanceof Client.NotConnected)) {
          lost.incrementAndGet();
        }
        if (left == 0) {
          current.compareAndSet(at, at + 1);
          throw e;
        }
      }
      current.compareAndSet(at, at + 1);
    }
  }

  /// How many calls a registry may have carried out without a word, whatever another one answered
  /// then; grows.
  public long lost() {
    return lost.get();
  }

  private String base(int at) {
    return bases.get(Math.floorMod(at, bases.size()));
  }

  /// The one that is asked now.
  private String base() {
    return base(current.get());
  }

  private Headers headers() {
    return Headers.bearer(token);
  }

  private IOException failure(String method, String target, Client.Reply reply) {
    return new IOException(
        "registry "
            + base()
            + ": "
            + method
            + " "
            + target
            + ": status "
            + reply.status()
            + said(reply.body()));
  }

  private static String said(byte[] body) {
    if (body.length > MOST_SAID_BYTES) {
      return "";
    }
    try {
      String error = Json.tree(body).path("error").asText();
      return error.isEmpty() ? "" : ": " + error;
    } catch (JsonProcessingException notJson) {
      return "";
    }
  }

  private JsonNode tree(byte @Nullable [] body) throws IOException {
    if (body == null) {
      throw new IOException("registry " + base() + ": no body");
    }
    try {
      return Json.tree(body);
    } catch (JsonProcessingException e) {
      throw new IOException("registry " + base() + ": no JSON: " + Json.wrong(e), e);
    }
  }

  private List<Service> services(JsonNode answer) throws IOException {
    JsonNode list = answer.path("services");
    if (!list.isArray()) {
      throw new IOException("registry " + base() + ": no \"services\" array in its answer");
    }
    List<Service> out = new ArrayList<>();
    int unreadable = 0;
    for (JsonNode n : list) {
      Service s = Service.read(n);
      if (s == null) {
        unreadable++;
      } else {
        out.add(s);
      }
    }
    if (unreadable > leftOut) {
      log.warn(
          "registry {}: {} entries without name, host or port are left out", base(), unreadable);
    }
    leftOut = unreadable;
    return out;
  }

  private static String path(String name) {
    return "/services/" + encode(name);
  }

  private static String encode(String s) {
    return URLEncoder.encode(s, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
