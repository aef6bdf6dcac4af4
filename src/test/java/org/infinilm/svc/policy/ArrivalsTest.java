package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// What a long prompt does to short ones that are not there yet.
class ArrivalsTest {
  private static final long SECOND = 1_000_000_000L;
  private static final Instance PAGED = Samples.paged("p", 0);
  private static final Instance STATIC = Samples.statics("s", 1);

  private final Adaptive.Model model = new Adaptive.Model("m", new Prefixes.Homes());
  private long now = 100 * SECOND;

  private static Forecast.Part part(Instance i, double waitSeconds, double promptSeconds) {
    return new Forecast.Part(
        i.name(),
        Forecast.Place.FREE,
        30_000,
        waitSeconds * 1e9,
        promptSeconds * 1e9,
        (waitSeconds + promptSeconds) * 1e9,
        5e6,
        1,
        0.1);
  }

  private void comeTo(Instance i, int perSecond) {
    model.usualPrompt = 300;
    for (int k = 0; k < 60 * perSecond; k++) {
      model.arrivals.sent(i, now + k * SECOND / perSecond);
    }
    now += 60 * SECOND;
  }

  /// What is added to each of them.
  private double[] added(Forecast.Part... parts) {
    List<Instance> of = new ArrayList<>();
    for (Forecast.Part p : parts) {
      of.add(p.instance().equals("p") ? PAGED : STATIC);
    }
    List<Forecast.Part> in = new ArrayList<>(List.of(parts));
    double[] losses = new double[parts.length];
    model.arrivals.add(model, Objective.DEFAULT, of, in, losses, now);
    for (int k = 0; k < losses.length; k++) {
      assertThat(in.get(k).othersLoss() - parts[k].othersLoss()).isEqualTo(losses[k]);
    }
    return losses;
  }

  @Test
  void whereShortOnesComeALongOneIsInTheirWay() {
    comeTo(PAGED, 6);
    double[] more = added(part(PAGED, 0, 3), part(STATIC, 2, 3));
    assertThat(more[0]).isGreaterThan(0.5);
    assertThat(more[1]).isZero();
  }

  @Test
  void nothingIsAddedWhereNobodyComes() {
    model.usualPrompt = 300;
    assertThat(added(part(PAGED, 0, 3))[0]).isZero();
    comeTo(PAGED, 6);
    now += 600 * SECOND;
    assertThat(added(part(PAGED, 0, 3))[0]).isZero();
  }

  @Test
  void aShortPromptIsInNobodysWay() {
    comeTo(PAGED, 6);
    assertThat(added(part(PAGED, 0, 0.03))[0]).isZero();
  }

  @Test
  void theMoreComeTheMoreIsLost() {
    double last = 0;
    for (int k = 0; k < 4; k++) {
      comeTo(PAGED, 2 << k);
      double more = added(part(PAGED, 0, 3))[0];
      assertThat(more).isGreaterThan(last);
      last = more;
    }
  }

  /// They have a choice themselves.
  @Test
  void whoMayGoElsewhereLosesLess() {
    comeTo(PAGED, 2);
    double alone = added(part(PAGED, 0, 3))[0];
    double beside = added(part(PAGED, 0, 3), part(STATIC, 0, 3))[0];
    assertThat(beside).isLessThan(0.7 * alone);
  }
}
