package org.infinilm.svc.pictures;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.results.ResultFile.Unusable;

/// What `infini evaluate --json` or `infini replay --json` wrote: policies on one traffic before
/// one simulated fleet. Pure but for [#read].
///
/// @param name of the file, without its ending
/// @param rate requests a second at which policies are compared
/// @param loads by policy, by instance
record PlotStudy(
    String name,
    String traffic,
    String fleet,
    double rate,
    double target,
    List<Row> rows,
    List<Course> courses,
    Map<String, Map<String, Double>> loads) {
  static final String KIND = "infini evaluation";
  private static final long MOST_BYTES = 64L << 20;
  private static final int MOST_VALUES = 10_000;

  /// One policy; a value a seed.
  ///
  /// @param capacity requests a second; empty where it was not looked for
  /// @param goodput share within the limits
  record Row(
      String policy,
      List<Double> capacity,
      List<Double> goodput,
      List<Double> ttftS,
      List<Double> tpotS,
      List<Double> e2eS) {
    Row {
      capacity = List.copyOf(capacity);
      goodput = List.copyOf(goodput);
      ttftS = List.copyOf(ttftS);
      tpotS = List.copyOf(tpotS);
      e2eS = List.copyOf(e2eS);
    }
  }

  /// Goodput by the number of the request.
  ///
  /// @param from what it is counted from
  record Course(String policy, String from, int windowRequests, List<Double> goodput) {
    Course {
      goodput = List.copyOf(goodput);
    }
  }

  PlotStudy {
    rows = List.copyOf(rows);
    courses = List.copyOf(courses);
    loads = new LinkedHashMap<>(loads);
  }

  /// The study in a file; empty when it is another kind of file.
  ///
  /// @throws Unusable when it is one, and broken
  static Optional<PlotStudy> read(Path path) throws Unusable {
    try {
      if (!Files.isRegularFile(path) || Files.size(path) > MOST_BYTES) {
        return Optional.empty();
      }
      byte[] bytes = Files.readAllBytes(path);
      int head = Math.min(bytes.length, 4096);
      if (!new String(bytes, 0, head, java.nio.charset.StandardCharsets.UTF_8).contains(KIND)) {
        return Optional.empty();
      }
      JsonNode n = Json.tree(bytes);
      return n.path("kind").asText().equals(KIND) ? Optional.of(of(path, n)) : Optional.empty();
    } catch (JsonProcessingException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new Unusable(path, "cannot be read: " + ConfigException.reason(e));
    }
  }

  private static PlotStudy of(Path path, JsonNode n) throws Unusable {
    List<Row> rows = new ArrayList<>();
    Map<String, Map<String, Double>> loads = new LinkedHashMap<>();
    for (JsonNode p : n.path("policies")) {
      String policy = p.path("policy").asText();
      rows.add(
          new Row(
              policy,
              numbers(path, p, "capacity_per_second"),
              numbers(path, p, "goodput"),
              numbers(path, p, "mean_ttft_seconds"),
              numbers(path, p, "mean_tpot_seconds"),
              numbers(path, p, "mean_e2el_seconds")));
      Map<String, Double> load = new LinkedHashMap<>();
      for (JsonNode i : p.path("load")) {
        load.put(i.path("instance").asText(), i.path("at_once").asDouble());
      }
      if (!load.isEmpty()) {
        loads.put(policy, load);
      }
    }
    if (rows.isEmpty() || rows.getFirst().goodput().isEmpty()) {
      throw new Unusable(path, "no policy in it (expected: a result of infini evaluate)");
    }
    List<Course> courses = new ArrayList<>();
    JsonNode course = n.path("course");
    for (JsonNode c : course.path("courses")) {
      courses.add(
          new Course(
              c.path("policy").asText(),
              c.path("from").asText(),
              course.path("window_requests").asInt(1),
              numbers(path, c, "goodput")));
    }
    String file = String.valueOf(path.getFileName());
    return new PlotStudy(
        file.endsWith(".json") ? file.substring(0, file.length() - 5) : file,
        n.path("traffic").asText(),
        n.path("fleet").asText(),
        n.path("rate_per_second").asDouble(),
        n.path("target").asDouble(),
        rows,
        courses,
        loads);
  }

  private static List<Double> numbers(Path path, JsonNode of, String field) throws Unusable {
    List<Double> out = new ArrayList<>();
    for (JsonNode v : of.path(field)) {
      if (!v.isNumber() || !Double.isFinite(v.asDouble()) || out.size() == MOST_VALUES) {
        String shown = v.toString();
        throw new Unusable(
            path,
            field
                + ": "
                + (shown.length() > 40 ? shown.substring(0, 40) + "..." : shown)
                + " (expected: at most "
                + MOST_VALUES
                + " numbers)");
      }
      out.add(v.asDouble());
    }
    return out;
  }
}
