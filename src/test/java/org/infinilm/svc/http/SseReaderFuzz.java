package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SseReaderFuzz {
  private static final String[] LINES = {
    "data: {\"a\":1}",
    "data:no space",
    "data: ",
    "data",
    "data:  two spaces",
    ": comment",
    "event: ping",
    "id: 7",
    "retry: 10",
    "",
    "",
    "",
    "data: \u00e4\u00f6 \u4e2d",
    "data: [DONE]"
  };

  private static List<String> read(byte[] bytes, SplittableRandom random) throws Exception {
    List<String> out = new ArrayList<>();
    SseReader reader =
        new SseReader(16 << 20, (name, data, n) -> out.add(new String(data, 0, n, UTF_8)));
    reader.begin();
    int at = 0;
    while (at < bytes.length) {
      int to = Math.min(bytes.length, at + random.nextInt(1, 12));
      reader.feed(bytes, at, to);
      at = to;
    }
    reader.end();
    assertThat(reader.strange()).isFalse();
    return out;
  }

  /// The naive twin: the whole text at once.
  private static List<String> naive(String text) {
    List<String> out = new ArrayList<>();
    for (String event : (text + "\n").split("\n(?:\r?\n)")) {
      List<String> data = new ArrayList<>();
      for (String raw : event.split("\n")) {
        String line = raw.endsWith("\r") ? raw.substring(0, raw.length() - 1) : raw;
        if (line.startsWith("data:")) {
          String d = line.substring(5);
          data.add(d.startsWith(" ") ? d.substring(1) : d);
        }
      }
      if (!data.isEmpty()) {
        out.add(String.join("\n", data));
      }
    }
    return out;
  }

  @Test
  void anyCutGivesTheSameEventsAsTheWholeText() throws Exception {
    SplittableRandom random = new SplittableRandom(42);
    for (int round = 0; round < 3000; round++) {
      String end = random.nextInt(4) == 0 ? "\r\n" : "\n";
      StringBuilder text = new StringBuilder();
      for (int k = random.nextInt(14); k >= 0; k--) {
        text.append(LINES[random.nextInt(LINES.length)]).append(end);
      }
      List<String> want = naive(text.toString());
      assertThat(read(text.toString().getBytes(UTF_8), random)).as("%s", text).isEqualTo(want);
    }
  }

  @Test
  void namesAndIdsBelongToTheirEventAndAnIdNeedsNoData() throws Exception {
    List<String> out = new ArrayList<>();
    SseReader reader =
        new SseReader(
            1000,
            new SseReader.Sink() {
              @Override
              public void event(String name, byte[] data, int length) {
                out.add(name + "=" + new String(data, 0, length, UTF_8));
              }

              @Override
              public void position(String id) {
                out.add("at " + id);
              }

              @Override
              public void comment() {
                out.add("comment");
              }
            });
    byte[] text = "event: put\ndata: a\n\n:\nid:7\ndata: b\n\nid: 8\n\n\n".getBytes(UTF_8);
    for (byte b : text) {
      reader.feed(new byte[] {b}, 0, 1);
    }
    assertThat(out).containsExactly("put=a", "comment", "=b", "at 7", "at 8");
  }

  @Test
  void somethingElseThanAnEventStreamIsStrange() throws Exception {
    SseReader reader = new SseReader(16 << 20, (name, data, n) -> {});
    reader.begin();
    byte[] json = "{\"choices\":[]}".getBytes(UTF_8);
    reader.feed(json, 0, json.length);
    reader.end();
    assertThat(reader.strange()).isTrue();
  }

  @Test
  void anEventWithoutEndIsRefusedBeforeItFillsTheMemory() {
    SseReader reader = new SseReader(16 << 20, (name, data, n) -> {});
    reader.begin();
    byte[] piece = "x".repeat(1 << 20).getBytes(UTF_8);
    assertThatThrownBy(
            () -> {
              for (int k = 0; k < 20; k++) {
                reader.feed(piece, 0, piece.length);
              }
            })
        .isInstanceOf(IOException.class)
        .hasMessageContaining("16777216");
  }
}
