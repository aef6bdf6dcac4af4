package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.infinilm.svc.deploy.SizeRule.Metric;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SizeRuleTest {
  private static final String MODEL = "9g_8b_thinking";

  @ParameterizedTest
  @ValueSource(longs = {100, 51_200, 61_440, 200_000})
  void bodiesAreExactlyAsLargeAsTheirCaseSays(long threshold) {
    List<SizeRule.Case> cases = new SizeRule(Metric.BODY, threshold).cases(MODEL);

    assertThat(cases)
        .extracting(SizeRule.Case::size)
        .containsExactly(threshold - 1, threshold, threshold + 1, 60_000L);
    assertThat(cases).allSatisfy(c -> assertThat(c.body().json()).hasSize((int) c.size()));
  }

  @Test
  void textCasesCountOnlyTheMessage() {
    List<SizeRule.Case> cases = new SizeRule(Metric.TEXT, 10).cases(MODEL);

    assertThat(cases).extracting(c -> c.body().textBytes()).containsExactly(9, 10, 11, 60_000);
  }

  @Test
  void equalIsPagedAndOneMoreIsStatic() {
    SizeRule rule = new SizeRule(Metric.BODY, 51_200);

    assertThat(rule.pool(51_200)).isEqualTo("paged");
    assertThat(rule.pool(51_201)).isEqualTo("static");
  }

  @Test
  void aThresholdBelowAnyChatRequestLeavesOnlyTheLargeCase() {
    assertThat(new SizeRule(Metric.BODY, 20).cases(MODEL))
        .extracting(SizeRule.Case::size)
        .containsExactly(60_000L);
    assertThat(new SizeRule(Metric.BODY, 20).small(MODEL, 180)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(longs = {70, 100, 190, 51_200})
  void smallRequestsStayBelowTheThreshold(long threshold) {
    SizeRule rule = new SizeRule(Metric.BODY, threshold);

    for (int i = 0; i < 20; i++) {
      assertThat(rule.small(MODEL, 180 + i).orElseThrow().json().length)
          .isLessThanOrEqualTo((int) threshold);
    }
  }

  @Test
  void theMetricIsRecognisedByTheSizeTheRouterSaw() {
    ChatBody sent = ChatBody.of(MODEL, "Hello", 16, false);

    assertThat(Metric.of(sent, sent.json().length)).isEqualTo(Metric.BODY);
    assertThat(Metric.of(sent, 5)).isEqualTo(Metric.TEXT);
    assertThat(Metric.of(sent, 2)).isEqualTo(Metric.TOKENS);
  }

  @Test
  void fillerNeedsNoEscapes() {
    String text = EnglishText.of(60_000);

    assertThat(text).hasSize(60_000).matches("[A-Za-z. ]+");
  }
}
