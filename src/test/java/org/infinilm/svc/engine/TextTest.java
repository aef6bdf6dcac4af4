package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Characters from bytes, stop strings over the borders of tokens.
class TextTest {
  @ParameterizedTest
  @ValueSource(strings = {"plain", "Zürich", "€ 12", "a😀b😀", "\u0000\uffff"})
  void charactersComeWholeByteByByte(String text) {
    Utf8Assembler utf8 = new Utf8Assembler();
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      String piece = utf8.accept(new byte[] {b});
      assertThat(piece).doesNotContain("\ufffd");
      assertThat(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)))
          .isTrue();
      out.append(piece);
    }
    assertThat(out.append(utf8.finish())).hasToString(text);
  }

  @Test
  void brokenBytesAreReplacedAndTheRestGoesOn() {
    Utf8Assembler utf8 = new Utf8Assembler();
    assertThat(utf8.accept(new byte[] {(byte) 0xff, 'a', (byte) 0xe2, (byte) 0x82}))
        .isEqualTo("\ufffda");
    assertThat(utf8.accept(new byte[] {'b'})).isEqualTo("\ufffdb");
    assertThat(utf8.accept(new byte[] {(byte) 0xf0})).isEmpty();
    assertThat(utf8.finish()).isEqualTo("\ufffd");
    assertThat(utf8.finish()).isEmpty();
  }

  @Test
  void aStopStringIsFoundOverPieces() {
    StopMatcher m = new StopMatcher(List.of("END", "##"));
    assertThat(m.accept("one E")).isEqualTo("one ");
    assertThat(m.accept("N")).isEmpty();
    assertThat(m.accept("X two #")).isEqualTo("ENX two ");
    assertThat(m.stopped()).isFalse();
    assertThat(m.accept("# three")).isEmpty();
    assertThat(m.stopped()).isTrue();
    assertThat(m.accept("more")).isEmpty();
    assertThat(m.finish()).isEmpty();
  }

  @Test
  void whatLookedLikeAStopIsGivenAtTheEnd() {
    StopMatcher m = new StopMatcher(List.of("\n\n"));
    assertThat(m.accept("a\n")).isEqualTo("a");
    assertThat(m.finish()).isEqualTo("\n");
  }

  @Test
  void anyCutOfATextGivesWhatOneSearchGives() {
    Random random = new Random(3);
    List<String> stops = List.of("aab", "ba", "bbb");
    for (int round = 0; round < 2000; round++) {
      StringBuilder text = new StringBuilder();
      for (int i = random.nextInt(20); i > 0; i--) {
        text.append((char) ('a' + random.nextInt(2)));
      }
      int cut = stops.stream().mapToInt(text::indexOf).filter(i -> i >= 0).min().orElse(-1);
      StopMatcher m = new StopMatcher(stops);
      StringBuilder out = new StringBuilder();
      for (int i = 0; i < text.length() && !m.stopped(); ) {
        int next = Math.min(text.length(), i + 1 + random.nextInt(4));
        out.append(m.accept(text.substring(i, next)));
        i = next;
      }
      out.append(m.finish());
      if (cut < 0) {
        assertThat(out).hasToString(text.toString());
      } else {
        assertThat(m.stopped()).isTrue();
        assertThat(text.toString()).startsWith(out.toString());
        assertThat(stops).anyMatch(s -> text.indexOf(s, out.length()) == out.length());
      }
    }
  }
}
