package org.infinilm.svc.engine;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// The JSON of one answer, whole or in chunks, in OpenAI's shapes. Immutable.
///
/// @param chat whether it is a chat or a text completion
/// @param created seconds since 1970
/// @param fingerprint names the process that answers
record Answers(boolean chat, String id, long created, String model, String fingerprint) {
  /// The last event of a stream.
  static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8);

  /// One event of a stream.
  static byte[] event(Object json) {
    byte[] body = Json.bytes(json);
    byte[] out = new byte[body.length + 8];
    byte[] lead = "data: ".getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(lead, 0, out, 0, lead.length);
    System.arraycopy(body, 0, out, lead.length, body.length);
    out[out.length - 2] = '\n';
    out[out.length - 1] = '\n';
    return out;
  }

  static Map<String, Object> usage(int prompt, int cached, int completion) {
    return Map.of(
        "prompt_tokens",
        prompt,
        "completion_tokens",
        completion,
        "total_tokens",
        prompt + completion,
        "prompt_tokens_details",
        Map.of("cached_tokens", cached));
  }

  /// One of the answers to a prompt, whole.
  ///
  /// @param calls functions that it calls
  record Choice(String text, List<Call> calls, @Nullable Object logprobs, String finish) {}

  /// A call of a function.
  ///
  /// @param arguments JSON, as the model wrote it
  record Call(String id, String name, String arguments) {
    private Map<String, Object> json() {
      return Map.of(
          "id", id, "type", "function", "function", Map.of("name", name, "arguments", arguments));
    }
  }

  /// A whole answer.
  Map<String, Object> whole(List<Choice> choices, Map<String, Object> usage) {
    Map<String, Object> body = head(chat ? "chat.completion" : "text_completion");
    List<Object> all = new ArrayList<>();
    for (Choice c : choices) {
      Map<String, @Nullable Object> choice = choice(all.size(), c.finish(), c.logprobs());
      if (chat) {
        choice.put("message", message(c));
      } else {
        choice.put("text", c.text());
      }
      all.add(choice);
    }
    body.put("choices", all);
    body.put("usage", usage);
    return body;
  }

  private static Map<String, @Nullable Object> message(Choice c) {
    Map<String, @Nullable Object> message = new HashMap<>();
    message.put("role", "assistant");
    message.put("content", c.text().isEmpty() && !c.calls().isEmpty() ? null : c.text());
    if (!c.calls().isEmpty()) {
      message.put("tool_calls", c.calls().stream().map(Call::json).toList());
    }
    return message;
  }

  /// A call begins: its id and its name.
  ///
  /// @param number of the call in its answer
  Map<String, Object> call(
      int index,
      int number,
      Call call,
      @Nullable Object logprobs,
      @Nullable Map<String, Object> usage) {
    Map<String, Object> begun = new HashMap<>(call.json());
    begun.put("index", number);
    return chunk(index, Map.of("tool_calls", List.of(begun)), "", logprobs, null, usage);
  }

  /// More of the arguments of a call.
  Map<String, Object> arguments(
      int index,
      int number,
      String json,
      @Nullable Object logprobs,
      @Nullable Map<String, Object> usage) {
    Map<String, Object> more = Map.of("index", number, "function", Map.of("arguments", json));
    return chunk(index, Map.of("tool_calls", List.of(more)), "", logprobs, null, usage);
  }

  /// The first chunk of a chat: who speaks.
  Map<String, Object> role(int index, @Nullable Map<String, Object> usage) {
    return chunk(index, Map.of("role", "assistant", "content", ""), "", null, null, usage);
  }

  Map<String, Object> piece(
      int index, String text, @Nullable Object logprobs, @Nullable Map<String, Object> usage) {
    return chunk(index, Map.of("content", text), text, logprobs, null, usage);
  }

  /// The chunk that says why the answer ended.
  Map<String, Object> finish(
      int index, String reason, @Nullable Object logprobs, @Nullable Map<String, Object> usage) {
    return chunk(index, Map.of(), "", logprobs, reason, usage);
  }

  /// The chunk with the usage and no choices.
  Map<String, Object> total(Map<String, Object> usage) {
    Map<String, Object> body = head(chat ? "chat.completion.chunk" : "text_completion");
    body.put("choices", List.of());
    body.put("usage", usage);
    return body;
  }

  private Map<String, Object> chunk(
      int index,
      Map<String, Object> delta,
      String text,
      @Nullable Object logprobs,
      @Nullable String finish,
      @Nullable Map<String, Object> usage) {
    Map<String, Object> body = head(chat ? "chat.completion.chunk" : "text_completion");
    Map<String, @Nullable Object> choice = choice(index, finish, logprobs);
    if (chat) {
      choice.put("delta", delta);
    } else {
      choice.put("text", text);
    }
    body.put("choices", List.of(choice));
    if (usage != null) {
      body.put("usage", usage);
    }
    return body;
  }

  private Map<String, Object> head(String object) {
    Map<String, Object> body = new HashMap<>();
    body.put("id", id);
    body.put("object", object);
    body.put("created", created);
    body.put("model", model);
    body.put("system_fingerprint", fingerprint);
    return body;
  }

  private static Map<String, @Nullable Object> choice(
      int index, @Nullable String finish, @Nullable Object logprobs) {
    Map<String, @Nullable Object> choice = new HashMap<>();
    choice.put("index", index);
    choice.put("finish_reason", finish);
    choice.put("logprobs", logprobs);
    return choice;
  }
}
