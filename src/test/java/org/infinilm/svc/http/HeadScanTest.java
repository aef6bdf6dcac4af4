package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class HeadScanTest {
  private static final String LONG_NAME = "x-" + "n".repeat(70);

  private final HeadScan scan = new HeadScan();

  private @Nullable PlainRequest request(String... lines) {
    String head = "GET " + String.join("\r\n", lines) + "\r\n\r\n";
    ByteBuf in = Unpooled.copiedBuffer(head, ISO_8859_1);
    try {
      return scan.request(in);
    } finally {
      in.release();
    }
  }

  /// Values are looked at in steps of eight bytes: no place in a step is another's.
  @Test
  void aValueHoldsWhatAFieldMayHoldAndNothingElseWhereverItStands() {
    // what a longer head left behind must not be read
    request("/ HTTP/1.1", "Host: a", "X: " + "\u0001".repeat(200));
    for (int length = 1; length <= 18; length++) {
      for (int at = 0; at < length; at++) {
        for (char c = 0; c <= 0xff; c++) {
          String value = "v".repeat(at) + c + "w".repeat(length - at - 1);
          PlainRequest r = request("/ HTTP/1.1", "Host: a", "X-V: " + value, "X-W: after");
          if (c == '\t' || (c >= ' ' && c != 0x7f)) {
            assertThat(r).as("%d at %d", (int) c, at).isNotNull();
            assertThat(r.header("x-v")).isEqualTo(strip(value));
            assertThat(r.header("x-w")).isEqualTo("after");
          } else {
            assertThat(r).as("%d at %d", (int) c, at).isNull();
          }
        }
      }
    }
  }

  /// White space around a value is no part of it; that of other alphabets is.
  private static String strip(String value) {
    return value.replaceAll("^[ \t]+|[ \t]+$", "");
  }

  @Test
  void aTargetIsItsRequestsOwnHoweverLikeTheOneBefore() {
    for (String target : List.of("/v1/a", "/v1/a", "/v1/ab", "/v1/b", "/v1/a?x", "/", "/v1/a")) {
      PlainRequest r = request(target + " HTTP/1.1", "Host: a");
      assertThat(r).isNotNull();
      assertThat(r.target()).isEqualTo(target);
    }
  }

  @Test
  void namesOfAnyLengthAreFoundReplacedAndDropped() {
    PlainRequest r =
        request("/ HTTP/1.1", "Host: a", LONG_NAME + "a: 1", LONG_NAME + "b: 2", "X: 3", "Y: 4");
    assertThat(r).isNotNull();
    assertThat(r.header(LONG_NAME + "b")).isEqualTo("2");
    assertThat(r.header(LONG_NAME + "c")).isNull();
    assertThat(r.header("z")).isNull();
    HeadWriter w = new HeadWriter();
    r.lines()
        .patched(
            w,
            new HeadPatch(
                List.of(LONG_NAME + "a", "y"),
                List.of(new Header(LONG_NAME + "b", "5"), Header.prepared("x-p", "6\r7"))));
    assertThat(new String(w.taken(), ISO_8859_1))
        .isEqualTo("X: 3\r\n" + LONG_NAME + "b: 5\r\nx-p: 6?7\r\n");
  }
}
