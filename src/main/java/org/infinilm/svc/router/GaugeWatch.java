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

/// Reads the gauges of engines that have some, about once a second while the policy learns or
/// routers share seats: what is
/// there that this router did not send.
/*
 * Gauges lag behind, those of vLLM by 3 to 6 s. As much of them as the router itself had in flight at any
 * time in the last seconds is taken for its own; the rest is others'. So they add to what the router knows
 * and take nothing away from it, and what was told counts for a few seconds alone. Who shows none a
 * few times is asked once a minute.
 */
final class GaugeWatch implements AutoCloseable {
  private static final Duration ROUND = Duration.ofMillis(200);
  private static final Duration EVERY = Duration.ofSeconds(1);
  private static final Duration SELDOM = Duration.ofMinutes(1);
  private static final Duration TIMEOUT = Duration.ofSeconds(1);
  private static final int IN_VAIN = 3;
  private static final int AT_ONCE = 64;
  private static final int MOST_BYTES = 2 << 20;

  private final Client http;
  private final FleetKeeper keeper;
  private final Slots slots;
  private final BooleanSupplier wanted;
  private final BooleanSupplier shared;
  private final Ticker ticker;
  private final Map<String, Seen> seen = new ConcurrentHashMap<>();
  private final Semaphore places = new Semaphore(AT_ONCE);
  private final Thread thread;

  /// What is kept of one instance; its fields belong to the one reading that is under way.
  private static final class Seen {
    final OwnPeak peak = new OwnPeak();
    volatile boolean underWay;
    volatile long dueNanos;
    volatile boolean tells;
    int vain;

    Seen(long dueNanos) {
      this.dueNanos = dueNanos;
    }
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

  /// How long a reading counts.
  static final Duration FRESH = Duration.ofSeconds(3);

  /// @param wanted whether the policy looks at them
  /// @param shared whether routers share seats: then those of instances that have a number of them
  GaugeWatch(
      Client http,
      FleetKeeper keeper,
      Slots slots,
      BooleanSupplier wanted,
      BooleanSupplier shared,
      Ticker ticker) {
    this.shared = shared;
    this.http = http;
    this.keeper = keeper;
    this.slots = slots;
    this.wanted = wanted;
    this.ticker = ticker;
    this.thread = Thread.ofVirtual().name("gauges").unstarted(this::run);
  }

  void start() {
    thread.start();
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
        if (wanted.getAsBoolean() || shared.getAsBoolean()) {
          Endless.step("a look at gauges", this::round);
        }
        Thread.sleep(ROUND);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void round() {
    long now = ticker.nanos();
    List<View> views = keeper.views();
    if (seen.size() > views.size()) {
      Set<String> names = new HashSet<>();
      views.forEach(v -> names.add(v.instance().name()));
      seen.keySet().retainAll(names);
    }
    for (View v : views) {
      Instance i = v.instance();
      if (i.state() != State.ROUTABLE || (i.seats() == 0 && !wanted.getAsBoolean())) {
        continue;
      }
      Seen s = seen.computeIfAbsent(i.name(), n -> new Seen(now));
      if (!s.underWay && now - s.dueNanos >= 0 && places.tryAcquire()) {
        s.underWay = true;
        s.dueNanos = now + EVERY.toNanos();
        Thread.ofVirtual().name("gauges of ", 0).start(() -> read(v, s));
      }
    }
  }

  private void read(View v, Seen s) {
    try {
      Endless.step("reading gauges", () -> look(v, s));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      s.underWay = false;
      places.release();
    }
  }

  private void look(View v, Seen s) throws InterruptedException {
    Slot slot = slots.at(v.instance().slot());
    s.peak.look(slot.inFlight(), ticker.nanos());
    GaugeReading r = reading(v.known());
    long now = ticker.nanos();
    s.peak.look(slot.inFlight(), now);
    if (r == null || !(r.running() + r.waiting() >= 0)) {
      s.vain++;
      s.tells = false;
      if (s.vain >= IN_VAIN) {
        s.dueNanos = now + SELDOM.toNanos();
      }
      return;
    }
    s.vain = 0;
    s.tells = true;
    slot.tell(others(r, s.peak.most(), waitingNow(slot)), now + FRESH.toNanos());
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

  private @Nullable GaugeReading reading(Known k) throws InterruptedException {
    String url = k.at("/metrics");
    try {
      Client.Reply r =
          Prober.client(http, k)
              .send(
                  "GET", URI.create(url), Prober.headers(k, url), new byte[0], TIMEOUT, MOST_BYTES);
      return r.ok() ? GaugeReading.of(new String(r.body(), StandardCharsets.UTF_8)) : null;
    } catch (IOException | IllegalArgumentException e) {
      return null;
    }
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
