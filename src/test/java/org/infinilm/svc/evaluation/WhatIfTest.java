package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What another threshold would have come to, beside what the same fleet does with it.
class WhatIfTest {
  private static final long THRESHOLD = 8_000;

  private static Instance instance(String name, CacheType type, int seats) {
    return new Instance(
        name,
        "h",
        1,
        "http://h:1",
        List.of("m"),
        type,
        Instance.UNKNOWN,
        1,
        Instance.State.ROUTABLE,
        0,
        Map.of(),
        Instance.FIRST_TIER,
        seats,
        Map.of());
  }

  private static final List<Instance> TWO =
      List.of(instance("paged-1", CacheType.PAGED, 0), instance("static-1", CacheType.STATIC, 2));

  private static FleetPlan slowed(double times) throws Exception {
    FleetPlan plan = FleetPlan.parse("f", "paged-1 paged tokens=131072\nstatic-1 static\n");
    return plan.with(plan.nodes().stream().map(n -> n.slow(times, 0, 1)).toList());
  }

  private static Outcome run(FleetPlan plan, Workload w, long threshold) {
    return new FleetRun(plan, w, Arms.cut(threshold), 1).run();
  }

  private static Workload traffic() {
    return Mix.CODE.of(300).at(1, 0.4);
  }

  /// What a router before a fleet remembers of it.
  ///
  /// @param unit bytes of a unit of the size
  private static List<WhatIf.Past> past(FleetPlan plan, Workload w, Outcome o, int unit) {
    List<WhatIf.Past> out = new ArrayList<>();
    for (Request r : w.requests()) {
      int k = r.id();
      if (o.last[k] > 0 && !o.cut[k]) {
        out.add(
            new WhatIf.Past(
                o.arrival[k] / 1e9,
                r.bodyBytes() / unit,
                r.bodyBytes(),
                r.job().promptTokens(),
                o.tokens[k],
                0,
                plan.nodes().get(o.node[k]).name(),
                o.ttft(k) / 1e9,
                o.whole(k) / 1e9));
      }
    }
    return out;
  }

  private static WhatIf.Cut at(WhatIf.Answer a, long threshold) {
    return a.cuts().stream().filter(c -> c.threshold() == threshold).findFirst().orElseThrow();
  }

  private static double medianTtft(Outcome o) {
    List<Double> out = new ArrayList<>();
    for (int k = 0; k < o.last.length; k++) {
      if (o.last[k] > 0 && !o.cut[k]) {
        out.add(o.ttft(k) / 1e9);
      }
    }
    return WhatIf.Times.of(out).p50Seconds();
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 40})
  void whatAFleetOfTheModelWouldHaveDoneIsForetold(double slow) throws Exception {
    FleetPlan plan = slowed(slow);
    Workload w = traffic();
    if (slow > 1) {
      w = Mix.CODE.of(300).at(1, 0.02);
    }
    List<WhatIf.Past> past = past(plan, w, run(plan, w, THRESHOLD), 1);
    WhatIf.Answer a = WhatIf.of(TWO, past, List.of(THRESHOLD, 40_000L), false, () -> true);
    assertThat(a.firstFit().errorShare()).as("it is the model itself").isLessThan(0.15);
    assertThat(a.speeds()).allMatch(s -> s.slowness() > slow / 1.3 && s.slowness() < slow * 1.3);
    double really = medianTtft(run(plan, w, 40_000));
    assertThat(at(a, 40_000).first().p50Seconds()).isBetween(0.6 * really, 1.6 * really);
    assertThat(at(a, 40_000).pools().getLast().requests())
        .isLessThan(at(a, THRESHOLD).pools().getLast().requests());
  }

  @Test
  void thresholdsThatPartTheRequestsAreLookedAtUpToAllPaged() throws Exception {
    FleetPlan plan = slowed(1);
    Workload w = traffic();
    WhatIf.Answer a =
        WhatIf.of(TWO, past(plan, w, run(plan, w, THRESHOLD), 1), List.of(0L), false, () -> true);
    assertThat(a.cuts())
        .hasSize(8)
        .isSortedAccordingTo((x, y) -> Long.compare(x.threshold(), y.threshold()));
    assertThat(a.cuts().getLast().pools().getLast().requests()).isZero();
    assertThat(a.cuts().getFirst().threshold()).isZero();
    assertThat(a.cuts().getFirst().pools().getLast().atOnce())
        .isGreaterThan(a.cuts().getLast().pools().getLast().atOnce());
  }

  @Test
  void sizesInAnotherUnitAreTheRules() throws Exception {
    FleetPlan plan = slowed(1);
    Workload w = traffic();
    Outcome o = run(plan, w, THRESHOLD);
    WhatIf.Answer bytes = WhatIf.of(TWO, past(plan, w, o, 1), List.of(8_000L), false, () -> true);
    WhatIf.Answer tokens = WhatIf.of(TWO, past(plan, w, o, 4), List.of(2_000L), false, () -> true);
    assertThat(at(tokens, 2_000).pools()).isEqualTo(at(bytes, 8_000).pools());
  }

  @Test
  void whereThereIsNothingToSayItIsSaidWhatIsMissing() throws Exception {
    FleetPlan plan = slowed(1);
    Workload w = traffic();
    List<WhatIf.Past> past = past(plan, w, run(plan, w, THRESHOLD), 1);
    assertThatThrownBy(() -> WhatIf.of(TWO, past.subList(0, 19), List.of(), false, () -> true))
        .hasMessage("19 answered requests with token counts (expected: 20 or more)");
    assertThatThrownBy(() -> WhatIf.of(TWO.subList(0, 1), past, List.of(), false, () -> true))
        .hasMessageContaining("no static instance of the model (expected: ");
    assertThat(WhatIf.of(TWO, past, List.of(), false, () -> false).cuts()).isEmpty();
    List<WhatIf.Past> strange = new ArrayList<>(past);
    strange.add(new WhatIf.Past(1, 1, 1, 1, 1, 0, "gone", 1, 1));
    assertThat(WhatIf.of(TWO, strange, List.of(), false, () -> true).leftOut()).isEqualTo(1);
  }

  @Test
  void onlyTheLastRequestsCount() throws Exception {
    List<WhatIf.Past> many = new ArrayList<>();
    for (int k = 0; k < 3 * WhatIf.MOST; k++) {
      many.add(new WhatIf.Past(k, 100 + k % 7, 400, 100, 20, 0, "paged-1", 0.05, 0.3));
    }
    assertThat(WhatIf.of(TWO, many, List.of(), false, () -> true).requests())
        .isEqualTo(WhatIf.MOST);
  }
}
