package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.BodyPeek.Extent;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenRatesTest {
  private static final String ENGLISH =
      "It was a bright cold day in April, and the clocks were striking thirteen. Nobody in the town"
          + " had seen the baker since the market closed on Friday; his windows stayed dark. ";
  private static final String CHINESE = "今天天气很好，我们去公园散步。孩子们在草地上放风筝，老人在树下下棋。";
  private static final String CODE =
      """
      for (int i = 0; i < n; i++) {
        if (map.get(key[i]) == null) { sum += f(x_1, y[i]); }
        out.println("i=" + i);
      }
      """;
  private static final String NUMBERS = "3.14159 27182 0.57721 1.41421 17320 9,80665 6.02214e23 ";

  /// A kind of text with the tokens per byte that were counted for it behind a real engine.
  private enum Kind {
    EN(ENGLISH, 0.189),
    ZH(CHINESE, 0.33),
    SOURCE(CODE, 0.63),
    DIGITS(NUMBERS, 0.5);

    private final String text;
    private final double tokensPerByte;

    Kind(String text, double tokensPerByte) {
      this.text = text;
      this.tokensPerByte = tokensPerByte;
    }
  }

  private record Seen(Kind kind, Prompt prompt, long tokens) {}

  private static Seen seen(Kind kind, int bytes) {
    int one = kind.text.getBytes(UTF_8).length;
    int times = Math.max(1, bytes / one);
    Prompt p = prompt(kind.text.repeat(times));
    return new Seen(kind, p, Math.round(10 + p.textBytes() * kind.tokensPerByte));
  }

  private static Prompt prompt(String... messages) {
    List<Object> all = new ArrayList<>();
    for (String m : messages) {
      all.add(Map.of("role", "user", "content", m));
    }
    byte[] body = Json.bytes(Map.of("model", "m", "messages", all));
    return BodyPeek.at(Unpooled.wrappedBuffer(body), null, null, Long.MAX_VALUE, Look.CHAT, true)
        .prompt();
  }

  private static double ratio(TokenRates rates, Seen s) {
    return rates.tokens(s.prompt) / (double) s.tokens;
  }

  private static final Prompt LONG = prompt(ENGLISH.repeat(200).substring(0, 30_000));
  private static final long LONG_TOKENS = 5684;
  private static final Prompt SHORT = prompt("Hello, who are you?");
  private static final long SHORT_TOKENS = 14;

  /// The figures of a run behind vLLM, where the same long prompt went to an instance that could
  /// not hold it once short chats had passed.
  @ParameterizedTest
  @ValueSource(ints = {20, 40, 60, 10_000})
  void shortChatsDoNotMoveTheEstimateOfALongPrompt(int chats) {
    TokenRates rates = TokenRates.FIRST.learned(LONG, LONG_TOKENS);
    assertThat(rates.tokens(LONG)).isBetween(5600L, 5760L);
    for (int k = 0; k < chats; k++) {
      rates = rates.learned(SHORT, SHORT_TOKENS);
    }
    assertThat(rates.tokens(LONG)).isBetween(5600L, 5760L);
    assertThat(rates.tokens(SHORT)).isBetween(13L, 16L);
  }

  @Test
  void shortChatsAloneLeaveTheFirstGuessOfALongPrompt() {
    TokenRates rates = TokenRates.FIRST;
    for (int k = 0; k < 60; k++) {
      rates = rates.learned(SHORT, SHORT_TOKENS);
    }
    assertThat(rates.tokens(LONG)).isBetween(7400L, 7900L);
  }

  /// The worst order for anything that follows the last requests: one kind for long, then the next,
  /// with short chats between.
  @Test
  void kindsOfTextThatComeInBlocksAreToldApart() {
    TokenRates rates = TokenRates.FIRST;
    Random sizes = new Random(5);
    for (int block = 0; block < 12; block++) {
      Kind now = Kind.values()[block % 4];
      for (int k = 0; k < 30; k++) {
        Seen s = seen(now, 600 + sizes.nextInt(30_000));
        rates = rates.learned(s.prompt, s.tokens).learned(SHORT, SHORT_TOKENS);
      }
      assertThat(ratio(rates, seen(now, 30_000))).as("%s, just seen", now).isBetween(0.98, 1.02);
      for (Kind other : Kind.values()) {
        double least = block < 4 ? 0.4 : block < 8 ? 0.93 : 0.97;
        double most = block < 4 ? 1.4 : block < 8 ? 1.35 : 1.03;
        assertThat(ratio(rates, seen(other, 30_000)))
            .as("%s after block %d of %s", other, block, now)
            .isBetween(least, most);
      }
    }
  }

  @Test
  void kindsOfTextInAnyOrderAreToldApart() {
    for (int round = 0; round < 20; round++) {
      Random random = new Random(round);
      TokenRates rates = TokenRates.FIRST;
      for (int k = 0; k < 300; k++) {
        Seen s = seen(Kind.values()[random.nextInt(4)], 600 + random.nextInt(30_000));
        if (k > 60) {
          assertThat(ratio(rates, s)).as("%s, request %d", s.kind, k).isBetween(0.93, 1.07);
        }
        rates = rates.learned(s.prompt, s.tokens);
      }
    }
  }

  /// Counts that scatter by a tenth, as real ones do around any rule.
  @Test
  void scatteredCountsAreAveraged() {
    Random random = new Random(11);
    TokenRates rates = TokenRates.FIRST;
    for (int k = 0; k < 1000; k++) {
      Seen s = seen(Kind.values()[k % 4], 600 + random.nextInt(30_000));
      rates = rates.learned(s.prompt, Math.round(s.tokens * (0.9 + 0.2 * random.nextDouble())));
    }
    for (Kind k : Kind.values()) {
      assertThat(ratio(rates, seen(k, 30_000))).as("%s", k).isBetween(0.9, 1.1);
    }
  }

  @Test
  void manyShortMessagesCountTheirTemplate() {
    TokenRates rates = TokenRates.FIRST;
    String[] turns = new String[100];
    Arrays.fill(turns, "Yes, go on.");
    Prompt talk = prompt(turns);
    for (int k = 0; k < 20; k++) {
      rates = rates.learned(talk, 100 * 9).learned(SHORT, SHORT_TOKENS);
    }
    assertThat(rates.tokens(talk)).isBetween(850L, 950L);
    assertThat(rates.tokens(SHORT)).isBetween(8L, 20L);
  }

  /// One count that makes no sense moves what is settled by little, and what follows brings it
  /// back.
  @Test
  void anAbsurdCountIsNotBelieved() {
    TokenRates rates = TokenRates.FIRST;
    for (int k = 0; k < 50; k++) {
      rates = rates.learned(LONG, LONG_TOKENS);
    }
    TokenRates fooled = rates.learned(LONG, 5_000_000).learned(LONG, 1);
    assertThat(fooled.tokens(LONG)).isBetween(2800L, 8500L);
    for (int k = 0; k < 5; k++) {
      fooled = fooled.learned(LONG, LONG_TOKENS);
    }
    assertThat(fooled.tokens(LONG)).isBetween(5500L, 5900L);
  }

  @Test
  void whateverIsLearnedTheEstimateStaysANumberWithinBounds() {
    Random random = new Random(3);
    TokenRates rates = TokenRates.FIRST;
    Prompt huge = new Prompt(1, 60L << 20, 0, 1, 60L << 20, 1, 1, 1, true, false);
    for (int k = 0; k < 5000; k++) {
      Seen s = seen(Kind.values()[random.nextInt(4)], 1 + random.nextInt(3000));
      rates = rates.learned(s.prompt, 1L << random.nextInt(40));
      rates = rates.learned(huge, 1L << random.nextInt(40));
      assertThat(rates.tokens(s.prompt)).isBetween(0L, 4096 + 64 + 3L * s.prompt.bytes());
      assertThat(rates.tokens(huge)).isBetween(3L << 20, 80L << 20);
    }
  }

  private static TokenRates counted() {
    TokenRates rates = TokenRates.FIRST;
    for (Kind k : Kind.values()) {
      Prompt text = prompt(k.text.repeat(2));
      rates = rates.counted(text, Math.round(text.bytes() * k.tokensPerByte));
    }
    return rates;
  }

  @Test
  void aFewCountedTextsSettleTheRatesAndLeaveTheTemplate() {
    TokenRates rates = counted();
    for (Kind k : Kind.values()) {
      assertThat(ratio(rates, seen(k, 30_000))).as("%s", k).isBetween(0.9, 1.12);
    }
    assertThat(ratio(TokenRates.FIRST, seen(Kind.SOURCE, 30_000))).as("before").isLessThan(0.7);
    assertThat(ratio(TokenRates.FIRST, seen(Kind.EN, 30_000))).as("before").isGreaterThan(1.2);
    Prompt template = new Prompt(1, 0, 0, 3, 1, 0, 0, 0, true, false);
    assertThat(rates.tokens(template)).isEqualTo(TokenRates.FIRST.tokens(template));
  }

  /// Real texts differ from the counted ones: answers win in the end.
  @Test
  void answersRefineWhatWasCounted() {
    TokenRates rates = counted();
    for (int k = 0; k < 20; k++) {
      rates = rates.learned(LONG, LONG_TOKENS * 5 / 4);
    }
    assertThat(rates.tokens(LONG) / (LONG_TOKENS * 1.25)).isBetween(0.97, 1.03);
  }

  @Test
  void theMeanLengthOfAnswersIsFollowedWithinABound() {
    assertThat(TokenRates.FIRST.outputTokens()).isZero();
    TokenRates rates = TokenRates.FIRST.answered(100);
    assertThat(rates.outputTokens()).isEqualTo(100);
    for (int k = 0; k < 200; k++) {
      rates = rates.answered(1_000_000);
    }
    assertThat(rates.outputTokens()).isBetween(4000L, 4096L);
  }

  @Test
  void aFirstGuessIsGenerousForProse() {
    assertThat(ratio(TokenRates.FIRST, seen(Kind.EN, 20_000))).isBetween(1.0, 1.5);
    assertThat(ratio(TokenRates.FIRST, seen(Kind.ZH, 20_000))).isBetween(1.0, 1.5);
  }

  /// Whatever has been learned, the bound that needs no kinds is never below the estimate.
  @Test
  void theBoundIsNeverBelowTheEstimate() {
    java.util.SplittableRandom random = new java.util.SplittableRandom(7);
    TokenRates rates = TokenRates.FIRST;
    for (int k = 0; k < 2000; k++) {
      long letters = random.nextInt(5000);
      long digits = random.nextInt(1000);
      long marks = random.nextInt(1000);
      long more = random.nextInt(3000);
      int messages = random.nextInt(20);
      long bytes = letters + digits + marks + more;
      Prompt p = new Prompt(1, bytes, 0, messages, letters, digits, marks, more, true, false);
      assertThat(rates.mostTokens(new Extent(1, bytes, 0, messages, bytes, false)))
          .isGreaterThanOrEqualTo(rates.tokens(p));
      rates = rates.learned(p, random.nextLong(1 + bytes));
    }
  }
}
