package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.infinilm.svc.policy.Objective.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ObjectiveTest {
  @ParameterizedTest
  @EnumSource
  void whatIsLostMoreIsTheDifferenceOfWhatIsLost(Kind kind) {
    Objective o = new Objective(kind, 2e9, 50e6);
    Random random = new Random(3);
    for (int k = 0; k < 20_000; k++) {
      double first = 2e9 * Math.exp(3 * random.nextGaussian());
      double before = 50e6 * Math.exp(3 * random.nextGaussian());
      double after = before * Math.exp(Math.abs(2 * random.nextGaussian()));
      double tokens = 1 + random.nextInt(2000);
      double loss = o.loss(first, after, tokens) - o.loss(first, before, tokens);
      assertThat(o.more(o.kept(first), tokens * before, tokens * after, tokens))
          .as("%s, %s to %s, %s tokens", first, before, after, tokens)
          .isCloseTo(loss, within(1e-9 * Math.max(1, o.loss(first, after, tokens))));
    }
  }

  /// Or all that came to equal instances would go to the one that seems a little sooner.
  @Test
  void firstTokensThatAreNearlyAlikeAreNotWorthSlowerAnswers() {
    Objective o = new Objective(Kind.TTFT, 2e9, 50e6);
    assertThat(o.loss(70e6, 15e6, 200)).isLessThan(o.loss(69e6, 18e6, 200));
    assertThat(o.loss(200e6, 15e6, 200)).isGreaterThan(o.loss(69e6, 18e6, 200));
  }

  /// The longer, the more is lost, by little more where it is little longer, whatever the limits.
  @ParameterizedTest
  @EnumSource
  void aLongerTimeNeverLosesLess(Kind kind) {
    Objective o = new Objective(kind, 2e9, 50e6);
    Random random = new Random(4);
    for (int k = 0; k < 20_000; k++) {
      double first = 2e9 * Math.exp(4 * random.nextGaussian());
      double token = 50e6 * Math.exp(4 * random.nextGaussian());
      double tokens = 1 + random.nextInt(2000);
      double loss = o.loss(first, token, tokens);
      double by = 1 + Math.exp(3 * random.nextGaussian());
      assertThat(o.loss(first * by, token, tokens)).as("%s x %s", first, by).isGreaterThan(loss);
      assertThat(o.loss(first, token * by, tokens)).as("%s x %s", token, by).isGreaterThan(loss);
      double near = o.loss(first * (1 + 1e-9), token * (1 + 1e-9), tokens);
      assertThat(near).isCloseTo(loss, within(1e-7 * Math.max(1, loss)));
      assertThat(o.more(1, token * tokens, token * by * tokens, tokens)).isPositive();
    }
  }

  /// Of limits that nothing can keep: a queue of 220 s and one of 13 s are not alike, and what
  /// counts is by how much one is longer; all of it is less than a limit that could be kept.
  @Test
  void beyondTheLimitsTimesAreToldApartByTheirRatio() {
    Objective o = Objective.DEFAULT;
    for (double times : new double[] {8, 20, 110, 1000}) {
      double first = times * o.firstNanos();
      double token = times * o.tokenNanos();
      assertThat(o.loss(2 * first, token, 100) - o.loss(first, token, 100))
          .as("%s times the limit", times)
          .isBetween(0.02, 0.03);
      assertThat(o.loss(first, 2 * token, 100) - o.loss(first, token, 100))
          .as("%s times the limit", times)
          .isBetween(0.02, 0.03);
      assertThat(o.loss(10 * first, token, 100) - o.loss(first, token, 100))
          .isLessThan(0.2 * (o.loss(2 * o.firstNanos(), 0, 100) - o.loss(0, 0, 100)));
    }
  }

  /// So that not all go to the instance of the soonest first token where no tokens keep theirs.
  @Test
  void answersBeyondTheirLimitThatTakeTwiceAsLongOutweighASecond() {
    Objective o = Objective.DEFAULT;
    double tokens = 100;
    double each = 7 * o.tokenNanos();
    double sooner = o.loss(1.5e9, each, tokens) - o.loss(0.5e9, each, tokens);
    double others = 2 * o.more(o.kept(1e9), tokens * each, 2 * tokens * each, tokens);
    assertThat(others).isGreaterThan(sooner).isLessThan(0.1);
  }
}
