package org.infinilm.svc.workload;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.LoadItem.Message;
import org.jspecify.annotations.Nullable;

/// Data sets of JSON lines.
final class DatasetFile {
  private DatasetFile() {}

  /// vLLM's `custom`: one object a line with `prompt`, or `messages`; `output_tokens`, `timestamp`
  /// and `prompt_cache_key` where it has them.
  static Workload custom(Config c) throws ConfigException {
    Path file = path(c);
    byte[] bytes = read(file);
    int length = c.get(WorkloadKeys.CUSTOM_OUTPUT_LEN).intValue();
    List<LoadItem> items = new ArrayList<>();
    for (Line l : lines(file, bytes)) {
      items.add(item(l, length, c.get(WorkloadKeys.TIMESTAMP_UNIT).equals("ms") ? 1e-3 : 1));
    }
    return new Workload(
        "custom", file.toString(), Digest.of(bytes), null, Workload.sized(c, items));
  }

  private static LoadItem item(Line l, int length, double unit) throws ConfigException {
    JsonNode prompt = l.object().path("prompt");
    List<Message> messages = messages(l);
    if (!prompt.isTextual() && messages.isEmpty()) {
      throw l.wrong("no \"prompt\" (expected: a text, or messages)");
    }
    JsonNode key = l.object().path("prompt_cache_key");
    return new LoadItem(
        prompt.isTextual() ? prompt.textValue() : null,
        messages,
        length == -1 ? outputTokens(l) : length,
        timestamp(l) * unit,
        -1,
        key.isTextual() ? key.textValue() : null);
  }

  static int outputTokens(Line l) throws ConfigException {
    JsonNode n = l.object().path("output_tokens");
    if (!n.canConvertToInt() || n.intValue() < 1) {
      throw l.wrong(
          "output_tokens: "
              + (n.isMissingNode() ? "missing" : n.toString())
              + " (expected: a whole number above 0, because --custom-output-len is -1)");
    }
    return n.intValue();
  }

  static double timestamp(Line l) throws ConfigException {
    JsonNode t = l.object().path("timestamp");
    if (t.isMissingNode() || t.isNull()) {
      return Double.NaN;
    }
    double v = t.isNumber() ? t.doubleValue() : Double.NaN;
    if (!Double.isFinite(v)) {
      throw l.wrong("timestamp: " + shown(t) + " (expected: a number)");
    }
    return v;
  }

  /// The messages of a line; empty when it has none.
  static List<Message> messages(Line l) throws ConfigException {
    JsonNode all = l.object().path("messages");
    List<Message> out = new ArrayList<>();
    if (all.isMissingNode() || all.isNull()) {
      return out;
    }
    if (!all.isArray()) {
      throw l.wrong("messages: " + shown(all) + " (expected: a list)");
    }
    for (JsonNode m : all) {
      JsonNode content = m.path("content");
      if (!m.path("role").isTextual() || !(content.isTextual() || content.isArray())) {
        throw l.wrong("messages: " + shown(m) + " (expected: objects with role and content)");
      }
      out.add(new Message(m.path("role").textValue(), Json.text(content)));
    }
    return out;
  }

  private static String shown(JsonNode n) {
    String t = n.toString();
    return t.length() > 60 ? t.substring(0, 60) + "..." : t;
  }

  /// One line of a file.
  record Line(Path file, int number, JsonNode object) {
    ConfigException wrong(String what) {
      return new ConfigException(file + ":" + number + ": " + what);
    }
  }

  /// The objects of a file; blank lines are skipped, a broken one is an error with its number.
  static List<Line> lines(Path file, byte[] bytes) throws ConfigException {
    List<Line> out = new ArrayList<>();
    int number = 0;
    int from = 0;
    while (from < bytes.length) {
      int to = from;
      while (to < bytes.length && bytes[to] != '\n') {
        to++;
      }
      number++;
      String text = new String(bytes, from, to - from, StandardCharsets.UTF_8).strip();
      if (!text.isEmpty()) {
        out.add(new Line(file, number, object(file, number, text)));
      }
      from = to + 1;
    }
    if (out.isEmpty()) {
      throw new ConfigException(file + ": empty (expected: one JSON object a line)");
    }
    return out;
  }

  private static JsonNode object(Path file, int number, String text) throws ConfigException {
    try {
      JsonNode n = Json.tree(text.getBytes(StandardCharsets.UTF_8));
      if (n.isObject()) {
        return n;
      }
      throw new ConfigException(
          file + ":" + number + ": " + shown(n) + " (expected: a JSON object)");
    } catch (JsonProcessingException e) {
      throw new ConfigException(
          file
              + ":"
              + number
              + ": not JSON at column "
              + e.getLocation().getColumnNr()
              + ": "
              + first(Json.wrong(e))
              + " (expected: one JSON object a line)");
    }
  }

  private static String first(@Nullable String message) {
    return message == null ? "" : message.lines().findFirst().orElse("");
  }

  static Path path(Config c) throws ConfigException {
    return Path.of(
        c.find(WorkloadKeys.DATASET_PATH)
            .orElseThrow(() ->
                new ConfigException("--dataset-path: missing (expected: the data set's file)")));
  }

  static byte[] read(Path file) throws ConfigException {
    try {
      long size = Files.size(file);
      if (size > RequestBody.mostText()) {
        throw new ConfigException(
            "--dataset-path: " + file + ": " + size + " bytes" + RequestBody.tooMuch());
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new ConfigException("--dataset-path: " + file + " (expected: a file that exists)");
    } catch (IOException e) {
      throw new ConfigException(
          "--dataset-path: " + file + " cannot be read: " + ConfigException.reason(e));
    }
  }
}
