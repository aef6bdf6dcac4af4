package org.infinilm.svc.router;

import java.net.InetAddress;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;

/// What the router answers itself: health, services, models, metrics, decisions.
final class OwnRoutes {
  private static final int DEFAULT_DECISIONS = 100;
  private static final String BEARER = "Bearer ";
  private static final String NO_INSTANCE = "No healthy services available";

  private final RouterConfig config;
  private final FleetKeeper keeper;
  private final Seats seats;
  private final RouterMetrics metrics;
  private final Decisions decisions;
  private final Ticker ticker;
  private final BooleanSupplier draining;
  private final Policy policy;

  OwnRoutes(
      RouterConfig config,
      FleetKeeper keeper,
      Seats seats,
      RouterMetrics metrics,
      Decisions decisions,
      Ticker ticker,
      BooleanSupplier draining,
      Policy policy) {
    this.config = config;
    this.keeper = keeper;
    this.seats = seats;
    this.metrics = metrics;
    this.decisions = decisions;
    this.ticker = ticker;
    this.draining = draining;
    this.policy = policy;
  }

  /// Whether a path is answered here, whatever the method.
  static boolean owns(String path) {
    return switch (path) {
      case "/health",
          "/status",
          "/services",
          "/stats",
          "/models",
          "/v1/models",
          "/metrics",
          "/decisions",
          "/livez",
          "/readyz" ->
          true;
      default -> path.startsWith("/v1/models/");
    };
  }

  Response handle(Request r, String requestId) {
    return answer(r).with("x-request-id", requestId);
  }

  private Response answer(Request r) {
    if (!allows(r.method())) {
      return notAllowed(r.method(), r.path());
    }
    return switch (r.path()) {
      case "/health", "/status" -> Response.json(200, health());
      case "/services" -> Response.json(200, services());
      case "/stats" -> Response.json(200, stats());
      case "/models", "/v1/models" ->
          Response.json(200, Map.of("data", models(), "object", "list"));
      case "/metrics" ->
          new Response(
              200, Headers.of("content-type", Metrics.CONTENT_TYPE), metrics.scrape(), null);
      case "/decisions" -> decisions(r);
      case "/livez" -> Response.json(200, Map.of("status", "alive"));
      case "/readyz" -> ready();
      default -> model(unescaped(r.path().substring("/v1/models/".length())));
    };
  }

  static boolean allows(String method) {
    return method.equals("GET") || method.equals("HEAD");
  }

  static Response notAllowed(String method, String path) {
    return error(405, "method_not_allowed", method + " " + path + " (expected: GET or HEAD)")
        .with("allow", "GET,HEAD");
  }

  private Map<String, Object> health() {
    List<Instance> all = keeper.table().fleet().instances();
    long healthy = keeper.table().fleet().routable();
    Map<String, Object> m = new HashMap<>();
    m.put("healthy_services", healthy + "/" + all.size());
    m.put("message", healthy == 0 ? NO_INSTANCE : null);
    m.put("registry_url", config.registry() == null ? null : config.registry().toString());
    m.put("router", "running");
    m.put("status", healthy > 0 ? "healthy" : "running");
    m.put("timestamp", ticker.now().getEpochSecond());
    return m;
  }

  private Map<String, Object> services() {
    List<Map<String, Object>> infos = infos();
    Map<String, Object> m = new HashMap<>();
    m.put("registry_url", config.registry() == null ? null : config.registry().toString());
    m.put("services", infos);
    m.put("total", infos.size());
    return m;
  }

  private Map<String, Object> stats() {
    List<Map<String, Object>> infos = infos();
    Map<String, Object> m = new HashMap<>();
    m.put("healthy_services", keeper.table().fleet().routable());
    m.put("registry_url", config.registry() == null ? null : config.registry().toString());
    m.put("services", infos);
    m.put("total_services", infos.size());
    return m;
  }

  private List<Map<String, Object>> infos() {
    List<Map<String, Object>> out = new ArrayList<>();
    for (FleetKeeper.View v : keeper.views()) {
      Instance i = v.instance();
      Map<String, Object> m = new HashMap<>();
      m.put("babysitter_url", i.port() == 0 ? null : "http://" + i.host() + ":" + (i.port() + 1));
      m.put("error_count", v.errors());
      m.put("healthy", i.state() == State.ROUTABLE);
      m.put("host", i.host());
      m.put("in_flight", seats.inFlight(i.slot()));
      m.put("metadata", i.metadata());
      m.put("models", i.models());
      m.put("models_not_loaded", notLoaded(i));
      m.put("name", i.name());
      m.put("port", i.port());
      m.put("queued", seats.waitingFor(i.slot()));
      m.put("request_count", seats.sent(i.slot()));
      m.put("response_time", v.probeSeconds());
      m.put("seats", i.seats() == 0 ? null : i.seats());
      m.put("state", i.state().name().toLowerCase(Locale.ROOT));
      m.put("tier", i.tier());
      m.put("url", i.url());
      m.put("weight", i.weight());
      m.put("why_out", v.why().isEmpty() ? null : v.why());
      out.add(m);
    }
    return out;
  }

  private static Map<String, String> notLoaded(Instance i) {
    Map<String, String> out = new TreeMap<>();
    i.notLoaded().forEach((m, s) -> out.put(m, s.name().toLowerCase(Locale.ROOT)));
    return out;
  }

  /// The union of what healthy instances offer, sorted by id. Of several entries of an id the one
  /// with the largest capacity wins, then the first.
  private List<Object> models() {
    Map<String, Map<String, Object>> byId = new TreeMap<>();
    for (FleetKeeper.View v : keeper.views()) {
      Object type = v.instance().metadata().get("type");
      if (v.instance().state() != State.ROUTABLE
          || (!"openai-api".equals(type) && !v.known().fixed())) {
        continue;
      }
      if (v.modelsList() != null) {
        v.modelsList().forEach(e -> byId.merge(String.valueOf(e.get("id")), e, OwnRoutes::larger));
      } else {
        v.instance().models().forEach(id -> byId.putIfAbsent(id, Map.of("id", id)));
      }
    }
    config
        .names()
        .aliases()
        .forEach((name, model) -> {
          Map<String, Object> entry = byId.get(model);
          if (entry != null) {
            Map<String, Object> other = new HashMap<>(entry);
            other.put("id", name);
            byId.putIfAbsent(name, other);
          }
        });
    return List.copyOf(byId.values());
  }

  private static Map<String, Object> larger(Map<String, Object> a, Map<String, Object> b) {
    return Metadata.listedTokens(b) > Metadata.listedTokens(a) ? b : a;
  }

  /// Model ids may hold slashes, which clients send as they are or escaped.
  private static String unescaped(String path) {
    return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private Response model(String id) {
    for (Object e : models()) {
      if (e instanceof Map<?, ?> m
          && (id.equals(m.get("id")) || Metadata.aliases(m).contains(id))) {
        return Response.json(200, e);
      }
    }
    return error(
        404,
        "model_not_found",
        "model '"
            + ModelNames.shown(id)
            + "' (expected: one of "
            + ModelNames.list(keeper.table().fleet().models())
            + ")");
  }

  private Response ready() {
    boolean ready = keeper.table().fleet().routable() > 0 && !draining.getAsBoolean();
    String why = draining.getAsBoolean() ? "draining" : ready ? "ready" : NO_INSTANCE;
    return Response.json(ready ? 200 : 503, Map.of("status", why));
  }

  private Response decisions(Request r) {
    if (!mayRead(r)) {
      Response no =
          error(
              config.adminToken() == null ? 403 : 401,
              "forbidden",
              "/decisions outside loopback (expected: the admin token as Authorization: Bearer)");
      return config.adminToken() == null ? no : no.with("www-authenticate", BEARER.strip());
    }
    List<String> limits = r.query("limit");
    int limit = DEFAULT_DECISIONS;
    if (!limits.isEmpty()) {
      if (!limits.getFirst().matches("[0-9]{1,7}")) {
        return error(
            400, "invalid_limit", "limit: " + limits.getFirst() + " (expected: a whole number)");
      }
      limit = Integer.parseInt(limits.getFirst());
    }
    List<Object> out = new ArrayList<>();
    for (Decision d : decisions.last(limit)) {
      out.add(decision(d));
    }
    Map<String, Object> all = new HashMap<>();
    all.put("decisions", out);
    if (policy.learns()) {
      all.put("learned", LearnedView.of(policy.insights(ticker.nanos())));
    }
    return Response.json(200, all);
  }

  private boolean mayRead(Request r) {
    try {
      if (InetAddress.getByName(r.peer()).isLoopbackAddress()) {
        return true;
      }
    } catch (UnknownHostException notAnAddress) {
      return false;
    }
    String given = r.headers().get("authorization");
    return config.adminToken() != null
        && given != null
        && MessageDigest.isEqual(
            bearer(given).getBytes(StandardCharsets.UTF_8),
            config.adminToken().getBytes(StandardCharsets.UTF_8));
  }

  /// The token of an Authorization field whose scheme is Bearer, in any case (RFC 9110 section
  /// 11.1).
  private static String bearer(String field) {
    return field.regionMatches(true, 0, BEARER, 0, BEARER.length())
        ? field.substring(BEARER.length()).strip()
        : "";
  }

  private Map<String, Object> decision(Decision d) {
    Map<String, Object> m = new HashMap<>();
    m.put("attempts", d.attempts());
    m.put("candidates", candidates(d));
    m.put("candidates_total", d.roll().total());
    m.put("instance", d.instance());
    m.put("method", d.method());
    m.put("metric", config.metric().label());
    m.put("model", d.model().isEmpty() ? null : d.model());
    m.put("outcome", d.outcome().label());
    m.put("path", d.path());
    m.put("pool", d.pool() == null ? null : d.pool().label());
    m.put("queue_seconds", d.queueNanos() / 1e9);
    m.put("reason", d.reason() == null ? null : d.reason().label());
    m.put("request_bytes", d.requestBytes());
    m.put("request_id", d.requestId());
    m.put("response_bytes", d.responseBytes());
    m.put("size", d.size());
    m.put("status", d.status());
    m.put("threshold", d.threshold());
    m.put("time", Instant.ofEpochMilli(d.epochMillis()).toString());
    m.put("total_seconds", d.totalNanos() / 1e9);
    m.put("ttft_seconds", d.ttftNanos() == 0 ? null : d.ttftNanos() / 1e9);
    if (!d.forecast().isNone()) {
      m.put("learned", LearnedView.of(d));
    }
    return m;
  }

  /// Each candidate with why it was passed over, worked out again from the facts of the decision.
  private static List<Object> candidates(Decision d) {
    List<Object> out = new ArrayList<>();
    Roll roll = d.roll();
    for (int k = 0; k < roll.size(); k++) {
      out.add(Map.of("instance", roll.name(k), "why", why(d, roll, k)));
    }
    return out;
  }

  private static String why(Decision d, Roll roll, int k) {
    String name = roll.name(k);
    if (name.equals(d.instance())) {
      return "chosen";
    }
    if (d.failed().contains(name)) {
      return "an attempt on it failed";
    }
    long holds = roll.capacityTokens(k);
    if (holds != Instance.UNKNOWN && d.needTokens() > holds) {
      return "needs " + d.needTokens() + " tokens, holds " + holds;
    }
    if (d.pool() != null && d.pool() != Pool.ANY && roll.pool(k) != d.pool()) {
      return "other pool";
    }
    return "not its turn, full or more in flight";
  }

  private static Response error(int status, String code, String message) {
    Map<String, Object> e = new HashMap<>();
    e.put("code", code);
    e.put("message", message);
    e.put("param", null);
    e.put("type", "invalid_request_error");
    return Response.json(status, Map.of("error", e));
  }
}
