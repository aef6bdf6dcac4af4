package org.infinilm.svc.router;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.jspecify.annotations.Nullable;

/// An instance on demand whose life a test directs: its babysitter at port + 1, and an engine that
/// listens while it is told to.
final class SleepingInstance implements AutoCloseable {
  static final String KEY = "the-wake-key";

  final String name;
  final int port;

  /// Bodies that the engine got.
  final List<String> asked = new CopyOnWriteArrayList<>();

  /// Authorization of each call of `/wake`.
  final List<String> wakes = new CopyOnWriteArrayList<>();

  private final FakeRegistry registry;
  private volatile Server babysitter;
  private @Nullable Server engine;
  private volatile String status = "asleep";
  private volatile String reason = "";
  private volatile @Nullable String refusal;
  private volatile @Nullable String failure;
  private volatile int shut;

  SleepingInstance(String name, FakeRegistry registry, Map<String, Object> metadata)
      throws IOException {
    this.name = name;
    this.registry = registry;
    this.port = LowPorts.two();
    this.babysitter = Server.start(Server.Options.at("127.0.0.1", port + 1), this::manage);
    Map<String, Object> all = new LinkedHashMap<>(metadata);
    all.put("on_demand", true);
    all.put("wake_key", KEY);
    registry.add(name, port, all);
    registry.status(name, "asleep");
  }

  private Response manage(Request r) {
    if (!r.path().equals("/wake")) {
      return Response.json(status.equals("healthy") ? 200 : 503, Map.of("status", status));
    }
    wakes.add(String.valueOf(r.headers().get("authorization")));
    if (shut != 0) {
      return Response.json(shut, Map.of("error", "no"));
    }
    String no = refusal;
    String why = failure;
    if (why != null) {
      return Response.json(
          503,
          Map.of(
              "cause",
              why,
              "error",
              name + ": " + why,
              "retry_after_seconds",
              40,
              "status",
              status));
    }
    return no != null
        ? Response.json(503, Map.of("error", no))
        : Response.json(200, Map.of("reason", reason, "service", name, "status", status));
  }

  /// What its babysitter says from now on.
  void says(String word, String why) {
    status = word;
    reason = why;
  }

  /// What its babysitter says of every call from now on; null when it is willing again.
  void refuses(@Nullable String why) {
    refusal = why;
  }

  /// Its babysitter answers every call with this status from now on, which says nothing of the
  /// instance; 0 for its usual answers.
  void shuts(int httpStatus) {
    shut = httpStatus;
  }

  /// It could not be started, and is not for 40 s; null when it may be.
  void rests(@Nullable String cause) {
    failure = cause;
  }

  /// The engine listens; nobody has been told.
  synchronized void listens() throws IOException {
    engine =
        Server.start(
            Server.Options.at("127.0.0.1", port),
            r -> {
              if (r.path().equals("/v1/chat/completions")) {
                asked.add(r.bodyText());
              }
              return r.bodyText().contains("\"stream\":true")
                  ? Response.text(200, "text/event-stream", "data: {}\n\ndata: [DONE]\n\n")
                  : Response.json(200, Map.of("choices", new ArrayList<>()));
            });
  }

  /// The engine serves, its babysitter says so, and so does the registry.
  void serves() throws IOException {
    listens();
    says("healthy", "");
    registry.status(name, "running");
  }

  /// The engine is gone.
  synchronized void stops() {
    if (engine != null) {
      engine.close();
      engine = null;
    }
  }

  /// Its babysitter is gone.
  void deserted() {
    babysitter.close();
  }

  /// It was started again.
  void returns() throws IOException {
    babysitter = Server.start(Server.Options.at("127.0.0.1", port + 1), this::manage);
  }

  @Override
  public void close() {
    stops();
    babysitter.close();
  }
}
