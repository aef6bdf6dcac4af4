package org.infinilm.svc.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.accuracy.FleetView;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.load.EngineGauges;
import org.infinilm.svc.load.LoadKeys;
import org.infinilm.svc.load.LoadOptions;
import org.infinilm.svc.load.LoadRun;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.load.LoadWarmUp;
import org.infinilm.svc.load.Target;
import org.infinilm.svc.results.BenchReport;
import org.infinilm.svc.results.BenchResult;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.workload.LoadItem;
import org.infinilm.svc.workload.RequestBody;
import org.infinilm.svc.workload.Tokenizer;
import org.infinilm.svc.workload.Workload;
import org.infinilm.svc.workload.WorkloadKeys;
import org.jspecify.annotations.Nullable;

/// `infini bench`: sends a workload to a router or a server and measures the answers.
///
/// Exit codes: 0 measured, 1 no request was answered or nobody answers at the address, 2 wrong
/// usage, 130 interrupted (143 by SIGTERM) with what was measured saved.
public final class BenchProgram {
  public static final Program PROGRAM =
      new Program(
          "bench",
          "Load generator: TTFT, TPOT, throughput and routing accuracy of a router or server.",
          BenchKeys.ALL,
          BenchKeys.REPEATABLE,
          "[-- COMMAND ARGS]",
          true,
          args ->
              new BenchProgram(System.out, System.err, Ticker.SYSTEM)
                  .run(args, System.getenv(), Interrupts.ofProcess()));

  private static final Duration QUICK = Duration.ofSeconds(5);
  private static final String MODELS = "/v1/models";

  /// Datasets whose prompts are made to a number of tokens.
  private static final Set<String> MADE = Set.of("random", "cdf");

  private static final long COUNTERS_SETTLE_MILLIS = 3000;

  /// Bytes of a file's name: file systems take 255, and it is written under a longer one first.
  private static final int MOST_NAME = 240;

  private final PrintStream out;
  private final PrintStream err;
  private final Ticker ticker;

  BenchProgram(PrintStream out, PrintStream err, Ticker ticker) {
    this.out = out;
    this.err = err;
    this.ticker = ticker;
  }

  int run(Program.Args args, Map<String, String> env, Interrupts interrupts)
      throws ConfigException, InterruptedException {
    Config c = args.config();
    Optional<String> observe = c.find(BenchKeys.OBSERVE);
    if (observe.isPresent()) {
      try (Client client = Client.create()) {
        return new BenchObserve(out, err, ticker, c.find(BenchKeys.EXPECT_THRESHOLD).orElse(null))
            .run(
                client,
                Target.of(c, LoadOptions.headers(args.all("header"), c, env)),
                Path.of(observe.get()),
                args.positionals(),
                interrupts);
      }
    }
    LoadOptions options = LoadOptions.of(args, env);
    try (Tokenizer tokenizer = tokenizer(c, env)) {
      Workload workload = Workload.of(c, tokenizer);
      return run(c, options, workload, tokenizer, env, interrupts);
    }
  }

  /// Prompts that are there already need none: the flag may name a model's folder of any kind, as
  /// for vLLM's bench, and what servers say counts.
  private @Nullable Tokenizer tokenizer(Config c, Map<String, String> env) throws ConfigException {
    try {
      return Tokenizer.of(c, env);
    } catch (ConfigException e) {
      if (MADE.contains(c.get(WorkloadKeys.DATASET_NAME))) {
        throw e;
      }
      err.println("warning: tokens are not counted here: " + e.getMessage());
      return null;
    }
  }

  private int run(
      Config c,
      LoadOptions options,
      Workload workload,
      @Nullable Tokenizer tokenizer,
      Map<String, String> env,
      Interrupts interrupts)
      throws ConfigException, InterruptedException {
    long[] plan = options.arrivals().plan(workload.items());
    try (Client client = Client.create()) {
      Path place = place(c);
      if (!ready(client, options)) {
        return 1;
      }
      String model = model(c, client, options);
      RequestBody bodies =
          new RequestBody(
              model,
              options.chat(),
              options.stream(),
              options.ignoreEos(),
              options.temperature(),
              options.extraBody());
      IdentityHashMap<LoadItem, byte[]> made = bodies.ahead(workload.items());
      warmUp(options, bodies, workload, plan);
      FleetView view = new FleetView(client, options.target());
      Map<String, FleetView.Seen> before = view.read();
      boolean texts = c.get(BenchKeys.SAVE_TEXTS);
      try (LoadRun run =
              new LoadRun(
                  options, workload.items(), plan, bodies, made, texts, tokenizer != null, ticker);
          EngineGauges gauges = gauges(c, client, options, view, before)) {
        long begin = ticker.nanos();
        boolean complete = measure(run, workload.items().size(), c, env, interrupts);
        double seconds = (ticker.nanos() - begin) / 1e9;
        gauges.end();
        List<LoadSample> samples = run.samples();
        if (tokenizer != null) {
          samples.forEach(s -> s.count(tokenizer::count, bodies.ignoresEnd()));
        }
        Routing routing =
            before == null
                ? null
                : routing(
                    view, before, samples, bodies, c.find(BenchKeys.EXPECT_THRESHOLD).orElse(null));
        BenchResult result =
            BenchResult.of(
                options,
                workload,
                c.find(BenchKeys.LABEL).orElse(""),
                model,
                c.find(WorkloadKeys.TOKENIZER).orElse(model),
                LocalDateTime.ofInstant(ticker.now(), ZoneId.systemDefault()),
                complete,
                c.get(BenchKeys.SAVE_DETAILED),
                texts,
                seconds,
                samples,
                routing,
                gauges.isEmpty() ? null : gauges);
        new BenchReport(result).lines().forEach(out::println);
        new BenchReport(result).warnings().forEach(err::println);
        boolean saved = place == null || save(result, place);
        if (!complete) {
          return interrupts.code();
        }
        return saved && result.completed() > 0 ? 0 : 1;
      }
    } catch (IOException e) {
      err.println(options.url() + ": " + e.getMessage());
      return 1;
    }
  }

  /// The engines of the fleet, else the one that is measured itself.
  private EngineGauges gauges(
      Config c,
      Client client,
      LoadOptions o,
      FleetView view,
      @Nullable Map<String, FleetView.Seen> fleet)
      throws ConfigException {
    Duration interval = c.get(LoadKeys.GAUGES_INTERVAL);
    Map<String, EngineGauges.Source> sources = new TreeMap<>();
    if (interval.isPositive() && fleet != null) {
      fleet.forEach((name, seen) -> sources.put(name, () -> view.exposition(seen.url())));
    } else if (interval.isPositive()) {
      sources.put(
          o.target().base().authority(),
          () -> {
            Client.Reply r = o.target().get(client, "/metrics", QUICK);
            return r.ok() ? new String(r.body(), StandardCharsets.UTF_8) : "";
          });
    }
    return new EngineGauges(sources, interval, o.arrivals().rampUp(), ticker);
  }

  private void warmUp(
      LoadOptions options, RequestBody bodies, Workload workload, long @Nullable [] plan)
      throws InterruptedException {
    boolean talks = workload.items().stream().anyMatch(i -> i.conversation() >= 0);
    try {
      LoadWarmUp.run(options, bodies, talks, plan != null, ticker, LoadWarmUp.LIMIT);
    } catch (IOException e) {
      err.println("warm-up left out: " + e.getMessage());
    }
  }

  /// Runs to the end, or until interrupted; true for the former.
  private boolean measure(
      LoadRun run, int requests, Config c, Map<String, String> env, Interrupts interrupts)
      throws ConfigException, InterruptedException {
    BenchProgress progress = BenchProgress.of(err, env, c.get(BenchKeys.PROGRESS), requests);
    AtomicBoolean interrupted = new AtomicBoolean();
    interrupts.then(() -> {
      interrupted.set(true);
      run.stop();
    });
    CompletableFuture<Void> ended = run.start();
    long begin = ticker.nanos();
    while (true) {
      try {
        ended.get(1, TimeUnit.SECONDS);
        progress.clear();
        return !interrupted.get();
      } catch (TimeoutException stillRunning) {
        progress.show(run.progress(), run.recentTtft(), (ticker.nanos() - begin) / 1e9);
      } catch (ExecutionException e) {
        throw new IllegalStateException(e.getCause());
      }
    }
  }

  /// Where the result goes, its folder made when missing; one that is a folder gets a name of its
  /// own there. Null when none is wanted.
  private static @Nullable Path place(Config c) throws ConfigException {
    String named = c.find(BenchKeys.RESULT_FILENAME).orElse(null);
    boolean wanted =
        c.get(BenchKeys.SAVE_RESULT)
            || c.get(BenchKeys.SAVE_DETAILED)
            || c.find(BenchKeys.RESULT_DIR).isPresent()
            || named != null;
    if (!wanted) {
      return null;
    }
    String inDir = BenchKeys.RESULT_DIR.flagName();
    Path folder = path(inDir, c.find(BenchKeys.RESULT_DIR).orElse("."));
    if (named == null) {
      writable(inDir, folder);
      return folder;
    }
    String byName = BenchKeys.RESULT_FILENAME.flagName();
    Path file = folder.resolve(path(byName, named));
    Path name = file.getFileName();
    if (name == null
        || Files.isDirectory(file)
        || name.toString().getBytes(StandardCharsets.UTF_8).length > MOST_NAME) {
      throw new ConfigException(
          byName
              + ": "
              + named
              + " (expected: the name of a file, of at most "
              + MOST_NAME
              + " bytes)");
    }
    Path parent = file.getParent();
    writable(folder.equals(parent) ? inDir : byName, parent == null ? Path.of("") : parent);
    return file;
  }

  private static void writable(String flag, Path folder) throws ConfigException {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new ConfigException(
          flag
              + ": "
              + folder
              + " (expected: a folder that can be made): "
              + ConfigException.reason(e));
    }
    if (!Files.isWritable(folder.toAbsolutePath())) {
      throw new ConfigException(flag + ": " + folder + " (expected: a folder that can be written)");
    }
  }

  private boolean save(BenchResult result, Path place) {
    Path file = Files.isDirectory(place) ? place.resolve(result.fileName()) : place;
    try {
      result.write(file);
      out.println((result.complete() ? "Result: " : "Partial result: ") + file);
      return true;
    } catch (IOException e) {
      err.println(file + " cannot be written: " + ConfigException.reason(e));
      keep(result);
      return false;
    }
  }

  /// What was measured is not lost for the place where it should have gone.
  private void keep(BenchResult result) {
    try {
      Path elsewhere = Files.createTempDirectory("infini-bench-").resolve(result.fileName());
      result.write(elsewhere);
      err.println("the result is in " + elsewhere + " instead");
    } catch (IOException e) {
      err.println("nor elsewhere: " + ConfigException.reason(e));
    }
  }

  private static Path path(String flag, String given) throws ConfigException {
    try {
      return Path.of(given);
    } catch (InvalidPathException e) {
      throw new ConfigException(flag + ": " + e.getReason() + " (expected: a path)");
    }
  }

  /// Waits until something at the address speaks HTTP.
  private boolean ready(Client client, LoadOptions o) throws InterruptedException {
    long bound = o.readyTimeout().toNanos();
    if (bound == 0) {
      return true;
    }
    long begin = ticker.nanos();
    String last = "";
    do {
      try {
        Duration limit = o.readyTimeout().compareTo(QUICK) < 0 ? o.readyTimeout() : QUICK;
        o.target().get(client, MODELS, limit);
        return true;
      } catch (IOException e) {
        last = e.getMessage() == null ? e.toString() : e.getMessage();
      }
      Thread.sleep(Math.min(200, Math.max(1, bound / 1_000_000 / 10)));
    } while (ticker.nanos() - begin < bound);
    err.println(
        "no answer from "
            + o.url()
            + " within "
            + bound / 1e9
            + " s: "
            + last
            + " (expected: a running router or server; --ready-check-timeout-sec waits longer)");
    return false;
  }

  private static String model(Config c, Client client, LoadOptions o)
      throws ConfigException, InterruptedException {
    String given = c.find(BenchKeys.SERVED_MODEL_NAME).or(() -> c.find(BenchKeys.MODEL)).orElse("");
    if (!given.isEmpty()) {
      return given;
    }
    String why;
    try {
      Client.Reply r = o.target().get(client, MODELS, QUICK);
      String id = Json.tree(r.body()).path("data").path(0).path("id").asText("");
      if (!id.isEmpty()) {
        return id;
      }
      why = "the server offers none";
    } catch (JsonProcessingException e) {
      why = "/v1/models is no JSON";
    } catch (IOException e) {
      why = String.valueOf(e.getMessage());
    }
    throw new ConfigException("--model: missing (expected: a model name, because " + why + ")");
  }

  /// Instances count a request shortly after its last byte: look again until the counters agree.
  private Routing routing(
      FleetView view,
      Map<String, FleetView.Seen> before,
      List<LoadSample> samples,
      RequestBody bodies,
      @Nullable Long expectThreshold)
      throws InterruptedException {
    List<Routing.Answer> answers =
        samples.stream()
            .filter(LoadSample::finished)
            .map(s ->
                new Routing.Answer(
                    s.index(),
                    s.requestId(),
                    s.bodyBytes(),
                    s.textBytes() >= 0 ? s.textBytes() : bodies.textBytes(s.item(), List.of()),
                    s.routerSize(),
                    s.threshold(),
                    s.pool(),
                    s.instance(),
                    s.reason(),
                    s.ok() || s.truncated(),
                    s.fingerprint(),
                    s.promptTokens()))
            .toList();
    String metric = view.metric();
    long begin = ticker.nanos();
    while (true) {
      Routing r =
          Routing.of(answers, FleetView.between(before, view.read()), metric, expectThreshold);
      boolean late = (ticker.nanos() - begin) / 1_000_000 > COUNTERS_SETTLE_MILLIS;
      if (late || !Boolean.FALSE.equals(r.countersAgree())) {
        return r;
      }
      Thread.sleep(100);
    }
  }
}
