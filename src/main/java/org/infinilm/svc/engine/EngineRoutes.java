package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The engine's HTTP routes, OpenAI's shapes. Thread-safe; the model arrives when it is loaded.
final class EngineRoutes implements Handler {
  private static final Logger LOG = LoggerFactory.getLogger(EngineRoutes.class);
  private static final Pattern SANE_ID = Pattern.compile("[\\x21-\\x7e]{1,128}");

  /// A route: its method and what it does.
  private record Route(String method, Handling handling) {}

  @FunctionalInterface
  private interface Handling {
    Response handle(Request request, String id) throws ApiError, InterruptedException;
  }

  private final String model;
  private final AskReader reader;
  private final EngineMetrics metrics;
  private final Ticker ticker;
  private final Map<String, Route> routes;
  private final long created;
  private final Reading reading = new Reading();
  private final RequestRoom room;
  private final Embeddings embeddings;
  private volatile @Nullable Loaded loaded;

  /// @param model the name it serves under
  EngineRoutes(String model, AskReader reader, EngineMetrics metrics, Ticker ticker) {
    this(model, reader, metrics, ticker, RequestRoom.ofHeap());
  }

  EngineRoutes(
      String model, AskReader reader, EngineMetrics metrics, Ticker ticker, RequestRoom room) {
    this.model = model;
    this.reader = reader;
    this.metrics = metrics;
    this.ticker = ticker;
    this.room = room;
    this.embeddings = new Embeddings(model, reading, room, metrics);
    this.created = ticker.now().getEpochSecond();
    Route chat = new Route("POST", (r, id) -> generation(r, id, true));
    Route models = new Route("GET", (r, id) -> models());
    this.routes =
        Map.ofEntries(
            Map.entry("/health", new Route("GET", (r, id) -> health())),
            Map.entry("/metrics", new Route("GET", (r, id) -> scrape())),
            Map.entry("/v1/models", models),
            Map.entry("/models", models),
            Map.entry("/v1/chat/completions", chat),
            Map.entry("/chat/completions", chat),
            Map.entry("/v1/completions", new Route("POST", (r, id) -> generation(r, id, false))),
            Map.entry(
                "/v1/embeddings", new Route("POST", (r, id) -> embeddings.answer(model(), r))),
            Map.entry("/tokenize", new Route("POST", (r, id) -> tokenize(r))),
            Map.entry("/detokenize", new Route("POST", (r, id) -> detokenize(r))));
  }

  /// What the HTTP server itself refuses, in OpenAI's shape.
  static Response refusal(int status, String why) {
    String code =
        switch (status) {
          case 413 -> "request_too_large";
          case 500 -> "internal_error";
          case 503 -> why.equals(Server.ENDS) ? "shutting_down" : "overloaded";
          default -> "bad_request";
        };
    return new ApiError(status, code, null, why).response().with("x-request-id", "req-" + hex());
  }

  /// From now on generation requests are served.
  void serve(Loaded model) {
    loaded = model;
  }

  @Override
  public Response handle(Request request) throws InterruptedException {
    String sent = request.headers().get("x-request-id");
    String id = sent != null && SANE_ID.matcher(sent).matches() ? sent : "req-" + hex();
    return route(request, id).with("x-request-id", id);
  }

  private Response route(Request request, String id) throws InterruptedException {
    Route route = routes.get(request.path());
    if (route == null) {
      return new ApiError(
              404,
              "not_found",
              null,
              "no such path (expected: one of "
                  + String.join(", ", routes.keySet().stream().sorted().toList())
                  + ")")
          .response();
    }
    boolean head = request.method().equals("HEAD") && route.method().equals("GET");
    if (!head && !route.method().equals(request.method())) {
      return new ApiError(
              405,
              "method_not_allowed",
              null,
              request.method() + " (expected: " + route.method() + ")")
          .response()
          .with("allow", route.method());
    }
    try {
      return route.handling().handle(request, id);
    } catch (ApiError e) {
      return e.response();
    }
  }

  private Loaded model() throws ApiError {
    Loaded l = loaded;
    if (l == null) {
      throw new ApiError(503, "loading", null, "the model is being loaded");
    }
    if (!l.engine().healthy()) {
      throw new ApiError(503, "engine_stopped", null, "the engine has stopped");
    }
    return l;
  }

  private Response health() {
    try {
      boolean stuck = model().engine().stuck();
      return Response.json(stuck ? 503 : 200, Map.of("status", stuck ? "stuck" : "healthy"));
    } catch (ApiError e) {
      return Response.json(503, Map.of("status", loaded == null ? "loading" : "unhealthy"));
    }
  }

  private Response scrape() {
    return new Response(
        200, Headers.of("content-type", Metrics.CONTENT_TYPE), metrics.scrape(), null);
  }

  private Response models() throws ApiError {
    Loaded l = model();
    Map<String, Object> card =
        Map.of(
            "id",
            model,
            "object",
            "model",
            "owned_by",
            "infini",
            "created",
            created,
            "max_model_len",
            l.maxModelTokens());
    return Response.json(200, Map.of("object", "list", "data", List.of(card)));
  }

  private Response tokenize(Request request) throws ApiError, InterruptedException {
    Loaded l = model();
    int[] tokens =
        read(l, request, effort -> l.prompt(known(reader.tokenize(request.body())), effort));
    return Response.json(
        200, Map.of("tokens", tokens, "count", tokens.length, "max_model_len", l.maxModelTokens()));
  }

  /// Reads a request whose answer waits for nothing.
  private <T> T read(Loaded l, Request request, Reading.Work<T> work)
      throws ApiError, InterruptedException {
    int bytes = request.body().length;
    l.checkBody(bytes);
    try (RequestRoom.Held _ = room.held(bytes)) {
      return reading.read(bytes, request.gone()::isGone, work);
    }
  }

  private Response detokenize(Request request) throws ApiError, InterruptedException {
    Loaded l = model();
    int[] ids = read(l, request, effort -> reader.detokenize(request.body()));
    String text = l.table().text(l.table().checked("tokens", ids));
    return Response.json(200, Map.of("prompt", text, "content", text));
  }

  private Ask known(Ask ask) throws ApiError {
    if (ask.model() != null && !ask.model().equals(model)) {
      throw unknownModel(ask.model(), model);
    }
    return ask;
  }

  /// @param served the name of the one that is here
  static ApiError unknownModel(String asked, String served) {
    return new ApiError(
        404,
        "model_not_found",
        "model",
        "the model " + shown(asked) + " does not exist (expected: " + served + ")");
  }

  private static String shown(String name) {
    return name.length() <= 100 ? name : name.substring(0, 100) + "...";
  }

  /// A request that was read.
  ///
  /// @param ask without its prompt and tools ([Ask#read])
  /// @param most tokens of the answer
  /// @param form of the answers whose grammars are to be made, or null
  /// @param grammars one for each choice, once they are made
  private record Prepared(
      Ask ask, int[] prompt, int most, @Nullable String form, List<Grammar> grammars) {
    Prepared with(List<Grammar> made) {
      return new Prepared(ask, prompt, most, null, made);
    }
  }

  /// One job a choice, all of them or none; each draws by a seed of its own.
  private static List<Job> queued(Engine engine, Prepared p) throws ApiError {
    List<Job> jobs = new ArrayList<>();
    Sampling sampling = p.ask().sampling();
    for (int i = 0; i < p.ask().choices(); i++) {
      Grammar grammar = p.grammars().isEmpty() ? null : p.grammars().get(i);
      Optional<Job> job =
          engine.submit(p.prompt(), p.most(), sampling.seeded(sampling.seed() + i), grammar);
      if (job.isEmpty()) {
        jobs.forEach(engine::cancel);
        p.grammars()
            .subList(Math.min(i, p.grammars().size()), p.grammars().size())
            .forEach(Grammar::close);
        throw new ApiError(429, "queue_full", null, "too many requests wait");
      }
      jobs.add(job.get());
    }
    return jobs;
  }

  private Prepared prepared(Loaded l, Request request, RequestRoom.Held held, boolean chat)
      throws ApiError, InterruptedException {
    byte[] body = request.body();
    Prepared read =
        reading.read(
            body.length,
            request.gone()::isGone,
            effort -> {
              Ask ask = known(chat ? reader.chat(body, effort) : reader.completion(body, effort));
              int[] prompt = l.generationPrompt(ask, effort);
              int most = l.answerTokens(ask, prompt.length);
              Loaded.checkLogprobs(ask, most);
              held.more(l.heldBytes(ask, prompt.length, most));
              return new Prepared(ask.read(), prompt, most, l.form(ask, effort), List.of());
            });
    String form = read.form();
    if (form == null) {
      return read;
    }
    // a short body may ask for a form that takes long to make: that is done with the long ones
    long weight = JsonRules.weight(form);
    held.more(form.length());
    Prepared made =
        reading.read(
            Math.toIntExact(weight * read.ask().choices()),
            request.gone()::isGone,
            effort -> read.with(l.grammars(read.ask(), form, weight, effort)));
    held.less(form.length());
    return made;
  }

  /// Runs one generation; every way out counts exactly one outcome and gives back what is held.
  private Response generation(Request request, String id, boolean chat)
      throws ApiError, InterruptedException {
    try {
      Loaded l = model();
      l.checkBody(request.body().length);
      return room.answer(request.body().length, held -> generation(l, request, held, id, chat));
    } catch (ApiError e) {
      metrics.finished(EngineMetrics.outcome(e));
      throw e;
    }
  }

  /// @throws ApiError before it has begun; from then on its outcome is counted as it ends
  private Response generation(
      Loaded l, Request request, RequestRoom.Held held, String id, boolean chat)
      throws ApiError, InterruptedException {
    Prepared p = prepared(l, request, held, chat);
    List<Job> jobs = queued(l.engine(), p);
    Ask ask = p.ask();
    Engine engine = l.engine();
    request.gone().onGone(() -> jobs.forEach(engine::cancel));
    Answers answers =
        new Answers(
            chat,
            (chat ? "chatcmpl-" : "cmpl-") + hex(),
            ticker.now().getEpochSecond(),
            model,
            metrics.fingerprint());
    Generation run =
        new Generation(
            ask,
            jobs,
            engine,
            answers,
            new LogprobsJson(chat, l.table()),
            () -> l.callReader(ask),
            metrics);
    LOG.debug(
        "{}: {} prompt tokens, {} answers of at most {} more",
        id,
        jobs.getFirst().promptTokens(),
        jobs.size(),
        jobs.getFirst().maxTokens());
    return ask.stream() ? run.stream() : run.whole();
  }

  private static String hex() {
    ThreadLocalRandom r = ThreadLocalRandom.current();
    return HexFormat.of().toHexDigits(r.nextLong()) + HexFormat.of().toHexDigits(r.nextLong());
  }
}
