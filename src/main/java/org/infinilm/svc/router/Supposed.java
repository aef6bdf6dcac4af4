package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.infinilm.svc.evaluation.WhatIf;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Insight;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// `/whatif`: what other thresholds would have come to, over the decisions that the router
/// remembers, by the model of `infini replay`. Worked out when it is asked for, by one thread
/// beside the event loops, one question at a time and for a few seconds at most. Blocks.
/// Thread-safe.
final class Supposed {
  /// Decisions that are looked through.
  private static final int MOST_SEEN = 65_536;

  private static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(5);

  /// How long an answer is given again to who asks the same.
  private static final long FRESH_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final Supplier<RouterConfig> settings;
  private final FleetKeeper keeper;
  private final Decisions decisions;
  private final Policy policy;
  private final Ticker ticker;
  private final Lock one = new ReentrantLock();

  private record Told(String question, long nanos, Map<String, Object> answer) {}

  private @Nullable Told last;

  Supposed(
      Supplier<RouterConfig> settings,
      FleetKeeper keeper,
      Decisions decisions,
      Policy policy,
      Ticker ticker) {
    this.settings = settings;
    this.keeper = keeper;
    this.decisions = decisions;
    this.policy = policy;
    this.ticker = ticker;
  }

  /// `/whatif?model=M&threshold=N`.
  Response handle(Request r) {
    List<String> asked = r.query("threshold");
    if (!asked.isEmpty() && !asked.getFirst().matches("[0-9]{1,18}")) {
      return OwnRoutes.error(
          400,
          "invalid_threshold",
          "threshold: "
              + ModelNames.shown(asked.getFirst())
              + " (expected: a whole number of at most 18 digits)");
    }
    Long threshold = asked.isEmpty() ? null : Long.valueOf(asked.getFirst());
    List<String> named = r.query("model");
    List<Decision> ring = decisions.last(MOST_SEEN);
    String model = named.isEmpty() || named.getFirst().isEmpty() ? usual(ring) : named.getFirst();
    if (model != null && !keeper.table().fleet().models().contains(model)) {
      return OwnRoutes.error(
          404,
          "model_not_found",
          "model '"
              + ModelNames.shown(model)
              + "' (expected: one of "
              + ModelNames.list(keeper.table().fleet().models())
              + ")");
    }
    if (model == null) {
      return Response.json(200, nothing("no request has been answered yet"));
    }
    try {
      return one.tryLock(LONGEST_NANOS, TimeUnit.NANOSECONDS)
          ? locked(model, threshold, ring)
          : OwnRoutes.error(503, "busy", "another is working it out (expected: a little later)")
              .with("retry-after", "5");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return OwnRoutes.error(503, "shutting_down", "the router ends");
    }
  }

  private Response locked(String model, @Nullable Long threshold, List<Decision> ring)
      throws InterruptedException {
    try {
      String question = model + "\0" + threshold;
      Told t = last;
      if (t == null || !t.question.equals(question) || ticker.nanos() - t.nanos > FRESH_NANOS) {
        t = new Told(question, ticker.nanos(), aside(() -> answer(model, threshold, ring)));
        last = t;
      }
      return Response.json(200, t.answer);
    } finally {
      one.unlock();
    }
  }

  /// On a thread of its own: carriers of virtual threads are few, and others need them.
  private static Map<String, Object> aside(Supplier<Map<String, Object>> work)
      throws InterruptedException {
    List<Map<String, Object>> out = new ArrayList<>();
    List<Throwable> failed = new ArrayList<>();
    Thread t =
        Thread.ofPlatform()
            .daemon()
            .name("what-if")
            .uncaughtExceptionHandler((thread, e) -> failed.add(e))
            .start(() -> out.add(work.get()));
    t.join();
    if (!failed.isEmpty()) {
      throw new IllegalStateException("what if", failed.getFirst());
    }
    return out.getFirst();
  }

  /// The model of most decisions.
  private static @Nullable String usual(List<Decision> ring) {
    Map<String, Integer> by = new HashMap<>();
    for (Decision d : ring) {
      if (d.outcome() == Outcome.OK && !d.model().isEmpty()) {
        by.merge(d.model(), 1, Integer::sum);
      }
    }
    return by.entrySet().stream()
        .max(
            Map.Entry.<String, Integer>comparingByValue().thenComparing(Map.Entry.comparingByKey()))
        .map(Map.Entry::getKey)
        .orElse(null);
  }

  private static Map<String, Object> nothing(String why) {
    Map<String, Object> m = new HashMap<>();
    m.put("message", why);
    m.put("on", false);
    return m;
  }

  private Map<String, Object> answer(String model, @Nullable Long threshold, List<Decision> ring) {
    RouterConfig config = settings.get();
    long now = config.thresholdOf(model);
    Long learned = learned(model);
    List<Instance> by =
        keeper.views().stream()
            .map(FleetKeeper.View::instance)
            .filter(i -> i.serves(model) && i.state() == Instance.State.ROUTABLE)
            .toList();
    List<WhatIf.Past> past = new ArrayList<>();
    int answered = 0;
    for (Decision d : ring) {
      if (d.outcome() == Outcome.OK
          && d.model().equals(model)
          && d.instance() != null
          && past.size() < WhatIf.MOST) {
        answered++;
        WhatIf.Past p = past(d);
        if (p != null) {
          past.add(p);
        }
      }
    }
    TreeSet<Long> wanted = new TreeSet<>(List.of(0L, now));
    if (learned != null) {
      wanted.add(learned);
    }
    if (threshold != null) {
      wanted.add(threshold);
    }
    long until = ticker.nanos() + LONGEST_NANOS;
    WhatIf.Answer a;
    try {
      a =
          WhatIf.of(
              by,
              past,
              List.copyOf(wanted),
              config.seating().spill(),
              () -> ticker.nanos() - until < 0);
    } catch (IllegalArgumentException e) {
      return nothing(String.valueOf(e.getMessage()));
    }
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("on", true);
    m.put("model", model);
    m.put("metric", config.metric().label());
    m.put("policy", config.policy());
    m.put("threshold", now);
    m.put("threshold_learned", learned);
    m.put("threshold_asked", threshold);
    m.put("requests", a.requests());
    m.put("left_out", answered - a.requests());
    m.put("recorded", times(a.first(), a.whole()));
    m.put("fit", fit(a));
    m.put("thresholds", a.cuts().stream().map(c -> cut(c, now, learned, threshold)).toList());
    return m;
  }

  private @Nullable Long learned(String model) {
    if (!policy.learns()) {
      return null;
    }
    for (Insight i : policy.insights(ticker.nanos())) {
      if (i.model().equals(model)) {
        return i.threshold();
      }
    }
    return null;
  }

  /// Null for one whose tokens are not known, and for one that more than one instance had.
  private static WhatIf.@Nullable Past past(Decision d) {
    Usage u = d.usage();
    String instance = d.instance();
    if (u == null
        || instance == null
        || d.attempts() != 1
        || u.promptTokens() < 1
        || u.completionTokens() < 1
        || d.totalNanos() <= 0) {
      return null;
    }
    return new WhatIf.Past(
        d.epochMillis() / 1e3 - d.totalNanos() / 1e9,
        d.size(),
        Math.clamp(d.requestBytes(), 1, Integer.MAX_VALUE),
        (int) Math.min(Integer.MAX_VALUE / 2, u.promptTokens()),
        (int) Math.min(Integer.MAX_VALUE / 2, u.completionTokens()),
        (int) Math.min(Integer.MAX_VALUE / 2, u.cachedTokens()),
        instance,
        d.events() > 0 ? d.ttftNanos() / 1e9 : 0,
        d.totalNanos() / 1e9);
  }

  private static Map<String, Object> times(WhatIf.Times first, WhatIf.Times whole) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("ttft_p50", known(first.p50Seconds()));
    m.put("ttft_p95", known(first.p95Seconds()));
    m.put("total_p50", known(whole.p50Seconds()));
    m.put("total_p95", known(whole.p95Seconds()));
    return m;
  }

  private static @Nullable Double known(double d) {
    return Double.isNaN(d) ? null : (Double) d;
  }

  private static Map<String, Object> fit(WhatIf.Answer a) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("ttft", fit(a.firstFit()));
    m.put("total", fit(a.wholeFit()));
    List<Object> speeds = new ArrayList<>();
    a.speeds().stream()
        .sorted(Comparator.comparing(WhatIf.Speed::instance))
        .forEach(s -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("instance", s.instance());
          one.put("pool", s.type().label());
          one.put("requests", s.requests());
          one.put("slowness", s.slowness());
          speeds.add(one);
        });
    m.put("instances", speeds);
    return m;
  }

  private static Map<String, Object> fit(WhatIf.Fit f) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("requests", f.requests());
    m.put("recorded_p50", known(f.recordedP50Seconds()));
    m.put("simulated_p50", known(f.simulatedP50Seconds()));
    m.put("error_seconds", known(f.errorSeconds()));
    m.put("error_share", known(f.errorShare()));
    return m;
  }

  private static Map<String, Object> cut(
      WhatIf.Cut c, long now, @Nullable Long learned, @Nullable Long asked) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("threshold", c.threshold());
    m.put("in_force", c.threshold() == now);
    m.put("learned", learned != null && learned == c.threshold());
    m.put("asked", asked != null && asked == c.threshold());
    m.putAll(times(c.first(), c.whole()));
    int all = c.pools().stream().mapToInt(WhatIf.Share::requests).sum();
    for (WhatIf.Share s : c.pools()) {
      Map<String, Object> pool = new LinkedHashMap<>();
      pool.put("at_once", s.atOnce());
      pool.put("requests", s.requests());
      pool.put("share", all == 0 ? null : (Double) ((double) s.requests() / all));
      pool.put("ttft_p50", known(s.first().p50Seconds()));
      pool.put("ttft_p95", known(s.first().p95Seconds()));
      m.put(s.type() == CacheType.PAGED ? "paged" : "static", pool);
    }
    m.put("not_held", c.notHeld());
    return m;
  }
}
