package org.infinilm.svc.results;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.results.ResultFile.Unusable;
import org.jspecify.annotations.Nullable;

/// Reads a result file as a stream: requests one by one, long arrays that nobody needs skipped.
final class ResultReader {
  private static final Set<String> TEXTS = Set.of("date", "label", "model_id");
  private static final Set<String> WORKLOAD =
      Set.of("num_prompts", "request_rate", "max_concurrency", "burstiness", "total_input_tokens");
  private static final Set<String> OURS =
      Set.of(
          "completed",
          "failed",
          "truncated",
          "total_output_tokens",
          "complete",
          "workload",
          "routing",
          "send_lag_ms",
          "generator_late");

  /// What is asked for, beside the load, in `workload`.
  private static final List<String> ASKED =
      List.of(
          "requests_sha256",
          "generator",
          "arrival",
          "endpoint",
          "stream",
          "ignore_eos",
          "temperature",
          "extra_body",
          "think_time_s");

  /// Lateness (p99) of a load generator from which on its figures are doubted, when the file does
  /// not say by itself.
  private static final double LATE_MS = 10;

  /// What a count can be and still be exact.
  private static final double MOST_COUNTED = 1L << 53;

  private static final String EXPECTED = " (expected: a result JSON of a benchmark)";

  private final Path path;
  private final Map<String, String> words = new HashMap<>();

  ResultReader(Path path) {
    this.path = path;
  }

  ResultFile read(InputStream in) throws Unusable, IOException {
    ObjectNode top = JsonNodeFactory.instance.objectNode();
    List<ResultRequest> requests = null;
    Detailed arrays = new Detailed();
    try (JsonParser p = Json.tokens(in)) {
      p.enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);
      p.enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS.mappedFeature());
      JsonToken first = p.nextToken();
      if (first != JsonToken.START_OBJECT) {
        throw new Unusable(path, (first == null ? "empty" : "not a JSON object") + EXPECTED);
      }
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String key = p.currentName();
        p.nextToken();
        switch (key) {
          case "requests" -> requests = requests(p);
          case "itls" -> arrays.itlSums = sums(p, key);
          case "ttfts" -> arrays.ttfts = numbers(p, key);
          case "input_lens" -> arrays.inputs = numbers(p, key);
          case "output_lens" -> arrays.outputs = numbers(p, key);
          case "start_times" -> arrays.starts = numbers(p, key);
          default -> {
            if (wanted(key)) {
              top.set(key, p.<JsonNode>readValueAsTree());
            } else {
              p.skipChildren();
            }
          }
        }
      }
      if (p.nextToken() != null) {
        throw new Unusable(path, "more text after the JSON object" + EXPECTED);
      }
    } catch (JsonProcessingException e) {
      throw new Unusable(
          path,
          "not a complete JSON document, perhaps half-written: "
              + printable(Json.wrong(e))
              + (e.getLocation() == null
                  ? ""
                  : " at line "
                      + e.getLocation().getLineNr()
                      + ", column "
                      + e.getLocation().getColumnNr()));
    } catch (CharConversionException e) {
      throw new Unusable(path, "not a JSON document: " + printable(e.getMessage()) + EXPECTED);
    }
    return file(top, requests == null ? arrays.requests() : requests);
  }

  private static boolean wanted(String key) {
    return TEXTS.contains(key)
        || WORKLOAD.contains(key)
        || Metric.byKey(key).isPresent()
        || OURS.contains(key);
  }

  private static String printable(@Nullable String message) {
    String line = message == null ? "" : message.lines().findFirst().orElse("");
    String clean = Words.printable(line);
    return clean.length() > 160 ? clean.substring(0, 160) + "..." : clean;
  }

  private ResultFile file(ObjectNode top, List<ResultRequest> requests) throws Unusable {
    Map<Metric, Double> figures = new EnumMap<>(Metric.class);
    for (Metric m : Metric.values()) {
      double v = required(top, m.key());
      if (v < 0) {
        throw wrong(m.key(), top.get(m.key()), "a number, 0 or more");
      }
      figures.put(m, v);
    }
    JsonNode complete = top.get("complete");
    if (complete != null && !complete.isBoolean()) {
      throw wrong("complete", complete, "true or false");
    }
    return new ResultFile(
        path,
        text(top, "", "label"),
        top.hasNonNull("date") ? text(top, "", "date") : "unknown",
        complete == null || complete.booleanValue(),
        count(top, "completed"),
        count(top, "failed"),
        figures,
        workload(top),
        requests,
        routing(top.get("routing")),
        sendLag(top.get("send_lag_ms")),
        late(top),
        top.hasNonNull("truncated") ? count(top, "truncated") : 0,
        answerTokens(top, figures));
  }

  /// By its own sum, else by its throughputs.
  private double answerTokens(ObjectNode top, Map<Metric, Double> figures) throws Unusable {
    long completed = count(top, "completed");
    if (completed == 0) {
      return Double.NaN;
    }
    if (top.hasNonNull("total_output_tokens")) {
      return (double) count(top, "total_output_tokens") / completed;
    }
    double requests = figures.getOrDefault(Metric.REQUEST_THROUGHPUT, 0.0);
    return requests == 0
        ? Double.NaN
        : figures.getOrDefault(Metric.OUTPUT_THROUGHPUT, 0.0) / requests;
  }

  /// Its own word, else by the lateness it measured.
  private boolean late(ObjectNode top) throws Unusable {
    JsonNode said = top.get("generator_late");
    if (said == null || said.isNull()) {
      return sendLag(top.get("send_lag_ms")) > LATE_MS;
    }
    if (!said.isBoolean()) {
      throw wrong("generator_late", said, "true or false");
    }
    return said.booleanValue();
  }

  private double sendLag(@Nullable JsonNode lag) throws Unusable {
    return lag == null || lag.isNull()
        ? 0
        : number(object(lag, "send_lag_ms"), "send_lag_ms.", "p99", 0);
  }

  private Map<String, String> workload(ObjectNode top) throws Unusable {
    Map<String, String> out = new LinkedHashMap<>();
    JsonNode ours = top.get("workload");
    if (ours != null && !ours.isNull()) {
      object(ours, "workload");
      String sha = text(ours, "workload.", "sha256");
      if (!sha.isEmpty()) {
        out.put("sha256", sha);
      }
      if (ours.path("seed").isNumber()) {
        out.put("seed", ours.path("seed").asText());
      }
      if (ours.path("ramp_up_s").isNumber()) {
        out.put("ramp_up_s", plain(ours.path("ramp_up_s").doubleValue()));
      }
      if (!ours.path("path").isTextual() && ours.path("dataset").isTextual()) {
        out.put("generated", printable(ours.path("dataset").textValue()));
      }
      for (String key : ASKED) {
        JsonNode v = ours.get(key);
        if (v != null) {
          out.put(key, v.isNull() ? "none" : printable(v.isTextual() ? v.textValue() : sorted(v)));
        }
      }
    }
    for (String key :
        List.of("num_prompts", "request_rate", "max_concurrency", "burstiness", "model_id")) {
      JsonNode v = top.get(key);
      if (v == null) {
        continue;
      }
      if (v.isContainerNode()) {
        throw wrong(key, v, key.equals("model_id") ? "a text" : "a number");
      }
      out.put(
          key, v.isNull() ? "none" : v.isNumber() ? plain(v.doubleValue()) : printable(v.asText()));
    }
    JsonNode tokens = top.get("total_input_tokens");
    if (tokens != null) {
      out.put("total_input_tokens", plain(required(top, "total_input_tokens")));
    }
    return out;
  }

  /// The order of members says nothing.
  private static String sorted(JsonNode v) {
    return v.isObject() ? new TreeMap<>(Json.plain(v)).toString() : v.toString();
  }

  private static String plain(double v) {
    return v == Math.rint(v) && Math.abs(v) < 1e15 ? Long.toString((long) v) : Double.toString(v);
  }

  /// Without those that were sent while the load still grew.
  private List<ResultRequest> requests(JsonParser p) throws IOException, Unusable {
    if (p.currentToken() != JsonToken.START_ARRAY) {
      throw wrong("requests", p.readValueAsTree(), "a list");
    }
    List<ResultRequest> out = new ArrayList<>();
    int place = 0;
    while (p.nextToken() != JsonToken.END_ARRAY) {
      JsonNode r = p.readValueAsTree();
      ResultRequest read = request(r, "requests[" + place++ + "]");
      if (!r.path("ramp_up").asBoolean()) {
        out.add(read);
      }
    }
    return out;
  }

  private ResultRequest request(JsonNode r, String where) throws Unusable {
    object(r, where);
    String at = where + ".";
    String outcome = text(r, at, "outcome");
    return new ResultRequest(
        (int) number(r, at, "index", -1),
        number(r, at, "start_s", Double.NaN),
        (long) number(r, at, "size_bytes", -1),
        outcome.equals("ok"),
        outcome,
        text(r, at, "pool"),
        text(r, at, "instance"),
        text(r, at, "reason"),
        (long) number(r, at, "input_tokens", -1),
        (long) number(r, at, "output_tokens", -1),
        (long) number(r, at, "cached_tokens", -1),
        number(r, at, "ttft_s", Double.NaN),
        number(r, at, "tpot_s", Double.NaN),
        number(r, at, "e2e_s", Double.NaN),
        number(r, at, "late_s", 0));
  }

  private Optional<ResultRouting> routing(@Nullable JsonNode r) throws Unusable {
    if (r == null || r.isNull()) {
      return Optional.empty();
    }
    object(r, "routing");
    String at = "routing.";
    Map<String, ResultRouting.Pool> pools = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : children(r, at, "pools").entrySet()) {
      String here = at + "pools." + e.getKey();
      JsonNode pool = object(e.getValue(), here);
      pools.put(
          e.getKey(),
          new ResultRouting.Pool(
              (long) number(pool, here + ".", "requests", 0),
              (long) number(pool, here + ".", "min_bytes", -1),
              (long) number(pool, here + ".", "median_bytes", -1),
              (long) number(pool, here + ".", "max_bytes", -1)));
    }
    List<ResultRouting.Instance> instances = new ArrayList<>();
    for (Map.Entry<String, JsonNode> e : children(r, at, "instances").entrySet()) {
      String here = at + "instances." + e.getKey();
      JsonNode one = object(e.getValue(), here);
      instances.add(
          new ResultRouting.Instance(
              e.getKey(),
              text(one, here + ".", "pool"),
              (long) number(one, here + ".", "requests", 0),
              (long) number(one, here + ".", "counted", -1)));
    }
    Map<String, Long> reasons = new LinkedHashMap<>();
    JsonNode reasonsNode = r.path("reasons");
    for (String reason : children(r, at, "reasons").keySet()) {
      reasons.put(reason, (long) number(reasonsNode, at + "reasons.", reason, 0));
    }
    JsonNode agree = r.path("counters_agree");
    return Optional.of(
        new ResultRouting(
            (long) number(r, at, "threshold", -1),
            text(r, at, "metric"),
            (long) number(r, at, "sent", number(r, at, "checked", 0)),
            (long) number(r, at, "checked", 0),
            (long) number(r, at, "correct", 0),
            (long) number(r, at, "claimed", 0),
            (long) number(r, at, "proven", -1),
            number(r, at, "accuracy", Double.NaN),
            pools,
            instances,
            reasons,
            misrouted(r, at),
            agree.isBoolean() ? Optional.of(agree.booleanValue()) : Optional.empty()));
  }

  private List<ResultRouting.Misrouted> misrouted(JsonNode routing, String at) throws Unusable {
    List<ResultRouting.Misrouted> out = new ArrayList<>();
    JsonNode list = routing.path("exceptions");
    if (list.isMissingNode() || list.isNull()) {
      return out;
    }
    if (!list.isArray()) {
      throw wrong(at + "exceptions", list, "a list");
    }
    for (JsonNode e : list) {
      String here = at + "exceptions[" + out.size() + "]";
      object(e, here);
      out.add(
          new ResultRouting.Misrouted(
              (long) number(e, here + ".", "index", -1),
              text(e, here + ".", "request_id"),
              (long) number(e, here + ".", "size", -1),
              text(e, here + ".", "expected"),
              text(e, here + ".", "pool"),
              text(e, here + ".", "instance"),
              text(e, here + ".", "reason")));
    }
    return out;
  }

  private Map<String, JsonNode> children(JsonNode parent, String at, String key) throws Unusable {
    JsonNode v = parent.path(key);
    Map<String, JsonNode> out = new LinkedHashMap<>();
    if (!v.isMissingNode() && !v.isNull()) {
      object(v, at + key);
      v.properties().forEach(e -> out.put(e.getKey(), e.getValue()));
    }
    return out;
  }

  private JsonNode object(@Nullable JsonNode v, String where) throws Unusable {
    if (v == null || !v.isObject()) {
      throw wrong(where, v, "an object");
    }
    return v;
  }

  private long count(JsonNode top, String key) throws Unusable {
    double v = required(top, key);
    if (v < 0 || v != Math.rint(v) || v > MOST_COUNTED) {
      throw wrong(key, top.get(key), "a whole number, 0 or more");
    }
    return (long) v;
  }

  private double required(JsonNode top, String key) throws Unusable {
    JsonNode v = top.get(key);
    if (v == null) {
      throw new Unusable(path, "\"" + key + "\" is missing (expected: a number)");
    }
    return finite(v, key);
  }

  private double number(JsonNode parent, String at, String key, double fallback) throws Unusable {
    JsonNode v = parent.get(key);
    return v == null || v.isNull() ? fallback : finite(v, at + key);
  }

  private double finite(JsonNode v, String where) throws Unusable {
    if (!v.isNumber() || !Double.isFinite(v.doubleValue())) {
      throw wrong(where, v, "a number");
    }
    return v.doubleValue();
  }

  /// Texts that repeat in every request are kept once.
  private String text(JsonNode parent, String at, String key) throws Unusable {
    JsonNode v = parent.get(key);
    if (v == null || v.isNull()) {
      return "";
    }
    if (!v.isTextual()) {
      throw wrong(at + key, v, "a text");
    }
    return words.computeIfAbsent(printable(v.asText()), Function.identity());
  }

  private Unusable wrong(String where, @Nullable JsonNode seen, String expected) {
    String text = seen == null ? "nothing" : seen.isNumber() ? seen.asText() : seen.toString();
    return new Unusable(
        path,
        printable(where)
            + ": "
            + printable(text.length() > 40 ? text.substring(0, 40) + "..." : text)
            + " (expected: "
            + expected
            + ")");
  }

  private double[] numbers(JsonParser p, String key) throws IOException, Unusable {
    if (p.currentToken() != JsonToken.START_ARRAY) {
      throw wrong(key, p.readValueAsTree(), "a list of numbers");
    }
    double[] out = new double[64];
    int n = 0;
    while (p.nextToken() != JsonToken.END_ARRAY) {
      if (n == out.length) {
        out = Arrays.copyOf(out, 2 * n);
      }
      out[n] = finite(p.readValueAsTree(), key + "[" + n + "]");
      n++;
    }
    return Arrays.copyOf(out, n);
  }

  private double[] sums(JsonParser p, String key) throws IOException, Unusable {
    if (p.currentToken() != JsonToken.START_ARRAY) {
      throw wrong(key, p.readValueAsTree(), "a list of lists of numbers");
    }
    List<Double> out = new ArrayList<>();
    while (p.nextToken() != JsonToken.END_ARRAY) {
      out.add(Arrays.stream(numbers(p, key + "[" + out.size() + "]")).sum());
    }
    return out.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /// vLLM's arrays of `--save-detailed`, one place a request.
  private static final class Detailed {
    double[] ttfts = {};
    double[] itlSums = {};
    double[] inputs = {};
    double[] outputs = {};
    double[] starts = {};

    List<ResultRequest> requests() {
      List<ResultRequest> out = new ArrayList<>();
      double begin = Arrays.stream(starts).min().orElse(0);
      for (int i = 0; i < ttfts.length; i++) {
        double tokens = at(outputs, i, -1);
        double afterFirst = at(itlSums, i, Double.NaN);
        boolean ok = tokens > 0;
        out.add(
            new ResultRequest(
                i,
                at(starts, i, Double.NaN) - begin,
                -1,
                ok,
                ok ? "ok" : "error",
                "",
                "",
                "",
                (long) at(inputs, i, -1),
                (long) tokens,
                -1,
                ttfts[i],
                tokens > 1 ? afterFirst / (tokens - 1) : Double.NaN,
                ttfts[i] + afterFirst,
                0));
      }
      return out;
    }

    private static double at(double[] from, int i, double fallback) {
      return i < from.length ? from[i] : fallback;
    }
  }
}
