package org.infinilm.svc.router;

import io.prometheus.metrics.core.metrics.Counter;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.infinilm.svc.router.FleetKeeper.View;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Probes instances: each at its own time, suspects more often, never two probes of one at once.
/// Also has model lists read where they are needed, and tokens counted where an engine does that.
/*
 * Each instance has its own due time, an interval from the last one with some jitter, so that a fleet
 * that started together is not probed together. Nothing waits for a probe: one that finds its lane full
 * stays due, and goes before those that become due later (ProbeTimes): 64 places each tenth of a second
 * are 640 probes a second, so 5,000 dead instances are each seen every 8 seconds. A probe that takes long leaves the fast lane, and from then on its instance is probed in the
 * slow one: instances that hang delay each other and nobody else.
 */
final class Prober implements AutoCloseable {
  private static final Duration ROUND = Duration.ofMillis(100);
  private static final Duration SUSPECT = Duration.ofSeconds(1);
  private static final Duration LATE = Duration.ofSeconds(1);
  private static final int FAST_LANE = 64;
  private static final int SLOW_LANE = 256;
  static final int NOTHING = -1;
  static final int REFUSED = -2;

  /// No socket for it: nothing that the server did.
  static final int OURS = -3;

  private final Client http;
  private final RouterConfig config;
  private final FleetKeeper keeper;
  private final Ticker ticker;
  private final ModelLists models;
  private final Calibrator calibrator;
  private final Counter results;
  private final ProbeTimes times;
  private final Map<String, Probe> underWay = new ConcurrentHashMap<>();
  private final Set<String> late = ConcurrentHashMap.newKeySet();
  private final Set<String> wasOut = ConcurrentHashMap.newKeySet();
  private final Semaphore fastLane = new Semaphore(FAST_LANE);
  private final Semaphore slowLane = new Semaphore(SLOW_LANE);
  private final Thread thread;

  /// Why a URL did not answer when it was asked last.
  private final Map<String, String> reasons = new ConcurrentHashMap<>();

  /// One probe under way and the lane whose place it holds.
  private static final class Probe {
    private final long sinceNanos;
    private Semaphore lane;

    Probe(long sinceNanos, Semaphore lane) {
      this.sinceNanos = sinceNanos;
      this.lane = lane;
    }

    synchronized boolean in(Semaphore other) {
      return lane.equals(other);
    }

    /// Changes lanes where the other has a place.
    synchronized boolean moveTo(Semaphore other) {
      if (!other.tryAcquire()) {
        return false;
      }
      lane.release();
      lane = other;
      return true;
    }

    synchronized void end() {
      lane.release();
    }
  }

  Prober(
      Client http,
      RouterConfig config,
      FleetKeeper keeper,
      Counter results,
      Calibrator calibrator,
      Ticker ticker,
      RandomGenerator random) {
    this.http = http;
    this.config = config;
    this.keeper = keeper;
    this.ticker = ticker;
    this.times = new ProbeTimes(config.healthInterval().toNanos(), SUSPECT.toNanos(), random);
    this.results = results;
    this.calibrator = calibrator;
    this.models = new ModelLists(http, config.healthTimeout(), keeper::tell, ticker);
    this.thread = Thread.ofVirtual().name("prober").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  private void run() {
    try {
      while (true) {
        Endless.step("a round of probes", this::round);
        Thread.sleep(ROUND);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// An instance has shown that its model list is not what it was.
  void listIsOutdated(String name) {
    models.outdated(name);
  }

  /// Starts the probes that are due.
  void round() {
    long now = ticker.nanos();
    List<View> views = keeper.views();
    forgetOthers(views);
    moveLateOnes(now);
    for (View v : views) {
      String name = v.instance().name();
      if (v.instance().state() != State.ROUTABLE) {
        wasOut.add(name);
      }
      if (models.hurry(name)) {
        times.now(name, now);
      }
    }
    for (View v : times.due(views, now)) {
      // who sleeps has nothing to answer; its babysitter tells the registry when it serves
      if (!v.instance().state().sleeps() && start(v)) {
        times.started(v, now);
      }
    }
  }

  private void moveLateOnes(long now) {
    underWay.forEach((name, p) -> {
      if (now - p.sinceNanos >= LATE.toNanos() && p.in(fastLane) && p.moveTo(slowLane)) {
        late.add(name);
      }
    });
  }

  private void forgetOthers(List<View> views) {
    if (times.size() > views.size()) {
      Set<String> names = new HashSet<>();
      views.forEach(v -> names.add(v.instance().name()));
      times.keepOnly(names);
      late.retainAll(names);
      wasOut.retainAll(names);
      reasons.clear();
      models.keepOnly(names);
      calibrator.keepOnly(names);
    }
  }

  /// Starts a probe; false when its lane is full or one is under way.
  private boolean start(View v) {
    String name = v.instance().name();
    Semaphore lane = late.contains(name) ? slowLane : fastLane;
    if (underWay.containsKey(name) || !lane.tryAcquire()) {
      return false;
    }
    Probe p = new Probe(ticker.nanos(), lane);
    underWay.put(name, p);
    Thread.ofVirtual()
        .name("probe ", 0)
        .start(() -> {
          try {
            Endless.step("a probe", () -> probe(v));
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          } finally {
            underWay.remove(name);
            p.end();
          }
        });
    return true;
  }

  private void probe(View v) {
    Known k = v.known();
    String name = k.name();
    Tls tls = k.tls();
    if (tls != null) {
      tls.refresh();
    }
    try {
      long before = ticker.nanos();
      Result r = result(v);
      long took = ticker.nanos() - before;
      if (took >= LATE.toNanos()) {
        late.add(name);
      } else {
        late.remove(name);
      }
      if (r == null) {
        results.labelValues("unknown").inc();
        return;
      }
      results.labelValues(r.failure() == null ? "up" : "down").inc();
      if (r.failure() != null) {
        keeper.tell(new Report.Down(name, r.failure(), r.said(), r.connected()));
        return;
      }
      boolean cameBack = wasOut.remove(name);
      List<Map<String, Object>> list = v.modelsList();
      if (models.due(v, cameBack)) {
        List<Map<String, Object>> read = models.read(k);
        list = read == null ? list : read;
      }
      keeper.tell(new Report.Up(name, took / 1e9, r.connected()));
      if (v.instance().state() == State.ROUTABLE || v.modelsList() == null) {
        calibrator.visit(k, list, cameBack);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// What a probe found.
  ///
  /// @param failure why the instance must not be used, or null
  /// @param said whether something answered and said so
  /// @param connected whether a connection to the instance itself stood; null when none was tried
  record Result(@Nullable String failure, boolean said, @Nullable Boolean connected) {}

  /// What a probe finds; null when this process had no socket for it, which says nothing.
  private @Nullable Result result(View v) throws InterruptedException {
    Known k = v.known();
    if (k.healthUrl() != null) {
      int status = status(k.healthUrl(), k);
      String failure = status / 100 == 2 ? null : k.healthUrl() + " does not answer 2xx";
      return status == OURS ? null : new Result(failure, status > 0, witness(v));
    }
    String management = k.babysitter() + "/health";
    boolean adjacent = k.socket() == null && k.port() < 65535;
    int babysitter = adjacent ? status(management, k) : NOTHING;
    if (k.isRegistered()) {
      String failure =
          babysitter / 100 == 2
              ? null
              : management + (babysitter < 0 ? " does not answer" : " answers " + babysitter);
      return babysitter == OURS
          ? null
          : new Result(failure, babysitter > 0, failure == null ? witness(v) : null);
    }
    String health = k.at("/health");
    int own = status(health, k);
    String failure = ofFixed(k.url(), babysitter, own);
    String reason = reasons.get(health);
    String words =
        failure == null || reason == null
            ? failure
            // which says already where there was no connection
            : own == REFUSED ? reason : failure + ": " + reason;
    return own == OURS ? null : new Result(words, own > 0, own != REFUSED);
  }

  /// Whether the instance's own port answers, where requests could not connect to it: another
  /// process that says it is well proves nothing.
  private @Nullable Boolean witness(View v) throws InterruptedException {
    if (!v.doubted()) {
      return null;
    }
    int own = status(v.known().at("/health"), v.known());
    return own == OURS ? null : (Boolean) (own != REFUSED);
  }

  /// Port + 1 of a server that nobody supervises may be another server, so what answers there
  /// counts only while this one accepts connections.
  static @Nullable String ofFixed(String url, int babysitter, int own) {
    if (own == REFUSED) {
      return url + " cannot be connected to";
    }
    if (babysitter / 100 == 2) {
      return null;
    }
    if (own < 0) {
      return url + " does not answer";
    }
    return own == 503 || own == 500 ? url + "/health answers " + own : null;
  }

  /// The status of a GET, [#NOTHING] when none came, [#REFUSED] when there was no connection,
  /// [#OURS] when none could be tried.
  private int status(String url, Known k) throws InterruptedException {
    try {
      int status =
          (url.startsWith(k.at("/")) ? client(http, k) : http)
              .status(URI.create(url), headers(k, url), config.healthTimeout());
      reasons.remove(url);
      return status;
    } catch (IOException | IllegalArgumentException e) {
      if (e instanceof Client.NotConnected n && n.ours()) {
        return OURS;
      }
      reasons.put(url, String.valueOf(e.getMessage()));
      return e instanceof Client.NotConnected ? REFUSED : NOTHING;
    }
  }

  /// The client that speaks to an instance its way.
  static Client client(Client http, Known k) {
    String socket = k.socket();
    if (socket != null) {
      return http.through(socket);
    }
    return k.tls() == null ? http : http.with(k.tls());
  }

  /// The instance's key goes to the instance alone.
  static Headers headers(Known k, String url) {
    return k.authorization() == null || !url.startsWith(k.at("/"))
        ? Headers.NONE
        : new Headers(List.of(new Header("authorization", k.authorization())));
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
