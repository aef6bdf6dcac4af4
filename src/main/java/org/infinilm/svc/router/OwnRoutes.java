package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.page.Page;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.registry.TableHome;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// What the router answers itself: health, services, models, metrics, decisions.
final class OwnRoutes {
  private static final int DEFAULT_DECISIONS = 100;
  private static final String FIGURES = "/metrics";
  private static final String NO_INSTANCE = "No healthy services available";

  private final Supplier<RouterConfig> settings;
  private final Supplier<Reloader.@Nullable Status> files;
  private final KeyRing keys;
  private final FleetKeeper keeper;
  private final Seats seats;
  private final RouterMetrics metrics;
  private final Decisions decisions;
  private final Past past;
  private final Ticker ticker;
  private final BooleanSupplier draining;
  private final EventFeed feed;
  private final Page page = new Page();
  private final Policy policy;
  private final Plane.InstanceWatch instances;
  private final Supposed supposed;
  private final AdminRoutes admin;
  private final Added added;
  private final Tls.@Nullable Listener tls;
  private final @Nullable Siblings siblings;

  OwnRoutes(
      Supplier<RouterConfig> settings,
      Supplier<Reloader.@Nullable Status> files,
      KeyRing keys,
      FleetKeeper keeper,
      Seats seats,
      RouterMetrics metrics,
      Decisions decisions,
      Past past,
      Ticker ticker,
      BooleanSupplier draining,
      EventFeed feed,
      Policy policy,
      AdminRoutes admin,
      Added added,
      Plane.InstanceWatch instances,
      Tls.@Nullable Listener tls,
      @Nullable Siblings siblings) {
    this.settings = settings;
    this.files = files;
    this.keys = keys;
    this.keeper = keeper;
    this.seats = seats;
    this.metrics = metrics;
    this.decisions = decisions;
    this.past = past;
    this.ticker = ticker;
    this.draining = draining;
    this.feed = feed;
    this.policy = policy;
    this.instances = instances;
    this.admin = admin;
    this.added = added;
    this.tls = tls;
    this.siblings = siblings;
    this.supposed = new Supposed(settings, keeper, decisions, policy, ticker);
  }

  private Access access() {
    return Access.of(settings.get());
  }

  private @Nullable String registry() {
    TableHome home = settings.get().registry();
    return home == null ? null : home.toString();
  }

  /// Whether a path is answered here, whatever the method: also one that an instance would take for
  /// one of ours, which is no route at all.
  static boolean owns(String path) {
    return means(path)
        || Route.of(path) == Route.OTHER && Spelling.isOdd(path) && means(Spelling.meant(path));
  }

  /// vLLM, SGLang and LMDeploy show their figures at every path that begins so.
  private static boolean means(String path) {
    return isOwn(path) || path.startsWith(FIGURES);
  }

  private static boolean isOwn(String path) {
    return switch (path) {
      case "/health",
          "/status",
          "/services",
          "/stats",
          "/models",
          "/v1/models",
          "/metrics",
          "/decisions",
          "/events",
          "/history",
          "/usage",
          "/whatif",
          "/livez",
          "/readyz" ->
          true;
      default -> path.startsWith("/v1/models/") || acts(path) || Page.owns(path);
    };
  }

  /// Whether a path is for clients too, where our own routes have a listener apart: the models that
  /// there are, and whether we live.
  static boolean isForClients(String path) {
    return switch (path) {
      case "/v1/models", "/models", "/health", "/status", "/livez", "/readyz" -> true;
      default -> path.startsWith("/v1/models/");
    };
  }

  /// Whether something is done at a path.
  static boolean acts(String path) {
    return path.startsWith(AdminRoutes.ROOT);
  }

  Response handle(Request r, String requestId) {
    return answer(r).with("x-request-id", requestId);
  }

  private Response answer(Request r) {
    if (!isOwn(r.path())) {
      return error(
          404,
          "not_found",
          r.path() + " is no route (expected: one of the router's own, as it is written)");
    }
    if (acts(r.path())) {
      return admin.handle(r);
    }
    if (!allows(r.method())) {
      return notAllowed(r.method(), r.path());
    }
    return switch (r.path()) {
      case "/health", "/status" -> Response.json(200, health());
      case "/services" -> Response.json(200, services());
      case "/stats" -> Response.json(200, stats(r));
      case "/models", "/v1/models" ->
          modelsFor(r, k -> Response.json(200, Map.of("data", models(k), "object", "list")));
      case "/metrics" ->
          new Response(
              200, Headers.of("content-type", Metrics.CONTENT_TYPE), metrics.scrape(), null);
      case "/decisions" -> decisions(r);
      case "/history" -> known(r, past::course);
      case "/usage" -> known(r, past::usage);
      case "/whatif" -> known(r, supposed::handle);
      case "/events" -> eventsHead(r);
      case "/livez" -> Response.json(200, Map.of("status", "alive"));
      case "/readyz" -> ready(r);
      default ->
          Page.owns(r.path())
              ? page(r)
              : modelsFor(
                  r, k -> model(Spelling.unescaped(r.path().substring("/v1/models/".length())), k));
    };
  }

  static boolean allows(String method) {
    return method.equals("GET") || method.equals("HEAD");
  }

  static Response notAllowed(String method, String path) {
    String expected = acts(path) ? AdminRoutes.method(path) : "GET or HEAD";
    return error(405, "method_not_allowed", method + " " + path + " (expected: " + expected + ")")
        .with("allow", expected.replace(" or ", ","));
  }

  /// What a HEAD is told; a GET is listened to.
  private Response eventsHead(Request r) {
    Response no = access().refusal("/events", Access.Asker.of(r));
    return no != null ? no : Response.text(200, "text/event-stream; charset=utf-8", "");
  }

  private Map<String, Object> health() {
    List<Instance> all = keeper.table().fleet().instances();
    long healthy = keeper.table().fleet().routable();
    Map<String, Object> m = new HashMap<>();
    m.put("healthy_services", healthy + "/" + all.size());
    m.put("message", healthy == 0 ? NO_INSTANCE : null);
    m.put("registry_url", registry());
    m.put("router", "running");
    m.put("status", healthy > 0 ? "healthy" : "running");
    m.put("timestamp", ticker.now().getEpochSecond());
    return m;
  }

  private Map<String, Object> services() {
    List<Map<String, Object>> infos = infos();
    Map<String, Object> m = new HashMap<>();
    m.put("registry_url", registry());
    m.put("services", infos);
    m.put("total", infos.size());
    return m;
  }

  private Map<String, Object> stats(Request r) {
    boolean whole = access().refusal("/stats", Access.Asker.of(r)) == null;
    Instant now = ticker.now();
    List<Map<String, Object>> infos = infos();
    Map<String, Object> m = new HashMap<>();
    m.put("healthy_services", keeper.table().fleet().routable());
    m.put("registry_url", registry());
    m.put("routers", siblings == null ? null : siblings.status().told());
    m.put("services", infos);
    m.put("sources", keeper.allSources().stream().map(s -> s.told(whole, now)).toList());
    if (tls != null) {
      m.put("tls", TlsSettings.told(tls));
    }
    m.put("total_services", infos.size());
    return m;
  }

  private List<Map<String, Object>> infos() {
    List<Map<String, Object>> out = new ArrayList<>();
    Map<String, List<Offer>> offers = new HashMap<>();
    Set<String> byHttp = added.names();
    for (FleetKeeper.View v : keeper.views()) {
      Instance i = v.instance();
      Map<String, Object> m = new HashMap<>();
      m.put("added", byHttp.contains(i.name()));
      m.put("babysitter_silent", v.silent());
      m.put("babysitter_url", i.port() == 0 ? null : v.known().babysitter());
      m.put("drained_here", v.drained());
      m.put("error_count", v.errors());
      m.put("healthy", i.state() == State.ROUTABLE);
      m.put("host", i.host());
      m.put("in_flight", seats.inFlight(i.slot()));
      m.put("metadata", i.metadata());
      m.put("models", i.models());
      m.put("models_not_loaded", notLoaded(i));
      m.put("models_passed_over", passedOver(i, offers));
      m.put("name", i.name());
      m.put("not_before", text(v.known().restsUntil()));
      m.put("port", i.port());
      m.put("queued", seats.waitingFor(i.slot()));
      m.put("request_count", seats.sent(i.slot()));
      m.put("response_time", v.probeSeconds());
      m.put("seats", i.seats() == 0 ? null : i.seats());
      m.put("seats_here", i.seats() == 0 ? null : seats.limit(i));
      m.put("source", v.known().sourceKind());
      m.put("state", i.state().name().toLowerCase(Locale.ROOT));
      m.put("tier", i.tier());
      m.put("url", i.url());
      m.put("weight", i.weight());
      m.put("why_out", v.why().isEmpty() ? null : v.why());
      out.add(m);
    }
    return out;
  }

  private static @Nullable String text(@Nullable Instant at) {
    return at == null ? null : at.toString();
  }

  /// Models of an instance that fails them time after time, or asked for a pause of them: others
  /// are asked first.
  private List<String> passedOver(Instance i, Map<String, List<Offer>> offers) {
    return i.models().stream()
        .filter(m -> {
          List<Offer> of = offers.computeIfAbsent(m, this::offers);
          return of.stream().anyMatch(o -> o.isForPart(i.slot()));
        })
        .sorted()
        .toList();
  }

  /// What is on offer of a model by routes with which an instance is in trouble.
  private List<Offer> offers(String model) {
    return Stream.of(Route.values())
        .flatMap(r ->
            IntStream.range(0, Math.max(1, r.paths().size()))
                .mapToObj(path -> new Part(model, 0, r, path)))
        .map(part -> instances.offer(part, true))
        .filter(PartOffer.class::isInstance)
        .toList();
  }

  static Map<String, String> notLoaded(Instance i) {
    Map<String, String> out = new TreeMap<>();
    i.notLoaded().forEach((m, s) -> out.put(m, s.name().toLowerCase(Locale.ROOT)));
    return out;
  }

  /// Where there are keys, the holder of one sees the models that it opens, and the admin all.
  private Response modelsFor(Request r, Function<@Nullable ClientKey, Response> answer) {
    if (keys.isEmpty() || access().hasToken(Access.Asker.of(r))) {
      return answer.apply(null);
    }
    return switch (keys.who(r.headers()::get)) {
      case KeyHolder k -> answer.apply(k.key());
      case KeyRing.Stranger s ->
          Response.json(s.error().status(), ErrorShape.OPENAI.body(s.error()))
              .with("www-authenticate", KeyRing.SCHEME.strip());
    };
  }

  /// What a key opens; all for null.
  private List<Map<String, Object>> models(@Nullable ClientKey key) {
    return models().stream().filter(m -> isOpen(String.valueOf(m.get("id")), key)).toList();
  }

  /// As for a request.
  private boolean isOpen(String name, @Nullable ClientKey key) {
    return key == null || settings.get().names().isOpen(name, key, keeper.table().fleet());
  }

  /// The union of what healthy instances offer, and those that sleep, sorted by id. Of several
  /// entries of an id the one with the largest capacity wins, then the first.
  private List<Map<String, Object>> models() {
    Map<String, Map<String, Object>> byId = new TreeMap<>();
    for (FleetKeeper.View v : keeper.views()) {
      Object type = v.instance().metadata().get("type");
      if (!offers(v.instance().state()) || (!"openai-api".equals(type) && !v.known().fixed())) {
        continue;
      }
      if (v.modelsList() != null) {
        v.modelsList().forEach(e -> byId.merge(String.valueOf(e.get("id")), e, OwnRoutes::larger));
      } else {
        v.instance().models().forEach(id -> byId.putIfAbsent(id, Map.of("id", id)));
      }
    }
    settings
        .get()
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

  /// Who serves, and who is started for a request.
  private static boolean offers(State s) {
    return s == State.ROUTABLE || s.sleeps();
  }

  private static Map<String, Object> larger(Map<String, Object> a, Map<String, Object> b) {
    return Metadata.listedTokens(b) > Metadata.listedTokens(a) ? b : a;
  }

  /// Model ids may hold slashes, which clients send as they are or escaped.
  private Response model(String id, @Nullable ClientKey key) {
    List<String> names = new ArrayList<>();
    for (Map<String, Object> m : models()) {
      String own = String.valueOf(m.get("id"));
      if (isOpen(id, key) && (id.equals(own) || Metadata.aliases(m).contains(id))) {
        return Response.json(200, m);
      }
      if (isOpen(own, key)) {
        names.add(own);
      }
    }
    return error(
        404,
        "model_not_found",
        "model '"
            + ModelNames.shown(id)
            + "' (expected: "
            + (names.isEmpty() ? "none is on offer" : "one of " + ModelNames.list(names))
            + ")");
  }

  private Response ready(Request r) {
    Fleet fleet = keeper.table().fleet();
    boolean ends = draining.getAsBoolean();
    List<String> awaited = keeper.awaited();
    boolean ready = fleet.routable() + fleet.asleep() > 0 && awaited.isEmpty() && !ends;
    String why =
        ends
            ? "draining"
            : ready ? "ready" : awaited.isEmpty() ? NO_INSTANCE : Tables.unheard(awaited);
    Map<String, Object> m = new HashMap<>();
    m.put("status", why);
    boolean whole = access().refusal("/readyz", Access.Asker.of(r)) == null;
    Reloader.Status read = files.get();
    if (read != null) {
      m.put("settings", settings(read, whole));
    }
    List<SourceBoard.Status> discovered =
        keeper.sources().statuses().stream().filter(SourceBoard.Status::isDiscovered).toList();
    if (!discovered.isEmpty()) {
      m.put("discovery", discovered.stream().map(s -> s.briefly(whole)).toList());
    }
    if (tls != null) {
      m.put("tls", TlsSettings.told(tls));
    }
    return Response.json(ready ? 200 : 503, m);
  }

  /// @param whole whether what the files say may be told
  private static Map<String, Object> settings(Reloader.Status read, boolean whole) {
    Map<String, Object> m = new HashMap<>();
    m.put("error", read.error() == null || whole ? read.error() : "the router's log says which");
    m.put("loaded", read.loaded().toString());
    m.put("needs_restart", read.restart());
    return m;
  }

  /// For whom requests are to be seen.
  private Response known(Request r, Function<Request, Response> answer) {
    Response no = access().refusal(r.path(), Access.Asker.of(r));
    return no != null ? no : answer.apply(r);
  }

  private Response decisions(Request r) {
    Response no = access().refusal("/decisions", Access.Asker.of(r));
    if (no != null) {
      return no;
    }
    List<String> id = r.query("request_id");
    if (!id.isEmpty()) {
      return found(id.getFirst());
    }
    List<String> limits = r.query("limit");
    int limit = DEFAULT_DECISIONS;
    if (!limits.isEmpty()) {
      if (!limits.getFirst().matches("[0-9]{1,7}")) {
        return error(
            400,
            "invalid_limit",
            "limit: " + limits.getFirst() + " (expected: a whole number 0..9999999)");
      }
      limit = Integer.parseInt(limits.getFirst());
    }
    return told(decisions.last(limit));
  }

  /// Those of one request, of which a client may have sent several under one id; from history when
  /// the ring has forgotten it.
  private Response found(String requestId) {
    List<Decision> lately =
        decisions.last(decisions.size()).stream()
            .filter(d -> d.requestId().equals(requestId))
            .limit(DEFAULT_DECISIONS)
            .toList();
    if (lately.isEmpty()) {
      List<JsonNode> before = past.decisions(requestId);
      if (!before.isEmpty()) {
        return Response.json(200, Map.of("decisions", before, "from_history", true));
      }
    }
    return told(lately);
  }

  private Response told(List<Decision> of) {
    List<Object> out = new ArrayList<>();
    of.forEach(d -> out.add(DecisionJson.whole(d, settings.get().metric())));
    Map<String, Object> all = new HashMap<>();
    all.put("decisions", out);
    if (policy.learns()) {
      all.put("learned", LearnedView.of(policy.insights(ticker.nanos())));
    }
    return Response.json(200, all);
  }

  /// Starts telling a listener of `/events`, on its event loop.
  void listen(Inbound in, String requestId) {
    Response no = access().refusal("/events", Access.Asker.of(in.head(), in.peer()));
    if (no != null) {
      in.answer(no.with("x-request-id", requestId));
    } else {
      feed.open(in, requestId);
    }
  }

  private Response page(Request r) {
    Access.Asker a = Access.Asker.of(r);
    String strange = Access.isHere(a) ? access().strangeHost(a) : null;
    if (strange != null) {
      return Page.refusal("This page is not shown " + strange + ".");
    }
    Response file = page.answer(r);
    return file == null ? error(404, "not_found", r.path() + " (expected: /ui)") : file;
  }

  static Response error(int status, String code, String message) {
    Map<String, Object> e = new HashMap<>();
    e.put("code", code);
    e.put("message", message);
    e.put("param", null);
    e.put("type", "invalid_request_error");
    return Response.json(status, Map.of("error", e));
  }
}
