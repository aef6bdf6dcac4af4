package org.infinilm.svc.router;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.router.FleetKeeper.View;
import org.infinilm.svc.telemetry.GaugeReading;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Reads the gauges of engines that have some: about once a second while the policy learns, for
/// what is there that this router did not send; and while somebody looks, for the share of their KV
/// caches in use, or routers share seats.
/*
 * Gauges lag behind, those of vLLM by 3 to 6 s. As much of them as the router itself had in flight at any
 * time in the last seconds is taken for its own; the rest is others'. So they add to what the router knows
 * and take nothing away from it, and what was told counts for a few seconds alone. Who answers
 * without any a few times is asked once a minute; who is too busy to answer has its gauges still, and they
 * matter then most. How long the very same was told is told, too: whether that can be is for those to
 * judge who know how long answers take. For those who look alone, at most fifty are read a second.
 */
final class GaugeWatch implements AutoCloseable {
  private static final Duration ROUND = Duration.ofMillis(200);
  private static final Duration EVERY = Duration.ofSeconds(1);
  private static final Duration EACH_SHOWN = Duration.ofMillis(20);
  private static final Duration SELDOM = Duration.ofMinutes(1);
  private static final Duration TIMEOUT = Duration.ofSeconds(1);
  private static final Duration SILENT = Duration.ofSeconds(5);
  private static final int IN_VAIN = 3;
  private static final int AT_ONCE = 64;
  private static final int MOST_BYTES = 2 << 20;

  private final Client http;
  private final FleetKeeper keeper;
  private final Slots slots;
  private final BooleanSupplier learns;
  private final BooleanSupplier shown;
  private final Ticker ticker;
  private final Map<String, Seen> seen = new ConcurrentHashMap<>();
  private final Semaphore places = new Semaphore(AT_ONCE);
  private final Thread thread;

  /// What is kept of one instance; its fields belong to the one reading that is under way.
  private static final class Seen {
    final OwnPeak peak = new OwnPeak();
    final Steady steady = new Steady();
    volatile boolean underWay;
    volatile long dueNanos;
    volatile boolean tells;
    volatile Cache cache = Cache.UNKNOWN;
    final Patience patience = new Patience();

    Seen(long dueNanos) {
      this.dueNanos = dueNanos;
    }
  }

  /// How soon an instance is asked again, by what came of asking it. Not thread-safe.
  static final class Patience {
    private boolean told;
    private int vain;

    /// @param answered whether it answered at all; without that, nothing is known of its gauges
    /// @param tells whether its answer had gauges in it
    /// @param every between two readings of one that has some
    Duration after(boolean answered, boolean tells, Duration every) {
      if (tells) {
        told = true;
        vain = 0;
        return every;
      }
      if (!answered && told) {
        return every;
      }
      vain++;
      if (vain < IN_VAIN) {
        return every;
      }
      told &= !answered;
      return answered ? SELDOM : SILENT;
    }
  }

  /// Share of a KV cache in use, NaN when not told, and until when that counts.
  private record Cache(double share, long untilNanos) {
    static final Cache UNKNOWN = new Cache(Double.NaN, 0);
  }

  /// The most that the router had in flight of late, by looks at it.
  static final class OwnPeak {
    static final Duration WINDOW = Duration.ofSeconds(7);

    private record Look(long nanos, int inFlight) {}

    private final Deque<Look> looks = new ArrayDeque<>();

    void look(int inFlight, long nowNanos) {
      while (!looks.isEmpty() && nowNanos - looks.getFirst().nanos() > WINDOW.toNanos()) {
        looks.removeFirst();
      }
      while (!looks.isEmpty() && looks.getLast().inFlight() <= inFlight) {
        looks.removeLast();
      }
      looks.addLast(new Look(nowNanos, inFlight));
    }

    int most() {
      return looks.isEmpty() ? 0 : looks.getFirst().inFlight();
    }
  }

  /// How long gauges have told the very same. Not thread-safe.
  static final class Steady {
    private double running = Double.NaN;
    private double waiting = Double.NaN;
    private long sinceNanos;

    long nanos(GaugeReading r, long nowNanos) {
      if (r.running() != running || r.waiting() != waiting) {
        running = r.running();
        waiting = r.waiting();
        sinceNanos = nowNanos;
      }
      return nowNanos - sinceNanos;
    }
  }

  /// How long a reading counts.
  static final Duration FRESH = Duration.ofSeconds(3);

  /// @param learns whether the policy looks at them
  /// @param shown whether somebody else does: a person, or the division of seats among routers
  GaugeWatch(
      Client http,
      FleetKeeper keeper,
      Slots slots,
      BooleanSupplier learns,
      BooleanSupplier shown,
      Ticker ticker) {
    this.http = http;
    this.keeper = keeper;
    this.slots = slots;
    this.learns = learns;
    this.shown = shown;
    this.ticker = ticker;
    this.thread = Thread.ofVirtual().name("gauges").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Share of an instance's KV cache that is in use, 0..1, as it told of late; null when it did
  /// not. Thread-safe.
  @Nullable Double cacheUse(String instance) {
    Seen s = seen.get(instance);
    Cache c = s == null ? Cache.UNKNOWN : s.cache;
    return Double.isNaN(c.share) || ticker.nanos() - c.untilNanos >= 0 ? null : (Double) c.share;
  }

  /// Shows what they come to.
  void follow(Metrics metrics) {
    metrics.gauge(
        "infini_router_others_in_flight",
        "Requests at an instance that this router did not send, as the instance's gauges tell; absent where they do not.",
        c -> {
          for (Instance i : keeper.table().fleet().instances()) {
            Seen s = seen.get(i.name());
            if (s != null && s.tells) {
              Others o = slots.at(i.slot()).others(ticker.nanos());
              c.call((double) o.running() + o.waiting(), i.name());
            }
          }
        },
        "instance");
  }

  private void run() {
    try {
      while (true) {
        boolean learning = learns.getAsBoolean();
        if (learning || shown.getAsBoolean()) {
          Endless.step("a look at gauges", () -> round(learning));
        }
        Thread.sleep(ROUND);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void round(boolean learning) {
    long now = ticker.nanos();
    List<View> views = keeper.views();
    if (seen.size() > views.size()) {
      Set<String> names = new HashSet<>();
      views.forEach(v -> names.add(v.instance().name()));
      seen.keySet().retainAll(names);
    }
    Duration every = learning ? EVERY : pace(views.size());
    for (View v : views) {
      Instance i = v.instance();
      if (i.state() != State.ROUTABLE) {
        continue;
      }
      Seen s = seen.computeIfAbsent(i.name(), n -> new Seen(now));
      if (!s.underWay && now - s.dueNanos >= 0 && places.tryAcquire()) {
        s.underWay = true;
        s.dueNanos = now + every.toNanos();
        Thread.ofVirtual().name("gauges of ", 0).start(() -> read(v, s, every));
      }
    }
  }

  /// Between two readings of one of so many that are shown alone.
  static Duration pace(int instances) {
    Duration all = EACH_SHOWN.multipliedBy(instances);
    return all.compareTo(EVERY) > 0 ? all : EVERY;
  }

  private void read(View v, Seen s, Duration every) {
    try {
      Endless.step("reading gauges", () -> look(v, s, every));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      s.underWay = false;
      places.release();
    }
  }

  private void look(View v, Seen s, Duration every) throws InterruptedException {
    Slot slot = slots.at(v.instance().slot());
    s.peak.look(slot.inFlight(), ticker.nanos());
    GaugeReading r = null;
    boolean answered = true;
    try {
      r = reading(v.known());
    } catch (IOException e) {
      answered = false;
    }
    long now = ticker.nanos();
    s.peak.look(slot.inFlight(), now);
    s.tells = r != null && r.running() + r.waiting() >= 0;
    s.cache =
        r != null && r.cacheUsage() >= 0
            ? new Cache(
                Math.min(1, r.cacheUsage()), now + every.multipliedBy(2).plus(FRESH).toNanos())
            : Cache.UNKNOWN;
    if (r != null && s.tells) {
      long same = s.steady.nanos(r, now);
      Others others = others(r, s.peak.most(), waitingNow(slot));
      slot.tell(new Others(others.running(), others.waiting(), same), now + FRESH.toNanos());
    }
    Duration again = s.patience.after(answered, s.tells || !Double.isNaN(s.cache.share()), every);
    if (again.compareTo(every) > 0) {
      s.dueNanos = now + again.toNanos();
    }
  }

  private static int waitingNow(Slot slot) {
    int n = 0;
    for (Sent f : slot.underway.all()) {
      n += f.firstNanos() == 0 ? 1 : 0;
    }
    return n;
  }

  /// What of a reading is others'.
  ///
  /// @param own at most so many were the router's
  /// @param ownWaiting of the router's that have no first token yet
  static Others others(GaugeReading r, int own, int ownWaiting) {
    double all = r.running() + r.waiting();
    int more = (int) Math.clamp(Math.rint(all - own), 0, 1e6);
    int waiting = (int) Math.clamp(Math.rint(r.waiting() - ownWaiting), 0, more);
    return more == 0 ? Others.NONE : new Others(more - waiting, waiting);
  }

  /// @return null where it has none
  /// @throws IOException when it does not say, or is not well
  private @Nullable GaugeReading reading(Known k) throws IOException, InterruptedException {
    String url = k.at("/metrics");
    URI at;
    try {
      at = URI.create(url);
    } catch (IllegalArgumentException e) {
      return null;
    }
    Client.Reply r =
        Prober.client(http, k)
            .send("GET", at, Prober.headers(k, url), new byte[0], TIMEOUT, MOST_BYTES);
    if (r.status() >= 500) {
      throw new IOException("status " + r.status());
    }
    return r.ok() ? GaugeReading.of(new String(r.body(), StandardCharsets.UTF_8)) : null;
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
