package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.junit.jupiter.api.Test;

/// Random documents, whole and damaged, against Jackson's tree: the twin that reads everything.
class JsonPeekFuzz {
  private static final JsonMapper TREE = new JsonMapper();
  private static final String[] KEYS = {
    "model", "stream", "prompt", "messages", "max_tokens", "prompt_cache_key", "a", "ä", "content"
  };
  private static final String[] TEXTS = {
    "m", "", "日本", "\\n", "\\u00e4", "😀", "\\ud83d\\ude00", "a\\\"model\\\":1", "{}", "\\\\"
  };

  private final SplittableRandom random = new SplittableRandom(20251122);

  @Test
  void agreesWithTheTree() throws JsonProcessingException {
    for (int round = 0; round < 20_000; round++) {
      String json = object(0, true);
      Peeked p = at(json.getBytes(UTF_8));
      JsonNode tree = TREE.readTree(json);
      assertThat(p.form()).as(json).isEqualTo(Form.OBJECT);
      assertThat(p.prompt().textBytes()).as(json).isEqualTo(text(tree));
      assertThat(p.stream())
          .as(json)
          .isEqualTo(tree.path("stream").isBoolean() && tree.path("stream").asBoolean());
      JsonNode key = tree.path("prompt_cache_key");
      assertThat(p.promptCacheKey()).as(json).isEqualTo(key.isTextual() ? key.asText() : null);
      JsonNode model = tree.path("model");
      if (model.isMissingNode() || model.isNull()) {
        assertThat(p.model()).as(json).isNull();
        assertThat(p.modelProblem()).as(json).isNull();
      } else {
        assertThat(p.model())
            .as(json)
            .isEqualTo(model.isTextual() && !model.asText().isEmpty() ? model.asText() : null);
        assertThat(p.modelProblem() == null).as(json).isEqualTo(model.isTextual());
      }
      JsonNode max = tree.path("max_tokens");
      assertThat(p.maxTokens()).as(json).isEqualTo(max.isIntegralNumber() ? max.asLong() : 0);
    }
  }

  /// Damage of any kind is a form, never an exception.
  @Test
  void damagedDocumentsAreSurvived() {
    for (int round = 0; round < 20_000; round++) {
      byte[] b = object(0, true).getBytes(UTF_8);
      for (int k = random.nextInt(1, 4); k > 0; k--) {
        b[random.nextInt(b.length)] = (byte) random.nextInt(256);
      }
      byte[] cut = Arrays.copyOf(b, random.nextInt(b.length + 1));
      Peeked p = at(cut);
      assertThat(p).isEqualTo(inPiecesOfOne(cut));
      if (p.form() == Form.OBJECT) {
        assertThat(p.problem()).isNull();
      }
      boolean whole = readsWhole(cut);
      assertThat(p.form() == Form.OBJECT).as(new String(cut, UTF_8)).isEqualTo(whole);
    }
  }

  /// Whatever a body is made of, each look says the same of it in any pieces, and no more text than
  /// it has bytes.
  @Test
  void everyLookIsTheSameInAnyPieces() {
    String[] some = {
      "\"model\":",
      "\"messages\":",
      "\"system\":",
      "\"input\":",
      "\"instructions\":",
      "\"tools\":",
      "\"prompt\":",
      "\"content\":",
      "\"text\":",
      "\"output\":",
      "\"truncation\":",
      "\"auto\"",
      "\"data:image/png;base64,AA\"",
      "{",
      "}",
      "[",
      "]",
      ",",
      "1",
      "-2.5e3",
      "null",
      "true",
      "\"日本\"",
      "\"a\\u00e4\\ud83d\\ude00\"",
      "\"\\\"1=\"",
      " "
    };
    for (int round = 0; round < 6_000; round++) {
      StringBuilder b = new StringBuilder("{");
      for (int k = random.nextInt(25); k > 0; k--) {
        b.append(some[random.nextInt(some.length)]);
      }
      byte[] body = (round % 2 == 0 ? b.toString() : object(0, true)).getBytes(UTF_8);
      for (Look look : Look.values()) {
        JsonPeek whole = new JsonPeek(look, true);
        whole.feed(body, 0, body.length);
        JsonPeek pieces = new JsonPeek(look, true);
        for (int at = 0; at < body.length; ) {
          int n = Math.min(random.nextInt(1, 12), body.length - at);
          pieces.feed(body, at, at + n);
          at += n;
        }
        Peeked p = whole.peeked(body.length);
        assertThat(pieces.peeked(body.length)).isEqualTo(p);
        if (p.prompt() != null) {
          assertThat(p.prompt().textBytes()).isBetween(0L, p.prompt().bytes());
          assertThat(p.prompt().bytes()).isLessThanOrEqualTo(2L * body.length);
        }
      }
    }
  }

  /// Strings are read by words where they can be; by single bytes they say the same, with their
  /// kinds of text and without.
  @Test
  void wordsOfAStringSayWhatItsBytesSay() {
    String[] some = {
      "plain text",
      "a",
      " ",
      "12",
      ";{}",
      "\\n",
      "\\\"",
      "\\\\",
      "\\t",
      "\\r",
      "\\/",
      "\\b",
      "\\f",
      "\\u00e9",
      "\\u0041",
      "\\ud83d\\ude00",
      "\\ud83d",
      "é",
      "日本",
      "😀",
      "data:",
      "\u007f",
      "\\q",
      "\u0001"
    };
    for (int round = 0; round < 20_000; round++) {
      StringBuilder b = new StringBuilder("{\"messages\":[{\"content\":\"");
      int usual = random.nextInt(10) == 0 ? some.length : some.length - 2;
      for (int k = random.nextInt(40); k > 0; k--) {
        b.append(some[random.nextInt(usual)]);
      }
      byte[] body = b.append("\"}],\"stream\":true,\"model\":\"m\"}").toString().getBytes(UTF_8);
      Peeked p = BodyPeek.at(Unpooled.wrappedBuffer(body), null, null, 1 << 20, Look.CHAT, true);
      assertThat(p).as(b.toString()).isEqualTo(inPiecesOfOne(body));
      Peeked sizes = BodyPeek.at(pieces(body), null, null, 1 << 20, Look.CHAT, false);
      assertThat(sizes.prompt()).isNull();
      assertThat(sizes.extent()).as(b.toString()).isEqualTo(p.extent());
      assertThat(sizes.problem()).isEqualTo(p.problem());
      assertThat(p.extent().bytes()).isEqualTo(p.prompt().bytes());
    }
  }

  /// Objects that begin alike are read on behind what they have in common; byte by byte, where that
  /// never happens, they say the same.
  @Test
  void objectsThatBeginAlikeSayWhatTheirBytesSay() {
    String[] begins = {
      "{\"role\":\"user\",\"content\":",
      "{\"role\":\"assistant\",\"content\":",
      "{\"role\": \"user\", \"content\": ",
      "{\"content\":",
      "{\"type\":\"text\",\"text\":",
      "{\"type\":\"function_call_output\",\"output\":",
      "{\"odd\":\"user\",\"content\":",
      "{\"role\":\"r\\u006fle\",\"name\":",
      "{\"role\":null,\"content\":",
      "{\"role\":\"user\",\"tool_calls\":",
      "{\"tool_call_id\":\"" + "x".repeat(60) + "\",\"content\":"
    };
    String[] values = {
      "\"plain\"",
      "\"\"",
      "\"a\\n\\\"b\"",
      "\"日本\"",
      "\"data:image/png;base64,AA\"",
      "null",
      "[",
      "{",
      "1",
      "\"open"
    };
    String[] ends = {
      "},", "},", "}", "},{", ",\"content\":\"more\"},", ",\"name\":\"n\"}, ", "]", "]},"
    };
    String[] tops = {"messages", "input", "system", "tools", "prompt"};
    for (int round = 0; round < 20_000; round++) {
      StringBuilder b = new StringBuilder("{");
      for (int top = random.nextInt(1, 4); top > 0; top--) {
        b.append('"').append(tops[random.nextInt(tops.length)]).append("\":[");
        int few = random.nextInt(1, begins.length);
        for (int k = random.nextInt(8); k > 0; k--) {
          boolean usual = random.nextInt(5) > 0;
          b.append(begins[usual ? few : random.nextInt(begins.length)]);
          b.append(values[usual ? 0 : random.nextInt(values.length)]);
          b.append(ends[usual ? 0 : random.nextInt(ends.length)]);
        }
        b.append("{}],");
      }
      byte[] body = b.append("\"model\":\"m\"}").toString().getBytes(UTF_8);
      if (random.nextInt(4) == 0) {
        body[random.nextInt(body.length)] = (byte) random.nextInt(128);
      }
      for (Look look : Look.values()) {
        JsonPeek whole = new JsonPeek(look, true);
        whole.feed(body, 0, body.length);
        JsonPeek bytes = new JsonPeek(look, true);
        for (int k = 0; k < body.length; k++) {
          bytes.feed(body, k, k + 1);
        }
        assertThat(whole.peeked(body.length))
            .as(new String(body, UTF_8))
            .isEqualTo(bytes.peeked(body.length));
      }
    }
  }

  private Peeked at(byte[] body) {
    return BodyPeek.at(pieces(body), null, null, Long.MAX_VALUE, Look.CHAT, true);
  }

  private static Peeked inPiecesOfOne(byte[] body) {
    JsonPeek p = new JsonPeek(Look.CHAT, true);
    for (int k = 0; k < body.length; k++) {
      p.feed(body, k, k + 1);
    }
    return p.peeked(body.length);
  }

  /// Whether a strict reader of UTF-8 and JSON takes the object at the start, whatever follows.
  private static boolean readsWhole(byte[] body) {
    CharBuffer text;
    int end = firstObjectEnds(body);
    if (end < 0) {
      return false;
    }
    try {
      text = UTF_8.newDecoder().decode(ByteBuffer.wrap(body, 0, end));
      return TREE.readTree(text.toString()).isObject();
    } catch (IOException e) {
      return false;
    }
  }

  /// Where the brackets of the first object are balanced, by a scan that knows strings alone.
  private static int firstObjectEnds(byte[] b) {
    int depth = 0;
    boolean quoted = false;
    for (int k = 0; k < b.length; k++) {
      if (quoted) {
        if (b[k] == '\\') {
          k++;
        } else if (b[k] == '"') {
          quoted = false;
        }
      } else if (b[k] == '"') {
        quoted = true;
      } else if (b[k] == '{' || b[k] == '[') {
        depth++;
      } else if ((b[k] == '}' || b[k] == ']') && --depth == 0) {
        return k + 1;
      }
    }
    return -1;
  }

  private CompositeByteBuf pieces(byte[] bytes) {
    CompositeByteBuf all = Unpooled.compositeBuffer(Integer.MAX_VALUE);
    for (int at = 0; at < bytes.length; ) {
      int n = Math.min(random.nextInt(1, 30), bytes.length - at);
      all.addComponent(true, Unpooled.copiedBuffer(bytes, at, n));
      at += n;
    }
    return all;
  }

  /// At the top every key stands once at most.
  private String object(int depth, boolean top) {
    StringBuilder b = new StringBuilder("{");
    int from = random.nextInt(KEYS.length);
    int n = random.nextInt(depth > 3 ? 1 : KEYS.length + 1);
    for (int k = 0; k < n; k++) {
      String key = KEYS[(from + k) % KEYS.length];
      b.append(k == 0 ? "" : blank() + "," + blank())
          .append('"')
          .append(key)
          .append("\":")
          .append(blank())
          .append(
              top && key.equals("messages") && random.nextInt(4) > 0 ? messages() : value(depth));
    }
    return b.append('}').toString();
  }

  private String messages() {
    StringBuilder b = new StringBuilder("[");
    int n = random.nextInt(4);
    for (int k = 0; k < n; k++) {
      b.append(k == 0 ? "" : ",").append("{\"role\":\"user\",\"content\":");
      if (random.nextBoolean()) {
        b.append(text());
      } else {
        b.append("[{\"type\":\"text\",\"text\":").append(text()).append("},").append(value(2));
        b.append(']');
      }
      b.append('}');
    }
    return b.append(']').toString();
  }

  private String value(int depth) {
    return switch (random.nextInt(depth > 3 ? 5 : 7)) {
      case 0 -> "null";
      case 1 -> random.nextBoolean() ? "true" : "false";
      case 2 -> Integer.toString(random.nextInt(100));
      case 3 -> "1.5e3";
      case 4 -> text();
      case 5 -> object(depth + 1, false);
      default -> "[" + value(depth + 1) + "," + value(depth + 1) + "]";
    };
  }

  private String text() {
    return "\"" + TEXTS[random.nextInt(TEXTS.length)] + TEXTS[random.nextInt(TEXTS.length)] + "\"";
  }

  private String blank() {
    return random.nextInt(5) == 0 ? " \n" : "";
  }

  private static long text(JsonNode tree) {
    JsonNode messages = tree.path("messages");
    long sum = 0;
    if (messages.isArray()) {
      for (JsonNode m : messages) {
        sum += m.isObject() ? content(m.path("content")) : 0;
      }
      return sum;
    }
    JsonNode prompt = tree.path("prompt");
    if (prompt.isArray()) {
      for (JsonNode p : prompt) {
        sum += utf8(p);
      }
      return sum;
    }
    return utf8(prompt);
  }

  private static long content(JsonNode content) {
    if (!content.isArray()) {
      return utf8(content);
    }
    long sum = 0;
    for (JsonNode part : content) {
      sum += part.isObject() ? utf8(part.path("text")) + utf8(part.path("content")) : 0;
    }
    return sum;
  }

  private static long utf8(JsonNode n) {
    return n.isTextual() ? n.asText().getBytes(UTF_8).length : 0;
  }
}
