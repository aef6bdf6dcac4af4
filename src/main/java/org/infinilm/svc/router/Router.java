package org.infinilm.svc.router;

import io.prometheus.metrics.core.metrics.Counter;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.history.History;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.registry.PeerBoard;
import org.infinilm.svc.registry.TableHome;
import org.infinilm.svc.registry.TableSource;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.infinilm.svc.trace.TraceSettings;
import org.infinilm.svc.trace.Traces;
import org.jspecify.annotations.Nullable;

/// A running router: its listener and the threads around it.
final class Router implements AutoCloseable {
  private final RouterConfig config;
  private final Settings settings;
  private final KeyRing keys;
  private final Added added;
  private final PolicySwitch policy;
  private final Seats seats;
  private final Ticker ticker;
  private final @Nullable Reloader files;
  private final FleetKeeper keeper;
  private final Learner learner;
  private final Kept kept;
  private final @Nullable AccessLog accessLog;
  private final Prober prober;
  private final Wakes wakes;
  private final @Nullable GaugeWatch gauges;
  private final Client http;
  private final @Nullable TableSource source;
  private final Optional<RegistrySync> sync;
  private final Discoveries discoveries;
  private final @Nullable Siblings siblings;
  private final ProxyServer server;
  private final RouterFront front;
  private final RouterMetrics metrics;
  private final EventFeed feed;
  private final Tls.@Nullable Listener tls;
  private final @Nullable History<Decision> history;
  private final @Nullable Traces<Trace> traces;
  private volatile boolean draining;

  /// Starts everything; the listener is open when this returns.
  ///
  /// @throws IOException when the port cannot be bound
  Router(RouterConfig config, List<Known> fixed, Ticker ticker, RandomGenerator random)
      throws IOException {
    this(config, fixed, InetAddress::getAllByName, ticker, random);
  }

  /// One whose listener carries nothing and has its own routes alone; [#front] is asked who gets a
  /// request.
  static Router thatPicks(
      Sources.Read from, Resolver.Lookup names, Ticker ticker, RandomGenerator random)
      throws IOException {
    return new Router(from.config(), from.fixed(), from, false, names, ticker, random);
  }

  /// The same with what files and flags say, following the files.
  Router(Sources.Read from, Resolver.Lookup names, Ticker ticker, RandomGenerator random)
      throws IOException {
    this(from.config(), from.fixed(), from, true, names, ticker, random);
  }

  /// The same with a name server of its own.
  Router(
      RouterConfig config,
      List<Known> fixed,
      Resolver.Lookup names,
      Ticker ticker,
      RandomGenerator random)
      throws IOException {
    this(config, fixed, null, true, names, ticker, random);
  }

  private Router(
      RouterConfig config,
      List<Known> fixed,
      Sources.@Nullable Read from,
      boolean carries,
      Resolver.Lookup names,
      Ticker ticker,
      RandomGenerator random)
      throws IOException {
    this.config = config;
    this.ticker = ticker;
    Tls believed = believed(config);
    this.settings = new Settings(config);
    PeerBoard.Run run = PeerBoard.Run.fresh();
    Slots slots = new Slots();
    seats = new Seats(slots, config.seating().line(), config.seating().queueLimit(), ticker);
    keeper = new FleetKeeper(config, slots, seats, names, ticker, random);
    tls = config.tls().listener(ticker::now);
    http = Client.create(keeper.resolver()::awaitedAddresses).with(believed);
    TableHome home = config.registry();
    TableSource table =
        home == null
            ? null
            : home.open(
                Client.create().with(believed), config.registryToken(), run, ticker, random);
    source = table;
    sync =
        Optional.ofNullable(table)
            .map(t ->
                new RegistrySync(t, String.valueOf(home), config.syncInterval(), keeper, ticker));
    // what stands there is read while the rest is made
    sync.ifPresent(RegistrySync::start);
    policy =
        new PolicySwitch(
            config.policy(),
            new Policies.Options(config.seating().spill(), config.learning().objectives()));
    Metrics all = new Metrics();
    Path stateFile = config.learning().stateFile();
    Path logFile = config.learning().logFile();
    kept =
        new Kept(
            policy,
            new LearnedMetrics(all, policy, keeper::table, ticker),
            stateFile == null ? null : new LearnedState(stateFile),
            logFile == null
                ? null
                : new DecisionLog(logFile, config.learning().logBytes(), random.nextLong()),
            ticker,
            this::learner);
    learner = new Learner(policy, kept);
    all.counter(
        "infini_router_facts_lost_total",
        "Answers that were not learned from, for more came than could be.",
        c -> c.call((double) learner.lost()));
    kept.load();
    History<Decision> past = Past.of(config, ticker);
    history = past;
    accessLog =
        config.accessLog()
            ? new AccessLog(new FileOutputStream(FileDescriptor.out).getChannel())
            : null;
    Decisions decisions = new Decisions(config.decisions(), told(past, accessLog));
    TraceSettings receiver = config.traces().orElse(null);
    traces = receiver == null ? null : new Traces<>(receiver, new TraceWords(), ticker);
    metrics = new RouterMetrics(all, keeper::table, seats, ticker);
    Counter calibrations =
        all.counter(
            "infini_router_calibrations_total",
            "Models whose tokenizer was asked what texts come to, by result.",
            "result");
    Counter probes =
        all.counter(
            "infini_router_probes_total",
            "Probes of instances by what they showed; unknown when the router itself could not connect.",
            "result");
    prober =
        new Prober(
            http,
            config,
            keeper,
            probes,
            new Calibrator(http, config.healthTimeout(), learner, calibrations, ticker),
            ticker,
            random);
    wakes =
        new Wakes(
            http,
            config.healthTimeout(),
            keeper,
            seats::lookAgain,
            all.counter(
                "infini_router_wakes_total",
                "Instances on demand whose babysitter was asked to start them, by result: woken, refused.",
                "result"),
            ticker);
    keys = new KeyRing(config.keys(), ticker);
    Siblings beside =
        table == null
            ? null
            : new Siblings(
                table,
                run.name(),
                new SharedParts(keeper::table, seats, slots, keys, ticker),
                new SharedLearning(policy, learner, ticker),
                ticker);
    siblings = beside;
    if (beside != null) {
      seats.onShortage(beside::wanted);
    }
    gauges =
        config.learning().gauges()
            ? new GaugeWatch(
                http,
                keeper,
                slots,
                policy::learns,
                () -> isWatched() || (beside != null && beside.any()),
                ticker)
            : null;
    files =
        from == null || from.of().files().isEmpty()
            ? null
            : new Reloader(from, this::take, keeper.happenings(), ticker);
    Supplier<Reloader.@Nullable Status> read = () -> files == null ? null : files.status();
    Plane plane =
        new Plane(
            config,
            keys,
            keeper::table,
            new Admission(policy, seats),
            seats,
            new RetryBudgets(),
            metrics,
            decisions,
            new Flights(),
            new Watch(slots, seats, keeper, new Troubles(slots, ticker), prober::listIsOutdated),
            wakes,
            learner,
            traces,
            new RequestIds(random),
            Via.random(random),
            ticker);
    feed =
        new EventFeed(
            new Live(
                settings,
                read,
                keeper,
                seats,
                metrics,
                decisions,
                plane.flights(),
                keys,
                policy,
                name -> gauges == null ? null : gauges.cacheUse(name),
                beside,
                ticker,
                () -> draining),
            ticker);
    discoveries =
        new Discoveries(config.discover(), from == null ? Map.of() : from.of().env(), keeper);
    added =
        new Added(
            config.addedInstances(),
            fixed,
            known -> keeper.tell(new FleetKeeper.Report.Fixed(known)));
    OwnRoutes own =
        new OwnRoutes(
            settings,
            read,
            keys,
            keeper,
            seats,
            metrics,
            decisions,
            new Past(past, ticker),
            ticker,
            () -> draining,
            feed,
            policy,
            new AdminRoutes(settings, () -> Access.of(settings.get()), keeper, added),
            added,
            plane.instances(),
            tls,
            beside);
    front = new RouterFront(plane, settings, own, carries);
    server = listen(front, carries);
    feed.places(server.places());
    metrics.follow(server);
    metrics.follow(keeper.happenings());
    metrics.follow(keeper);
    metrics.follow(settings);
    metrics.follow(keys);
    if (beside != null) {
      metrics.follow(beside, seats);
    }
    if (files != null) {
      metrics.follow(files);
    }
    if (tls != null) {
      TlsSettings.show(all, tls);
    }
    added.load();
    keeper.start();
    learner.start();
    if (past != null) {
      Past.follow(all, past);
      past.start();
    }
    if (traces != null) {
      TraceWords.follow(all, traces);
      traces.start();
    }
    if (accessLog != null) {
      accessLog.start();
    }
    prober.start();
    if (gauges != null) {
      gauges.follow(all);
      gauges.start();
    }
    discoveries.start();
    if (beside != null) {
      beside.start();
    }
    if (files != null) {
      files.start();
    }
  }

  private ProxyServer listen(RouterFront front, boolean carries) throws IOException {
    try {
      return ProxyServer.start(
          new ProxyServer.Options(
              config.host(),
              config.port(),
              carries ? config.threads() : 1,
              config.transport(),
              config.framing(),
              config.clients().limits(),
              config.clients().times(),
              config.clients().cors(),
              tls),
          front,
          ticker::now);
    } catch (IOException e) {
      sync.ifPresent(RegistrySync::close);
      if (source != null) {
        source.close();
      }
      throw e;
    }
  }

  /// Puts into force what files say now; on the reloader's thread.
  private void take(Sources.Read next) {
    RouterConfig now = next.config();
    policy.become(now.policy(), ticker.nanos());
    keys.replace(now.keys());
    settings.replace(now);
    seats.most(now.seating().queueLimit());
    keeper.tell(new FleetKeeper.Report.Seats(now.seating()));
    added.told(next.fixed());
  }

  /// Has the files read again now, where there are any, those of TLS too.
  void reload() {
    if (tls != null) {
      tls.refresh();
    }
    if (files != null) {
      files.ask();
    }
  }

  /// Who is told of each request that ended, on its event loop.
  private static Consumer<Decision> told(
      @Nullable History<Decision> past, @Nullable AccessLog log) {
    Consumer<Decision> all = d -> {};
    if (past != null) {
      all = past::offer;
    }
    return log == null ? all : all.andThen(log::add);
  }

  private static Tls believed(RouterConfig config) throws IOException {
    try {
      return config.tls().client();
    } catch (ConfigException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private boolean isWatched() {
    return feed.listeners() > 0;
  }

  private Learner learner() {
    return learner;
  }

  int port() {
    return server.port();
  }

  /// Where requests enter.
  RouterFront front() {
    return front;
  }

  /// Its metrics, for more of them.
  Metrics metrics() {
    return metrics.all();
  }

  /// As `/readyz` says: there is an instance for requests, no source is waited for, and the end has
  /// not begun.
  boolean ready() {
    Fleet fleet = keeper.table().fleet();
    return fleet.routable() + fleet.asleep() > 0 && keeper.awaited().isEmpty() && !draining;
  }

  /// Says at `/readyz` that the end has begun.
  void endBegins() {
    draining = true;
  }

  /// The data plane's counts.
  ProxyServer server() {
    return server;
  }

  /// Says so at `/readyz`, stops accepting, lets requests in flight end, within the drain limit.
  void drain() throws InterruptedException {
    draining = true;
    if (siblings != null) {
      siblings.leaving();
    }
    feed.close();
    server.drain(config.clients().lameDuck(), config.clients().drainTimeout());
  }

  @Override
  public void close() {
    if (tls != null) {
      tls.close();
    }
    if (files != null) {
      files.close();
    }
    sync.ifPresent(RegistrySync::close);
    discoveries.close();
    if (siblings != null) {
      siblings.close();
    }
    if (source != null) {
      source.close();
    }
    prober.close();
    wakes.close();
    if (gauges != null) {
      gauges.close();
    }
    feed.close();
    server.close();
    added.close();
    keeper.close();
    learner.close();
    kept.close();
    if (accessLog != null) {
      accessLog.close();
    }
    if (history != null) {
      history.close();
    }
    if (traces != null) {
      traces.close();
    }
    http.close();
  }
}
