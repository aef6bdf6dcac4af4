package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.SseReader;

/// Judges answers to chat requests, plain and streamed. Pure.
final class ChatChecks {
  private ChatChecks() {}

  /// A complete answer to a request without `stream`.
  static Check plain(Probe.Seen seen) {
    String expected = "HTTP 200, object chat.completion, one choice with text, usage";
    if (!seen.ok()) {
      return Check.of("chat", false, expected, seen.describe());
    }
    JsonNode answer = seen.json();
    JsonNode message = answer.path("choices").path(0).path("message");
    boolean ok =
        answer.path("object").asText().equals("chat.completion")
            && message.path("content").isTextual()
            && answer.path("usage").path("completion_tokens").asInt() > 0;
    return Check.of(
        "chat",
        ok,
        expected,
        ok
            ? quote(message.path("content").asText())
                + ", "
                + answer.path("usage").path("completion_tokens").asInt()
                + " tokens, by "
                + by(seen)
            : seen.describe());
  }

  /// A complete server-sent stream for a request with `stream_options.include_usage`.
  static Check streamed(Probe.Seen seen) {
    String expected =
        "HTTP 200, text/event-stream of chat.completion.chunk objects, usage, then data: [DONE]";
    String name = "chat, streamed";
    if (!seen.ok()) {
      return Check.of(name, false, expected, seen.describe());
    }
    String type = seen.header("content-type");
    if (!Headers.mediaType(type).equals("text/event-stream")) {
      return Check.of(name, false, expected, "content-type " + type);
    }
    List<String> events = SseReader.data(seen.text());
    if (events.isEmpty() || !events.getLast().equals("[DONE]")) {
      return Check.of(
          name,
          false,
          expected,
          events.isEmpty()
              ? "no event"
              : "a stream that ends with " + Probe.shorten(events.getLast(), 100));
    }
    StringBuilder text = new StringBuilder();
    boolean usage = false;
    for (String event : events.subList(0, events.size() - 1)) {
      JsonNode chunk = new Probe.Seen(200, seen.headers(), bytes(event), null).json();
      if (!chunk.path("object").asText().equals("chat.completion.chunk")) {
        return Check.of(name, false, expected, "an event " + Probe.shorten(event, 100));
      }
      text.append(chunk.path("choices").path(0).path("delta").path("content").asText(""));
      usage |= chunk.path("usage").path("completion_tokens").asInt() > 0;
    }
    String all = events.size() - 1 + " chunks, " + quote(text.toString());
    return usage
        ? Check.of(name, true, expected, all + ", usage, [DONE], by " + by(seen))
        : Check.of(name, false, expected, all + ", [DONE], but no usage");
  }

  /// What a tiny client needs of an error or an answer: never more than a line.
  private static String quote(String text) {
    return Json.text(Probe.shorten(text.strip(), 60));
  }

  private static String by(Probe.Seen seen) {
    String name = Header.decode(seen.header("x-infini-instance"));
    return name.isEmpty() ? "an unnamed instance" : name;
  }

  private static byte[] bytes(String s) {
    return s.getBytes(java.nio.charset.StandardCharsets.UTF_8);
  }
}
