package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What a router's event stream has told so far: the last snapshot and all changes since.
/// Thread-safe.
final class Board {
  private static final int MOST_ROWS = 200;
  private static final int MOST_EVENTS = 100;

  /// Seconds that a sparkline shows at most.
  static final int HISTORY = 60;

  private final Map<String, JsonNode> instances = new TreeMap<>();
  private final Deque<JsonNode> decisions = new ArrayDeque<>();
  private final Deque<JsonNode> events = new ArrayDeque<>();
  private final Map<String, Deque<Double>> rates = new HashMap<>();
  private JsonNode last = JsonNodeFactory.instance.objectNode();
  private JsonNode router = last;
  private JsonNode errors = JsonNodeFactory.instance.arrayNode();
  private JsonNode models = errors;
  private int ticks;
  private long heardNanos;

  /// @param nanos when it came
  synchronized void take(String event, JsonNode data, long nanos) {
    boolean whole = event.equals("snapshot");
    if (!whole && !(event.equals("tick") && !router.isEmpty())) {
      return;
    }
    heardNanos = nanos;
    last = data;
    if (whole) {
      router = data.path("router");
      instances.clear();
      decisions.clear();
      events.clear();
    } else {
      ticks++;
      for (JsonNode p : data.path("pools")) {
        Deque<Double> r = rates.computeIfAbsent(p.path("pool").asText(), k -> new ArrayDeque<>());
        r.addLast(p.path("requests_per_second").asDouble());
        if (r.size() > HISTORY) {
          r.removeFirst();
        }
      }
    }
    data.path("instances").forEach(i -> instances.put(i.path("name").asText(), i));
    data.path("instances_gone").forEach(n -> instances.remove(n.asText()));
    newestFirst(data.path("decisions"), decisions, MOST_ROWS, false);
    newestFirst(data.path("events"), events, MOST_EVENTS, true);
    errors = data.has("errors") ? data.path("errors") : errors;
    models = data.has("models") ? data.path("models") : models;
  }

  /// Puts what is newer than the first before it.
  ///
  /// @param oldestFirst how `more` is ordered
  private static void newestFirst(
      JsonNode more, Deque<JsonNode> to, int most, boolean oldestFirst) {
    long seen = to.isEmpty() ? -1 : to.getFirst().path("sequence").asLong();
    List<JsonNode> fresh = new ArrayList<>();
    more.forEach(n -> {
      if (n.path("sequence").asLong() > seen) {
        fresh.add(n);
      }
    });
    for (JsonNode n : oldestFirst ? fresh : fresh.reversed()) {
      to.addFirst(n);
      if (to.size() > most) {
        to.removeLast();
      }
    }
  }

  /// Ticks since the start; rates are known from the second on.
  synchronized int ticks() {
    return ticks;
  }

  /// When something was heard last, or null.
  synchronized @Nullable Long heardNanos() {
    return router.isEmpty() ? null : (Long) heardNanos;
  }

  synchronized JsonNode last() {
    return last;
  }

  synchronized JsonNode router() {
    return router;
  }

  synchronized List<JsonNode> instances() {
    return List.copyOf(instances.values());
  }

  synchronized List<JsonNode> decisions() {
    return List.copyOf(decisions);
  }

  synchronized List<JsonNode> events() {
    return List.copyOf(events);
  }

  synchronized List<JsonNode> errors() {
    List<JsonNode> out = new ArrayList<>();
    errors.forEach(out::add);
    return out;
  }

  /// Requests a second of a pool, oldest first.
  synchronized List<Double> rates(String pool) {
    return List.copyOf(rates.getOrDefault(pool, new ArrayDeque<>()));
  }

  /// All of it as one document.
  synchronized ObjectNode json() {
    ObjectNode out = JsonNodeFactory.instance.objectNode();
    for (String field : List.of("epoch_ms", "summary", "pools", "flights", "reasons")) {
      out.set(field, last.path(field));
    }
    out.set("router", router);
    out.set("instances", array(instances.values()));
    out.set("decisions", array(decisions));
    out.set("events", array(events));
    out.set("errors", errors);
    out.set("models", models);
    return out;
  }

  private static ArrayNode array(Iterable<JsonNode> of) {
    ArrayNode a = JsonNodeFactory.instance.arrayNode();
    of.forEach(a::add);
    return a;
  }
}
