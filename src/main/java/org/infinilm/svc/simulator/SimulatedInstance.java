package org.infinilm.svc.simulator;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A simulated inference server in this process: what `infini simulate` runs, and the fake instance
/// of tests. Thread-safe.
public final class SimulatedInstance implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SimulatedInstance.class);
  private static final int MAX_BODY_BYTES = 64 << 20;
  private static final int DEFAULT_MAX_TOKENS = 16;
  private static final Duration REBIND = Duration.ofMillis(20);

  /// How an instance behaves; start from [#paged] or [#ofStatic] and change what matters.
  ///
  /// @param name it names itself in every answer
  /// @param models model ids it serves, at least one
  /// @param port 0 for any free port
  /// @param speed virtual seconds a real second; 0 is as fast as possible
  /// @param bytesPerToken of the prompt estimate
  /// @param startupDelay `/health` and the models answer 503 for so long
  /// @param maxTokens answer tokens of a request that does not say
  /// @param faults in force from the start, as [#faults] takes them
  public record Options(
      String name,
      List<String> models,
      String host,
      int port,
      long seed,
      double speed,
      double bytesPerToken,
      Duration startupDelay,
      List<String> faults,
      int maxTokens,
      EngineSettings engine) {

    public Options {
      models = List.copyOf(models);
      faults = List.copyOf(faults);
      if (models.isEmpty()) {
        throw new IllegalArgumentException("models: none (expected: at least one)");
      }
    }

    /// A paged instance on any free loopback port, as fast as possible, 512 blocks of 256 tokens.
    public static Options paged(String name, String... models) {
      return of(name, models, EngineSettings.paged());
    }

    /// A static instance on any free loopback port, as fast as possible, 4096 tokens.
    public static Options ofStatic(String name, String... models) {
      return of(name, models, EngineSettings.ofStatic(4096));
    }

    private static Options of(String name, String[] models, EngineSettings engine) {
      return new Options(
          name,
          List.of(models),
          "127.0.0.1",
          0,
          1,
          0,
          4,
          Duration.ZERO,
          List.of(),
          DEFAULT_MAX_TOKENS,
          engine);
    }

    public CacheType cacheType() {
      return engine.cacheType();
    }

    /// Prompt and answer together, at most.
    public long capacityTokens() {
      return engine.capacityTokens();
    }

    public Options at(String newHost, int newPort) {
      return new Options(
          name,
          models,
          newHost,
          newPort,
          seed,
          speed,
          bytesPerToken,
          startupDelay,
          faults,
          maxTokens,
          engine);
    }

    public Options speed(double newSpeed) {
      return new Options(
          name,
          models,
          host,
          port,
          seed,
          newSpeed,
          bytesPerToken,
          startupDelay,
          faults,
          maxTokens,
          engine);
    }

    public Options startupDelay(Duration delay) {
      return new Options(
          name, models, host, port, seed, speed, bytesPerToken, delay, faults, maxTokens, engine);
    }

    public Options faults(String... specs) {
      return new Options(
          name,
          models,
          host,
          port,
          seed,
          speed,
          bytesPerToken,
          startupDelay,
          List.of(specs),
          maxTokens,
          engine);
    }

    /// Static: the length of the one sequence.
    public Options maxCacheLen(int tokens) {
      return engine(EngineSettings.ofStatic(tokens).withOverflow(engine.overflow()));
    }

    /// Paged: the pool.
    public Options pool(int blocks, int blockTokens) {
      return engine(engine.withPool(blocks, blockTokens));
    }

    /// What happens to a request that does not fit: `error`, `truncate` or `hang`.
    public Options overflow(String word) {
      return engine(engine.withOverflow(Overflow.parse(word)));
    }

    Options engine(EngineSettings settings) {
      return new Options(
          name,
          models,
          host,
          port,
          seed,
          speed,
          bytesPerToken,
          startupDelay,
          faults,
          maxTokens,
          settings);
    }
  }

  /// The last generation request as it arrived; in this process only.
  public record Seen(String method, String target, Headers headers, byte[] body) {}

  private final Options options;
  private final Pump pump;
  private final Book book;
  private final FaultBox faults;
  private final Routes routes;
  private final long readyNanos;
  private final int port;
  private @Nullable Server server;
  private boolean closed;

  private SimulatedInstance(Options options, Ticker ticker) throws IOException {
    this.options = options;
    this.pump = new Pump(options.engine(), options.seed(), options.speed(), ticker);
    this.book = new Book(pump, options.cacheType().label());
    this.faults = new FaultBox(options.seed());
    this.readyNanos = ticker.nanos() + options.startupDelay().toNanos();
    this.routes =
        new Routes(
            options,
            pump,
            book,
            faults,
            () -> ticker.nanos() - readyNanos >= 0,
            this::armedLater,
            ticker);
    Server s = bind(options.port());
    this.server = s;
    this.port = s.port();
  }

  /// Binds and serves.
  ///
  /// @throws IOException when the port cannot be bound
  /// @throws IllegalArgumentException when a fault cannot be read
  public static SimulatedInstance start(Options options) throws IOException {
    return start(options, Ticker.SYSTEM);
  }

  static SimulatedInstance start(Options options, Ticker ticker) throws IOException {
    options.faults().forEach(Fault::parse);
    SimulatedInstance i = new SimulatedInstance(options, ticker);
    i.pump.start();
    i.armed(i.faults.set(options.faults()));
    return i;
  }

  private Server bind(int wanted) throws IOException {
    return Server.start(Server.Options.at(options.host(), wanted).maxBody(MAX_BODY_BYTES), routes);
  }

  public String name() {
    return options.name();
  }

  public int port() {
    return port;
  }

  /// `http://host:port`.
  public URI url() {
    return URI.create("http://" + BaseUrl.bracketed(options.host()) + ":" + port);
  }

  /// Generation requests taken, faulty ones included.
  public long requests() {
    return book.requests();
  }

  /// Those whose client went away before the end.
  public long cancelled() {
    return book.endedAs(Book.Outcome.CLIENT_GONE);
  }

  /// Those answered in full.
  public long completed() {
    return book.endedAs(Book.Outcome.OK);
  }

  /// Those under way, held ones included.
  public int running() {
    return book.running();
  }

  /// Sequences that the engine itself holds, queued ones included: 0 soon after the last client
  /// went away.
  public int inEngine() {
    return pump.running() + pump.waiting();
  }

  /// The last generation request.
  ///
  /// @throws IllegalStateException before the first
  public Seen lastRequest() {
    Request r = book.last();
    if (r == null) {
      throw new IllegalStateException(options.name() + " has had no request yet");
    }
    return new Seen(r.method(), Book.target(r), r.headers(), r.body());
  }

  /// Replaces the faults in force; none given clears them.
  ///
  /// @param specs `KIND[:name=value,...]`, docs/simulator.md
  /// @throws IllegalArgumentException when one cannot be read; nothing changes then
  public void faults(String... specs) {
    armed(faults.set(List.of(specs)));
  }

  private void armed(List<Fault> set) {
    for (Fault f : set) {
      if (f.kind() == Fault.Kind.REFUSE) {
        stopListening();
        if (!f.delay().isZero()) {
          Thread.ofVirtual().start(() -> listenAfter(f.delay()));
        }
      }
    }
  }

  /// Faults set over HTTP: the answer goes out before a `refuse` closes its connection.
  private void armedLater(List<Fault> set) {
    Thread.ofVirtual()
        .start(() -> {
          try {
            Thread.sleep(REBIND);
            armed(set);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  private void listenAfter(Duration delay) {
    try {
      Thread.sleep(delay);
      startListening();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      LOG.warn("{} cannot listen again: {}", options.name(), e.getMessage());
    }
  }

  /// Closes the listener and every connection, as when the process had died; the engine's state and
  /// the counters stay.
  public synchronized void stopListening() {
    if (server != null) {
      server.close();
      server = null;
    }
  }

  /// Listens again on the same port.
  ///
  /// @throws IOException when the port was taken meanwhile
  public synchronized void startListening() throws IOException {
    if (server == null && !closed) {
      server = bind(port);
    }
  }

  /// Stops accepting and waits for requests under way, at most `grace`.
  public void drain(Duration grace) throws InterruptedException {
    Server s;
    synchronized (this) {
      s = server;
    }
    if (s != null) {
      s.drain(grace);
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    stopListening();
    pump.close();
  }
}
