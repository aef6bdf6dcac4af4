package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// When the fixed rule takes over, and for how long.
class ShadowTest {
  private static final long SECOND = 1_000_000_000L;

  private final Shadow shadow = new Shadow();
  private long now = SECOND;

  private static Forecast against(double rule) {
    return new Forecast(1, 1, 1, 1, true, 1, 1, rule / 2, rule, false);
  }

  /// One of which others lose so much.
  private static Forecast foretold(double own, double others, double rule, boolean byRule) {
    return new Forecast(
        1,
        1,
        1,
        1,
        true,
        false,
        0,
        1,
        1,
        1,
        own + others,
        others,
        rule,
        byRule,
        Forecast.Mode.LEARNED,
        null,
        false,
        "",
        false,
        List.of());
  }

  /// One a second, each of which loses so much where the rule's would lose 0.1.
  private void lose(double each, int seconds) {
    for (int k = 0; k < seconds; k++) {
      now += SECOND;
      shadow.settled(against(0.1), each, now);
    }
  }

  /// Seconds until the rule no longer decides.
  private int pause() {
    int n = 0;
    while (shadow.rules(now)) {
      now += SECOND;
      n++;
    }
    return n;
  }

  private void untilTheRuleDecides() {
    for (int k = 0; k < 1000 && !shadow.rules(now); k++) {
      lose(0.3, 1);
    }
    assertThat(shadow.rules(now)).isTrue();
  }

  /// Of what the rule's choices were expected to lose most was others'; of those against it nothing
  /// is, and they come as foretold, better than the rule.
  @Test
  void whatOthersLoseIsNoMatterOfWhatOneLosesItself() {
    for (int k = 0; k < 1000; k++) {
      now += SECOND;
      shadow.settled(foretold(0.1, 1, 1.1, true), 0.1, now);
      shadow.settled(foretold(1, 0, 2, false), 1, now);
    }
    assertThat(shadow.fallbacks()).isZero();
    for (int k = 0; k < 1000; k++) {
      now += SECOND;
      shadow.settled(foretold(0.1, 1, 1.1, true), 0.1, now);
      shadow.settled(foretold(1, 0, 2, false), 4, now);
    }
    assertThat(shadow.fallbacks()).isPositive();
  }

  @Test
  void whatLosesLessThanTheRuleGoesOn() {
    lose(0.09, 2_000);
    assertThat(shadow.rules(now)).isFalse();
    assertThat(shadow.fallbacks()).isZero();
  }

  /// The same trouble again: the rule is given longer turns, or a part of all requests would lose
  /// for ever what is tried again.
  @Test
  void soonAfterAPauseTheNextOneIsTwiceAsLong() {
    List<Integer> pauses = new ArrayList<>();
    for (int k = 0; k < 7; k++) {
      untilTheRuleDecides();
      pauses.add(pause());
    }
    assertThat(pauses).containsExactly(120, 240, 480, 960, 1920, 1920, 1920);
    assertThat(shadow.fallbacks()).isEqualTo(7);
  }

  @Test
  void afterALongTimeWithoutTroubleItIsShortAgain() {
    untilTheRuleDecides();
    pause();
    untilTheRuleDecides();
    assertThat(pause()).isEqualTo(240);
    lose(0.09, 1_000);
    untilTheRuleDecides();
    assertThat(pause()).isEqualTo(120);
  }

  /// The rule does worse than what it took over from.
  @Test
  void theRulesTurnEndsWhenItLosesMore() {
    untilTheRuleDecides();
    lose(0.6, 110);
    assertThat(shadow.rules(now)).isFalse();
    assertThat(shadow.fallbacks()).isEqualTo(1);
  }
}
