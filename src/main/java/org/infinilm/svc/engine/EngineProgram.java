package org.infinilm.svc.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini engine`: serves one GGUF model behind OpenAI's routes on llama.cpp.
public final class EngineProgram {
  private static final Logger LOG = LoggerFactory.getLogger(EngineProgram.class);

  static final Key<String> MODEL_PATH =
      Key.path(
              "model_path",
              null,
              "GGUF file, or folder with one (default: $INFINI_HOME/model/infini-tiny.gguf)")
          .shownFirst();
  static final Key<String> SERVED_MODEL_NAME =
      Key.text("served_model_name", null, "model name of the API (default: the file's name)")
          .shownFirst();
  static final Key<String> CACHE_TYPE =
      Key.oneOf(
              "cache_type",
              "paged",
              List.of("paged", "static"),
              "paged: many sequences over a pool of blocks; static: one preallocated sequence")
          .shownFirst();
  static final Key<String> HOST =
      Key.host("host", "127.0.0.1", "address to listen on").shownFirst();
  static final Key<Integer> PORT =
      Key.port("port", 8000, "port to listen on, 0 for any").shownFirst();
  static final Key<Long> MAX_BATCH_SIZE =
      Key.whole("max_batch_size", 8L, 1, 64, "paged: sequences at a time").shownFirst();
  static final Key<Long> MAX_CACHE_LEN =
      Key.whole("max_cache_len", 4096L, 32, 1 << 24, "static: tokens of the one sequence")
          .shownFirst();
  static final Key<Long> NUM_BLOCKS =
      Key.whole("num_blocks", 8192L, 1, 1 << 20, "paged: blocks of the pool").shownFirst();
  static final Key<Long> BLOCK_SIZE = Key.whole("block_size", 16L, 1, 1024, "tokens of a block");
  static final Key<Long> MAX_TOKENS =
      Key.whole(
          "max_tokens", 512L, 1, 1 << 24, "longest answer when the client does not say, tokens");
  static final Key<Double> TEMPERATURE =
      Key.number("temperature", 1.0, 0, 2, "when the client does not say");
  static final Key<Double> TOP_P = Key.number("top_p", 0.8, 0, 1, "when the client does not say");
  static final Key<Long> TOP_K =
      Key.whole("top_k", 1L, -1, Integer.MAX_VALUE, "when the client does not say; 1 is greedy");
  static final Key<Long> THREADS =
      Key.whole("threads", null, 1, 1024, "threads that compute (default: the cores)");
  static final Key<Long> MAX_QUEUE =
      Key.whole("max_queue", 256L, 1, 65536, "requests that may wait; more are answered 429");
  static final Key<Long> QUEUE_TIMEOUT =
      Key.whole(
          "queue_timeout",
          300L,
          1,
          86_400,
          "seconds a request may wait for its turn; then it is answered 429");
  static final Key<Long> CHUNKED_PREFILL =
      Key.whole(
          "chunked_prefill",
          0L,
          0,
          EngineSetup.BATCH_TOKENS,
          "paged: at most so many prompt tokens a step, with the answers beside them;"
              + " 0: whole prompts first");
  static final Key<Boolean> FLASH_ATTENTION =
      Key.flag(
          "flash_attention",
          false,
          "faster with many long prompts at once, slower with a single one; the cache is in f16");
  static final Key<Boolean> EMBEDDINGS =
      Key.flag(
          "embeddings",
          false,
          "serve /v1/embeddings too, from a second context of the model: the mean over a text's"
              + " tokens");
  static final Key<Long> STUCK_TIMEOUT =
      Key.whole(
          "stuck_timeout",
          60L,
          1,
          86_400,
          "seconds without progress after which /health answers 503");

  public static final Program PROGRAM =
      Program.of(
              "engine",
              "The embedded inference server: one GGUF model behind OpenAI routes.",
              List.of(
                  MODEL_PATH,
                  SERVED_MODEL_NAME,
                  CACHE_TYPE,
                  HOST,
                  PORT,
                  MAX_BATCH_SIZE,
                  MAX_CACHE_LEN,
                  NUM_BLOCKS,
                  BLOCK_SIZE,
                  MAX_TOKENS,
                  TEMPERATURE,
                  TOP_P,
                  TOP_K,
                  THREADS,
                  MAX_QUEUE,
                  QUEUE_TIMEOUT,
                  CHUNKED_PREFILL,
                  FLASH_ATTENTION,
                  EMBEDDINGS,
                  STUCK_TIMEOUT),
              args -> run(args.config(), System.getenv()))
          .checkedBy((args, wrong) -> {
            wrong.in(() -> setup(args.config()));
            wrong.in(() -> model(args.config(), System.getenv()));
            return List.of();
          });

  private static final int MAX_BODY_BYTES = 64 << 20;

  /// For which a client may take nothing of an answer that waits for it; as the router's
  /// `client_stall`.
  private static final Duration STALL = Duration.ofMinutes(2);

  /// For the error events of streams that the end cuts.
  private static final Duration LAST_WORDS = Duration.ofSeconds(1);

  private static final Duration GRACE = Duration.ofSeconds(2);
  private static final Duration BOUND = Duration.ofSeconds(8);

  private EngineProgram() {}

  private static int run(Config config, Map<String, String> environment)
      throws ConfigException, IOException, InterruptedException {
    Wrongs wrong = new Wrongs();
    ModelFile found = wrong.<@Nullable ModelFile>of(() -> model(config, environment), null);
    EngineSetup read = wrong.<@Nullable EngineSetup>of(() -> setup(config), null);
    wrong.end();
    ModelFile file = Objects.requireNonNull(found);
    EngineSetup setup = Objects.requireNonNull(read);
    if (file.others() > 0) {
      LOG.info("the folder holds {} more GGUF files; serving {}", file.others(), file.file());
    }
    String name = config.find(SERVED_MODEL_NAME).orElse(file.stem());
    EngineMetrics metrics =
        new EngineMetrics(name, setup.pooled(), setup.blockTokens(), setup.blocks());
    AskReader reader =
        new AskReader(
            new AskReader.Defaults(
                config.get(TEMPERATURE), config.get(TOP_P), Math.toIntExact(config.get(TOP_K))),
            () -> ThreadLocalRandom.current().nextLong());
    EngineRoutes routes = new EngineRoutes(name, reader, metrics, Ticker.SYSTEM);
    Optional<ProcessHandle> supervisor = supervisor(environment);
    Path model = file.file();
    FutureTask<Loaded> loading = new FutureTask<>(() -> setup.load(model, metrics, environment));
    Thread.ofPlatform().daemon().name("load").start(loading);
    Server server = Server.start(listening(config.get(HOST), config.get(PORT)), routes);
    Lifetime life = Lifetime.ofProcess(BOUND);
    supervisor.ifPresent(p -> p.onExit().thenRun(() -> life.end(0)));
    life.onEnd(server::close);
    Loaded loaded;
    try {
      loaded = loading.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof EngineException known) {
        LOG.error("{}", known.getMessage());
      } else {
        LOG.error("the model cannot be loaded", e.getCause());
      }
      life.end(1);
      return life.await();
    }
    life.onEnd(() -> server.drain(LAST_WORDS));
    life.onEnd(loaded::stop);
    life.onEnd(() -> server.drain(GRACE));
    routes.serve(loaded);
    LOG.info(
        "serving {} on http://{}:{} ({} cache, up to {} tokens)",
        name,
        config.get(HOST),
        server.port(),
        config.get(CACHE_TYPE),
        loaded.maxModelTokens());
    return life.await();
  }

  private static ModelFile model(Config config, Map<String, String> environment)
      throws ConfigException {
    try {
      return ModelFile.find(modelPath(config, environment));
    } catch (EngineException e) {
      throw config.wrong(MODEL_PATH, String.valueOf(e.getMessage()));
    }
  }

  private static Path modelPath(Config config, Map<String, String> environment)
      throws EngineException {
    Optional<String> given = config.find(MODEL_PATH);
    if (given.isPresent()) {
      return Path.of(given.get());
    }
    String home = environment.getOrDefault("INFINI_HOME", "");
    if (home.isEmpty()) {
      throw new EngineException(
          "missing (expected: a GGUF file; INFINI_HOME would name the bundled one)");
    }
    return Path.of(home, "model", "infini-tiny.gguf");
  }

  private static EngineSetup setup(Config config) throws ConfigException {
    boolean pooled = config.get(CACHE_TYPE).equals("paged");
    long block = config.get(BLOCK_SIZE);
    long tokens = pooled ? config.get(NUM_BLOCKS) * block : config.get(MAX_CACHE_LEN);
    if (tokens > 1 << 24) {
      throw config.wrong(
          NUM_BLOCKS,
          config.get(NUM_BLOCKS)
              + " blocks of "
              + block
              + " tokens (expected: at most "
              + (1 << 24)
              + " tokens together)");
    }
    return new EngineSetup(
        pooled,
        (int) tokens,
        (int) block,
        pooled ? Math.toIntExact(config.get(MAX_BATCH_SIZE)) : 1,
        Math.toIntExact(config.get(MAX_TOKENS)),
        Math.toIntExact(
            config.find(THREADS).orElse((long) Runtime.getRuntime().availableProcessors())),
        Math.toIntExact(config.get(CHUNKED_PREFILL)),
        config.get(FLASH_ATTENTION),
        config.get(EMBEDDINGS),
        new Engine.Patience(
            Math.toIntExact(config.get(MAX_QUEUE)),
            Duration.ofSeconds(config.get(QUEUE_TIMEOUT)),
            Duration.ofSeconds(config.get(STUCK_TIMEOUT))));
  }

  /// The process that this one shall not outlive.
  private static Optional<ProcessHandle> supervisor(Map<String, String> environment)
      throws ConfigException {
    String pid = environment.getOrDefault("INFINI_SUPERVISOR_PID", "");
    if (pid.isEmpty()) {
      return Optional.empty();
    }
    try {
      Optional<ProcessHandle> process = ProcessHandle.of(Long.parseLong(pid));
      if (process.isPresent()) {
        return process;
      }
    } catch (NumberFormatException e) {
      // falls through to the one message
    }
    throw new ConfigException("INFINI_SUPERVISOR_PID: " + pid + " (expected: a running process)");
  }

  /// Refuses what cannot fit.
  static void checkMemory(MemoryNeed need, OptionalLong available) throws EngineException {
    if (available.isPresent() && need.total() > available.getAsLong()) {
      throw new EngineException(
          "the model does not fit into memory: "
              + need
              + " (expected: together at most the "
              + MemoryNeed.megabytes(available.getAsLong())
              + " available; fewer --num_blocks or a smaller --max_cache_len take less)");
    }
  }

  /// What an engine's server allows its clients.
  static Server.Options listening(String host, int port) {
    return Server.Options.at(host, port)
        .maxBody(MAX_BODY_BYTES)
        .stall(STALL)
        .refusal(EngineRoutes::refusal);
  }
}
