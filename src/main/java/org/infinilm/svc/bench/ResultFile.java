package org.infinilm.svc.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.http.Json;

/// One result file of vLLM's `bench serve --save-result`, or of ours.
///
/// @param label what the run was called; empty when the file does not say
/// @param date as the file writes it, `YYYYmmdd-HHMMSS`
record ResultFile(
    Path path,
    String label,
    String date,
    long completed,
    long failed,
    Map<Metric, Double> figures) {
  /// Largest file that is read; one with details of every request is far below it.
  private static final long MOST_BYTES = 512L << 20;

  /// A file that is no result; the message names it and what is wrong.
  static final class Unusable extends Exception {
    Unusable(Path path, String what) {
      super(path + ": " + what);
    }
  }

  static ResultFile read(Path path) throws Unusable {
    byte[] bytes;
    try {
      if (Files.size(path) > MOST_BYTES) {
        throw new Unusable(
            path, Files.size(path) + " bytes (expected: at most " + MOST_BYTES + ")");
      }
      bytes = Files.readAllBytes(path);
    } catch (NoSuchFileException e) {
      throw new Unusable(path, "no such file (expected: a result JSON of a benchmark)");
    } catch (IOException e) {
      throw new Unusable(
          path,
          Files.isDirectory(path)
              ? "is a folder (expected: a result JSON of a benchmark)"
              : "cannot be read: " + GenContext.reason(e));
    }
    return parse(path, bytes);
  }

  static ResultFile parse(Path path, byte[] bytes) throws Unusable {
    JsonNode root;
    try {
      root = Json.tree(bytes);
    } catch (JsonProcessingException e) {
      throw new Unusable(
          path,
          "not a complete JSON document, perhaps half-written: "
              + e.getOriginalMessage().lines().findFirst().orElse("")
              + " at line "
              + e.getLocation().getLineNr()
              + ", column "
              + e.getLocation().getColumnNr());
    }
    if (!root.isObject()) {
      throw new Unusable(
          path, (bytes.length == 0 ? "empty" : "not a JSON object") + " (expected: a result JSON)");
    }
    Map<Metric, Double> figures = new EnumMap<>(Metric.class);
    for (Metric m : Metric.values()) {
      figures.put(m, number(path, root, m.key()));
    }
    return new ResultFile(
        path,
        root.path("label").asText(""),
        root.path("date").asText("unknown"),
        (long) number(path, root, "completed"),
        (long) number(path, root, "failed"),
        figures);
  }

  private static double number(Path path, JsonNode root, String key) throws Unusable {
    JsonNode v = root.get(key);
    if (v == null) {
      throw new Unusable(path, "\"" + key + "\" is missing (expected: a number)");
    }
    if (!v.isNumber() || !Double.isFinite(v.doubleValue())) {
      String seen = v.toString();
      throw new Unusable(
          path,
          key
              + ": "
              + (seen.length() > 40 ? seen.substring(0, 40) + "..." : seen)
              + " (expected: a number)");
    }
    return v.doubleValue();
  }

  /// Which side the file belongs to: its name says so, else its label.
  Optional<Side> side() {
    Path name = path.getFileName();
    return side(name == null ? "" : name.toString()).or(() -> side(label));
  }

  /// `paged...` or `static...` at the beginning decides, else the one that occurs. `2paged` names a
  /// pair of paged instances, which is neither side.
  static Optional<Side> side(String text) {
    String t = text.toLowerCase(Locale.ROOT).replace("2paged", "");
    boolean paged = t.contains("paged");
    boolean still = t.contains("static");
    if (t.startsWith("paged") || (paged && !still)) {
      return Optional.of(Side.PAGED);
    }
    return t.startsWith("static") || (still && !paged)
        ? Optional.of(Side.STATIC)
        : Optional.empty();
  }
}
