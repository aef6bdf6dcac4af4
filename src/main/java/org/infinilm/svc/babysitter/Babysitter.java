package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.infinilm.svc.babysitter.Supervision.Action;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Verdict;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.process.Subreaper;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// One babysitter at work: a supervised process, its entries in the registry, the HTTP at port + 1.
/// Thread-safe.
final class Babysitter implements AutoCloseable, Supervisor.Effects, Desk.Acts {
  private static final Logger log = LoggerFactory.getLogger("babysitter");
  private static final Duration LEAVE_TIMEOUT = Duration.ofMillis(1500);
  private static final Duration ENDING_RETRY = Duration.ofSeconds(5);
  private static final int MAX_NAMED_ORPHANS = 20;
  private static final Duration ORPHANS_LOOK = Duration.ofSeconds(2);
  private static final int LAST_LINES = 50;
  private static final Duration OUTPUT = Duration.ofMillis(400);

  /// Its routes need no body, and its heap is small.
  private static final int MOST_BODY_BYTES = 4 << 10;

  private static final int MOST_UNFINISHED_BYTES = 1 << 20;
  private static final Duration MODELS_FIRST_RETRY = Duration.ofMillis(50);
  private static final Duration MODELS_SLOWEST_RETRY = Duration.ofSeconds(2);

  /// How often it is seen that the models of a server need not be looked at any more.
  private static final Duration LOOK = Duration.ofSeconds(1);

  private final Settings settings;
  private final Launcher launcher;
  private final @Nullable First first;

  /// What the server listed when it ran last, where it runs on demand.
  private final SeenModels seen;

  /// Models to register before it runs; empty when they are not known.
  private final List<Map<String, Object>> known;

  private volatile @Nullable IdleWatch idle;
  private @Nullable Thread looking;
  private final Ticker ticker;
  private final IntConsumer exit;
  private final Client http;
  private final BackendClient backend;
  private final Supervisor supervisor;
  private final LogTail logs;
  private final Instruments instruments;
  private final @Nullable Enrolment management;
  private final @Nullable Enrolment server;
  private final PortCheck portCheck;
  private final InFlight inFlight;
  private final RandomGenerator random = RandomGenerator.getDefault();
  private @Nullable Server desk;
  private final Tls.@Nullable Listener tls;
  private volatile @Nullable Child child;

  /// The generation that `child` is; of the supervisor's thread, as the next.
  private int started;

  private long restarts;

  /// Counts those that publish: the newest one does, the others end.
  private final AtomicInteger publishers = new AtomicInteger();

  private final FailedStart failed;

  private volatile @Nullable Thread finishing;
  private volatile boolean hurried;

  /// Whom the log names as the one that answers at the server's port instead of it; empty when
  /// none.
  private volatile String stranger = "";

  /// Whether the last probe could not be made.
  private volatile boolean lacking;

  /// What the last probe failed with, by a fault of this program; empty when it did not.
  private volatile String failedProbe = "";

  private @Nullable Thread orphans;

  /// The first start, made before the classes of everything else are loaded.
  private record First(@Nullable Child child, @Nullable IOException failure) {
    static First of(Launcher launcher) {
      try {
        return new First(launcher.start(1), null);
      } catch (IOException e) {
        return new First(null, e);
      }
    }

    Child get() throws IOException {
      if (child == null) {
        throw failure == null ? new IOException("not started") : failure;
      }
      return child;
    }
  }

  /// TLS on both sides.
  private record Secured(Tls.@Nullable Listener listener, Tls believed) {
    static Secured of(Settings s, Ticker ticker) throws IOException {
      try {
        return new Secured(s.tls().listener(ticker::now), s.tls().client());
      } catch (ConfigException e) {
        throw new IOException(e.getMessage(), e);
      }
    }
  }

  private Babysitter(
      Settings s,
      Launcher launcher,
      SeenModels seen,
      Secured secured,
      LogTail logs,
      Ticker ticker,
      IntConsumer exit) {
    this.settings = s;
    this.launcher = launcher;
    this.seen = seen;
    List<Map<String, Object>> configured = Entries.configured(s.models());
    this.known = s.demand() == null || !configured.isEmpty() ? configured : seen.read();
    this.first = startsAsleep() ? null : First.of(launcher);
    this.logs = logs;
    this.ticker = ticker;
    this.exit = exit;
    this.tls = secured.listener();
    this.http = Client.create().with(secured.believed());
    this.backend =
        new BackendClient(
            http,
            s.addresses().probe(),
            s.port(),
            !s.models().isEmpty(),
            s.backend().apiKey(System.getenv()),
            s.probeCompletion());
    this.portCheck = new PortCheck(s.port(), s.addresses());
    this.inFlight = new InFlight(http, s.addresses().probe(), s.port());
    this.supervisor = new Supervisor(s.limits(), this, ticker, random);
    this.instruments = new Instruments(new Metrics(), supervisor::state);
    this.failed = new FailedStart(instruments, ticker);
    if (s.registry() == null) {
      management = null;
      server = null;
    } else {
      Enrolment.Roll roll =
          Enrolment.Roll.of(new RegistryClient(http, s.registry(), s.registryToken()));
      management = enrolment(s.name(), roll, "management");
      server = enrolment(s.serverName(), roll, "server");
    }
  }

  /// Starts the process first (it takes longest), then everything else.
  ///
  /// @param argv what to run
  /// @param exit called once, with 1, when it gives up
  /// @throws IOException when the babysitter's own port is taken; names it and its holder
  static Babysitter start(Settings s, List<String> argv, Ticker ticker, IntConsumer exit)
      throws IOException, InterruptedException {
    Launcher.endOrphans(s, ticker);
    Launcher.requireFree(s.addresses().bind(), s.ownPort(), "the babysitter's own, port + 1");
    Secured secured = Secured.of(s, ticker);
    LogTail logs = new LogTail();
    Launcher launcher = new Launcher(s, argv, logs);
    Settings.Demand demand = s.demand();
    SeenModels seen =
        new SeenModels(demand == null ? null : demand.stateFile(), s.instance(), argv);
    Babysitter b = new Babysitter(s, launcher, seen, secured, logs, ticker, exit);
    b.orphans = Background.start("orphans", b::lookAfterOrphans);
    b.supervisor.start(b.startsAsleep());
    try {
      b.open();
    } catch (IOException | RuntimeException e) {
      b.close();
      throw e;
    }
    return b;
  }

  private void open() throws IOException {
    if (management != null && server != null) {
      management.want(Entries.management(settings));
      management.yieldName();
      management.start();
      server.start();
      announce();
    }
    Settings.Demand demand = settings.demand();
    if (demand != null && server != null && !demand.idleStop().isZero()) {
      IdleWatch watch =
          new IdleWatch(
              demand.idleStop(),
              inFlight,
              supervisor::state,
              supervisor::tell,
              server::settled,
              ticker);
      idle = watch;
      looking = Background.start("idle", watch::run);
    }
    Desk routes =
        new Desk(settings, supervisor::state, this, backend, logs, instruments.metrics(), ticker);
    if (tls != null) {
      TlsSettings.show(instruments.metrics(), tls);
    }
    desk =
        Server.start(
            Server.Options.at(settings.addresses().bind(), settings.ownPort())
                .maxBody(MOST_BODY_BYTES)
                .maxUnfinished(MOST_UNFINISHED_BYTES)
                .tls(tls),
            routes);
  }

  /// Has the files of TLS read again now, where there are any.
  void reload() {
    if (tls != null) {
      tls.refresh();
    }
  }

  State state() {
    return supervisor.state();
  }

  /// Takes the instance out of service for new requests, or puts it back; lasts over restarts of
  /// the server and of the registry.
  @Override
  public void drain(boolean on) {
    log.info("[{}] {}", settings.name(), on ? "draining" : "no longer draining");
    supervisor.tell(new Event.Drain(on));
    if (management != null) {
      management.wantStatus(on ? Supervision.DRAINING : Standing.RUNNING);
    }
  }

  @Override
  public void wake() {
    supervisor.tell(new Event.Wake());
  }

  /// Whether nothing runs until it is asked for: what it serves is known without.
  private boolean startsAsleep() {
    return settings.demand() != null && !known.isEmpty();
  }

  /// Drains, deregisters both entries, then ends the process tree. Blocks until nothing is left, at
  /// most the drain timeout, the grace and nine seconds.
  @Override
  public void close() {
    ending(this::finishRequests);
    ending(this::leave);
    ending(() -> {
      Duration most = settings.stopGrace().plus(Duration.ofSeconds(6));
      if (!supervisor.stop(most.toNanos())) {
        log.error("{}: processes are left that do not end", settings.name());
      }
    });
    if (orphans != null) {
      orphans.interrupt();
    }
    if (looking != null) {
      looking.interrupt();
    }
    if (desk != null) {
      desk.close();
    }
    if (tls != null) {
      tls.close();
    }
    launcher.close();
    http.close();
  }

  /// One step of the end; the next one comes whatever happens in it.
  private void ending(Background.Work step) {
    try {
      step.run();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      Background.say(() -> settings.name() + ": a step of the end failed", e);
    }
  }

  /// Clears the remains of what fell to this process, and lets the guard know of those that live.
  private void lookAfterOrphans() throws InterruptedException {
    List<String> told = List.of();
    int named = 0;
    while (true) {
      List<String> living =
          Subreaper.adopted().stream()
              .flatMap(p -> Proc.of(p.pid()).stream())
              .map(p -> p.pid() + "/" + p.tick())
              .sorted()
              .toList();
      Child c = child;
      if (!living.equals(told) && c != null) {
        c.tellStrays(living);
        for (String p : living) {
          if (!told.contains(p) && named < MAX_NAMED_ORPHANS) {
            log.info(
                "[{}] a process lost its parents: {}; it ends with the server{}",
                settings.name(),
                p.substring(0, p.indexOf('/')),
                ++named == MAX_NAMED_ORPHANS ? "; further ones are not named" : "");
          }
        }
        told = living;
      }
      Thread.sleep(ORPHANS_LOOK);
    }
  }

  /// Ends the wait of [#close] for requests and graces: what is left is killed.
  void hurry() {
    hurried = true;
    Thread t = finishing;
    if (t != null) {
      t.interrupt();
    }
    Child c = child;
    if (c != null) {
      c.hurry();
    }
  }

  /// Nothing new comes in once the registry has been told; what runs may end.
  private void finishRequests() throws InterruptedException {
    State s = supervisor.state();
    if (settings.drainTimeout().isZero()
        || hurried
        || (s.phase() != Phase.READY
            && s.phase() != Phase.DOZING
            && s.phase() != Phase.UNHEALTHY)) {
      return;
    }
    drain(true);
    Thread waiting =
        Thread.ofVirtual()
            .name("finish")
            .start(() -> {
              try {
                long left = inFlight.await(settings.drainTimeout(), ticker);
                if (left > 0) {
                  log.warn(
                      "[{}] {} requests in flight after {} s; ending them",
                      settings.name(),
                      left,
                      settings.drainTimeout().toSeconds());
                }
              } catch (InterruptedException hurry) {
                Thread.currentThread().interrupt();
              }
            });
    finishing = waiting;
    waiting.join();
  }

  private void leave() throws InterruptedException {
    if (management == null || server == null) {
      return;
    }
    Thread other =
        Thread.ofVirtual()
            .start(() -> {
              try {
                management.leave(LEAVE_TIMEOUT);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    server.leave(LEAVE_TIMEOUT);
    other.join();
  }

  private Enrolment enrolment(String name, Enrolment.Roll roll, String entry) {
    return new Enrolment(
        name,
        roll,
        settings.heartbeatInterval(),
        ticker,
        random,
        outcome -> instruments.registryCall(entry, outcome));
  }

  // --- effects --------------------------------------------------------------------------------

  @Override
  public void changed(State before, State after) {
    String name = settings.name();
    switch (after.phase()) {
      case STARTING -> {
        if (before.phase() == Phase.ASLEEP || before.phase() == Phase.WAKING) {
          instruments.wake();
          log.info("[{}] starting: a request asks for it", name);
        }
      }
      case DOZING -> log.info("[{}] {}; stopping it", name, after.reason());
      case ASLEEP -> {
        boolean rests = after.rest().now();
        log.atLevel(rests ? Level.WARN : Level.INFO)
            .log("[{}] {}{}", name, after.reason(), rests ? lastLines(after) : "");
      }
      case WAKING -> log.info("[{}] a request asks for it; {}", name, after.reason());
      case LOADING -> log.info("[{}] loading: {}", name, after.reason());
      case READY ->
          log.info(
              "[{}] {} on port {}",
              name,
              before.phase() == Phase.DOZING ? "stays" : "ready",
              settings.port());
      case UNHEALTHY -> log.warn("[{}] unhealthy: {}", name, after.reason());
      case RESTARTING -> {
        boolean early = before.phase().isStart() && settings.logFile() != null;
        log.warn("[{}] {}{}", name, after.reason(), early ? lastLines(after) : "");
      }
      case STOPPING -> log.info("[{}] stopping", name);
      case GAVE_UP ->
          log.error(
              "[{}] giving up on \"{}\": {}{}",
              name,
              settings.backend().describe(),
              after.reason(),
              lastLines(after));
    }
  }

  /// Those of the start that ended, if it wrote any.
  private String lastLines(State s) {
    List<String> last = logs.last(LAST_LINES, s.generation());
    return last.isEmpty() ? "" : "; its last lines:\n  " + String.join("\n  ", last);
  }

  @Override
  public void carryOut(Action action) {
    switch (action) {
      case Action.Spawn a -> spawn(a.generation());
      case Action.Probe a ->
          Background.start(
              "probe",
              () -> {
                Event.Probed found = probed(a.generation());
                instruments.probe(found.verdict());
                supervisor.tell(found);
              });
      case Action.Kill a -> kill(a.generation(), a.why());
      case Action.Doze a -> Background.start("doze", () -> doze(a.generation(), a.usedNanos()));
      case Action.Serve a -> {
        int me = publishers.incrementAndGet();
        Background.start("publish", () -> publish(a.generation(), me));
      }
      case Action.Withdraw a -> withdraw(a.status());
      case Action.GiveUp a -> exit.accept(1);
    }
  }

  /// One look at the server. Whatever happens in it is an outcome: the next look waits for it.
  private Event.Probed probed(int generation) throws InterruptedException {
    try {
      Event.Probed found = ours(backend.probe(generation, settings.healthTimeout()));
      boolean lacks = found.verdict() == Verdict.UNASKED;
      if (lacks && !lacking) {
        log.warn("[{}] the server cannot be asked: {}", settings.name(), found.said());
      }
      lacking = lacks;
      failedProbe = "";
      return found;
    } catch (RuntimeException | Error e) {
      if (!failedProbe.equals(e.toString())) {
        Background.say(() -> "[" + settings.name() + "] a probe failed", e);
        failedProbe = e.toString();
      }
      Verdict v = e instanceof Error ? Verdict.UNASKED : Verdict.SILENT;
      return new Event.Probed(generation, v, "the probe failed: " + e);
    }
  }

  /// An answer counts only when it comes from what was started here.
  private Event.Probed ours(Event.Probed found) {
    Child c = child;
    if (found.verdict() != Verdict.OK || c == null || !settings.ownListener()) {
      return found;
    }
    String foreign = portCheck.foreign(c);
    if (foreign == null) {
      stranger = "";
      return found;
    }
    if (!foreign.equals(stranger)) {
      stranger = foreign;
      log.warn("[{}] {}", settings.name(), foreign);
    }
    return new Event.Probed(found.generation(), Verdict.FOREIGN, foreign);
  }

  private void spawn(int generation) {
    try {
      Child c = child;
      if (c == null || started != generation) {
        c = generation == 1 && first != null ? first.get() : launcher.start(generation);
        child = c;
        started = generation;
        if (supervisor.state().restarts() > restarts) {
          restarts = supervisor.state().restarts();
          instruments.restart();
        }
      }
      Child reaped = c;
      AtomicBoolean told = new AtomicBoolean();
      Background.start("reaper", () -> reap(generation, reaped, told));
    } catch (IOException e) {
      supervisor.tell(new Event.SpawnFailed(generation, BackendClient.why(e)));
    }
  }

  /// Waits for the end of the process, then ends what it left behind.
  private void reap(int generation, Child c, AtomicBoolean told) throws InterruptedException {
    int code = c.exit().join();
    if (settings.demand() != null) {
      // its last lines may be told
      c.awaitOutput(OUTPUT);
    }
    if (!told.get()) {
      supervisor.tell(new Event.Exited(generation, ended(code)));
      told.set(true);
    }
    untilGone(
        () -> c.end(settings.stopGrace(), ticker),
        () ->
            log.error(
                "[{}] processes of pid {} do not end; trying again", settings.name(), c.pid()),
        ENDING_RETRY);
    supervisor.tell(new Event.Cleared(generation));
  }

  /// One end of a process tree; whether nothing is left.
  @FunctionalInterface
  interface End {
    boolean end() throws InterruptedException;
  }

  /// Ends what does not end at once (a process that waits for a dead disk) again and again; says so
  /// once.
  static void untilGone(End end, Runnable sayOnce, Duration pause) throws InterruptedException {
    for (boolean told = false; !end.end(); told = true) {
      if (!told) {
        sayOnce.run();
      }
      Thread.sleep(pause);
    }
  }

  private void doze(int generation, long usedNanos) throws InterruptedException {
    IdleWatch watch = idle;
    if (watch != null) {
      Event.Dozed end = watch.doze(generation, usedNanos);
      if (!end.calm()) {
        log.info("[{}] not stopped: {}", settings.name(), end.why());
      }
      supervisor.tell(end);
    }
  }

  private void kill(int generation, String why) {
    Child c = child;
    if (c != null && started == generation) {
      log.info("[{}] ending pid {}: {}", settings.name(), c.pid(), why);
      Background.start("kill", () -> c.end(settings.stopGrace(), ticker));
    }
  }

  /// Reads the model list, until there is one, and registers `NAME-server`; then looks now and then
  /// whether it has changed: adapters are loaded, models pulled, while a server runs.
  private void publish(int generation, int me) throws InterruptedException {
    long delay = MODELS_FIRST_RETRY.toNanos();
    String told = "";
    List<Map<String, Object>> registered = List.of();
    while (publishes(generation, me)) {
      String why;
      List<Map<String, Object>> models = List.of();
      try {
        models = backend.models();
        why = "it lists no model at /v1/models or /models; set models = [...] if it has no list";
      } catch (IOException e) {
        why = BackendClient.why(e);
      } catch (RuntimeException | Error e) {
        why = "its model list cannot be read: " + e;
      }
      Child c = child;
      if (!registered.isEmpty() && c != null && isShared(c)) {
        // a stranger's list; the next probe says so
        models = List.of();
      }
      if (models.isEmpty() && registered.isEmpty()) {
        models = Entries.configured(settings.models());
      }
      if (!models.isEmpty() && !Entries.brief(models).equals(registered)) {
        if (!registered.isEmpty()) {
          log.info("[{}] its models are now {}", settings.serverName(), ids(models));
        }
        registered = Entries.brief(models);
        register(generation, me, Entries.server(settings, models, supervisor.state().restarts()));
        if (settings.demand() != null) {
          seen.write(Entries.listed(models));
        }
      }
      if (!registered.isEmpty()) {
        long next = ticker.nanos() + settings.heartbeatInterval().toNanos();
        while (publishes(generation, me) && ticker.nanos() < next) {
          TimeUnit.NANOSECONDS.sleep(Math.min(LOOK.toNanos(), next - ticker.nanos()));
        }
        continue;
      }
      if (delay >= MODELS_SLOWEST_RETRY.toNanos() && !why.equals(told)) {
        log.warn("[{}] not registered yet: {}", settings.serverName(), why);
        told = why;
      }
      TimeUnit.NANOSECONDS.sleep(Math.round(delay * (1 - random.nextDouble() / 4)));
      delay = Math.min(delay * 2, MODELS_SLOWEST_RETRY.toNanos());
    }
  }

  private boolean isShared(Child c) {
    return settings.ownListener() && portCheck.foreign(c) != null;
  }

  private static List<Object> ids(List<Map<String, Object>> models) {
    return models.stream().limit(20).<Object>map(m -> m.get("id")).toList();
  }

  /// Models that are known beforehand are registered before they can be served, so that routers say
  /// "later" and not "no such model".
  private synchronized void announce() {
    State s = supervisor.state();
    if (server != null && !known.isEmpty() && !serves(s.generation())) {
      String word = s.phase() == Phase.ASLEEP ? s.word() : Phase.LOADING.word();
      server.want(Entries.server(settings, known, s.restarts()).withStatus(word));
    }
  }

  private synchronized void register(int generation, int me, Registration r) {
    if (management != null && server != null && publishes(generation, me)) {
      management.claim();
      server.want(supervisor.state().draining() ? r.withStatus(Supervision.DRAINING) : r);
    }
  }

  private synchronized void withdraw(String status) {
    if (server != null) {
      UnaryOperator<Registration> failure = failed.told(supervisor.state());
      server.change(r -> failure.apply(r.withStatus(status)));
    }
  }

  private boolean publishes(int generation, int me) {
    return serves(generation) && publishers.get() == me;
  }

  private boolean serves(int generation) {
    State s = supervisor.state();
    return s.generation() == generation && s.phase() == Phase.READY;
  }

  private static String ended(int code) {
    return code > 128 && code < 160
        ? "the process was ended by signal " + (code - 128)
        : "the process ended with status " + code;
  }
}
