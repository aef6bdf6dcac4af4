package org.infinilm.svc.babysitter;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Tree;
import org.infinilm.svc.http.Handler;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// The babysitter's own HTTP at port + 1. Thread-safe.
final class Desk implements Handler {
  private static final List<String> PATHS =
      List.of("/health", "/models", "/info", "/logs", "/metrics", "/drain", "/undrain", "/wake");
  private static final List<String> POSTED = List.of("/drain", "/undrain", "/wake");

  /// What others may have done with the instance.
  interface Acts {
    /// Puts it out of service for new requests, or back.
    void drain(boolean on);

    /// Has its server started, if it sleeps.
    void wake();
  }

  private static final int DEFAULT_LOG_LINES = 100;

  /// Requests that may wait for the server's model list, each with a connection of its own: so few
  /// that `/health` and `/wake` find a place.
  private static final int MOST_READERS = 16;

  private final Settings settings;
  private final Supplier<State> state;
  private final Acts acts;
  private final BackendClient backend;
  private final LogTail logs;
  private final Metrics metrics;
  private final Ticker ticker;
  private final long startNanos;
  private final Semaphore readers = new Semaphore(MOST_READERS);

  Desk(
      Settings settings,
      Supplier<State> state,
      Acts acts,
      BackendClient backend,
      LogTail logs,
      Metrics metrics,
      Ticker ticker) {
    this.settings = settings;
    this.state = state;
    this.acts = acts;
    this.backend = backend;
    this.logs = logs;
    this.metrics = metrics;
    this.ticker = ticker;
    this.startNanos = ticker.nanos();
  }

  @Override
  public Response handle(Request r) throws InterruptedException {
    if (!PATHS.contains(r.path())) {
      return error(404, r.path() + ": no such path (expected: " + String.join(", ", PATHS) + ")");
    }
    if (POSTED.contains(r.path())) {
      return r.method().equals("POST")
          ? r.path().equals("/wake") ? wake(r) : drain(r)
          : error(405, r.method() + ": method not allowed (expected: POST)").with("Allow", "POST");
    }
    if (!r.method().equals("GET") && !r.method().equals("HEAD")) {
      return error(405, r.method() + ": method not allowed (expected: GET)")
          .with("Allow", "GET, HEAD");
    }
    return switch (r.path()) {
      case "/health" -> health();
      case "/models" -> models(r);
      case "/info" -> Response.json(200, info());
      case "/logs" -> logs(r);
      default ->
          new Response(
              200, Headers.of("content-type", Metrics.CONTENT_TYPE), metrics.scrape(), null);
    };
  }

  /// 200 only while the server serves and takes new requests.
  private Response health() {
    State s = state.get();
    boolean running = s.tree() == Tree.RUNNING;
    Map<String, Object> out = new TreeMap<>();
    out.put("babysitter", "enhanced");
    out.put("infinilm_server_port", s.wasReady() ? settings.port() : null);
    out.put("infinilm_server_running", running);
    out.put("service", settings.name());
    out.put("status", s.word());
    out.put("timestamp", ticker.now().getEpochSecond());
    return Response.json(s.serving() ? 200 : 503, out);
  }

  /// Takes effect at once; the answer has the state asked for.
  private Response drain(Request r) {
    Response refusal = refuseStranger(r);
    if (refusal != null) {
      return refusal;
    }
    boolean on = r.path().equals("/drain");
    acts.drain(on);
    return Response.json(200, Map.of("draining", on, "service", settings.name()));
  }

  /// Idempotent: whoever has a request says so, once or each second, and hears how far it is.
  private Response wake(Request r) {
    Response refusal = isBearer(r, Entries.WAKE_KEY) ? null : refuseStranger(r);
    if (refusal != null) {
      return refusal;
    }
    State s = state.get();
    if (s.draining()) {
      return error(409, settings.name() + " is draining (expected: POST /undrain first)");
    }
    if (s.phase() == Phase.STOPPING || s.phase() == Phase.GAVE_UP) {
      return error(503, settings.name() + " is " + s.word() + ": " + s.reason());
    }
    long left = s.phase() == Phase.ASLEEP ? s.rest().leftNanos(ticker.nanos()) : 0;
    if (left > 0) {
      return resting(s, left);
    }
    acts.wake();
    Map<String, Object> out = new TreeMap<>();
    out.put("reason", s.reason());
    out.put("service", settings.name());
    out.put("status", isAsleep(s) ? Phase.WAKING.word() : s.word());
    return Response.json(200, out);
  }

  /// What was asked for is not done: its starts failed, and it rests.
  private Response resting(State s, long leftNanos) {
    long seconds = 1 + (leftNanos - 1) / 1_000_000_000L;
    Map<String, Object> out = new TreeMap<>();
    out.put("cause", s.rest().cause());
    out.put("error", settings.name() + " could not be started: " + s.rest().cause());
    out.put("retry_after_seconds", seconds);
    out.put("service", settings.name());
    out.put("status", s.word());
    return Response.json(503, out).with("Retry-After", Long.toString(seconds));
  }

  private static boolean isAsleep(State s) {
    return s.phase() == Phase.ASLEEP || s.phase() == Phase.DOZING;
  }

  private Response models(Request r) throws InterruptedException {
    if (state.get().tree() != Tree.RUNNING) {
      return error(503, "the server is not running: " + state.get().reason());
    }
    if (!readers.tryAcquire()) {
      return error(
              503, MOST_READERS + " requests wait for the model list (expected: fewer than that)")
          .with("Retry-After", "1");
    }
    try {
      r.gone().onGone(Thread.currentThread()::interrupt);
      return new Response(
          200, Headers.of("content-type", "application/json"), backend.modelList(), null);
    } catch (JsonProcessingException e) {
      return error(500, "the server's model list is no JSON: " + e.getOriginalMessage());
    } catch (IOException e) {
      return error(503, "the server gives no model list: " + BackendClient.why(e));
    } finally {
      readers.release();
    }
  }

  private Map<String, Object> info() {
    State s = state.get();
    Map<String, Object> out = new TreeMap<>();
    out.put("host", settings.addresses().advertise());
    out.put("infinilm_server_port", s.wasReady() ? settings.port() : null);
    out.put("name", settings.name());
    out.put("port", settings.ownPort());
    out.put("restart_count", s.restarts());
    out.put("service_type", settings.backend().type().word());
    out.put("uptime", Duration.ofNanos(ticker.nanos() - startNanos).toSeconds());
    out.put("url", Entries.ownUrl(settings, settings.addresses().advertise()));
    return out;
  }

  /// The last lines of the server's output; from other machines only with the admin token.
  private Response logs(Request r) {
    Response refusal = refuseStranger(r);
    if (refusal != null) {
      return refusal;
    }
    int lines = DEFAULT_LOG_LINES;
    List<String> asked = r.query("lines");
    if (!asked.isEmpty()) {
      if (!asked.getFirst().matches("[0-9]{1,6}")) {
        return error(400, "lines: a value that is no whole number (expected: 0..999999)");
      }
      lines = Integer.parseInt(asked.getFirst());
    }
    List<String> last = logs.last(lines);
    return Response.text(
        200, "text/plain; charset=utf-8", last.isEmpty() ? "" : String.join("\n", last) + "\n");
  }

  /// Null for this machine, and for others with the admin token. A web page on this machine is no
  /// owner: browsers say where a request comes from, and under which name (DNS rebinding).
  private @Nullable Response refuseStranger(Request r) {
    if (hasToken(r)) {
      return null;
    }
    if (Addresses.isLoopback(r.peer())) {
      return ofPage(r)
          ? error(403, r.path() + ": from a web page (expected: a program, or the admin token)")
          : null;
    }
    return settings.adminToken() == null
        ? error(403, r.path() + ": only from this machine (INFINI_ADMIN_TOKEN is not set)")
        : error(401, r.path() + ": wrong or missing token (expected: Authorization: Bearer TOKEN)")
            .with("WWW-Authenticate", "Bearer");
  }

  private static boolean ofPage(Request r) {
    String site = r.headers().get("sec-fetch-site");
    String host = r.headers().get("host");
    String name = host == null ? "" : host.replaceFirst(":[0-9]*$", "");
    boolean here =
        name.isEmpty()
            || name.equalsIgnoreCase("localhost")
            || name.matches("[0-9.]+|\\[[0-9A-Fa-f:.]+]");
    return r.headers().get("origin") != null
        || (site != null && !site.equals("none") && !site.equals("same-origin"))
        || !here;
  }

  private boolean hasToken(Request r) {
    return isBearer(r, settings.adminToken());
  }

  private static boolean isBearer(Request r, @Nullable String expected) {
    @Nullable String given = r.headers().get("authorization");
    return expected != null
        && !expected.isEmpty()
        && given != null
        && MessageDigest.isEqual(
            given.getBytes(StandardCharsets.UTF_8),
            ("Bearer " + expected).getBytes(StandardCharsets.UTF_8));
  }

  private static Response error(int status, String message) {
    return Response.json(status, Map.of("error", message));
  }
}
