package org.infinilm.svc.router;

import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Insight;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.router.Flights.Flight;
import org.infinilm.svc.router.Happenings.Happening;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// What `/events` tells: the router's state in JSON, whole and as changes. Rates and totals come
/// from counters and miss nothing; percentiles are of the ring of decisions. What is not known is
/// null. One thread at a time.
final class Live implements EventFeed.Source {
  static final int MOST_ROWS = 1000;
  static final int MOST_ROWS_A_TICK = 200;

  /// In a tick that has more than those: nobody reads so many, and points enough for a picture.
  static final int ROWS_OF_MANY = 50;

  private static final int MOST_SEEN = 4096;

  /// When more than that came since the last tick, so that a look sees a moment of it anyway: what
  /// is read here, event loops have to fetch back from this core.
  private static final int SEEN_OF_MANY = 1024;

  private static final int MOST_FLIGHTS = 100;
  private static final long LOOK_NANOS = 200_000_000;

  private final Supplier<RouterConfig> settings;
  private final Supplier<Reloader.@Nullable Status> files;
  private final FleetKeeper keeper;
  private final Seats seats;
  private final RouterMetrics metrics;
  private final Decisions decisions;
  private final Flights flights;
  private final KeyRing keys;
  private final Policy policy;
  private final Function<String, @Nullable Double> cacheUse;
  private final @Nullable Siblings siblings;
  private final long startMillis;
  private final Ticker ticker;
  private final BooleanSupplier draining;

  /// What the last tick told, against which the next tells changes.
  private Map<String, Map<String, Object>> told = Map.of();

  private Map<String, Object> toldFacts = Map.of();
  private List<Object> toldModels = List.of();
  private List<Object> toldKeys = List.of();
  private List<Figures.Errors> toldErrors = List.of();
  private long toldDecision;

  private long toldHappening;

  private @Nullable Totals before;
  private Map<Pool, Map<String, Double>> rates = Map.of();

  /// Counters at one moment.
  private record Totals(long nanos, Map<Pool, Counts> pools) {}

  /// Counters of one pool.
  private static final class Counts {
    long requests;
    long errors;

    /// None when no answer told any.
    final Map<Series.Tokens, Long> tokens = new EnumMap<>(Series.Tokens.class);
  }

  Live(
      Supplier<RouterConfig> settings,
      Supplier<Reloader.@Nullable Status> files,
      FleetKeeper keeper,
      Seats seats,
      RouterMetrics metrics,
      Decisions decisions,
      Flights flights,
      KeyRing keys,
      Policy policy,
      Function<String, @Nullable Double> cacheUse,
      @Nullable Siblings siblings,
      Ticker ticker,
      BooleanSupplier draining) {
    this.settings = settings;
    this.files = files;
    this.keeper = keeper;
    this.seats = seats;
    this.metrics = metrics;
    this.decisions = decisions;
    this.flights = flights;
    this.keys = keys;
    this.policy = policy;
    this.cacheUse = cacheUse;
    this.siblings = siblings;
    this.ticker = ticker;
    this.draining = draining;
    this.startMillis = ticker.now().toEpochMilli();
  }

  private Map<String, Object> facts() {
    RouterConfig config = settings.get();
    Reloader.Status read = files.get();
    Map<String, Object> m = new HashMap<>();
    m.put("actions_want_token", config.adminToken() != null);
    m.put("decisions_kept", config.decisions());
    m.put("metric", config.metric().label());
    m.put("policy", config.policy());
    m.put("queue_limit", config.seating().queueLimit());
    m.put("registry_url", config.registry() == null ? null : config.registry().toString());
    m.put("settings_error", read == null ? null : read.error());
    m.put("settings_loaded_ms", read == null ? null : read.loaded().toEpochMilli());
    m.put("settings_need_restart", read == null ? List.of() : read.restart());
    m.put("started_ms", startMillis);
    m.put("threshold", config.threshold());
    m.put("version", Live.class.getPackage().getImplementationVersion());
    return m;
  }

  @Override
  public Map<String, Object> snapshot() throws InterruptedException {
    Look look = new Look();
    if (before == null) {
      // the first after a rest: ticks go on from here
      before = look.totals;
      told = look.instances();
      toldDecision = look.end;
      toldFacts = facts();
    }
    Map<String, Object> m = look.common();
    m.put("router", facts());
    m.put("instances", List.copyOf(look.instances().values()));
    m.put("decisions", rows(look.ring.subList(0, Math.min(MOST_ROWS, look.ring.size()))));
    m.put("errors", errors(look.errors));
    m.put("events", events(keeper.happenings().since(0)));
    m.put("models", models());
    m.put("keys", KeyWords.of(keys));
    return m;
  }

  @Override
  public Map<String, Object> tick() throws InterruptedException {
    Look look = new Look();
    measure(look);
    Map<String, Object> m = look.common();
    Map<String, Map<String, Object>> now = look.instances();
    List<Object> changed = new ArrayList<>();
    now.forEach((name, i) -> {
      if (!i.equals(told.get(name))) {
        changed.add(i);
      }
    });
    m.put("instances", changed);
    m.put("instances_gone", told.keySet().stream().filter(n -> !now.containsKey(n)).toList());
    told = now;
    fresh(m, look);
    return m;
  }

  /// Rows, errors, events and models that are new.
  private void fresh(Map<String, Object> m, Look look) {
    List<Decision> rows = fresh(look.ring, toldDecision);
    m.put("decisions", rows(rows));
    m.put("decisions_skipped", Math.max(0, look.end - toldDecision - rows.size()));
    toldDecision = look.end;
    if (!look.errors.equals(toldErrors)) {
      m.put("errors", errors(look.errors));
      toldErrors = look.errors;
    }
    List<Happening> events = keeper.happenings().since(toldHappening);
    if (!events.isEmpty()) {
      m.put("events", events(events));
      toldHappening = events.getLast().sequence();
    }
    Map<String, Object> facts = facts();
    if (!facts.equals(toldFacts)) {
      m.put("router", facts);
      toldFacts = facts;
    }
    List<Object> now = KeyWords.of(keys);
    if (!now.equals(toldKeys)) {
      m.put("keys", now);
      toldKeys = now;
    }
    List<Object> models = models();
    if (!models.equals(toldModels)) {
      m.put("models", models);
      toldModels = models;
    }
  }

  /// The decisions from a sequence number on; of too many some, evenly.
  ///
  /// @param ring newest first
  static List<Decision> fresh(List<Decision> ring, long from) {
    List<Decision> all = ring.stream().filter(d -> d.sequence() >= from).toList();
    if (all.size() <= MOST_ROWS_A_TICK) {
      return all;
    }
    List<Decision> some = new ArrayList<>(ROWS_OF_MANY);
    for (int k = 0; k < ROWS_OF_MANY; k++) {
      some.add(all.get((int) ((long) k * all.size() / ROWS_OF_MANY)));
    }
    return some;
  }

  @Override
  public void rest() {
    told = Map.of();
    toldModels = List.of();
    toldKeys = List.of();
    toldErrors = List.of();
    before = null;
    rates = Map.of();
  }

  /// Rates since the last tick.
  private void measure(Look look) {
    Totals last = before;
    Totals now = look.totals;
    if (last != null) {
      double seconds = (now.nanos() - last.nanos()) / 1e9;
      Map<Pool, Map<String, Double>> next = new EnumMap<>(Pool.class);
      now.pools()
          .forEach((pool, c) -> {
            Counts was = last.pools().getOrDefault(pool, new Counts());
            Map<String, Double> r = new HashMap<>();
            r.put("requests", rate(c.requests, was.requests, seconds));
            c.tokens.forEach(
                (t, n) -> r.put(t.label(), rate(n, was.tokens.getOrDefault(t, 0L), seconds)));
            next.put(pool, r);
          });
      rates = next;
    }
    before = now;
  }

  /// A counter that went back has lost series.
  private static double rate(long now, long before, double seconds) {
    return Math.max(0, now - before) / seconds;
  }

  /// Everything at one moment.
  private final class Look {
    final long millis = ticker.now().toEpochMilli();
    final long nanos = ticker.nanos();
    final List<FleetKeeper.View> views = keeper.views();
    final long end = decisions.end();
    final List<Decision> ring =
        decisions.last(before != null && end - toldDecision > MOST_SEEN ? SEEN_OF_MANY : MOST_SEEN);
    final List<Figures.Errors> errors = Figures.errors(decisions.failed(nanos));
    final Map<String, Pool> pools = new HashMap<>();
    final Flights.Sample inFlight;
    final Totals totals;

    Look() throws InterruptedException {
      for (FleetKeeper.View v : views) {
        pools.put(v.instance().name(), Pool.of(v.instance().cacheType()));
      }
      inFlight = flights.sample(MOST_FLIGHTS, LOOK_NANOS);
      totals = count();
    }

    /// The pool of an instance, by its cache type where it is still known.
    private Pool pool(@Nullable String instance, @Nullable Pool decided) {
      Pool p = instance == null ? null : pools.get(instance);
      return p != null ? p : decided != null ? decided : Pool.ANY;
    }

    private Totals count() {
      Map<Pool, Counts> out = new EnumMap<>(Pool.class);
      for (Series s : metrics.series()) {
        Counts c = out.computeIfAbsent(pool(s.key().instance(), s.key().pool()), p -> new Counts());
        for (Outcome o : Outcome.values()) {
          long n = s.requests(o);
          c.requests += n;
          c.errors += Figures.isError(o) ? n : 0;
        }
        for (Series.Tokens t : Series.Tokens.values()) {
          Long n = s.total(t);
          if (n != null) {
            c.tokens.merge(t, n, Long::sum);
          }
        }
      }
      return new Totals(ticker.nanos(), out);
    }

    Map<String, Object> common() {
      Map<String, Object> m = new HashMap<>();
      m.put("epoch_ms", millis);
      m.put("flights", flights());
      m.put("pools", pools());
      m.put("reasons", reasons());
      m.put("routers", siblings == null ? null : siblings.status().told());
      m.put("sources", sources());
      m.put("summary", summary());
      return m;
    }

    private List<Object> sources() {
      Instant now = Instant.ofEpochMilli(millis);
      List<Object> out = new ArrayList<>();
      keeper.allSources().forEach(s -> out.add(s.told(true, now)));
      return out;
    }

    private Map<String, Object> summary() {
      int routable = 0;
      int expected = 0;
      boolean sleeps = false;
      for (FleetKeeper.View v : views) {
        routable += v.instance().state() == State.ROUTABLE ? 1 : 0;
        boolean out = v.instance().state() == State.DRAINING;
        boolean rests =
            v.silent() || (v.known().restsUntil() != null && v.instance().state() == State.ASLEEP);
        boolean asleep = v.instance().state().sleeps() && !rests;
        expected += out || asleep ? 0 : 1;
        sleeps |= asleep;
      }
      int errors = 0;
      int ended = 0;
      for (Decision d : ring) {
        if (Figures.isOfLastMinute(d, nanos)) {
          ended++;
          errors += Figures.isError(d.outcome()) ? 1 : 0;
        }
      }
      Map<String, Object> m = new HashMap<>();
      m.put("errors_last_minute", errors);
      m.put("ended_last_minute", ended);
      m.put("in_flight", inFlight.whole() ? sum(inFlight.counts()) : null);
      m.put("instances", views.size());
      m.put("queued", seats.waiting());
      m.put("requests_per_second", total(rates, "requests"));
      m.put("requests_total", totals.pools().values().stream().mapToLong(c -> c.requests).sum());
      m.put("routable", routable);
      m.put("status", status(routable, expected, sleeps));
      return m;
    }

    /// @param sleeps whether one is started for a request
    private String status(int routable, int expected, boolean sleeps) {
      if (draining.getAsBoolean()) {
        return "ending";
      }
      if (routable == 0) {
        return sleeps ? "asleep" : "down";
      }
      return routable < expected ? "degraded" : "serving";
    }

    private Map<String, Object> flights() {
      Map<String, Object> m = new HashMap<>();
      for (Flights.Stage s : Flights.Stage.values()) {
        m.put(s.label(), inFlight.counts().getOrDefault(s, 0));
      }
      m.put("oldest", inFlight.oldest().stream().map(Live::flight).toList());
      m.put("whole", inFlight.whole());
      return m;
    }

    private List<Object> pools() {
      Map<Pool, Figures.Of> figures =
          Figures.by(ring, nanos, d -> d.instance() == null ? null : pool(d.instance(), d.pool()));
      List<Object> out = new ArrayList<>();
      for (Pool p : Pool.values()) {
        List<Instance> in = members(p);
        Counts c = totals.pools().getOrDefault(p, new Counts());
        if (p != Pool.ANY || !in.isEmpty()) {
          out.add(pool(p, in, c, figures.getOrDefault(p, Figures.Of.NONE)));
        }
      }
      return out;
    }

    private List<Instance> members(Pool p) {
      return views.stream()
          .map(FleetKeeper.View::instance)
          .filter(i -> Pool.of(i.cacheType()) == p)
          .toList();
    }

    private Map<String, Object> pool(Pool p, List<Instance> in, Counts c, Figures.Of f) {
      Map<String, Double> rate = rates.getOrDefault(p, Map.of());
      Map<String, Object> m = new HashMap<>();
      m.put("pool", p.label());
      m.put("instances", in.size());
      m.put("routable", in.stream().filter(i -> i.state() == State.ROUTABLE).count());
      m.put("in_flight", in.stream().mapToLong(i -> seats.inFlight(i.slot())).sum());
      m.put("queued", in.stream().mapToLong(i -> seats.waitingFor(i.slot())).max().orElse(0));
      m.put("seats", places(in));
      m.put("requests_total", c.requests);
      m.put("errors_total", c.errors);
      m.put("requests_per_second", rates.isEmpty() ? null : rate.getOrDefault("requests", 0.0));
      m.put("tokens_total", tokens(c.tokens::get));
      m.put("tokens_per_second", tokens(t -> rate.get(t.label())));
      put(m, f);
      return m;
    }

    private @Nullable Long places(List<Instance> in) {
      boolean open = in.isEmpty() || in.stream().anyMatch(i -> i.seats() == 0);
      return open ? null : (Long) in.stream().mapToLong(Instance::seats).sum();
    }

    private Map<String, Object> reasons() {
      Map<String, Object> m = new TreeMap<>();
      for (Reason r : Reason.values()) {
        long n = metrics.series().stream().mapToLong(s -> s.requests(r)).sum();
        if (n > 0) {
          m.put(r.label(), n);
        }
      }
      return m;
    }

    Map<String, Map<String, Object>> instances() {
      Map<String, Figures.Of> figures = Figures.by(ring, nanos, Decision::instance);
      Map<String, Long> lastMillis = new HashMap<>();
      for (Decision d : ring) {
        if (d.instance() != null) {
          lastMillis.putIfAbsent(d.instance(), d.epochMillis());
        }
      }
      Map<String, Map<String, Object>> out = new LinkedHashMap<>();
      for (FleetKeeper.View v : views) {
        Instance i = v.instance();
        Map<String, Object> m = instance(v);
        m.put("last_request_ms", lastMillis.get(i.name()));
        put(m, figures.getOrDefault(i.name(), Figures.Of.NONE));
        out.put(i.name(), m);
      }
      return out;
    }
  }

  private static Integer sum(Map<Flights.Stage, Integer> counts) {
    return counts.values().stream().mapToInt(n -> n).sum();
  }

  private static @Nullable Double total(Map<Pool, Map<String, Double>> rates, String what) {
    return rates.isEmpty()
        ? null
        : (Double) rates.values().stream().mapToDouble(r -> r.getOrDefault(what, 0.0)).sum();
  }

  private static Map<String, Object> tokens(Function<Series.Tokens, @Nullable Object> of) {
    Map<String, Object> m = new HashMap<>();
    for (Series.Tokens t : Series.Tokens.values()) {
      m.put(t.label(), of.apply(t));
    }
    return m;
  }

  private static void put(Map<String, Object> m, Figures.Of f) {
    m.put("requests_last_minute", f.requests());
    m.put("errors_last_minute", f.errors());
    m.put("ttft_p50", f.ttft().p50());
    m.put("ttft_p95", f.ttft().p95());
    m.put("tpot_p50", f.tpot().p50());
    m.put("tpot_p95", f.tpot().p95());
    m.put("queue_p50", f.queue().p50());
    m.put("queue_p95", f.queue().p95());
    m.put("cached_share", f.cachedShare());
  }

  private Map<String, Object> instance(FleetKeeper.View v) {
    Instance i = v.instance();
    Map<String, Object> m = new HashMap<>();
    m.put("capacity_tokens", i.capacityTokens() == Instance.UNKNOWN ? null : i.capacityTokens());
    m.put("drained_here", v.drained());
    m.put("in_flight", seats.inFlight(i.slot()));
    m.put("kv_cache_usage", cacheUse.apply(i.name()));
    m.put("models", i.models());
    m.put("models_not_loaded", OwnRoutes.notLoaded(i));
    m.put("name", i.name());
    Instant rests = v.known().restsUntil();
    m.put("not_before_ms", rests == null ? null : rests.toEpochMilli());
    m.put("pool", Pool.of(i.cacheType()).label());
    m.put("queued", seats.waitingFor(i.slot()));
    m.put("requests_total", seats.sent(i.slot()));
    m.put("restarts", restarts(i));
    m.put("seats", i.seats() == 0 ? null : i.seats());
    m.put("since_ms", keeper.happenings().sinceMillis(i.name()));
    m.put("source", v.known().sourceKind());
    m.put("state", Happenings.word(i.state()));
    m.put("tier", i.tier());
    m.put("url", i.url());
    m.put("weight", i.weight());
    m.put("why_out", v.why().isEmpty() ? null : v.why());
    return m;
  }

  /// As its babysitter told when it registered the server; null when none did.
  private static @Nullable Long restarts(Instance i) {
    long n = Metadata.whole(i.metadata().get(Registration.RESTARTS));
    return n < 0 ? null : (Long) n;
  }

  private List<Object> models() {
    RouterConfig config = settings.get();
    Map<String, List<String>> aliases = new TreeMap<>();
    config
        .names()
        .aliases()
        .forEach((name, model) -> aliases.computeIfAbsent(model, k -> new ArrayList<>()).add(name));
    Map<String, Insight> learned = new HashMap<>();
    for (Insight i : policy.learns() ? policy.insights(ticker.nanos()) : List.<Insight>of()) {
      learned.put(i.model(), i);
    }
    List<Object> out = new ArrayList<>();
    List<Instance> all = keeper.views().stream().map(FleetKeeper.View::instance).toList();
    for (String model : keeper.table().fleet().models()) {
      List<Instance> by = all.stream().filter(i -> i.serves(model)).toList();
      Map<String, Object> m = new HashMap<>();
      m.put("aliases", aliases.getOrDefault(model, List.of()));
      m.put("capacity_tokens", most(by, Instance::capacityTokens));
      m.put("instances", by.size());
      m.put("model", model);
      m.put("not_loaded", by.stream().filter(i -> i.notLoaded().containsKey(model)).count());
      m.put("routable", by.stream().filter(i -> i.state() == State.ROUTABLE).count());
      m.put("threshold", config.thresholdOf(model));
      Insight i = learned.get(model);
      m.put("decides", i == null ? null : LearnedView.word(i.mode()));
      m.put("threshold_learned", i == null ? null : i.threshold());
      m.put("threshold_source", config.thresholds().containsKey(model) ? "model" : "configured");
      m.put("tiers", by.stream().map(Instance::tier).distinct().sorted().toList());
      out.add(m);
    }
    return out;
  }

  private static @Nullable Long most(List<Instance> of, ToLongFunction<Instance> what) {
    long n = of.stream().mapToLong(what).max().orElse(Instance.UNKNOWN);
    return n == Instance.UNKNOWN ? null : (Long) n;
  }

  private static Map<String, Object> flight(Flight f) {
    Map<String, Object> m = new HashMap<>();
    m.put("age_seconds", f.ageNanos() / 1e9);
    m.put("attempts", f.attempts());
    m.put("events", f.events());
    m.put("instance", f.instance());
    m.put("model", f.model().isEmpty() ? null : f.model());
    m.put("path", f.path());
    m.put("pool", f.pool() == null ? null : f.pool().label());
    m.put("reason", f.reason() == null ? null : f.reason().label());
    m.put("request_id", f.requestId());
    m.put("size", f.size());
    m.put("stage", f.stage().label());
    return m;
  }

  private static List<Object> rows(List<Decision> of) {
    List<Object> out = new ArrayList<>(of.size());
    of.forEach(d -> out.add(DecisionJson.row(d)));
    return out;
  }

  private static List<Object> errors(List<Figures.Errors> of) {
    List<Object> out = new ArrayList<>();
    for (Figures.Errors e : of) {
      Map<String, Object> m = new HashMap<>();
      m.put("code", e.code());
      m.put("count", e.count());
      m.put("first_ms", e.firstMillis());
      m.put("instance", e.instance());
      m.put("last_ms", e.lastMillis());
      m.put("last_request_id", e.lastRequestId());
      m.put("outcome", e.outcome().label());
      m.put("status", e.status());
      out.add(m);
    }
    return out;
  }

  private static List<Object> events(List<Happening> of) {
    List<Object> out = new ArrayList<>();
    for (Happening h : of) {
      Map<String, Object> m = new HashMap<>();
      m.put("before", h.before());
      m.put("epoch_ms", h.epochMillis());
      m.put("instance", h.instance());
      m.put("sequence", h.sequence());
      m.put("state", h.state());
      m.put("why", h.why().isEmpty() ? null : h.why());
      out.add(m);
    }
    return out;
  }
}
