package org.infinilm.svc.workload;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.IdentityHashMap;
import java.util.List;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.LoadItem.Message;
import org.jspecify.annotations.Nullable;

/// The JSON bodies of requests. Pure.
///
/// The `openai` backend sends what vLLM's bench sends under that name, to whatever path it is told:
/// `prompt`, `repetition_penalty`, `max_tokens`, `logprobs`. The `openai-chat` backend sends
/// `messages` and `max_completion_tokens`.
public record RequestBody(
    String model,
    boolean chat,
    boolean stream,
    boolean ignoreEos,
    @Nullable Double temperature,
    @Nullable ObjectNode extra) {

  /// The body of one request.
  ///
  /// @param history messages before those of the item, in order
  public byte[] of(LoadItem item, List<Message> history) {
    StringBuilder b = new StringBuilder(512);
    b.append("{\"model\":").append(Json.text(model));
    if (chat) {
      b.append(",\"messages\":");
      messages(b, item, history);
      if (item.outputTokens() > 0) {
        b.append(",\"max_completion_tokens\":").append(item.outputTokens());
      }
    } else {
      b.append(",\"prompt\":").append(Json.text(prompt(item, history)));
      b.append(",\"repetition_penalty\":1.0");
      if (item.outputTokens() > 0) {
        b.append(",\"max_tokens\":").append(item.outputTokens());
      }
      b.append(",\"logprobs\":null");
    }
    b.append(",\"stream\":").append(stream);
    if (stream) {
      b.append(",\"stream_options\":{\"include_usage\":true}");
    }
    if (temperature != null && !given("temperature")) {
      b.append(",\"temperature\":").append(temperature);
    }
    if (ignoreEos && !given("ignore_eos")) {
      b.append(",\"ignore_eos\":true");
    }
    if (item.cacheKey() != null && !given("prompt_cache_key")) {
      b.append(",\"prompt_cache_key\":").append(Json.text(item.cacheKey()));
    }
    byte[] plain = b.append('}').toString().getBytes(StandardCharsets.UTF_8);
    return extra == null ? plain : merged(plain, extra);
  }

  /// Answers to one request.
  public int choices() {
    return extra != null && extra.path("n").isInt()
        ? Math.clamp(extra.path("n").intValue(), 1, 1000)
        : 1;
  }

  /// Answer tokens that a request asks for, of all its answers together; 0 when it does not say.
  public int asked(LoadItem item) {
    return (int) Math.min(Integer.MAX_VALUE, (long) choices() * each(item));
  }

  private int each(LoadItem item) {
    if (extra != null) {
      for (String name : List.of("max_completion_tokens", "max_tokens")) {
        if (extra.path(name).isInt()) {
          return extra.path(name).intValue();
        }
      }
    }
    return Math.max(0, item.outputTokens());
  }

  /// UTF-8 bytes of the text of one request, as routers count it; -1 where the text is given
  /// otherwise.
  ///
  /// @param history messages before those of the item
  public long textBytes(LoadItem item, List<Message> history) {
    if (given("messages") || given("prompt")) {
      return -1;
    }
    if (!chat) {
      return utf8(prompt(item, history));
    }
    long before = history.stream().mapToLong(m -> utf8(text(m.content()))).sum();
    if (item.messages().isEmpty()) {
      return before + utf8(item.prompt() == null ? "" : item.prompt());
    }
    return before + item.messages().stream().mapToLong(m -> utf8(text(m.content()))).sum();
  }

  private static long utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  /// Whether the model cannot end an answer by itself.
  public boolean ignoresEnd() {
    return extra != null && extra.path("ignore_eos").isBoolean()
        ? extra.path("ignore_eos").booleanValue()
        : ignoreEos;
  }

  private boolean given(String name) {
    return extra != null && extra.has(name);
  }

  private static byte[] merged(byte[] plain, ObjectNode extra) {
    try {
      ObjectNode all = (ObjectNode) Json.tree(plain);
      all.setAll(extra);
      return Json.bytes(all);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a body of our own making", e);
    }
  }

  private static void messages(StringBuilder b, LoadItem item, List<Message> history) {
    b.append('[');
    int begin = b.length();
    history.forEach(m -> message(b, begin, m));
    item.messages().forEach(m -> message(b, begin, m));
    if (item.messages().isEmpty()) {
      message(b, begin, new Message("user", Json.text(item.prompt() == null ? "" : item.prompt())));
    }
    b.append(']');
  }

  private static void message(StringBuilder b, int begin, Message m) {
    b.append(b.length() == begin ? "" : ",").append("{\"role\":").append(Json.text(m.role()));
    b.append(",\"content\":").append(m.content()).append('}');
  }

  /// The prompt, or the messages as lines of `role: text`.
  private static String prompt(LoadItem item, List<Message> history) {
    if (item.prompt() != null && history.isEmpty()) {
      return item.prompt();
    }
    StringBuilder b = new StringBuilder();
    history.forEach(m -> line(b, m));
    item.messages().forEach(m -> line(b, m));
    if (item.messages().isEmpty() && item.prompt() != null) {
      line(b, new Message("user", Json.text(item.prompt())));
    }
    return b.toString();
  }

  private static void line(StringBuilder b, Message m) {
    b.append(b.isEmpty() ? "" : "\n").append(m.role()).append(": ").append(text(m.content()));
  }

  private static String text(String content) {
    try {
      JsonNode n = Json.tree(content.getBytes(StandardCharsets.UTF_8));
      if (n.isArray()) {
        StringBuilder parts = new StringBuilder();
        n.forEach(p -> parts.append(p.path("text").asText("")));
        return parts.toString();
      }
      return n.asText("");
    } catch (JsonProcessingException e) {
      return "";
    }
  }

  /// Bytes of text that a workload may have in this process.
  static long mostText() {
    return Runtime.getRuntime().maxMemory() / 4;
  }

  /// The end of a message about more than that.
  static String tooMuch() {
    return " are more text than this process holds (expected: at most "
        + (mostText() >> 20)
        + " MiB; INFINI_JAVA_OPTS=-Xmx8g gives more)";
  }

  /// The bodies of requests whose text is known, as far as a third of the heap holds them; the rest
  /// is made when it is sent.
  public IdentityHashMap<LoadItem, byte[]> ahead(List<LoadItem> items) {
    long room = Runtime.getRuntime().maxMemory() / 3;
    IdentityHashMap<LoadItem, byte[]> out = new IdentityHashMap<>();
    for (LoadItem i : items) {
      if (i.conversation() >= 0 || out.containsKey(i)) {
        continue;
      }
      byte[] b = of(i, List.of());
      room -= b.length;
      if (room < 0) {
        return out;
      }
      out.put(i, b);
    }
    return out;
  }
}
