package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Random answers in random pieces against a twin that has each whole before it and reads it with
/// Jackson.
class AnswerModelFuzz {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String NEW = "na\"me日";
  private static final String[] KEYS = {
    "model", "mod\\u0065l", "message", "response", "id", "choices", "日"
  };
  private static final String[] TEXTS = {
    "m", "", "日本", "\\n\\n", "\\u00e4\\\"", "\\\\", "data: ", "{\\\"model\\\":\\\"m\\\"}", "[DONE]"
  };
  private static final Pattern LINE = Pattern.compile("([^\\r\\n]*)(\\r\\n|\\r|\\n|$)");

  private final SplittableRandom random = new SplittableRandom(20261128);

  @Test
  void objectsInAnyPieces() throws IOException {
    for (int round = 0; round < 10_000; round++) {
      String inside = inside();
      String in = object(0, random.nextBoolean() ? " " : "") + (random.nextInt(9) == 0 ? "x" : "");
      assertThat(passed(false, inside, in.getBytes(UTF_8))).as(in).isEqualTo(twin(in, inside));
    }
  }

  @Test
  void streamsInAnyPieces() throws IOException {
    for (int round = 0; round < 5_000; round++) {
      String inside = inside();
      String in = stream();
      assertThat(passed(true, inside, in.getBytes(UTF_8))).as(in).isEqualTo(streamTwin(in, inside));
    }
  }

  /// Damage changes nothing of what stands behind it in the same object, and is never an exception.
  @Test
  void damagedAnswersAreTheSameInAnyPieces() {
    for (int round = 0; round < 10_000; round++) {
      boolean events = random.nextBoolean();
      byte[] in = (events ? stream() : object(0, "")).getBytes(UTF_8);
      for (int k = random.nextInt(1, 4); k > 0; k--) {
        in[random.nextInt(in.length)] = (byte) random.nextInt(256);
      }
      byte[] cut = Arrays.copyOf(in, random.nextInt(in.length + 1));
      String inside = inside();
      AnswerModel whole = new AnswerModel(events, inside, NEW);
      ByteBuf once = whole.pass(Unpooled.wrappedBuffer(cut));
      String expected =
          once.toString(StandardCharsets.ISO_8859_1)
              + whole.rest().toString(StandardCharsets.ISO_8859_1);
      assertThat(new String(bytes(events, inside, cut), StandardCharsets.ISO_8859_1))
          .isEqualTo(expected);
    }
  }

  private @Nullable String inside() {
    return switch (random.nextInt(3)) {
      case 0 -> null;
      case 1 -> "message";
      default -> "response";
    };
  }

  private String passed(boolean events, @Nullable String inside, byte[] in) {
    return new String(bytes(events, inside, in), UTF_8);
  }

  private byte[] bytes(boolean events, @Nullable String inside, byte[] in) {
    AnswerModel a = new AnswerModel(events, inside, NEW);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int most = random.nextInt(1, 40);
    for (int from = 0; from < in.length; ) {
      int n = Math.min(random.nextInt(1, most + 1), in.length - from);
      write(a.pass(Unpooled.copiedBuffer(in, from, n)), out);
      from += n;
    }
    write(a.rest(), out);
    return out.toByteArray();
  }

  private static void write(ByteBuf b, ByteArrayOutputStream out) {
    byte[] some = new byte[b.readableBytes()];
    b.readBytes(some);
    b.release();
    out.writeBytes(some);
  }

  /// Replaces by the places that Jackson's parser tells.
  private static String twin(String in, @Nullable String inside) throws IOException {
    byte[] all = in.getBytes(UTF_8);
    StringBuilder out = new StringBuilder();
    int done = 0;
    try (JsonParser p = JSON.getFactory().createParser(all)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        return in;
      }
      int depth = 1;
      boolean named = false;
      String key = "";
      while (depth > 0) {
        JsonToken t = p.nextToken();
        if (t == JsonToken.FIELD_NAME) {
          key = p.currentName();
        } else if (t == JsonToken.START_OBJECT || t == JsonToken.START_ARRAY) {
          named |= depth == 1 && t == JsonToken.START_OBJECT && key.equals(inside);
          depth++;
        } else if (t == JsonToken.END_OBJECT || t == JsonToken.END_ARRAY) {
          depth--;
          named &= depth > 1;
        } else if (t == JsonToken.VALUE_STRING
            && key.equals("model")
            && p.getParsingContext().inObject()
            && (depth == 1 || (depth == 2 && named))) {
          int from = (int) p.currentTokenLocation().getByteOffset();
          p.finishToken();
          int to = (int) p.currentLocation().getByteOffset();
          out.append(new String(all, done, from - done, UTF_8))
              .append(JSON.writeValueAsString(NEW));
          done = to;
        }
      }
    } catch (JsonProcessingException broken) {
      // what was found before stands
    }
    return out + new String(all, done, all.length - done, UTF_8);
  }

  /// Takes the events apart, replaces in the data of each, joined, and puts them together again.
  private static String streamTwin(String in, @Nullable String inside) throws IOException {
    StringBuilder out = new StringBuilder();
    StringBuilder event = new StringBuilder();
    StringBuilder data = new StringBuilder();
    Matcher m = LINE.matcher(in);
    while (m.find() && !m.group().isEmpty()) {
      String line = m.group(1);
      if (line.isEmpty()) {
        out.append(joined(event, data, inside)).append(m.group(2));
        continue;
      }
      if (line.startsWith("data:")) {
        int value = line.startsWith("data: ") ? 6 : 5;
        event.append(line, 0, value).append(HOLE);
        data.append(line, value, line.length()).append('\n');
      } else {
        event.append(line);
      }
      event.append(m.group(2));
    }
    return out + joined(event, data, inside);
  }

  private static final char HOLE = '\ue000';

  private static String joined(StringBuilder event, StringBuilder data, @Nullable String inside)
      throws IOException {
    String[] lines = twin(data.toString(), inside).split("\n", -1);
    StringBuilder out = new StringBuilder();
    int k = 0;
    for (int i = 0; i < event.length(); i++) {
      if (event.charAt(i) == HOLE) {
        out.append(lines[k++]);
      } else {
        out.append(event.charAt(i));
      }
    }
    event.setLength(0);
    data.setLength(0);
    return out.toString();
  }

  private String stream() {
    String eol = new String[] {"\n", "\r\n", "\r"}[random.nextInt(3)];
    StringBuilder b = new StringBuilder();
    for (int n = random.nextInt(1, 6); n > 0; n--) {
      for (int lines = random.nextInt(1, 4); lines > 0; lines--) {
        b.append(
                switch (random.nextInt(7)) {
                  case 0 -> "event: message_start";
                  case 1 -> ": {\"model\":\"m\"}";
                  case 2 -> "data: [DONE]";
                  case 3 -> "data";
                  case 4 -> "data:{\"model\":\"m\"}";
                  default -> "data: " + object(0, eol + "data:");
                })
            .append(eol);
      }
      b.append(n > 1 || random.nextBoolean() ? eol : "");
    }
    return b.toString();
  }

  /// @param blank between tokens, now and then
  private String object(int depth, String blank) {
    StringBuilder b = new StringBuilder("{");
    for (int n = random.nextInt(5); n > 0; n--) {
      b.append(blank(blank)).append('"').append(KEYS[random.nextInt(KEYS.length)]).append('"');
      b.append(blank(blank)).append(':').append(blank(blank)).append(value(depth, blank));
      b.append(n > 1 ? "," : "");
    }
    return b.append(blank(blank)).append('}').toString();
  }

  private String value(int depth, String blank) {
    return switch (random.nextInt(depth > 2 ? 4 : 7)) {
      case 0 -> "null";
      case 1 -> "-1.5e3";
      case 2, 3 ->
          "\""
              + TEXTS[random.nextInt(TEXTS.length)]
              + TEXTS[random.nextInt(TEXTS.length)].repeat(random.nextInt(3))
              + "\"";
      case 4 -> "[" + value(depth + 1, blank) + "," + object(depth + 1, blank) + "]";
      default -> object(depth + 1, blank);
    };
  }

  private String blank(String blank) {
    return random.nextInt(6) == 0 ? blank : "";
  }
}
