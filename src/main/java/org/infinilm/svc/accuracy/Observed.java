package org.infinilm.svc.accuracy;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The decisions of a router on generation requests, collected from overlapping readings; each
/// counts once, by request id and time. Not thread-safe.
public final class Observed {
  /// One decision.
  ///
  /// @param startSeconds wall clock
  /// @param ttftSeconds NaN when there was no byte
  public record Decision(
      String requestId,
      double startSeconds,
      double totalSeconds,
      double ttftSeconds,
      long requestBytes,
      long size,
      long threshold,
      @Nullable String pool,
      @Nullable String instance,
      @Nullable String reason,
      String outcome,
      int status,
      int attempts) {}

  private final Set<String> ignored = new HashSet<>();
  private final Map<String, Decision> all = new LinkedHashMap<>();
  private @Nullable String metric;
  private boolean begun;

  /// What was decided before the run.
  public void ignore(JsonNode decisions) {
    decisions.forEach(d -> ignored.add(key(d)));
    begun = !decisions.isEmpty();
  }

  /// Adds one reading, newest first.
  ///
  /// @return whether its oldest was new, so that older ones may be unread
  public boolean add(JsonNode decisions) {
    boolean isNew = false;
    for (JsonNode d : decisions) {
      String key = key(d);
      if (!isGeneration(d)) {
        isNew = ignored.add(key);
      } else {
        isNew = !ignored.contains(key) && all.putIfAbsent(key, read(d)) == null;
        if (d.path("metric").isTextual()) {
          metric = d.path("metric").textValue();
        }
      }
    }
    begun |= !decisions.isEmpty();
    return isNew;
  }

  /// Whether any decision was read, before the run or in it.
  public boolean begun() {
    return begun;
  }

  private static String key(JsonNode d) {
    return d.path("request_id").asText()
        + ' '
        + d.path("time").asText()
        + ' '
        + d.path("total_seconds");
  }

  private static boolean isGeneration(JsonNode d) {
    return d.path("method").asText().equals("POST")
        && d.path("path").asText().contains("/completions");
  }

  private static Decision read(JsonNode d) {
    double total = d.path("total_seconds").asDouble();
    return new Decision(
        d.path("request_id").asText(),
        wall(d.path("time").asText()) - total,
        total,
        d.path("ttft_seconds").isNumber() ? d.path("ttft_seconds").doubleValue() : Double.NaN,
        d.path("request_bytes").asLong(-1),
        d.path("size").asLong(-1),
        d.path("threshold").asLong(-1),
        text(d, "pool"),
        text(d, "instance"),
        text(d, "reason"),
        d.path("outcome").asText(),
        d.path("status").asInt(),
        d.path("attempts").asInt());
  }

  private static @Nullable String text(JsonNode d, String name) {
    return d.path(name).isTextual() ? d.path(name).textValue() : null;
  }

  private static double wall(String time) {
    try {
      return Instant.parse(time).toEpochMilli() / 1e3;
    } catch (DateTimeParseException e) {
      return 0;
    }
  }

  public int count() {
    return all.size();
  }

  public @Nullable String metric() {
    return metric;
  }

  /// In order of their start.
  public List<Decision> decisions() {
    List<Decision> out = new ArrayList<>(all.values());
    out.sort(Comparator.comparingDouble(Decision::startSeconds));
    return out;
  }

  public List<Routing.Answer> answers() {
    List<Routing.Answer> out = new ArrayList<>();
    for (Decision d : decisions()) {
      out.add(
          new Routing.Answer(
              out.size(),
              d.requestId(),
              d.requestBytes(),
              -1,
              d.size(),
              d.threshold(),
              d.pool(),
              d.instance(),
              d.reason(),
              d.outcome().equals("ok"),
              null,
              -1));
    }
    return out;
  }
}
