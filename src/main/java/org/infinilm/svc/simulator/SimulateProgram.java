package org.infinilm.svc.simulator;

import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.fleet.CacheType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini simulate`: one simulated instance as a process.
public final class SimulateProgram {
  private static final Logger LOG = LoggerFactory.getLogger(SimulateProgram.class);
  private static final Duration GRACE = Duration.ofSeconds(2);
  private static final LatencyModel L = LatencyModel.PUBLISHED;

  private static final Key<String> NAME =
      Key.text("name", null, "Name in its answers. Default: the cache type and the port.");
  private static final Key<String> HOST = Key.host("host", "127.0.0.1", "Address to listen on.");
  private static final Key<Integer> PORT = Key.port("port", 8100, "Port; 0 for any free one.");
  private static final Key<String> CACHE_TYPE =
      Key.oneOf("cache_type", "paged", List.of("paged", "static"), "Engine design.");
  private static final Key<Long> MAX_CACHE_LEN =
      Key.whole("max_cache_len", 4096L, 16, 1 << 24, "Static: tokens of the one sequence.");
  private static final Key<Long> NUM_BLOCKS =
      Key.whole("num_blocks", 512L, 1, 1 << 20, "Paged: blocks of the pool.");
  private static final Key<Long> BLOCK_SIZE =
      Key.whole("block_size", 256L, 1, 4096, "Paged: tokens a block.");
  private static final Key<Long> MAX_BATCH_SIZE =
      Key.whole("max_batch_size", 8L, 1, 4096, "Paged: sequences in the engine at once.");
  private static final Key<Long> SLOTS =
      Key.whole(
          "slots",
          1L,
          1,
          256,
          "Static: sequences at once, each with a cache of its own of max_cache_len tokens; above 1 prompts are computed in parts of max_batch_tokens beside the decoding, as llama.cpp does.");
  private static final Key<Long> MAX_BATCH_TOKENS =
      Key.whole("max_batch_tokens", 1024L, 1, 1 << 24, "Paged: prompt tokens a step.");
  private static final Key<Long> MAX_TOKENS =
      Key.whole("max_tokens", 16L, 1, 1 << 24, "Answer tokens of a request that does not say.");
  private static final Key<String> SERVED_MODEL_NAME =
      Key.text("served_model_name", null, "As --model.");
  private static final Key<String> MODEL_PATH =
      Key.text("model_path", null, "Not read; its name is the model's when no other is given.");
  private static final Key<Double> TEMPERATURE =
      Key.number("temperature", 1.0, 0, 2, "Accepted as by the engine; changes nothing.");
  private static final Key<Double> TOP_P =
      Key.number("top_p", 0.8, 0, 1, "Accepted as by the engine; changes nothing.");
  private static final Key<Long> TOP_K =
      Key.whole("top_k", 1L, -1, Integer.MAX_VALUE, "Accepted as by the engine; changes nothing.");
  private static final Key<Long> SEED =
      Key.whole("seed", 1L, 0, Long.MAX_VALUE, "Seed of words, jitter and chances.");
  private static final Key<Double> SPEED =
      Key.number("speed", 1.0, 0, 1e6, "Times faster than real; 0 is as fast as possible.");
  private static final Key<Double> BYTES_PER_TOKEN =
      Key.number("bytes_per_token", 4.0, 0.25, 64, "Estimate of prompt tokens.");
  private static final Key<String> OVERFLOW =
      Key.oneOf(
          "overflow",
          "error",
          List.of("error", "truncate", "hang"),
          "What happens to a request that does not fit.");
  private static final Key<Duration> STARTUP_DELAY =
      Key.seconds("startup_delay", 0.0, 0, "Listens, but answers 503 for so long.");
  private static final Key<Duration> BIND_DELAY =
      Key.seconds("bind_delay", 0.0, 0, "Waits so long before it listens.");
  private static final Key<Boolean> IGNORE_SIGTERM =
      Key.flag("ignore_sigterm", false, "SIGTERM and SIGINT do nothing; only SIGKILL ends it.");
  private static final Key<Double> JITTER =
      Key.number("jitter", 0.0, 0, 1, "Share by which a step may be longer or shorter.");
  private static final Key<Double> PREFILL_BASE =
      millis("prefill_base_ms", L.prefillBaseMillis(), "Prefill step: constant part.");
  private static final Key<Double> PREFILL_TOKEN =
      millis("prefill_token_ms", L.prefillTokenMillis(), "Prefill step: for each prompt token.");
  private static final Key<Double> PREFILL_CONTEXT =
      millis(
          "prefill_context_ms", L.prefillContextMillis(), "Prefill step: token times its context.");
  private static final Key<Double> DECODE_BASE =
      millis("decode_base_ms", L.decodeBaseMillis(), "Decode step: constant part.");
  private static final Key<Double> DECODE_SHARE =
      millis("decode_share_ms", L.decodeShareMillis(), "Decode step: times active share p.");
  private static final Key<Double> DECODE_SHARE_SQUARED =
      millis("decode_share_squared_ms", L.decodeShareSquaredMillis(), "Decode step: times p^2.");
  private static final Key<Double> DECODE_SEQUENCE =
      millis("decode_sequence_ms", L.decodeSequenceMillis(), "Decode step: for each sequence.");
  private static final Key<Double> DECODE_CONTEXT =
      millis("decode_context_ms", L.decodeContextMillis(), "Decode step: for each context token.");
  private static final Key<Long> REFERENCE_TOKENS =
      Key.whole("reference_tokens", L.referenceTokens(), 1, 1L << 40, "Context tokens at p = 1.");
  private static final Key<Long> SUPERVISOR_PID =
      Key.whole("supervisor_pid", null, 1, Long.MAX_VALUE, "Ends when that process is gone.");

  public static final Program PROGRAM =
      new Program(
          "simulate",
          "A simulated instance: OpenAI routes, modelled time, faults on demand.",
          List.of(
              NAME,
              HOST,
              PORT,
              CACHE_TYPE,
              MAX_CACHE_LEN,
              NUM_BLOCKS,
              BLOCK_SIZE,
              MAX_BATCH_SIZE,
              MAX_BATCH_TOKENS,
              SLOTS,
              MAX_TOKENS,
              SERVED_MODEL_NAME,
              MODEL_PATH,
              TEMPERATURE,
              TOP_P,
              TOP_K,
              SEED,
              SPEED,
              BYTES_PER_TOKEN,
              OVERFLOW,
              STARTUP_DELAY,
              BIND_DELAY,
              IGNORE_SIGTERM,
              JITTER,
              PREFILL_BASE,
              PREFILL_TOKEN,
              PREFILL_CONTEXT,
              DECODE_BASE,
              DECODE_SHARE,
              DECODE_SHARE_SQUARED,
              DECODE_SEQUENCE,
              DECODE_CONTEXT,
              REFERENCE_TOKENS,
              SUPERVISOR_PID),
          Map.of(
              "model",
              "Model it serves; repeatable, or a comma list. Default: 9g_8b_thinking.",
              "fault",
              "KIND[:name=value,...]; repeatable, docs/simulator.md."),
          "",
          true,
          SimulateProgram::run,
          (args, wrong) -> {
            wrong.in(() -> options(args));
            return List.of();
          });

  private SimulateProgram() {}

  private static Key<Double> millis(String name, double fallback, String doc) {
    return Key.number(name, fallback, -1e9, 1e9, doc);
  }

  private static int run(Program.Args args) throws Exception {
    Config c = args.config();
    SimulatedInstance.Options options = options(args);
    boolean deaf = c.get(IGNORE_SIGTERM);
    Runnable end = deaf ? ignoreSignals() : () -> {};
    Lifetime life = deaf ? null : Lifetime.ofProcess(GRACE.plusSeconds(1));
    Runnable stop = life == null ? end : () -> life.end(0);
    Optional<Long> supervisor = c.find(SUPERVISOR_PID);
    if (supervisor.isPresent()) {
      endWith(supervisor.get(), stop);
    }
    Thread.sleep(c.get(BIND_DELAY));
    SimulatedInstance instance;
    try {
      instance = SimulatedInstance.start(options);
    } catch (IOException e) {
      if (life != null) {
        life.end(1);
      }
      throw new IOException("simulate: " + e.getMessage(), e);
    }
    LOG.info(
        "{} serves {} as a {} instance at {}",
        options.name(),
        String.join(", ", options.models()),
        options.cacheType().label(),
        instance.url());
    if (life == null) {
      new CountDownLatch(1).await();
      return 0;
    }
    life.onEnd(() -> {
      instance.drain(GRACE);
      instance.close();
    });
    return life.await();
  }

  private static SimulatedInstance.Options options(Program.Args args) throws ConfigException {
    Config c = args.config();
    LatencyModel latency =
        new LatencyModel(
            c.get(PREFILL_BASE),
            c.get(PREFILL_TOKEN),
            c.get(PREFILL_CONTEXT),
            c.get(DECODE_BASE),
            c.get(DECODE_SHARE),
            c.get(DECODE_SHARE_SQUARED),
            c.get(DECODE_SEQUENCE),
            c.get(DECODE_CONTEXT),
            c.get(REFERENCE_TOKENS));
    EngineSettings engine =
        new EngineSettings(
            c.get(CACHE_TYPE).equals("static") ? CacheType.STATIC : CacheType.PAGED,
            Math.toIntExact(c.get(MAX_CACHE_LEN)),
            Math.toIntExact(c.get(NUM_BLOCKS)),
            Math.toIntExact(c.get(BLOCK_SIZE)),
            Math.toIntExact(c.get(MAX_BATCH_SIZE)),
            Math.toIntExact(c.get(MAX_BATCH_TOKENS)),
            Overflow.parse(c.get(OVERFLOW)),
            latency,
            c.get(JITTER),
            Math.toIntExact(c.get(SLOTS)));
    Wrongs wrong = new Wrongs();
    for (String fault : args.all("fault")) {
      try {
        Fault.parse(fault);
      } catch (IllegalArgumentException e) {
        wrong.add("--fault: " + e.getMessage());
      }
    }
    wrong.end();
    return new SimulatedInstance.Options(
        c.find(NAME).orElse(c.get(CACHE_TYPE) + "-" + c.get(PORT)),
        models(args),
        c.get(HOST),
        c.get(PORT),
        c.get(SEED),
        c.get(SPEED),
        c.get(BYTES_PER_TOKEN),
        c.get(STARTUP_DELAY),
        args.all("fault"),
        Math.toIntExact(c.get(MAX_TOKENS)),
        engine);
  }

  private static List<String> models(Program.Args args) {
    Config c = args.config();
    List<String> models =
        Stream.concat(args.all("model").stream(), c.find(SERVED_MODEL_NAME).stream())
            .flatMap(m -> Arrays.stream(m.split(",")))
            .map(String::strip)
            .filter(m -> !m.isEmpty())
            .distinct()
            .toList();
    if (!models.isEmpty()) {
      return models;
    }
    String path = c.find(MODEL_PATH).orElse("").replaceAll("/+$", "");
    String name = path.substring(path.lastIndexOf('/') + 1).replaceAll("\\.gguf$", "");
    return List.of(name.isEmpty() ? "9g_8b_thinking" : name);
  }

  /// A shutdown hook that never returns keeps the JVM, and its serving threads, alive; only halt or
  /// SIGKILL ends it then.
  private static Runnable ignoreSignals() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  LOG.info("asked to stop; ignored (--ignore-sigterm)");
                  while (true) {
                    try {
                      Thread.sleep(Duration.ofDays(1));
                    } catch (InterruptedException e) {
                      LOG.info("still ignored");
                    }
                  }
                },
                "deaf"));
    return () -> Runtime.getRuntime().halt(0);
  }

  private static void endWith(long pid, Runnable stop) {
    Runnable gone =
        () -> {
          LOG.info("supervisor process {} is gone; ending", pid);
          stop.run();
        };
    ProcessHandle.of(pid).ifPresentOrElse(p -> p.onExit().thenRun(gone), gone);
  }
}
