package org.infinilm.svc.babysitter;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Verdict;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Asks the supervised server over HTTP whether it serves and which models it has. Thread-safe;
/// calls block.
final class BackendClient {
  private static final List<String> MODEL_PATHS = List.of("/v1/models", "/models");
  private static final Duration MODELS_TIMEOUT = Duration.ofSeconds(2);

  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /// An answer of one token.
  private static final int MOST_ANSWERED_BYTES = 1 << 20;

  /// A model list larger than this is none.
  private static final int MOST_LISTED_BYTES = 8 << 20;

  private final Client http;
  private final String base;
  private final boolean modelsKnown;
  private final Headers headers;
  private final boolean completion;
  private final Semaphore lists = new Semaphore(1, true);
  private byte[] listed = new byte[0];
  private volatile @Nullable String model;
  private volatile @Nullable Healthless healthless;

  /// A process that has no `/health`, and the path that shows that it serves.
  private record Healthless(int generation, String path) {}

  /// @param modelsKnown the models are configured, so a server without `/health` and without a
  ///   model list counts as serving when it answers anything below 500
  /// @param apiKey that the server wants, or null
  /// @param completion whether a probe asks for a token as well
  BackendClient(
      Client http,
      String host,
      int port,
      boolean modelsKnown,
      @Nullable String apiKey,
      boolean completion) {
    this.completion = completion;
    this.headers = Headers.bearer(apiKey);
    this.http = http;
    this.base = Entries.url(host, port);
    this.modelsKnown = modelsKnown;
  }

  /// One probe: `/health`, and where that route is missing the model list; then a completion of one
  /// token where that is wanted, since an engine may hang behind a server that answers.
  Event.Probed probe(int generation, Duration timeout) throws InterruptedException {
    Event.Probed found = health(generation, timeout);
    if (!completion || found.verdict() != Verdict.OK) {
      return found;
    }
    try {
      return completes(generation, timeout);
    } catch (IOException e) {
      return unanswered(generation, "one token: ", e);
    }
  }

  /// What is answered below 500 comes from an engine that works, or is too busy for one more.
  private Event.Probed completes(int generation, Duration timeout)
      throws IOException, InterruptedException {
    String said = "";
    for (Map.Entry<String, Map<String, Object>> e : questions().entrySet()) {
      Client.Reply reply =
          http.send(
              "POST",
              URI.create(base + e.getKey()),
              headers.with("content-type", "application/json"),
              Json.bytes(e.getValue()),
              timeout,
              MOST_ANSWERED_BYTES);
      said = "POST " + e.getKey() + ": status " + reply.status();
      if (reply.status() != 404 && reply.status() != 405) {
        return new Event.Probed(
            generation, reply.status() < 500 ? Verdict.OK : Verdict.REFUSES, said);
      }
    }
    // A server that was restarted may have another model.
    model = null;
    return new Event.Probed(generation, Verdict.REFUSES, said + " (probe = \"completion\")");
  }

  private Map<String, Map<String, Object>> questions() throws IOException, InterruptedException {
    String name = model;
    if (name == null) {
      List<Map<String, Object>> listed = models();
      name = listed.isEmpty() ? "" : String.valueOf(listed.getFirst().get("id"));
      model = listed.isEmpty() ? null : name;
    }
    Map<String, Map<String, Object>> out = new LinkedHashMap<>();
    List<?> messages = List.of(Map.of("role", "user", "content", "1"));
    out.put("/v1/completions", Map.of("model", name, "prompt", "1", "max_tokens", 1));
    out.put("/v1/chat/completions", Map.of("model", name, "messages", messages, "max_tokens", 1));
    return out;
  }

  private static Event.Probed unanswered(int generation, String what, IOException e) {
    boolean ours = e instanceof Client.NotConnected n && n.ours();
    return new Event.Probed(generation, ours ? Verdict.UNASKED : Verdict.SILENT, what + why(e));
  }

  private Event.Probed health(int generation, Duration timeout) throws InterruptedException {
    String said = "";
    try {
      Healthless known = healthless;
      if (known != null && known.generation == generation && serves(status(known.path, timeout))) {
        return new Event.Probed(generation, Verdict.OK, "");
      }
      healthless = null;
      int health = status("/health", timeout);
      if (isOk(health)) {
        return new Event.Probed(generation, Verdict.OK, "");
      }
      said = "GET /health: status " + health;
      if (health >= 500) {
        return new Event.Probed(generation, Verdict.REFUSES, said);
      }
      for (String path : MODEL_PATHS) {
        int models = status(path, timeout);
        if (serves(models)) {
          healthless = health == 404 ? new Healthless(generation, path) : null;
          return new Event.Probed(generation, Verdict.OK, "");
        }
        said += ", GET " + path + ": status " + models;
      }
      return new Event.Probed(generation, Verdict.REFUSES, said);
    } catch (IOException e) {
      return unanswered(generation, "GET " + base + "/health: ", e);
    }
  }

  /// The model objects that the server lists, each with a string `id`; empty when it lists none.
  ///
  /// @throws IOException when it does not answer, answers no JSON or wants another key
  List<Map<String, Object>> models() throws IOException, InterruptedException {
    return one(PATIENCE, this::readModels);
  }

  private List<Map<String, Object>> readModels() throws IOException, InterruptedException {
    for (String path : MODEL_PATHS) {
      Client.Reply reply = get(path, MODELS_TIMEOUT);
      if (reply.status() == 401 || reply.status() == 403) {
        throw new IOException(
            "GET "
                + path
                + ": status "
                + reply.status()
                + ": it wants "
                + (headers.fields().isEmpty() ? "an API key" : "another API key")
                + " (api_key_env = \"NAME\" in [backend] names the variable that holds it;"
                + " VLLM_API_KEY in [backend.env] is used as well)");
      }
      if (reply.ok()) {
        List<Map<String, Object>> models = parseModels(path, reply.body());
        if (!models.isEmpty()) {
          return models;
        }
      }
    }
    return List.of();
  }

  /// The model list for others, see [ModelList#compact]; the same array as last time while it is
  /// the same list, so that many slow readers hold it once.
  ///
  /// @throws JsonProcessingException when the server answers no JSON
  /// @throws IOException when it does not answer, or has no list
  byte[] modelList() throws IOException, InterruptedException {
    return one(
        MODELS_TIMEOUT,
        () -> {
          Client.Reply reply = get("/models", MODELS_TIMEOUT);
          reply = reply.ok() ? reply : get("/v1/models", MODELS_TIMEOUT);
          if (!reply.ok()) {
            throw new IOException("status " + reply.status());
          }
          byte[] now = ModelList.compact(reply.body());
          if (!Arrays.equals(now, listed)) {
            listed = now;
          }
          return listed;
        });
  }

  private interface Reading<T> {
    T read() throws IOException, InterruptedException;
  }

  /// One list at a time: that much has its place in memory. Who reads it for others waits less long
  /// than who needs it.
  private <T> T one(Duration patience, Reading<T> reading)
      throws IOException, InterruptedException {
    if (!lists.tryAcquire(patience.toNanos(), TimeUnit.NANOSECONDS)) {
      throw new IOException("its model list is being read by others");
    }
    try {
      return reading.read();
    } finally {
      lists.release();
    }
  }

  /// See [ModelList#parse].
  static List<Map<String, Object>> parseModels(String path, byte[] body) throws IOException {
    try {
      return ModelList.parse(body);
    } catch (JsonProcessingException e) {
      throw new IOException("GET " + path + ": no JSON: " + Json.wrong(e), e);
    } catch (IOException e) {
      throw new IOException("GET " + path + ": " + e.getMessage(), e);
    }
  }

  /// A model object for an id of which nothing else is known.
  static Map<String, Object> model(String id) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("id", id);
    m.put("object", "model");
    return m;
  }

  private Client.Reply get(String path, Duration timeout) throws IOException, InterruptedException {
    return http.send(
        "GET", URI.create(base + path), headers, new byte[0], timeout, MOST_LISTED_BYTES);
  }

  private int status(String path, Duration timeout) throws IOException, InterruptedException {
    return http.status(URI.create(base + path), headers, timeout);
  }

  /// Whether a model list's status is that of a server that serves.
  private boolean serves(int status) {
    return isOk(status) || (modelsKnown && status < 500);
  }

  private static boolean isOk(int status) {
    return status >= 200 && status < 300;
  }

  static String why(IOException e) {
    String m = e.getMessage();
    return m == null ? e.toString() : m;
  }
}
