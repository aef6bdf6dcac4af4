package org.infinilm.svc.simulator;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PromptTest {
  private static Prompt of(String text) {
    return Prompt.of(text.getBytes(UTF_8), 4, 16, 1);
  }

  @Test
  void tokensAreBytesOverFourRoundedUpAndAtLeastOne() {
    assertThat(of("").tokens()).isEqualTo(1);
    assertThat(of("abcde").tokens()).isEqualTo(2);
    assertThat(of("é".repeat(100)).tokens()).isEqualTo(50);
    assertThat(of("x".repeat(640)).chain()).hasSize(10);
  }

  @Test
  void equalHashesMeanEqualTextFromTheStart() {
    String start = "s".repeat(256);
    Prompt a = of(start + "a".repeat(200));
    Prompt b = of(start + "b".repeat(200));
    assertThat(a.sharedTokens(b)).isEqualTo(64);
    assertThat(of("x" + start).sharedTokens(of(start))).isZero();
    assertThat(a.sharedTokens(Prompt.of((start + "a").getBytes(UTF_8), 4, 16, 2))).isZero();
  }

  @Test
  void oneTokenAtLeastIsLeftToCompute() {
    Prompt p = of("x".repeat(256));
    assertThat(p.tokens()).isEqualTo(64);
    assertThat(p.sharedTokens(p)).isEqualTo(48);
  }
}
