package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.http.Json;

/// Request bodies that a broken or hostile client might send.
final class Bodies {
  private static final String VALID =
      """
      {"model":"tiny","prompt":"ab cd","messages":[{"role":"user","content":"ab"},
      {"role":"tool","content":[{"type":"text","text":"x"}]}],"stream":false,
      "stream_options":{"include_usage":true},"max_tokens":3,"max_completion_tokens":3,"temperature":0.5,
      "top_p":0.9,"top_k":5,"min_p":0.1,"seed":7,"stop":["zz"],"ignore_eos":false,"min_tokens":1,"n":1,
      "presence_penalty":0.5,"frequency_penalty":-0.5,"repetition_penalty":1.1,"logit_bias":{"5":1.5},
      "logprobs":false,"top_logprobs":0,"response_format":{"type":"text"},"tools":[],"tool_choice":"auto",
      "best_of":1,"echo":false,"suffix":"","tokens":[1,2],"content":"ab","add_special_tokens":true,
      "add_generation_prompt":true,"user":"u","unknown":{"a":[1,2,{"b":null}]}}
      """;

  private static final List<String> VALUES =
      List.of(
          "null",
          "true",
          "0",
          "-1",
          "1.5",
          "1e999",
          "-1e999",
          "9223372036854775808",
          "1" + "0".repeat(900),
          "1" + "0".repeat(1100),
          "\"\"",
          "\"x\"",
          "\"\\ud800\"",
          "\"\\udc00\\ud800 \\u0000\"",
          "[]",
          "[[]]",
          "[null]",
          "[1,\"a\",{}]",
          "{}",
          "{\"a\":1}",
          "{\"\":{\"\":[]}}",
          "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"$ref\":\"#\"}}}",
          "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"enum\":[\"\\ud800\"]}}}",
          "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"properties\":{\"\\ud800\":{}}}}}",
          "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"array\",\"maxItems\":0}}}",
          "[{\"role\":\"user\"}]",
          "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"$ref\":\"#\"}}}]",
          "[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"\ud800[\"}}]}]",
          "[{\"role\":\"user\",\"content\":{\"type\":\"text\"}}]",
          "[{\"role\":\"user\",\"content\":[[]]}]",
          "[".repeat(900) + "]".repeat(900),
          "[".repeat(3000) + "]".repeat(3000),
          "{\"a\":".repeat(1500) + "1" + "}".repeat(1500));

  private Bodies() {}

  private static ObjectNode valid() {
    try {
      return (ObjectNode) Json.tree(VALID.getBytes(StandardCharsets.UTF_8));
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /// Every field with every odd value, in an otherwise valid body.
  static List<byte[]> oddValues() {
    List<String> fields = valid().propertyStream().map(Map.Entry::getKey).toList();
    List<byte[]> out = new ArrayList<>();
    for (String field : fields) {
      for (String value : VALUES) {
        ObjectNode body = valid();
        body.remove(List.of("messages", "prompt").contains(field) ? "none" : field);
        body.remove(field.equals("messages") ? "prompt" : "none");
        body.remove(field);
        String text = body.toString();
        String with = text.substring(0, text.length() - 1) + ",\"" + field + "\":" + value + "}";
        out.add(with.getBytes(StandardCharsets.UTF_8));
      }
    }
    return out;
  }

  /// A valid body with bytes changed, cut, doubled or in another encoding.
  static byte[] broken(Random random) {
    byte[] body = valid().toString().getBytes(StandardCharsets.UTF_8);
    for (int n = random.nextInt(4); n >= 0; n--) {
      body = mutated(body, random);
    }
    return body;
  }

  private static byte[] mutated(byte[] body, Random random) {
    if (body.length == 0) {
      return body;
    }
    int at = random.nextInt(body.length);
    return switch (random.nextInt(6)) {
      case 0 -> Arrays.copyOf(body, at);
      case 1 -> Arrays.copyOfRange(body, at, body.length);
      case 2 -> {
        byte[] b = body.clone();
        b[at] = (byte) random.nextInt(256);
        yield b;
      }
      case 3 -> {
        byte[] b = body.clone();
        b[at] = "{}[]\",:0-e\\".getBytes(StandardCharsets.US_ASCII)[random.nextInt(11)];
        yield b;
      }
      case 4 -> {
        String other =
            List.of("UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE").get(random.nextInt(4));
        yield new String(body, StandardCharsets.ISO_8859_1).getBytes(Charset.forName(other));
      }
      default -> {
        byte[] b = Arrays.copyOf(body, body.length + 8);
        random.nextBytes(b);
        System.arraycopy(body, 0, b, 0, at);
        System.arraycopy(
            body, at, b, Math.min(at + 8, b.length - (body.length - at)), body.length - at);
        yield b;
      }
    };
  }

  /// Whether it is one error in OpenAI's shape.
  static boolean isError(JsonNode answer) {
    JsonNode e = answer.path("error");
    return e.path("message").isTextual()
        && e.path("type").isTextual()
        && e.path("code").isTextual()
        && e.has("param");
  }
}
