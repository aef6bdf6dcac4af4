package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import java.util.SplittableRandom;
import org.infinilm.svc.policy.Facts.Usage;
import org.junit.jupiter.api.Test;

class ResponseTapTest {
  private final SplittableRandom random = new SplittableRandom(11);

  /// In any pieces, with any ends of lines, as many events as the text has once its lines end
  /// alike; comments (`: ping`) are none.
  @Test
  void eventsAreThoseOfTheText() {
    for (int round = 0; round < 20_000; round++) {
      String[] ends =
          round % 3 == 0 ? new String[] {"\n"} : new String[] {"\n", "\n", "\r\n", "\r"};
      StringBuilder b = new StringBuilder();
      for (int k = random.nextInt(20); k > 0; k--) {
        int line = random.nextInt(6);
        b.append(line < 2 ? "" : line == 2 ? ": ping" : "data: some words: 12 at most");
        b.append(random.nextInt(8) == 0 ? "" : ends[random.nextInt(ends.length)]);
      }
      byte[] text = b.toString().getBytes(UTF_8);
      ResponseTap tap = new ResponseTap();
      for (int at = 0; at < text.length; ) {
        int n = Math.min(random.nextInt(1, 60), text.length - at);
        tap.slice(Unpooled.wrappedBuffer(text, at, n), true);
        at += n;
      }
      String alike = b.toString().replace("\r\n", "\n").replace('\r', '\n');
      String open = alike.replaceAll("(?s)^.*\n\n", "").replaceAll("^\n+", "");
      assertThat(tap.events()).as(alike).isEqualTo(events(alike));
      assertThat(tap.betweenEvents()).as(alike).isEqualTo(open.isEmpty());
    }
  }

  @Test
  void onlyAnAnswerWithoutMoreThanOneTokenIsCutAtOnce() {
    String ended = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    String token = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    long soon = 40_000_000;
    assertThat(tapped(token + token + ended).isCutAtOnce(null, 100, soon)).isTrue();
    assertThat(tapped(token + ended).isCutAtOnce(null, 0, soon)).isTrue();
    assertThat(tapped(token.repeat(4) + ended).isCutAtOnce(null, 100, soon))
        .as("several tokens")
        .isFalse();
    assertThat(tapped(token + token + ended).isCutAtOnce(null, 2, soon)).as("whole").isFalse();
    assertThat(tapped(token + token + ended).isCutAtOnce(null, 16, soon))
        .as("several tokens an event")
        .isFalse();
    assertThat(tapped(token + ended).isCutAtOnce(null, 500, 60_000_000))
        .as("it has thought, unseen")
        .isFalse();
    assertThat(tapped(token.repeat(9) + ended).isCutAtOnce(new Usage(5, 1, 0), 9, 60_000_000))
        .as("by its own count one")
        .isTrue();
    assertThat(tapped(token + ended).isCutAtOnce(new Usage(5, 1, 0), 1, soon)).isFalse();
    assertThat(tapped(token + ended).isCutAtOnce(new Usage(5, 2, 0), 9, soon)).isFalse();
    assertThat(tapped(token + ended.replace("length", "stop")).isCutAtOnce(null, 0, soon))
        .isFalse();
    assertThat(tapped("").isCutAtOnce(null, 0, soon)).isFalse();
  }

  private static ResponseTap tapped(String text) {
    ResponseTap tap = new ResponseTap();
    tap.slice(Unpooled.wrappedBuffer(text.getBytes(UTF_8)), true);
    return tap;
  }

  private static int events(String text) {
    int n = 0;
    boolean inside = false;
    for (int at = 0; at >= 0 && at < text.length(); ) {
      int lf = text.indexOf('\n', at);
      if (lf < 0) {
        break;
      }
      if (lf > at) {
        inside |= text.charAt(at) != ':';
      } else if (inside) {
        n++;
        inside = false;
      }
      at = lf + 1;
    }
    return n;
  }
}
