package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.infinilm.svc.policy.Objective.Kind;
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
}
