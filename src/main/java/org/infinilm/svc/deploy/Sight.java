package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What a router sees of its sources of instances and of the routers beside it, by its `/stats`.
///
/// @param routers that share the instances; null where it does not know
/// @param since when that number last changed, or empty
record Sight(List<SourceRow> sources, @Nullable Long routers, String since) {
  static final Sight NONE = new Sight(List.of(), null, "");

  private static final String UP = "up";

  /// @param state `up`, `troubled`, `down`, or `waiting` before its first word
  /// @param instances that it lists, `-` while that is not known
  /// @param age since it last answered; null when it never did or is not asked
  /// @param error what was wrong last, or empty
  /// @param errorAge since that began; null when nothing ever was
  record SourceRow(
      String source,
      String kind,
      String state,
      String instances,
      @Nullable Duration age,
      String error,
      @Nullable Duration errorAge) {
    static SourceRow of(JsonNode s) {
      return new SourceRow(
          s.path("source").asText(),
          s.path("kind").asText(),
          s.path("state").asText(),
          s.path("instances").isNumber() ? s.path("instances").asText() : "-",
          seconds(s.path("age_seconds")),
          s.path("error").isTextual() ? s.path("error").asText() : "",
          seconds(s.path("error_age_seconds")));
    }

    private static @Nullable Duration seconds(JsonNode n) {
      return n.isNumber() ? Duration.ofMillis(Math.round(n.asDouble() * 1000)) : null;
    }

    private String words() {
      Duration e = errorAge;
      return state
          + (error.isEmpty()
              ? ""
              : (state.equals(UP) ? "; before, " : ": ")
                  + error
                  + (e == null ? "" : " (" + Status.words(e) + " ago)"));
    }
  }

  Sight {
    sources = List.copyOf(sources);
  }

  static Sight of(JsonNode stats) {
    List<SourceRow> rows = new ArrayList<>();
    stats.path("sources").forEach(s -> rows.add(SourceRow.of(s)));
    JsonNode r = stats.path("routers");
    return new Sight(
        rows,
        r.path("known").isNumber() ? r.path("known").asLong() : null,
        r.path("since").asText(""));
  }

  boolean ok() {
    return sources.stream().allMatch(s -> s.state().equals(UP));
  }

  /// Adds it to a document.
  void tell(Map<String, Object> out) {
    List<Object> rows = new ArrayList<>();
    for (SourceRow s : sources) {
      Map<String, Object> m = new HashMap<>();
      m.put("source", s.source());
      m.put("kind", s.kind());
      m.put("state", s.state());
      m.put("instances", s.instances().equals("-") ? null : (Long) Long.parseLong(s.instances()));
      m.put("age_seconds", seconds(s.age()));
      m.put("error", s.error().isEmpty() ? null : s.error());
      m.put("error_age_seconds", seconds(s.errorAge()));
      rows.add(m);
    }
    out.put("sources", rows);
    if (routers != null) {
      out.put("routers", Map.of("live", routers, "since", since));
    }
  }

  private static @Nullable Double seconds(@Nullable Duration d) {
    return d == null ? null : (Double) (d.toMillis() / 1000.0);
  }

  /// Below the tables of parts and instances; empty where nothing is known.
  String table(Terminal terminal) {
    StringBuilder out = new StringBuilder();
    if (!sources.isEmpty()) {
      out.append('\n').append(Status.row("SOURCE", "KIND", "INSTANCES", "AGE", "STATE"));
      for (SourceRow s : sources) {
        String words = s.state().equals(UP) ? terminal.green(s.words()) : terminal.red(s.words());
        Duration age = s.age();
        out.append(
            Status.row(
                s.source(), s.kind(), s.instances(), age == null ? "-" : Status.words(age), words));
      }
    }
    if (routers != null) {
      out.append('\n')
          .append(
              routers == 1
                  ? "no other live router shares the instances"
                  : routers + " live routers share the instances and their seats")
          .append(since.isEmpty() ? "" : ", since " + since)
          .append('\n');
    }
    return out.toString();
  }
}
