package org.infinilm.svc.router;

import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Faults;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The router's metrics. A model that nobody offers is counted under an empty name; series of an
/// instance that left are dropped after an hour. Thread-safe; data points are held, so that
/// recording allocates one small key.
final class RouterMetrics {
  private static final double[] SECONDS = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
  };
  private static final double[] BYTES = {
    256, 1024, 4096, 16384, 51200, 65536, 262144, 1048576, 4194304, 16777216, 67108864
  };
  private static final double[] DECISION = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2};

  private record Labels(
      String model, Pool pool, String instance, @Nullable Reason reason, Outcome outcome) {}

  private static final Duration KEPT = Duration.ofHours(1);
  private static final Duration SWEPT = Duration.ofMinutes(1);

  private final Metrics metrics;
  private final Supplier<RoutingTable> table;
  private final Ticker ticker;
  private final Map<String, Long> goneNanos = new HashMap<>();
  private long sweptNanos;
  private final Counter requests;
  private final Counter retries;
  private final ConcurrentHashMap<Labels, CounterDataPoint> points = new ConcurrentHashMap<>();
  private final DistributionDataPoint requestSeconds;
  private final DistributionDataPoint ttftSeconds;
  private final DistributionDataPoint requestBytes;
  private final DistributionDataPoint queueSeconds;
  private final DistributionDataPoint decisionSeconds;

  RouterMetrics(Metrics metrics, Supplier<RoutingTable> table, Seats seats, Ticker ticker) {
    this.metrics = metrics;
    this.table = table;
    this.ticker = ticker;
    this.sweptNanos = ticker.nanos();
    requests =
        metrics.counter(
            "infini_router_requests_total",
            "Requests by where they went, why, and how they ended.",
            "model",
            "pool",
            "instance",
            "reason",
            "outcome");
    retries =
        metrics.counter("infini_router_retries_total", "Further attempts, by cause.", "cause");
    requestSeconds = plain("infini_router_request_seconds", "Whole exchanges.", SECONDS);
    ttftSeconds =
        plain("infini_router_ttft_seconds", "Time to the first byte of an answer's body.", SECONDS);
    requestBytes = plain("infini_router_request_bytes", "Request bodies.", BYTES);
    queueSeconds =
        plain("infini_router_queue_seconds", "Waiting for a place at an instance.", SECONDS);
    decisionSeconds = plain("infini_router_decision_seconds", "Choosing an instance.", DECISION);
    metrics.gauge(
        "infini_router_inflight",
        "Requests in flight at an instance.",
        c -> {
          for (Instance i : table.get().fleet().instances()) {
            c.call((double) seats.inFlight(i.slot()), i.name());
          }
        },
        "instance");
    metrics.gauge(
        "infini_router_queue_length",
        "Requests that wait for a place, in all.",
        c -> c.call((double) seats.waiting()));
    metrics.gauge(
        "infini_router_queued",
        "Requests that wait for a place at an instance, among others perhaps.",
        c -> {
          for (Instance i : table.get().fleet().instances()) {
            c.call((double) seats.waitingFor(i.slot()), i.name());
          }
        },
        "instance");
    metrics.counter(
        "infini_router_faults_total",
        "Causes that ended a connection or a task and that nobody was told of, by kind.",
        c -> Faults.counts().forEach((kind, n) -> c.call((double) n, kind)),
        "kind");
    metrics.gauge(
        "infini_router_instance_state",
        "1 for the state that an instance is in.",
        c -> {
          for (Instance i : table.get().fleet().instances()) {
            for (Instance.State s : Instance.State.values()) {
              c.call(i.state() == s ? 1 : 0, i.name(), s.name().toLowerCase(Locale.ROOT));
            }
          }
        },
        "instance",
        "state");
  }

  private DistributionDataPoint plain(String name, String help, double[] bounds) {
    Histogram h = metrics.histogram(name, help, bounds);
    return h;
  }

  /// Shows what the listener counts.
  void follow(ProxyServer server) {
    metrics.gauge(
        "infini_router_connections",
        "Client connections that are open.",
        c -> c.call((double) server.connections()));
    metrics.gauge(
        "infini_router_buffered_bytes",
        "Memory of request bodies and unsent answers.",
        c -> c.call((double) server.bufferedBytes()));
    metrics.counter(
        "infini_router_connections_refused_total",
        "Client connections over the limits.",
        c -> c.call((double) server.connectionsTurnedAway()));
    metrics.counter(
        "infini_router_given_up_for_memory_total",
        "Requests and answers that were given up when memory ran short.",
        c -> c.call((double) server.givenUpForMemory()));
    metrics.counter(
        "infini_router_stalled_clients_total",
        "Clients that were closed because they did not read or send.",
        c -> c.call((double) server.stalledClients()));
  }

  void settled(
      String model,
      @Nullable Pool pool,
      @Nullable Instance instance,
      @Nullable Reason reason,
      Outcome outcome,
      long bytes,
      long ttftNanos,
      long totalNanos) {
    Labels l =
        new Labels(
            model,
            pool == null ? Pool.ANY : pool,
            instance == null ? "" : instance.name(),
            reason,
            outcome);
    count(l);
    requestBytes.observe((double) bytes);
    requestSeconds.observe(totalNanos / 1e9);
    if (ttftNanos > 0) {
      ttftSeconds.observe(ttftNanos / 1e9);
    }
  }

  /// Counts a request that was answered before it became an exchange.
  void refused(Outcome outcome) {
    count(new Labels("", Pool.ANY, "", null, outcome));
  }

  private void count(Labels l) {
    CounterDataPoint p = points.get(l);
    if (p == null) {
      sweep();
      p = points.computeIfAbsent(l, this::point);
    }
    p.inc();
  }

  private CounterDataPoint point(Labels l) {
    return requests.labelValues(values(l));
  }

  private static String[] values(Labels l) {
    return new String[] {
      l.model(),
      l.pool().label(),
      l.instance(),
      l.reason() == null ? "" : l.reason().label(),
      l.outcome().label()
    };
  }

  /// A request had to wait for a place.
  void waited(long nanos) {
    queueSeconds.observe(nanos / 1e9);
  }

  void decided(long nanos) {
    decisionSeconds.observe(nanos / 1e9);
  }

  void retry(String cause) {
    retries.labelValues(cause).inc();
  }

  /// Drops the series of instances that have been away for an hour. Called when series are made or
  /// read, so that they cannot pile up.
  private synchronized void sweep() {
    long now = ticker.nanos();
    if (now - sweptNanos < SWEPT.toNanos()) {
      return;
    }
    sweptNanos = now;
    Set<String> here = new HashSet<>();
    here.add("");
    table.get().fleet().instances().forEach(i -> here.add(i.name()));
    Set<String> counted = new HashSet<>();
    points.keySet().forEach(l -> counted.add(l.instance()));
    counted.removeAll(here);
    goneNanos.keySet().retainAll(counted);
    counted.forEach(name -> goneNanos.putIfAbsent(name, now));
    for (Labels l : List.copyOf(points.keySet())) {
      Long since = goneNanos.get(l.instance());
      if (since != null && now - since >= KEPT.toNanos()) {
        points.remove(l);
        requests.remove(values(l));
      }
    }
  }

  /// How many series of requests there are.
  int series() {
    return points.size();
  }

  byte[] scrape() {
    sweep();
    return metrics.scrape();
  }
}
