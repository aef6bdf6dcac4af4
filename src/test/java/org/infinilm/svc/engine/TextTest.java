package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.infinilm.svc.http.Json;
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
    assertThat(out).hasToString(text);
  }

  @Test
  void brokenBytesAreReplacedAndTheRestGoesOn() {
    Utf8Assembler utf8 = new Utf8Assembler();
    assertThat(utf8.accept(new byte[] {(byte) 0xff, 'a', (byte) 0xe2, (byte) 0x82}))
        .isEqualTo("\ufffda");
    assertThat(utf8.accept(new byte[] {'b'})).isEqualTo("\ufffdb");
    assertThat(utf8.accept(new byte[] {(byte) 0xf0})).isEmpty();
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

  private static TokenLogprob token(int id) {
    return new TokenLogprob(id, -1, List.of(), 0);
  }

  private static List<Integer> ids(AnswerText.Piece piece) {
    return piece.tokens().stream().map(TokenLogprob::token).toList();
  }

  @Test
  void tokensComeWithTheirText() {
    AnswerText text = new AnswerText(List.of("stop"));
    byte[] euro = "€".getBytes(StandardCharsets.UTF_8);
    text.add("a😀".getBytes(StandardCharsets.UTF_8), token(1));
    AnswerText.Piece first = text.take(false);
    assertThat(first.text()).isEqualTo("a😀");
    assertThat(ids(first)).containsExactly(1);
    text.add(new byte[] {euro[0], euro[1]}, token(2));
    assertThat(text.take(false).isEmpty()).isTrue();
    text.add(new byte[] {euro[2], 's'}, token(3));
    AnswerText.Piece second = text.take(false);
    assertThat(second.text()).isEqualTo("€");
    assertThat(ids(second)).containsExactly(2, 3);
    assertThat(second.tokens()).extracting(TokenLogprob::offset).containsExactly(2, 2);
    text.add("x st".getBytes(StandardCharsets.UTF_8), token(4));
    AnswerText.Piece third = text.take(false);
    assertThat(third.text()).isEqualTo("sx ");
    assertThat(ids(third)).containsExactly(4);
    text.add("op more".getBytes(StandardCharsets.UTF_8), token(5));
    assertThat(text.stopped()).isTrue();
    text.end();
    assertThat(text.take(true).isEmpty()).as("what is in the stop string is left out").isTrue();
  }

  @Test
  void theEndGivesWhatWasHeldBackButNoHalfCharacter() {
    AnswerText text = new AnswerText(List.of("##"));
    text.add("a#".getBytes(StandardCharsets.UTF_8), token(1));
    text.add(new byte[] {(byte) 0xe2, (byte) 0x82}, token(2));
    AnswerText.Piece sure = text.take(false);
    assertThat(sure.text()).isEqualTo("a");
    text.end();
    AnswerText.Piece rest = text.take(true);
    assertThat(rest.text()).isEqualTo("#");
    assertThat(ids(rest)).containsExactly(2);
  }

  @Test
  void logprobsInBothShapes() {
    byte[][] pieces = {"a".getBytes(StandardCharsets.UTF_8), {(byte) 0xe2, (byte) 0x82}};
    TokenTable table = new TokenTable(new FakeVocabulary(pieces));
    List<TokenLogprob> tokens =
        List.of(
            new TokenLogprob(1, -2, List.of(new TokenLogprob.Alternative(0, -0.5)), 3),
            new TokenLogprob(0, -0.5, List.of(), 4));
    assertThat(Json.text(new LogprobsJson(true, table).of(tokens)))
        .isEqualTo(
            "{\"content\":[{\"bytes\":[226,130],\"logprob\":-2.0,\"token\":\"bytes:\\\\xe2\\\\x82\","
                + "\"top_logprobs\":[{\"bytes\":[97],\"logprob\":-0.5,\"token\":\"a\"}]},"
                + "{\"bytes\":[97],\"logprob\":-0.5,\"token\":\"a\",\"top_logprobs\":[]}],"
                + "\"refusal\":null}");
    assertThat(Json.text(new LogprobsJson(false, table).of(tokens)))
        .isEqualTo(
            "{\"text_offset\":[3,4],\"token_logprobs\":[-2.0,-0.5],"
                + "\"tokens\":[\"bytes:\\\\xe2\\\\x82\",\"a\"],"
                + "\"top_logprobs\":[{\"a\":-0.5,\"bytes:\\\\xe2\\\\x82\":-2.0},{\"a\":-0.5}]}");
  }
}
