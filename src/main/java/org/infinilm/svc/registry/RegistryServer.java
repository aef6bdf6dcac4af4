package org.infinilm.svc.registry;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A running registry: table, journal, probes, clean-up and routes.
public final class RegistryServer implements AutoCloseable {
  /// @param port 0 for any free one
  /// @param healthInterval between probes of one address
  /// @param healthTimeout of one probe
  /// @param lease how old a heartbeat may be to count
  /// @param dataDir folder of the journal; null keeps everything in memory
  /// @param etcd where the table lives instead, or null
  /// @param tokens wanted for changes and for reading
  /// @param allowProbe ranges, `ADDRESS/BITS` and commas between, that may be registered and probed
  ///   although they are link-local or the like
  /// @param router whose page `/ui` leads to, or null
  /// @param tls what the listener shows, and whom probes believe
  public record Options(
      String host,
      int port,
      Duration healthInterval,
      Duration healthTimeout,
      Duration cleanupInterval,
      Duration lease,
      @Nullable Path dataDir,
      @Nullable EtcdHome etcd,
      Tokens tokens,
      String allowProbe,
      @Nullable URI router,
      TlsSettings tls) {
    /// The defaults on loopback, in memory.
    public static Options at(int port) {
      return new Options(
          "127.0.0.1",
          port,
          Duration.ofSeconds(30),
          Duration.ofSeconds(5),
          Duration.ofSeconds(60),
          Lease.FRESH,
          null,
          null,
          Tokens.NONE,
          "",
          null,
          TlsSettings.NONE);
    }

    public Options dataDir(@Nullable Path dir) {
      return with(healthInterval, healthTimeout, lease, dir, etcd, tokens, tls);
    }

    /// @param wanted for changes
    public Options token(String wanted) {
      return tokens(Tokens.of(wanted, null));
    }

    public Options tokens(Tokens wanted) {
      return with(healthInterval, healthTimeout, lease, dataDir, etcd, wanted, tls);
    }

    public Options tls(TlsSettings shown) {
      return with(healthInterval, healthTimeout, lease, dataDir, etcd, tokens, shown);
    }

    public Options probes(Duration interval, Duration timeout) {
      return with(interval, timeout, lease, dataDir, etcd, tokens, tls);
    }

    /// Where the table lives instead of a journal.
    Options etcd(@Nullable EtcdHome home) {
      return with(healthInterval, healthTimeout, lease, dataDir, home, tokens, tls);
    }

    Options lease(Duration length) {
      return with(healthInterval, healthTimeout, length, dataDir, etcd, tokens, tls);
    }

    private Options with(
        Duration interval,
        Duration timeout,
        Duration length,
        @Nullable Path dir,
        @Nullable EtcdHome home,
        Tokens wanted,
        TlsSettings shown) {
      return new Options(
          host,
          port,
          interval,
          timeout,
          cleanupInterval,
          length,
          dir,
          home,
          wanted,
          allowProbe,
          router,
          shown);
    }
  }

  private static final Logger log = LoggerFactory.getLogger(RegistryServer.class);

  /// A watcher hears something every 15 s and so has to take something.
  private static final Duration STALL = Duration.ofSeconds(15);

  /// Registrations and heartbeats that are not whole yet.
  private static final int MOST_UNFINISHED_BYTES = 8 << 20;

  /// For its probes, of which hundreds may be under way.
  private static final int KEPT_DESCRIPTORS = 384;

  private static final Duration LONGEST_NAP = Duration.ofSeconds(60);
  private static final Duration AFTER_FAILURE = Duration.ofSeconds(5);

  private final Server server;
  private final Tls.@Nullable Listener tls;
  private final Client client;
  private final LeaseStore store;
  private final List<Thread> loops = new ArrayList<>();

  private RegistryServer(
      Server server, Tls.@Nullable Listener tls, Client client, LeaseStore store) {
    this.server = server;
    this.tls = tls;
    this.client = client;
    this.store = store;
  }

  /// Binds, restores the journal and serves.
  ///
  /// @param random for the name of this run in table versions
  /// @throws IOException when the port cannot be used, or the data folder is none, another user's
  ///   or another registry's; a disk that takes nothing stops no start
  public static RegistryServer start(Options o, Ticker ticker, RandomGenerator random)
      throws IOException {
    CompletableFuture<Handler> ready = new CompletableFuture<>();
    Client client = Client.create().with(believed(o));
    Tls.Listener tls = o.tls().listener(ticker::now);
    Server server = listen(o, tls, r -> routes(ready).handle(r));
    try {
      String boot = String.format("%08x", random.nextInt());
      LeaseStore store = store(o, client, ticker, boot, random);
      ProbeGuard guard = new ProbeGuard(ProbeGuard.ranges(o.allowProbe()));
      store.look();
      Prober.Ask ask = uri -> ask(client, guard, ticker, uri, o.healthTimeout());
      Prober prober =
          new Prober(
              ask, store, new ProbeSchedule(o.healthInterval(), random, ticker.nanos()), ticker);
      ready.complete(
          new Routes(
              store,
              ask,
              Routes.Waits.of(server.places()),
              guard,
              new RegistryMetrics(store, tls),
              o.tokens(),
              o.router()));
      RegistryServer registry = new RegistryServer(server, tls, client, store);
      registry.begin(o, prober);
      return registry;
    } catch (IOException | RuntimeException e) {
      ready.completeExceptionally(e);
      server.close();
      if (tls != null) {
        tls.close();
      }
      throw e;
    }
  }

  private static LeaseStore store(
      Options o, Client client, Ticker ticker, String boot, RandomGenerator random)
      throws IOException {
    EtcdHome home = o.etcd();
    if (home != null) {
      return home.open(client, ticker, o.lease(), boot, random);
    }
    Path dir = o.dataDir();
    Journal journal =
        dir == null ? null : Journal.open(dir, Now.of(ticker, o.lease()), machineRun());
    return new JournalStore(ticker, o.lease(), boot, journal);
  }

  private static Server listen(Options o, Tls.@Nullable Listener tls, Handler handler)
      throws IOException {
    try {
      return Server.start(
          Server.Options.at(o.host(), o.port())
              .maxUnfinished(MOST_UNFINISHED_BYTES)
              .keepDescriptors(KEPT_DESCRIPTORS)
              .stall(STALL)
              .tls(tls),
          handler);
    } catch (IOException e) {
      if (tls != null) {
        tls.close();
      }
      throw e;
    }
  }

  private static Tls believed(Options o) throws IOException {
    try {
      return o.tls().client();
    } catch (ConfigException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /// Has the files of TLS read again now, where there are any.
  public void reload() {
    if (tls != null) {
      tls.refresh();
    }
  }

  public int port() {
    return server.port();
  }

  /// How many entries the table holds.
  public int size() {
    return store.table().all().size();
  }

  /// `on`, `off`, or `failing` while changes are in memory alone although a journal is wanted.
  public String journal() {
    return store.journal();
  }

  /// Stops serving (requests in flight get 2 s), then writes the journal out.
  @Override
  public void close() throws IOException {
    loops.forEach(Thread::interrupt);
    store.close();
    try {
      server.drain(Duration.ofSeconds(2));
    } catch (InterruptedException hurried) {
      Thread.currentThread().interrupt();
    }
    server.close();
    client.close();
    if (tls != null) {
      tls.close();
    }
    store.finish();
  }

  private static Handler routes(CompletableFuture<Handler> ready) throws InterruptedException {
    try {
      return ready.get();
    } catch (ExecutionException e) {
      // why is told where it starts
      return r ->
          Response.json(503, Map.of("error", "the registry does not start"))
              .with("retry-after", "1");
    }
  }

  /// Names the time since the machine started; empty where nothing does.
  private static String machineRun() {
    try {
      return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
    } catch (IOException notLinux) {
      return "";
    }
  }

  /// One health request. No answer at all is asked for once more within the same time: one lost
  /// packet or one connection that was closed while idle is not an illness.
  private static Answer ask(
      Client client, ProbeGuard guard, Ticker ticker, URI uri, Duration timeout)
      throws InterruptedException {
    long started = ticker.nanos();
    switch (guard.verdict(uri, timeout.toNanos())) {
      case CLOSED -> {
        return Answer.NO;
      }
      case UNKNOWN -> {
        return Answer.SILENT;
      }
      case OPEN -> {
        // it is asked
      }
    }
    for (int attempt = 1; ; attempt++) {
      Duration left = timeout.minusNanos(ticker.nanos() - started);
      if (!left.isPositive()) {
        return Answer.SILENT;
      }
      try {
        int status = client.status(uri, Headers.NONE, left);
        return status >= 200 && status < 300 ? Answer.OK : Answer.NO;
      } catch (IOException noAnswer) {
        if (noAnswer instanceof Client.NotConnected n && n.ours()) {
          return Answer.UNASKED;
        }
        boolean inTime = timeout.minusNanos(ticker.nanos() - started).isPositive();
        if (attempt == 2 || !inTime) {
          return inTime ? Answer.NO : Answer.SILENT;
        }
      }
    }
  }

  private void begin(Options o, Prober prober) {
    loop(
        "clock",
        () -> {
          while (true) {
            Duration pause = store.clock().beat();
            store.look();
            if (pause.isPositive()) {
              log.warn("this process stood still for {} s; no lease ran meanwhile", seconds(pause));
            }
            Thread.sleep(LeaseClock.BEAT);
          }
        });
    loop("probes", prober::run);
    loop(
        "clean-up",
        () -> {
          while (true) {
            Thread.sleep(o.cleanupInterval());
            List<String> removed = store.cleanUp();
            if (!removed.isEmpty()) {
              log.info(
                  "removed after {} s in silence: {}", store.now().kept().toSeconds(), removed);
            }
          }
        });
    loop(
        "ageing",
        () -> {
          while (true) {
            Duration left = store.table().untilStale(store.now());
            Duration nap = left == null || left.compareTo(LONGEST_NAP) > 0 ? LONGEST_NAP : left;
            Thread.sleep(nap.isNegative() ? Duration.ZERO : nap);
            store.note(new Event.Aged());
          }
        });
  }

  private static String seconds(Duration d) {
    return String.valueOf(d.toMillis() / 1000.0);
  }

  private interface Loop {
    void run() throws InterruptedException;
  }

  private void loop(String name, Loop body) {
    loops.add(
        Thread.ofVirtual()
            .name("registry-" + name)
            .start(() -> {
              try {
                forever(name, body);
              } catch (InterruptedException stopping) {
                Thread.currentThread().interrupt();
              }
            }));
  }

  /// What a loop throws is told, and the loop goes on after a pause.
  private static void forever(String name, Loop body) throws InterruptedException {
    while (true) {
      try {
        body.run();
        return;
      } catch (RuntimeException | Error e) {
        log.error("{}: failed; going on in {} s", name, AFTER_FAILURE.toSeconds(), e);
        Thread.sleep(AFTER_FAILURE);
      }
    }
  }
}
