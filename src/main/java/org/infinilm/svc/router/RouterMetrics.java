package org.infinilm.svc.router;

import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Faults;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The router's metrics. A model that nobody offers is counted under an empty name; series of an
/// instance or a model that left are dropped after an hour. Thread-safe; the [Series] of an
/// instance are found by its slot, so that recording allocates nothing.
final class RouterMetrics {
  private static final double[] SECONDS = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
  };
  private static final double[] BYTES = {
    256, 1024, 4096, 16384, 51200, 65536, 262144, 1048576, 4194304, 16777216, 67108864
  };
  private static final double[] PER_TOKEN = {
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5
  };
  private static final String[] WHERE = {"model", "pool", "instance"};
  private static final double[] DECISION = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2};

  private static final Duration KEPT = Duration.ofHours(1);
  private static final Duration SWEPT = Duration.ofMinutes(1);

  private final Metrics metrics;
  private final Supplier<RoutingTable> table;
  private final Ticker ticker;
  private final Map<Series.Key, Long> goneNanos = new HashMap<>();
  private long sweptNanos;
  private final Series.Families families;
  private final Counter retries;
  private final ConcurrentHashMap<Series.Key, Series> all = new ConcurrentHashMap<>();

  /// Those of requests that came to no instance, by model.
  private final ConcurrentHashMap<String, Series> nowhere = new ConcurrentHashMap<>();

  /// Those of the others, by the slot of the instance; replaced as a whole when it grows or is
  /// swept.
  private volatile @Nullable Series[] bySlot = new Series[0];

  private final DistributionDataPoint requestBytes;
  private final DistributionDataPoint decisionSeconds;

  RouterMetrics(Metrics metrics, Supplier<RoutingTable> table, Seats seats, Ticker ticker) {
    this.metrics = metrics;
    this.table = table;
    this.ticker = ticker;
    this.sweptNanos = ticker.nanos();
    families =
        new Series.Families(
            metrics.counter(
                "infini_router_requests_total",
                "Requests by where they went, why, and how they ended.",
                "model",
                "pool",
                "instance",
                "reason",
                "outcome"),
            metrics.histogram("infini_router_request_seconds", "Whole exchanges.", SECONDS, WHERE),
            metrics.histogram(
                "infini_router_ttft_seconds",
                "Time to the first byte of an answer's body, from the complete request on.",
                SECONDS,
                WHERE),
            metrics.histogram(
                "infini_router_tpot_seconds",
                "Time for each token of a streamed answer after its first; for each event where the answer does not tell its tokens.",
                PER_TOKEN,
                WHERE),
            metrics.histogram(
                "infini_router_queue_seconds",
                "Waiting for a place at an instance, of requests that had to wait.",
                SECONDS,
                WHERE),
            metrics.counter(
                "infini_router_tokens_total",
                "Tokens by kind, as the usage of answers tells them; cached ones are prompt tokens too.",
                "model",
                "pool",
                "instance",
                "kind"),
            metrics.counter(
                "infini_router_spills_total",
                "Requests that another pool than the size rule's took, for load.",
                WHERE),
            metrics.counter(
                "infini_router_misroutes_total",
                "Requests whose prompt the instance could not hold although the estimate said so.",
                WHERE));
    metrics.histogram(
        "infini_router_itl_seconds",
        "Time between two pieces of a streamed answer.",
        LongStream.of(Tape.GAP_NANOS).mapToDouble(n -> n / 1e9).toArray(),
        () -> all.values().stream().map(Series::kept).filter(Objects::nonNull).toList(),
        WHERE);
    retries =
        metrics.counter("infini_router_retries_total", "Further attempts, by cause.", "cause");
    requestBytes = metrics.histogram("infini_router_request_bytes", "Request bodies.", BYTES);
    decisionSeconds =
        metrics.histogram("infini_router_decision_seconds", "Choosing an instance.", DECISION);
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

  /// Shows how often instances came into each state.
  void follow(Happenings happenings) {
    metrics.counter(
        "infini_router_instance_state_changes_total",
        "How often an instance came into a state: its circuit, its probes, its own word.",
        c ->
            happenings.counts((name, n) -> {
              for (Instance.State s : Instance.State.values()) {
                c.call((double) n.getOrDefault(s, 0L), name, Happenings.word(s));
              }
            }),
        "instance",
        "state");
  }

  /// Shows how it stands with the sources of instances.
  void follow(FleetKeeper keeper) {
    metrics.gauge(
        "infini_source_up",
        "1 while a source of instances answers and nothing is wrong with what it lists.",
        c ->
            keeper
                .allSources()
                .forEach(
                    s -> c.call(s.state() == SourceBoard.State.UP ? 1 : 0, s.source(), s.kind())),
        "source",
        "kind");
    metrics.gauge(
        "infini_source_instances",
        "Instances that a source lists; absent before its first word.",
        c ->
            keeper
                .allSources()
                .forEach(s -> {
                  Integer n = s.instances();
                  if (n != null) {
                    c.call((double) n, s.source(), s.kind());
                  }
                }),
        "source",
        "kind");
    metrics.gauge(
        "infini_source_age_seconds",
        "Since a source last answered; absent before, and of those that are not asked.",
        c ->
            keeper
                .allSources()
                .forEach(s -> {
                  Double age = s.ageSeconds(ticker.now());
                  if (age != null) {
                    c.call(age, s.source(), s.kind());
                  }
                }),
        "source",
        "kind");
    metrics.counter(
        "infini_source_failures_total",
        "How often something began to be wrong with a source.",
        c -> keeper.allSources().forEach(s -> c.call((double) s.failures(), s.source(), s.kind())),
        "source",
        "kind");
  }

  /// Shows how many routers share the instances, and this one's part.
  void follow(Siblings siblings, Seats seats) {
    metrics.gauge(
        "infini_routers_live",
        "Live routers that share the instances, this one included, as far as it knows.",
        c -> c.call((double) siblings.status().routers()));
    metrics.gauge(
        "infini_routers_changed_timestamp_seconds",
        "When that number last changed.",
        c -> c.call((double) siblings.status().since().getEpochSecond()));
    metrics.gauge(
        "infini_router_routers",
        "Routers that share the instances, this one included, as far as it knows.",
        c -> c.call((double) siblings.status().routers()));
    metrics.gauge(
        "infini_router_routers_heard",
        "Of the others those that said lately what they have.",
        c -> c.call((double) siblings.status().heard()));
    metrics.gauge(
        "infini_router_seats_here",
        "Requests that this router may have at an instance at once: its part of the seats; absent without a limit.",
        c -> {
          for (Instance i : table.get().fleet().instances()) {
            if (i.seats() > 0) {
              c.call((double) seats.limit(i), i.name());
            }
          }
        },
        "instance");
  }

  /// Shows how it stands with the router's files.
  void follow(Reloader files) {
    metrics.gauge(
        "infini_router_settings_refused",
        "1 while the router's files cannot be used and what was in force stays.",
        c -> c.call(files.status().error() == null ? 0 : 1));
    metrics.gauge(
        "infini_router_settings_need_restart",
        "Settings of the router's file that need a restart.",
        c -> c.call((double) files.status().restart().size()));
  }

  /// Shows the size rule's threshold of each model on offer.
  void follow(Supplier<RouterConfig> settings) {
    boolean bytes = settings.get().metric() != SizeMetric.TOKENS;
    metrics.gauge(
        bytes ? "infini_router_threshold_bytes" : "infini_router_threshold_tokens",
        "The largest size that is small, as it is in force.",
        c -> {
          RouterConfig config = settings.get();
          for (String model : table.get().fleet().models()) {
            String source = config.thresholds().containsKey(model) ? "model" : "configured";
            c.call((double) config.thresholdOf(model), model, source);
          }
        },
        "model",
        "source");
  }

  /// Shows what clients' keys have used.
  void follow(KeyRing keys) {
    metrics.counter(
        "infini_router_key_requests_total",
        "Requests of a client's key by how they ended.",
        c -> {
          for (KeyHolder k : keys.holders()) {
            for (Outcome o : Outcome.values()) {
              c.call((double) k.requests(o), k.name(), o.label());
            }
          }
        },
        "key",
        "outcome");
    metrics.counter(
        "infini_router_key_tokens_total",
        "Tokens of a client's key by kind, as the usage of answers tells them.",
        c -> {
          for (KeyHolder k : keys.holders()) {
            for (Series.Tokens t : Series.Tokens.values()) {
              c.call((double) k.tokens(t), k.name(), t.label());
            }
          }
        },
        "key",
        "kind");
    metrics.gauge(
        "infini_router_key_inflight",
        "Requests in flight of a client's key.",
        c -> keys.holders().forEach(k -> c.call((double) k.inFlight(), k.name())),
        "key");
    metrics.counter(
        "infini_router_key_refusals_total",
        "Requests that a client's key did not open, by why; those without a known key have an empty name.",
        c -> {
          for (KeyRing.Cause why : KeyRing.Cause.values()) {
            String label = why.name().toLowerCase(Locale.ROOT);
            if (!keys.isEmpty() && why.isOfNobody()) {
              c.call((double) keys.strangers(why), "", label);
            }
            for (KeyHolder k : why.isOfNobody() ? List.<KeyHolder>of() : keys.holders()) {
              c.call((double) k.refusals(why), k.name(), label);
            }
          }
        },
        "key",
        "why");
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

  /// A request ended.
  ///
  /// @param i the instance that it came to, or null
  /// @param tape what passed of its answer, or null
  void settled(Decision d, @Nullable Instance i, @Nullable Tape tape) {
    Pool pool = d.pool();
    Series s = i == null ? nowhere(d.model()) : of(i, d.model(), pool == null ? Pool.ANY : pool);
    s.settled(d, tape);
    requestBytes.observe((double) d.requestBytes());
  }

  /// Counts a request that was answered before it became an exchange.
  void refused(Outcome outcome) {
    nowhere("").count(null, outcome);
  }

  /// An instance said that a prompt is too long for it.
  void misrouted(Instance i, @Nullable String model, Pool pool) {
    of(i, model == null ? "" : model, pool).misrouted();
  }

  private Series nowhere(String model) {
    Series s = nowhere.get(model);
    return s == null ? made(new Series.Key(model, Pool.ANY, "")) : s;
  }

  private Series of(Instance i, String model, Pool pool) {
    @Nullable Series[] known = bySlot;
    Series s = i.slot() < known.length ? known[i.slot()] : null;
    while (s != null && !s.is(model, pool, i.name())) {
      s = s.next;
    }
    return s == null ? made(i.slot(), new Series.Key(model, pool, i.name())) : s;
  }

  private synchronized Series made(Series.Key key) {
    sweep();
    Series s = all.computeIfAbsent(key, k -> new Series(k, families));
    nowhere.put(key.model(), s);
    return s;
  }

  private synchronized Series made(int slot, Series.Key key) {
    sweep();
    Series s = all.computeIfAbsent(key, k -> new Series(k, families));
    @Nullable Series[] now = Arrays.copyOf(bySlot, Math.max(bySlot.length, slot + 1));
    Series first = now[slot];
    if (first != null && !first.key().instance().equals(key.instance())) {
      // the slot is another instance's now
      first = null;
    }
    for (Series known = first; known != null; known = known.next) {
      if (known.key().equals(key)) {
        return known;
      }
    }
    s.next = first;
    now[slot] = s;
    bySlot = now;
    return s;
  }

  void decided(long nanos) {
    decisionSeconds.observe(nanos / 1e9);
  }

  /// The registry of all these.
  Metrics all() {
    return metrics;
  }

  void retry(String cause) {
    retries.labelValues(cause).inc();
  }

  /// Drops the series of instances and models that have been away for an hour. Called when series
  /// are made or read, so that they cannot pile up.
  private synchronized void sweep() {
    long now = ticker.nanos();
    if (now - sweptNanos < SWEPT.toNanos()) {
      return;
    }
    sweptNanos = now;
    Fleet fleet = table.get().fleet();
    Set<String> here = new HashSet<>();
    fleet.instances().forEach(i -> here.add(i.name()));
    boolean dropped = false;
    for (Series s : List.copyOf(all.values())) {
      Series.Key k = s.key();
      boolean present =
          (k.instance().isEmpty() || here.contains(k.instance()))
              && (k.model().isEmpty() || fleet.forModel(k.model()) != null);
      if (present) {
        goneNanos.remove(k);
      } else if (now - goneNanos.computeIfAbsent(k, x -> now) >= KEPT.toNanos()) {
        goneNanos.remove(k);
        all.remove(k);
        s.drop();
        dropped = true;
      }
    }
    if (dropped) {
      bySlot = new Series[0];
      nowhere.values().removeIf(s -> !all.containsKey(s.key()));
    }
  }

  /// Every series.
  Collection<Series> series() {
    return all.values();
  }

  byte[] scrape() {
    sweep();
    return metrics.scrape();
  }
}
