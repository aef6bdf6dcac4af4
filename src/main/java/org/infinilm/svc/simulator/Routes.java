package org.infinilm.svc.simulator;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The routes of a simulated instance.
final class Routes implements Handler {
  private static final int EMBEDDING_SIZE = 8;

  private final SimulatedInstance.Options options;
  private final Pump pump;
  private final Book book;
  private final FaultBox faults;
  private final BooleanSupplier ready;
  private final Consumer<List<Fault>> armed;
  private final Ticker ticker;
  private final AtomicLong answers = new AtomicLong();

  /// @param armed told of faults that were set over HTTP
  Routes(
      SimulatedInstance.Options options,
      Pump pump,
      Book book,
      FaultBox faults,
      BooleanSupplier ready,
      Consumer<List<Fault>> armed,
      Ticker ticker) {
    this.options = options;
    this.pump = pump;
    this.book = book;
    this.faults = faults;
    this.ready = ready;
    this.armed = armed;
    this.ticker = ticker;
  }

  @Override
  public Response handle(Request r) throws InterruptedException {
    return switch (r.path()) {
      case "/health", "/v1/health" -> get(r, health());
      case "/v1/models", "/models" -> get(r, ready.getAsBoolean() ? models() : Spoiled.notReady());
      case "/metrics" ->
          get(
              r,
              new Response(
                  200, Headers.of("content-type", Metrics.CONTENT_TYPE), book.scrape(), null));
      case "/stats" -> get(r, Response.json(200, book.stats(options.name())));
      case "/faults" -> faults(r);
      case "/v1/chat/completions", "/chat/completions" -> post(r, Route.CHAT);
      case "/v1/completions" -> post(r, Route.TEXT);
      case "/v1/embeddings" -> post(r, Route.EMBEDDINGS);
      case "/tokenize" -> post(r, Route.TOKENIZE);
      default ->
          new ApiError(404, "not_found", null, "no route " + r.method() + " " + r.path())
              .response();
    };
  }

  private enum Route {
    CHAT,
    TEXT,
    EMBEDDINGS,
    TOKENIZE
  }

  private static Response get(Request r, Response answer) {
    return r.method().equals("GET") || r.method().equals("HEAD")
        ? answer
        : notAllowed(r, "GET, HEAD");
  }

  private static Response notAllowed(Request r, String allow) {
    return Response.json(405, Map.of("error", r.method() + " (expected: " + allow + ")"))
        .with("allow", allow);
  }

  private Response health() {
    if (!ready.getAsBoolean()) {
      return Response.json(503, Map.of("status", "starting"));
    }
    return faults.unhealthy()
        ? Response.json(503, Map.of("status", "unhealthy"))
        : Response.json(200, Map.of("status", "healthy"));
  }

  private Response models() {
    List<Map<String, Object>> data = new ArrayList<>();
    for (String m : options.models()) {
      data.add(
          Map.of(
              "created",
              ticker.now().getEpochSecond(),
              "id",
              m,
              "max_model_len",
              options.engine().capacityTokens(),
              "object",
              "model",
              "owned_by",
              "infini-simulate"));
    }
    return Response.json(200, Map.of("data", data, "object", "list"));
  }

  // --- faults at run time ---

  private Response faults(Request r) {
    if (r.method().equals("GET")) {
      return Response.json(200, faults.specs());
    }
    if (!r.method().equals("POST")) {
      return notAllowed(r, "GET, POST");
    }
    if (!r.peer().startsWith("127.") && !r.peer().equals("::1")) {
      return Response.json(403, Map.of("error", "faults are set from loopback only"));
    }
    try {
      List<String> specs = new ArrayList<>();
      for (JsonNode n : Json.tree(r.body())) {
        specs.add(n.asText());
      }
      armed.accept(faults.set(specs));
      return Response.json(200, faults.specs());
    } catch (JsonProcessingException e) {
      return Response.json(400, Map.of("error", "body is no JSON: " + Json.wrong(e)));
    } catch (IllegalArgumentException e) {
      return Response.json(400, Map.of("error", String.valueOf(e.getMessage())));
    }
  }

  // --- generation ---

  private Response post(Request r, Route route) throws InterruptedException {
    if (!r.method().equals("POST")) {
      return notAllowed(r, "POST");
    }
    if (!ready.getAsBoolean()) {
      return Spoiled.notReady();
    }
    if (route == Route.TOKENIZE) {
      return tokenize(r);
    }
    Exchange exchange = new Exchange(book, r);
    try {
      Fault fault = fault(r);
      Response early = fault == null ? null : Spoiled.beforeEngine(fault, exchange);
      if (early != null) {
        return early;
      }
      return route == Route.EMBEDDINGS
          ? embeddings(r, exchange, fault)
          : generate(r, route == Route.CHAT, exchange, fault);
    } catch (ApiError e) {
      exchange.settle(e.status() < 500 ? Book.Outcome.CLIENT_ERROR : Book.Outcome.INTERNAL);
      return e.response();
    } catch (InterruptedException | RuntimeException e) {
      exchange.settle(Book.Outcome.INTERNAL);
      throw e;
    }
  }

  private @Nullable Fault fault(Request r) throws ApiError {
    String asked = r.headers().get("x-simulate-fault");
    try {
      return asked == null ? faults.next() : Fault.parse(asked).forOneRequest();
    } catch (IllegalArgumentException e) {
      throw new ApiError(
          400, "invalid_request", "x-simulate-fault", String.valueOf(e.getMessage()));
    }
  }

  private Response generate(Request r, boolean chat, Exchange exchange, @Nullable Fault fault)
      throws ApiError, InterruptedException {
    Ask ask = Ask.parse(r.body());
    String model = model(ask);
    Prompt prompt = prompt(ask, model);
    long capacityTokens = options.engine().capacityTokens();
    int maxTokens =
        ask.maxTokens()
            .orElse(Math.clamp(capacityTokens - prompt.tokens(), 1, options.maxTokens()));
    Pump.Ticket ticket = pump.submit(prompt, maxTokens);
    if (ticket == null) {
      throw new ApiError(
          400,
          "context_length_exceeded",
          "messages",
          "This model's maximum context length is "
              + capacityTokens
              + " tokens, but "
              + prompt.tokens()
              + " prompt tokens and "
              + maxTokens
              + " answer tokens were asked for");
    }
    exchange.runs(ticket);
    long seed = Seeds.mix(options.seed() ^ prompt.chain().hashCode() ^ prompt.tokens());
    String id = (chat ? "chatcmpl-" : "cmpl-") + options.name() + "-" + answers.incrementAndGet();
    return new Generation(
            ask,
            new Reply(chat, id, ticker.now().getEpochSecond(), model, book.fingerprint()),
            new Words(options.name(), model, seed),
            prompt.tokens(),
            ticket,
            exchange,
            fault)
        .answer();
  }

  private Response embeddings(Request r, Exchange exchange, @Nullable Fault fault) throws ApiError {
    Ask ask = Ask.parse(r.body());
    String model = model(ask);
    Prompt prompt = prompt(ask, model);
    long seed = Seeds.mix(options.seed() ^ prompt.chain().hashCode() ^ prompt.tokens());
    byte[] body = Json.bytes(Generation.embedding(prompt, model, seed, EMBEDDING_SIZE));
    Headers type = Headers.of("content-type", "application/json");
    if (fault != null) {
      return Spoiled.document(fault, exchange, type, body);
    }
    exchange.settle(Book.Outcome.OK);
    return new Response(200, type, body, null);
  }

  private Response tokenize(Request r) {
    try {
      int tokens = prompt(Ask.parse(r.body()), "").tokens();
      Map<String, Object> out = new LinkedHashMap<>();
      out.put("count", tokens);
      out.put("max_model_len", options.engine().capacityTokens());
      out.put("tokens", IntStream.range(0, tokens).boxed().toList());
      return Response.json(200, out);
    } catch (ApiError e) {
      return e.response();
    }
  }

  private String model(Ask ask) throws ApiError {
    String model = ask.model();
    if (model == null) {
      return options.models().getFirst();
    }
    if (!options.models().contains(model)) {
      throw new ApiError(
          404,
          "model_not_found",
          "model",
          "model " + model + " (expected: one of " + String.join(", ", options.models()) + ")");
    }
    return model;
  }

  private Prompt prompt(Ask ask, String model) {
    return Prompt.of(
        ask.text().toByteArray(),
        options.bytesPerToken(),
        options.engine().hashBlockTokens(),
        model.hashCode());
  }
}
