package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// What instances cut off at once is not sent there again.
class CutsTest {
  private static final Instance WELL = Samples.paged("a", 0);
  private static final Instance CUTS = Samples.statics("c", 1);
  private static final long SECOND = 1_000_000_000L;

  private final Adaptive policy = new Adaptive(Objective.DEFAULT);

  private static Ask ask(long prompt, long max) {
    return new Ask(4 * prompt, 51_200, prompt + max, prompt / 3, 0, prompt, max);
  }

  private static Load at(long now) {
    return new Load() {
      @Override
      public int inFlight(int slot) {
        return 0;
      }

      @Override
      public long nowNanos() {
        return now;
      }
    };
  }

  private void answered(Instance by, Ask ask, long at, long tokens, boolean cut) {
    Facts f =
        new Facts(
                by,
                "m",
                ask.size(),
                at,
                at + (tokens < 2 ? SECOND / 1000 : SECOND / 10),
                at + (tokens < 2 ? SECOND / 1000 : SECOND),
                (int) tokens + 3,
                500,
                new Facts.Usage(ask.promptTokens(), tokens, 0),
                true,
                cut)
            .about(ask);
    policy.settled(f);
  }

  private Instance sent(Ask ask, long now) {
    Choice c = policy.choose(ask, Samples.among(WELL, CUTS), at(now), new SplittableRandom(now));
    return ((Choice.Send) c).instance();
  }

  private void known() {
    for (int k = 0; k < 40; k++) {
      answered(WELL, ask(500 + k, 100), k * SECOND, 60, false);
    }
  }

  @Test
  void anInstanceThatCutsEveryAnswerAtOnceSoonGetsNone() {
    known();
    Random random = new Random(5);
    int cut = 0;
    for (int k = 0; k < 300; k++) {
      Ask a = ask(50 + random.nextInt(3000), 100);
      long now = (100 + k) * SECOND;
      Instance to = sent(a, now);
      answered(to, a, now, to.equals(CUTS) ? 1 : 60, to.equals(CUTS));
      cut += to.equals(CUTS) ? 1 : 0;
    }
    assertThat(cut).isLessThan(15);
    assertThat(policy.insights(400 * SECOND).getFirst().cutFrom()).containsOnlyKeys("c");
  }

  @Test
  void whatIsShorterGoesOnThereUntilTheBoundIsForgotten() {
    List<Instance> both = List.of(WELL, CUTS);
    Cuts cuts = new Cuts();
    cuts.cut(CUTS, 2000, SECOND);
    cuts.cut(CUTS, 3000, SECOND);
    assertThat(cuts.fitting(both, 1999, SECOND)).isEqualTo(both);
    assertThat(cuts.fitting(both, 2000, SECOND)).containsExactly(WELL);
    assertThat(cuts.known(SECOND)).containsExactlyEntriesOf(Map.of("c", 2000L));
    assertThat(cuts.fitting(both, 2000, SECOND + Cuts.KEPT_NANOS + 1)).isEqualTo(both);
    cuts.answered(CUTS, 1999);
    assertThat(cuts.fits(CUTS, 2500, SECOND)).isFalse();
    cuts.answered(CUTS, 2400);
    assertThat(cuts.fits(CUTS, 2500, SECOND)).as("another as long was answered").isTrue();
  }

  @Test
  void whereAllCutNobodyIsRefused() {
    known();
    answered(WELL, ask(2000, 100), 50 * SECOND, 1, true);
    answered(CUTS, ask(2000, 100), 50 * SECOND, 1, true);
    assertThat(sent(ask(2500, 100), 51 * SECOND)).isIn(WELL, CUTS);
  }

  @Test
  void whileTheFixedRuleDecidesItIsNotFollowedThere() {
    answered(CUTS, ask(60_000, 100), SECOND, 1, true);
    assertThat(sent(ask(70_000, 100), 2 * SECOND)).isEqualTo(WELL);
    assertThat(sent(ask(50_000, 100), 2 * SECOND)).as("as the rule says").isEqualTo(CUTS);
  }

  @Test
  void anAnswerOfOneTokenTakesNoBoundAway() {
    known();
    answered(CUTS, ask(2000, 100), 50 * SECOND, 1, true);
    answered(CUTS, ask(3000, 1), 51 * SECOND, 1, false);
    assertThat(policy.insights(52 * SECOND).getFirst().cutFrom()).containsOnlyKeys("c");
    answered(CUTS, ask(3000, 100), 52 * SECOND, 60, false);
    assertThat(policy.insights(53 * SECOND).getFirst().cutFrom()).isEmpty();
  }
}
