package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import org.infinilm.svc.history.History;
import org.infinilm.svc.history.HistoryReader;
import org.infinilm.svc.history.HistorySettings;
import org.infinilm.svc.history.UsageRow;
import org.infinilm.svc.history.UsageRow.By;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// What the router tells of the past: `/history`, `/usage`, and decisions that the ring has
/// forgotten. One reader of the file at a time; blocks. Thread-safe.
final class Past {
  static final String OFF =
      "history is off (expected: history = FILE in the router's settings, or --history FILE; infini up keeps one unless --history off)";

  private static final int MOST_POINTS = 1440;
  private static final int USUAL_MINUTES = 360;
  private static final int MOST_DECISIONS = 100;

  private final @Nullable History<Decision> history;
  private final Ticker ticker;
  private final Lock reading = new ReentrantLock();

  Past(@Nullable History<Decision> history, Ticker ticker) {
    this.history = history;
    this.ticker = ticker;
  }

  private interface Question<T> {
    T ask(HistoryReader r) throws IOException;
  }

  private <T> T ask(History<Decision> of, Question<T> q) throws IOException {
    reading.lock();
    try {
      return q.ask(of.reader());
    } finally {
      reading.unlock();
    }
  }

  /// The decisions of a request; none when history is off or cannot be read.
  List<JsonNode> decisions(String requestId) {
    History<Decision> of = history;
    if (of == null) {
      return List.of();
    }
    try {
      List<JsonNode> out = new ArrayList<>();
      for (byte[] json : ask(of, r -> r.decisions(requestId, MOST_DECISIONS))) {
        out.add(Json.tree(json));
      }
      return out;
    } catch (IOException e) {
      return List.of();
    }
  }

  /// `/history?minutes=N`: what pools did, the last N minutes.
  Response course(Request r) {
    History<Decision> of = history;
    if (of == null) {
      return Response.json(200, Map.of("on", false, "message", OFF));
    }
    List<String> asked = r.query("minutes");
    int most = of.settings().days() * 1440;
    int minutes = USUAL_MINUTES;
    if (!asked.isEmpty()) {
      String n = asked.getFirst();
      if (!n.matches("[0-9]{1,7}") || Integer.parseInt(n) < 1 || Integer.parseInt(n) > most) {
        return OwnRoutes.error(
            400,
            "invalid_minutes",
            "minutes: " + ModelNames.shown(n) + " (expected: a whole number 1.." + most + ")");
      }
      minutes = Integer.parseInt(n);
    }
    int step = Math.ceilDiv(minutes, MOST_POINTS);
    int steps = Math.ceilDiv(minutes, step);
    long last = Math.floorDiv(ticker.now().getEpochSecond(), 60L);
    long from = last + 1 - (long) steps * step;
    try {
      Map<String, Object> m = new HashMap<>(ask(of, h -> h.course(from, steps, step)).json());
      return told(of, m);
    } catch (IOException e) {
      return unreadable(of, e);
    }
  }

  /// `/usage?by=key,model,day&since=DAY`: requests and tokens.
  Response usage(Request r) {
    History<Decision> of = history;
    if (of == null) {
      return OwnRoutes.error(404, "history_off", OFF);
    }
    try {
      List<String> by = r.query("by");
      List<String> since = r.query("since");
      Set<By> groups = By.of(by.isEmpty() ? "key,model" : String.join(",", by));
      LocalDate day = since.isEmpty() ? LocalDate.EPOCH : day(since.getFirst());
      List<UsageRow> rows = ask(of, h -> h.usage(groups, day.toEpochDay()));
      Map<String, Object> m = new HashMap<>();
      m.put("usage", rows.stream().map(UsageRow::json).toList());
      m.put("since", since.isEmpty() ? null : day.toString());
      return told(of, m);
    } catch (IllegalArgumentException e) {
      return OwnRoutes.error(400, "invalid_query", String.valueOf(e.getMessage()));
    } catch (IOException e) {
      return unreadable(of, e);
    }
  }

  /// @throws IllegalArgumentException with "(expected: ...)" wording
  private LocalDate day(String s) {
    return UsageRow.day(s, ticker.now().atZone(ZoneOffset.UTC).toLocalDate());
  }

  private static Response told(History<Decision> of, Map<String, Object> m) {
    m.put("on", true);
    m.put("trouble", of.trouble().isEmpty() ? null : of.trouble());
    return Response.json(200, m);
  }

  private static Response unreadable(History<Decision> of, IOException e) {
    String why = of.trouble().isEmpty() ? String.valueOf(e.getMessage()) : of.trouble();
    return OwnRoutes.error(503, "history_unreadable", "history: " + why);
  }

  /// Shows what becomes of requests in history.
  static void follow(Metrics metrics, History<Decision> h) {
    metrics.counter(
        "infini_router_history_requests_total",
        "Requests that history counted.",
        c -> c.call((double) h.counts().counted(), "counted"),
        "result");
    metrics.counter(
        "infini_router_history_decisions_total",
        "Decisions that history kept one by one, passed over above its rate, or could not write.",
        c -> {
          c.call((double) h.counts().kept(), "kept");
          c.call((double) h.counts().passedOver(), "passed_over");
          c.call((double) h.counts().lost(), "lost");
        },
        "result");
    metrics.gauge(
        "infini_router_history_up",
        "1 while the file of history is written.",
        c -> c.call(h.trouble().isEmpty() ? 1 : 0));
    metrics.gauge(
        "infini_router_history_bytes",
        "Bytes in use in the file of history.",
        c -> c.call((double) h.bytes()));
  }

  /// Of these settings, or null when it is off.
  static @Nullable History<Decision> of(RouterConfig config, Ticker ticker) {
    HistorySettings s = config.history().orElse(null);
    return s == null ? null : new History<>(s, new PastWords(config.metric()), ticker);
  }
}
