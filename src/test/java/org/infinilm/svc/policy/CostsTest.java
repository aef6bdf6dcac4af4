package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CostsTest {
  private static final Instance USUAL = Samples.paged("usual", 0);
  private static final Instance SLOW = Samples.paged("slow", 1);
  private static final double PROMPT_NANOS = 40_000;
  private static final double TOKEN_NANOS = 7e6;

  private final Costs costs = new Costs();
  private final Random random = new Random(5);
  private long now = 1_000_000_000_000L;

  /// One answer of so many times the usual time.
  private void answers(Instance i, double times) {
    double prompt = 200 + random.nextInt(4000);
    double noise = Math.exp(0.15 * random.nextGaussian());
    costs.prompt(i, prompt, times * noise * prompt * PROMPT_NANOS, now);
    costs.token(i, prompt, prompt, 1, times * noise * TOKEN_NANOS, now);
  }

  /// The usual one answers twice a second, the other one now and then.
  private void goesOn(int answersOfSlow, int everySeconds, double times) {
    for (int k = 0; k < answersOfSlow; k++) {
      for (int s = 0; s < 2 * everySeconds; s++) {
        now += 500_000_000;
        answers(USUAL, 1);
      }
      answers(SLOW, times);
    }
  }

  private double factor(Instance i) {
    return costs.factor(i.name(), now);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 20, 60})
  void howSlowAnInstanceIsIsKnownHoweverSeldomItIsAsked(int everySeconds) {
    goesOn(1, 60, 1);
    goesOn(40, everySeconds, 10);
    assertThat(factor(SLOW) / factor(USUAL)).isBetween(8.0, 12.5);
    assertThat(costs.promptNanos(2000) * factor(USUAL) / (2000 * PROMPT_NANOS))
        .isBetween(0.8, 1.25);
    assertThat(costs.tokenNanos(2000, 2000, 1) * factor(USUAL) / TOKEN_NANOS).isBetween(0.8, 1.25);
  }

  /// A few answers of its own say how much slower than the other cache type it is.
  @Test
  void aTypeOfWhichLittleIsKnownIsTheOtherOneAtItsOwnScale() {
    Costs statics = new Costs();
    statics.beside(costs);
    costs.beside(statics);
    for (int k = 0; k < 60; k++) {
      answers(USUAL, 1);
    }
    double before = statics.tokenNanos(1000, 1000, 1);
    assertThat(before / TOKEN_NANOS).isBetween(0.8, 1.25);
    for (int k = 0; k < 4; k++) {
      statics.token(SLOW, 500 + 500 * k, 500 + 500 * k, 1, 8 * TOKEN_NANOS, now);
    }
    assertThat(statics.tokenNanos(1000, 1000, 1) / TOKEN_NANOS).isBetween(5.0, 10.0);
  }

  /// Also by how much the middle of what was observed is above what least squares say.
  @Test
  void whatIsReadBackForetellsTheSame() throws Exception {
    for (int k = 0; k < 1000; k++) {
      now += 100_000_000;
      answers(USUAL, Math.exp(0.9 * random.nextGaussian()));
    }
    JsonMapper json = new JsonMapper();
    Map<String, Object> file =
        json.readValue(
            json.writeValueAsBytes(costs.remembered(now)),
            new TypeReference<Map<String, Object>>() {});
    Costs again = new Costs();
    again.recall(Recalled.of(file), now);
    assertThat(again.promptNanos(2000)).isCloseTo(costs.promptNanos(2000), withinPercentage(1));
    assertThat(again.tokenNanos(2000, 2000, 1))
        .isCloseTo(costs.tokenNanos(2000, 2000, 1), withinPercentage(1));
    file.remove("middles");
    Costs before = new Costs();
    before.recall(Recalled.of(file), now);
    assertThat(before.promptNanos(2000))
        .as("there is something to keep")
        .isLessThan(0.9 * costs.promptNanos(2000));
  }

  /// It is tried again, and found out when it has recovered.
  @ParameterizedTest
  @ValueSource(ints = {5, 20, 60})
  void whatItWasFadesAndDoesNotComeBackByItself(int everySeconds) {
    goesOn(1, 60, 1);
    goesOn(40, everySeconds, 10);
    double slow = factor(SLOW);
    now += 60_000_000_000L;
    assertThat(factor(SLOW)).isLessThan(Math.pow(slow, 0.2));
    goesOn(6, everySeconds, 1);
    assertThat(factor(SLOW) / factor(USUAL)).isBetween(0.8, 1.6);
  }

  /// Of many, those that were slow long ago are looked at again, and a new one in a slot is not the
  /// one that was there.
  @Test
  void aFirstLookForgetsByMinutes() {
    for (int k = 0; k < 60; k++) {
      now += 100_000_000;
      answers(USUAL, 1);
      answers(SLOW, 10);
    }
    assertThat(costs.roughly().factor(SLOW, now)).isGreaterThan(4);
    assertThat(costs.roughly().factor(SLOW, now + 60_000_000_000L)).isGreaterThan(2);
    assertThat(costs.roughly().factor(SLOW, now + 1_800_000_000_000L)).isLessThan(1.1);
    Instance next = Samples.paged("next", SLOW.slot());
    assertThat(costs.roughly().factor(next, now)).isEqualTo(1);
  }
}
