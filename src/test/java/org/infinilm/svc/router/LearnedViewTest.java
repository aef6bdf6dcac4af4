package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Forecast.Mode;
import org.junit.jupiter.api.Test;

class LearnedViewTest {
  /// What was compared while it waited; it was sent nowhere.
  private static Forecast compared() {
    List<Forecast.Part> parts =
        List.of(
            new Forecast.Part("p", 9000, 1e9, 2e9, 3e9, 1e7, 0.7, 0.2),
            new Forecast.Part("s", 9000, 4e8, 3e8, 7e8, 8e6, 0.1, 0));
    return new Forecast(
        0, 0, 0, 0, false, false, 0, 0, 0, 0, 0, 0.9, false, Mode.LEARNED, "s", true, parts);
  }

  @Test
  void whatARefusedRequestComparedWhileItWaitedIsTold() {
    SampleDecision d = new SampleDecision();
    d.outcome = Outcome.REJECTED;
    d.forecast = compared();
    Map<?, ?> learned = (Map<?, ?>) DecisionJson.whole(d.make(), SizeMetric.BODY).get("learned");
    assertThat(learned.get("decides")).isEqualTo("learned");
    assertThat(learned.get("best")).isEqualTo("s");
    assertThat(learned.get("predicted_first_token_seconds")).isNull();
    assertThat(learned.get("loss")).isNull();
    assertThat((List<?>) learned.get("costs")).hasSize(2);
    assertThat(LearnedView.lost(d.make(), "s"))
        .isEqualTo("expected to lose 0.1 (first token after 0.7 s), and not free in time");
    d.forecast = Forecast.NONE;
    assertThat(DecisionJson.whole(d.make(), SizeMetric.BODY)).doesNotContainKey("learned");
    assertThat(LearnedView.lost(d.make(), "s")).isNull();
  }
}
