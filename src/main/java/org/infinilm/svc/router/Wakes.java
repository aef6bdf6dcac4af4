package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.prometheus.metrics.core.metrics.Counter;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.infinilm.svc.router.FleetKeeper.View;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has instances woken that sleep: their babysitters are asked, and asked again while requests wait
/// for them. Thread-safe; nothing here blocks the caller.
/*
 * One virtual thread for each instance that is being woken, however many requests wait; any number of
 * routers may ask the same babysitter. It ends when nobody waits any more and the babysitter has heard of
 * it, or when that says no, or that it could not be started and rests, or nothing at all a few times in a row: then those that wait look for another.
 */
final class Wakes implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Wakes.class);
  private static final Duration PAUSE = Duration.ofMillis(500);

  /// How long one that could not be woken is not asked again, unless the registry has news of it.
  private static final long REFUSED_NANOS = Duration.ofSeconds(10).toNanos();

  /// A babysitter's word for an instance that serves.
  private static final Pattern ADDRESS = Pattern.compile("https?://[^/\\s]+");

  /// A process that has not been reached yet.
  private static final String STARTS = "starting";

  private static final String SERVES = "healthy";

  /// What a start takes of which nothing is known.
  private static final long USUAL_NANOS = Duration.ofSeconds(30).toNanos();

  private static final int MOST_FAILURES = 3;

  /// A babysitter that is started again is away for less.
  private static final long PATIENCE_NANOS = Duration.ofSeconds(5).toNanos();

  private static final long MOST_RETRY_AFTER = 600;

  /// Instances of which something is remembered.
  private static final int MOST_REMEMBERED = 10_000;

  private final Client http;
  private final Duration timeout;
  private final FleetKeeper keeper;
  private final Consumer<String> lookAgain;
  private final Counter results;
  private final Ticker ticker;
  private final Map<String, Wake> underWay = new ConcurrentHashMap<>();
  private final Map<String, No> refused = new ConcurrentHashMap<>();

  /// How long a start took the last time, by name.
  private final Map<String, Long> tookNanos = new ConcurrentHashMap<>();

  /// @param why it cannot be woken, in words for clients
  /// @param failed whether it could not be started
  /// @param known what the registry said of it then, or null
  private record No(String why, boolean failed, long untilNanos, @Nullable Known known) {}

  /// What a babysitter answered.
  ///
  /// @param no whether the instance will not serve for now
  /// @param pauseSeconds after which it may be asked again that could not be started; else 0
  private record Said(boolean no, String status, String reason, long pauseSeconds) {
    static Said yes(String status, String reason) {
      return new Said(false, status, reason, 0);
    }

    static Said no(String reason) {
      return new Said(true, "", reason, 0);
    }
  }

  /// One instance that is being woken. Its fields are under its lock, but for what it says.
  private final class Wake {
    private final String name;
    private final long sinceNanos = ticker.nanos();
    private final Set<String> models = new HashSet<>();
    private int waiting;
    private boolean heard;
    private boolean over;

    /// Of the one thread: whether it was found asleep, and has served since.
    private boolean slept;

    private volatile boolean served;
    private volatile Said said = Said.yes("waking", "");
    private volatile @Nullable Thread thread;

    Wake(String name) {
      this.name = name;
    }

    /// Whether one more is waited for by it; false when it has ended.
    synchronized boolean take(@Nullable String model) {
      if (over) {
        return false;
      }
      if (model != null) {
        waiting++;
        models.add(model);
      }
      return true;
    }

    synchronized void leave() {
      waiting--;
    }

    /// Ends it when nobody needs it any more.
    synchronized boolean endIfDone() {
      over |= heard && waiting == 0;
      return over;
    }

    synchronized Set<String> end() {
      over = true;
      return Set.copyOf(models);
    }

    synchronized Set<String> models() {
      return Set.copyOf(models);
    }

    synchronized void heard() {
      heard = true;
    }
  }

  /// A request that waits for an instance; closed when it does not any more.
  final class Want {
    private final Wake wake;
    private final boolean servedBefore;
    private boolean closed;

    private Want(Wake wake) {
      this.wake = wake;
      this.servedBefore = wake.served;
    }

    boolean isFor(Instance i) {
      return wake.name.equals(i.name());
    }

    String name() {
      return wake.name;
    }

    /// Whether it has begun to serve since this was wanted: another process.
    boolean served() {
      return wake.served && !servedBefore;
    }

    /// How far it is, in one line, for a client: nothing of where it is, nor of a process that is
    /// not to be reached yet.
    String progress() {
      Said s = wake.said;
      String reason = s.status().equals(STARTS) ? "" : ADDRESS.matcher(s.reason()).replaceAll("");
      return "instance "
          + wake.name
          + " is "
          + s.status()
          + ", "
          + secondsSince(wake.sinceNanos)
          + " s"
          + (reason.isEmpty() ? "" : ": " + reason);
    }

    /// What a client is told for which it takes too long.
    ApiError tooLong(String what) {
      return ApiError.unavailable(
          ApiError.INSTANCE_STARTING, progress() + "; " + what, retryAfter());
    }

    /// Seconds after which it may serve, by what its last start took.
    private String retryAfter() {
      long took = tookNanos.getOrDefault(wake.name, USUAL_NANOS);
      long left = took / 1_000_000_000L - secondsSince(wake.sinceNanos);
      return Long.toString(Math.clamp(left, 1, MOST_RETRY_AFTER));
    }

    void close() {
      if (!closed) {
        closed = true;
        wake.leave();
      }
    }
  }

  /// A babysitter answered, and not what one answers: it is there, and of no use now.
  private static final class OfNoUse extends IOException {
    private static final long serialVersionUID = 1;

    OfNoUse(String url, String said) {
      super(url + ": " + said);
    }
  }

  /// @param lookAgain has those that wait with a model look for another place
  Wakes(
      Client http,
      Duration timeout,
      FleetKeeper keeper,
      Consumer<String> lookAgain,
      Counter results,
      Ticker ticker) {
    this.http = http;
    this.timeout = timeout;
    this.keeper = keeper;
    this.lookAgain = lookAgain;
    this.results = results;
    this.ticker = ticker;
  }

  /// Has it woken for a request with this model, which waits from now on.
  Want want(Instance i, String model) {
    while (true) {
      Wake w = underWay(i.name());
      if (w.take(model)) {
        return new Want(w);
      }
      underWay.remove(i.name(), w);
    }
  }

  /// Has it woken for requests to come.
  void nudge(Instance i) {
    if (refused(i.name()) == null) {
      underWay(i.name());
    }
  }

  private Wake underWay(String name) {
    return underWay.computeIfAbsent(
        name,
        n -> {
          Wake w = new Wake(n);
          w.thread = Thread.ofVirtual().name("wake " + n).start(() -> run(w));
          return w;
        });
  }

  /// What a client is told where nobody else can take its request, when an instance could not be
  /// woken just now; null when it may be tried.
  @Nullable ApiError refused(String name) {
    No no = refused.get(name);
    if (no == null) {
      return null;
    }
    long left = no.untilNanos() - ticker.nanos();
    if (left <= 0 || isNews(name, no)) {
      refused.remove(name, no);
      return null;
    }
    String seconds = Long.toString(1 + (left - 1) / 1_000_000_000L);
    return no.failed()
        ? ApiError.unavailable(
            ApiError.INSTANCE_START_FAILED,
            "instance "
                + name
                + " could not be started: "
                + no.why()
                + "; it is not started again for "
                + seconds
                + " s",
            seconds)
        : ApiError.unavailable(
            ApiError.INSTANCE_STARTING,
            "instance " + name + " is asleep and cannot be woken: " + no.why(),
            seconds);
  }

  /// Whether the registry has said something of it since: its babysitter was started again, it is
  /// drained no more.
  @SuppressWarnings("ReferenceEquality") // what did not change is the same object
  private boolean isNews(String name, No no) {
    View v = view(name);
    return v != null && no.known() != null && v.known() != no.known();
  }

  private @Nullable View view(String name) {
    return keeper.views().stream()
        .filter(o -> o.instance().name().equals(name))
        .findFirst()
        .orElse(null);
  }

  private void run(Wake w) {
    try {
      Endless.step("waking " + w.name, () -> wake(w));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      w.end();
      underWay.remove(w.name, w);
    }
  }

  private void wake(Wake w) throws InterruptedException {
    View before = view(w.name);
    // one more silence is enough then
    boolean silent = before != null && before.silent();
    int failures = silent ? MOST_FAILURES : 0;
    long heardNanos = ticker.nanos() - (silent ? PATIENCE_NANOS : 0);
    while (!w.endIfDone()) {
      Said said = null;
      IOException failure = null;
      try {
        said = ask(w.name);
      } catch (IOException e) {
        failure = e;
      }
      boolean answered = said != null || failure instanceof OfNoUse;
      if (silent && answered) {
        keeper.tell(new Report.Silent(w.name, ""));
        silent = false;
        failures = 0;
        heardNanos = ticker.nanos();
      }
      if (said != null) {
        failures = 0;
        heardNanos = ticker.nanos();
      } else {
        failures++;
      }
      if (said != null && !said.no()) {
        w.heard();
        w.said = said;
        if (said.status().equals(SERVES)) {
          serves(w);
        } else {
          w.slept = true;
        }
      } else if (said != null
          || (failures >= MOST_FAILURES && ticker.nanos() - heardNanos >= PATIENCE_NANOS)) {
        refuse(w, said == null ? givenUp(w.name, failure) : said);
        return;
      }
      Thread.sleep(PAUSE);
    }
    results.labelValues("woken").inc();
  }

  /// After failures alone, by the last of them.
  private Said givenUp(String name, @Nullable IOException failure) {
    String why = failure == null ? "" : String.valueOf(failure.getMessage());
    if (failure instanceof OfNoUse) {
      LOG.warn("instance {}: its babysitter cannot be asked: {}", name, why);
      return Said.no("its babysitter does not take the call");
    }
    LOG.warn("instance {}: its babysitter does not answer: {}", name, why);
    keeper.tell(new Report.Silent(name, why));
    return Said.no("its babysitter does not answer");
  }

  private void serves(Wake w) {
    if (w.slept && !w.served) {
      w.served = true;
      if (tookNanos.size() >= MOST_REMEMBERED) {
        tookNanos.clear();
      }
      tookNanos.put(w.name, ticker.nanos() - w.sinceNanos);
      keeper.tell(new Report.Awake(w.name));
      // where it never was asleep by the registry's word, nothing of the fleet changes
      w.models().forEach(lookAgain);
    } else {
      keeper.tell(new Report.Awake(w.name));
    }
  }

  private void refuse(Wake w, Said said) {
    boolean failed = said.pauseSeconds() > 0;
    LOG.warn("instance {} cannot be woken: {}", w.name, said.reason());
    results.labelValues(failed ? "failed" : "refused").inc();
    if (refused.size() >= MOST_REMEMBERED) {
      refused.clear();
    }
    View v = view(w.name);
    long pause = failed ? said.pauseSeconds() * 1_000_000_000L : REFUSED_NANOS;
    String why = ADDRESS.matcher(said.reason()).replaceAll("");
    refused.put(w.name, new No(why, failed, ticker.nanos() + pause, v == null ? null : v.known()));
    Set<String> models = w.end();
    underWay.remove(w.name, w);
    models.forEach(lookAgain);
  }

  /// Asks the babysitter of an instance for it; idempotent.
  private Said ask(String name) throws IOException, InterruptedException {
    View v = view(name);
    if (v == null) {
      return Said.no("it left the fleet");
    }
    Known.Demand d = v.known().demand();
    String url = v.known().babysitter() + "/wake";
    Client.Reply r =
        http.send(
            "POST",
            URI.create(url),
            Headers.bearer(d == null ? null : d.wakeKey()),
            new byte[0],
            timeout);
    if (r.status() == 401 || r.status() == 403 || r.status() >= 500 && r.status() != 503) {
      // a babysitter that was started again has another key; the registry tells it
      throw new OfNoUse(url, "status " + r.status());
    }
    JsonNode body;
    try {
      body = Json.tree(r.body());
    } catch (JsonProcessingException e) {
      throw new OfNoUse(url, "no JSON: " + Json.wrong(e));
    }
    if (r.ok()) {
      return Said.yes(line(body.path("status")), line(body.path("reason")));
    }
    JsonNode pause = body.path("retry_after_seconds");
    return pause.canConvertToLong() && body.path("cause").isTextual()
        ? new Said(
            true, "", line(body.path("cause")), Math.clamp(pause.asLong(), 1, MOST_RETRY_AFTER))
        : Said.no(StartFailure.oneLine(body.path("error").asText("status " + r.status())));
  }

  private static String line(JsonNode said) {
    return StartFailure.oneLine(said.asText());
  }

  private long secondsSince(long nanos) {
    return (ticker.nanos() - nanos) / 1_000_000_000L;
  }

  @Override
  public void close() {
    for (Wake w : underWay.values()) {
      Thread t = w.thread;
      if (t != null) {
        t.interrupt();
      }
    }
  }
}
