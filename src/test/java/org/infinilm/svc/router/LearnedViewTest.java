package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Forecast.Mode;
import org.infinilm.svc.policy.Forecast.Place;
import org.infinilm.svc.policy.Reason;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LearnedViewTest {
  /// What was compared while it waited; it was sent nowhere.
  private static Forecast compared() {
    List<Forecast.Part> parts =
        List.of(
            new Forecast.Part("p", Place.FREE, 9000, 1e9, 2e9, 3e9, 1e7, 0.7, 0.2),
            new Forecast.Part("s", Place.FULL, 9000, 4e8, 3e8, 7e8, 8e6, 0.1, 0));
    return new Forecast(
        0,
        0,
        0,
        0,
        false,
        false,
        0,
        0,
        0,
        0,
        0,
        0,
        0.9,
        false,
        Mode.LEARNED,
        "s",
        true,
        "",
        false,
        parts);
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
    assertThat(
            ((List<?>) learned.get("costs"))
                .stream().map(c -> String.valueOf(((Map<?, ?>) c).get("place"))).toList())
        .containsExactly("free", "full");
    assertThat(LearnedView.lost(d.make(), "s"))
        .isEqualTo(
            "full; a wait for it was expected to lose 0.1 (first token after 0.7 s), and not free in time");
    d.forecast = Forecast.NONE;
    assertThat(DecisionJson.whole(d.make(), SizeMetric.BODY)).doesNotContainKey("learned");
    assertThat(LearnedView.lost(d.make(), "s")).isNull();
  }

  /// One that was expected to lose less than the chosen one says why it was not taken.
  ///
  /// @param chosen what the chosen one had, which was expected to lose 0.3
  /// @param best what was expected to lose least
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          FULL | 0.28 | FREE | p | 0   | ; a wait has to be worth 0.05
          FULL | 0.2  | FREE | p | 0   | ; too long a wait, or too many waited
          FULL | 0.2  | FREE | p | 1e9 | ; it was not free in time
          FULL | 0.28 | FULL | p | 1e9 | ; that one had a place first
          FREE | 0.29 | FREE | p | 0   | ; the home of its key may lose 0.01 more
          FREE | 0.28 | FREE | s | 0   | ; that one was tried, for it was not heard of for long
          FREE | 0.28 | FREE | p | 1e9 | ; that was when it chose to wait
          LAST | 0.2  | FREE | p | 0   | ; its weight is 0
          FREE | 0.4  | FREE | p | 0   | ''
          FULL | 0.4  | FREE | p | 0   | ''
          """)
  void whoWasExpectedToLoseLessSaysWhyItWasNotChosen(
      Place place, double loss, Place chosen, String best, double waited, String why) {
    SampleDecision d = new SampleDecision();
    d.instance = "p";
    d.reason = Reason.LEARNED;
    List<Forecast.Part> parts =
        List.of(
            new Forecast.Part("p", chosen, 9000, 0, 1e9, 1e9, 1e7, 0.2, 0.1),
            new Forecast.Part("s", place, 9000, 0, 7e8, 7e8, 8e6, loss, 0));
    d.forecast =
        new Forecast(
            1,
            1,
            1,
            1,
            true,
            false,
            waited,
            1,
            1,
            1,
            0.3,
            0,
            0.3,
            true,
            Mode.LEARNED,
            best,
            false,
            "",
            false,
            parts);
    assertThat(LearnedView.lost(d.make(), "s"))
        .startsWith(place == Place.FULL ? "full; a wait for it was expected" : "expected")
        .contains(
            ", the chosen one 0.3 (1.0 s"
                + (chosen == Place.FULL ? ", the wait for it included)" : ")"))
        .endsWith(")" + why);
  }
}
