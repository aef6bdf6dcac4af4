package org.infinilm.svc.results;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.accuracy.Observed;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.Workload;
import org.jspecify.annotations.Nullable;

/// Adds what was observed to a result file of another load generator; its own keys stay as they
/// are.
public final class ResultMerge {
  private static final Pattern INDEX = Pattern.compile("(?:^|.*-)([0-9]{1,9})");

  private ResultMerge() {}

  /// The result files that are there, with their times.
  public static Map<Path, Long> times(Path result) {
    Map<Path, Long> out = new HashMap<>();
    if (Files.isDirectory(result)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(result, "*.json")) {
        for (Path p : entries) {
          out.put(p, time(p));
        }
      } catch (IOException unreadable) {
        return out;
      }
    } else if (Files.isRegularFile(result)) {
      out.put(result, time(result));
    }
    return out;
  }

  private static long time(Path p) {
    try {
      return Files.getLastModifiedTime(p).toMillis();
    } catch (IOException gone) {
      return 0;
    }
  }

  /// The newest result file that was not there before, or has changed.
  public static Optional<Path> newest(Path result, Map<Path, Long> before) {
    return times(result).entrySet().stream()
        .filter(e -> !e.getValue().equals(before.get(e.getKey())))
        .max(Map.Entry.<Path, Long>comparingByValue().thenComparing(Map.Entry.comparingByKey()))
        .map(Map.Entry::getKey);
  }

  public static void merge(
      Path file,
      Observed observed,
      List<String> command,
      boolean complete,
      @Nullable Routing routing)
      throws IOException {
    JsonNode root;
    try {
      root = Json.tree(Files.readAllBytes(file));
    } catch (JsonProcessingException e) {
      throw new IOException("not a complete JSON document (expected: a result file)", e);
    }
    if (!(root instanceof ObjectNode o)) {
      throw new IOException("not a JSON object (expected: a result file)");
    }
    if (!o.path("complete").isBoolean()) {
      o.put("complete", complete);
    }
    workload(o, command);
    if (!o.path("requests").isArray()) {
      requests(o, observed);
    }
    if (!o.path("routing").isObject()) {
      o.set("routing", tree(routing));
    }
    Path real = OwnFiles.behindLinks(file);
    Path part = real.resolveSibling("." + real.getFileName() + ".part");
    try {
      Files.write(part, Json.bytes(o));
      Files.move(part, real, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private static JsonNode tree(@Nullable Routing routing) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator g = Json.generator(bytes)) {
      RoutingJson.write(g, routing);
    }
    return Json.tree(bytes.toByteArray());
  }

  /// What the command was told to send, so that results of one workload can be told from others.
  private static void workload(ObjectNode o, List<String> command) {
    if (o.path("workload").isObject()) {
      return;
    }
    ObjectNode w = o.putObject("workload");
    w.put("dataset", flag(command, "--dataset-name"));
    String path = flag(command, "--dataset-path");
    w.put("path", path);
    String sha = null;
    if (path != null) {
      try {
        sha = Workload.sha256(Path.of(path));
      } catch (IOException gone) {
        sha = null;
      }
    }
    w.put("sha256", sha);
    String seed = flag(command, "--seed");
    if (seed == null || !seed.matches("-?[0-9]{1,18}")) {
      w.put("seed", 0);
    } else {
      w.put("seed", Long.parseLong(seed));
    }
    w.set("num_prompts", o.path("num_prompts").isMissingNode() ? null : o.get("num_prompts"));
  }

  static @Nullable String flag(List<String> command, String name) {
    for (int k = 0; k < command.size(); k++) {
      String word = command.get(k);
      if (word.equals(name) && k + 1 < command.size()) {
        return command.get(k + 1);
      }
      if (word.startsWith(name + "=")) {
        return word.substring(name.length() + 1);
      }
    }
    return null;
  }

  private static void requests(ObjectNode o, Observed observed) {
    List<Observed.Decision> all = observed.decisions();
    double begin = all.isEmpty() ? 0 : all.getFirst().startSeconds();
    long distinct = all.stream().map(Observed.Decision::requestId).distinct().count();
    ArrayNode to = o.putArray("requests");
    for (Observed.Decision d : all) {
      ObjectNode r = to.addObject();
      r.put("index", to.size() - 1);
      r.put("start_s", d.startSeconds() - begin);
      r.put("size_bytes", d.requestBytes());
      r.put("status", d.status());
      r.put("outcome", d.outcome());
      r.put("pool", d.pool());
      r.put("instance", d.instance());
      r.put("reason", d.reason());
      r.put("attempts", d.attempts());
      int at = distinct == all.size() ? index(d.requestId()) : -1;
      r.set("input_tokens", element(o, "input_lens", at));
      r.set("output_tokens", element(o, "output_lens", at));
      r.putNull("cached_tokens");
      number(r, "ttft_s", d.ttftSeconds());
      number(r, "tpot_s", tpot(d, element(o, "output_lens", at)));
      r.put("e2e_s", d.totalSeconds());
      r.putNull("late_s");
      r.putNull("conversation");
      r.put("request_id", d.requestId());
    }
  }

  private static double tpot(Observed.Decision d, @Nullable JsonNode tokens) {
    int n = tokens == null ? 0 : tokens.asInt();
    return n > 1 ? (d.totalSeconds() - d.ttftSeconds()) / (n - 1) : Double.NaN;
  }

  /// The number at the end of a request id, which is the request's place in the command's arrays.
  static int index(String requestId) {
    Matcher m = INDEX.matcher(requestId);
    return m.matches() ? Integer.parseInt(m.group(1)) : -1;
  }

  private static @Nullable JsonNode element(ObjectNode o, String array, int at) {
    JsonNode n = at < 0 ? null : o.path(array).get(at);
    return n != null && n.isInt() ? n : null;
  }

  private static void number(ObjectNode r, String name, double v) {
    if (Double.isFinite(v)) {
      r.put(name, v);
    } else {
      r.putNull(name);
    }
  }
}
