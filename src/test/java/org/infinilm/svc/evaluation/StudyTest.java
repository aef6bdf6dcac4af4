package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.evaluation.Figures.Interval;
import org.junit.jupiter.api.Test;

class StudyTest {
  /// The same policy twice with other dice: of many comparisons hardly one may stand out.
  @Test
  void aPolicyAgainstItselfFindsNothing() throws ConfigException {
    FleetPlan plan = FleetPlan.of("2+2");
    int outstanding = 0;
    int compared = 0;
    for (Mix mix : List.of(Mix.CHAT, Mix.CJK, Mix.CODE, Mix.LONG_OUTPUTS)) {
      for (double rate : new double[] {3, 4, 5}) {
        List<Double> good = new ArrayList<>();
        List<Double> time = new ArrayList<>();
        for (long seed = 1; seed <= 10; seed++) {
          Workload w = mix.of(300).at(seed, rate);
          Figures a = Figures.of(new FleetRun(plan, w, Arms.of("random"), seed).run(), plan);
          Figures b = Figures.of(new FleetRun(plan, w, Arms.of("random"), seed + 1000).run(), plan);
          good.add(a.goodput() - b.goodput());
          time.add(Math.log(a.meanWhole() / b.meanWhole()));
        }
        outstanding += Interval.of(good).standsOut() ? 1 : 0;
        outstanding += Interval.of(time).standsOut() ? 1 : 0;
        compared += 2;
      }
    }
    assertThat(compared).isEqualTo(24);
    // 1.2 expected by chance; 5 or more of 24 have a chance below one in a hundred
    assertThat(outstanding).isLessThan(5);
  }

  @Test
  void aRealDifferenceStandsOut() throws ConfigException {
    FleetPlan plan = FleetPlan.of("2+2");
    List<Double> good = new ArrayList<>();
    for (long seed = 1; seed <= 10; seed++) {
      Workload w = Mix.CHAT.of(300).at(seed, 4);
      good.add(
          Figures.of(new FleetRun(plan, w, Arms.of("random"), seed).run(), plan).goodput()
              - Figures.of(new FleetRun(plan, w, Arms.of("cache-type"), seed).run(), plan)
                  .goodput());
    }
    assertThat(Interval.of(good).standsOut()).isTrue();
  }

  @Test
  void theCapacityIsBearableAndALittleMoreIsNot() throws ConfigException {
    Study s = new Study(Mix.CHAT.of(400), FleetPlan.of("2+2"), 0.9);
    Arm arm = Arms.of("fixed");
    double c = s.capacity(arm, 4, 1);
    assertThat(s.once(arm, 4, c).goodput()).isGreaterThanOrEqualTo(0.9);
    assertThat(s.once(arm, 4, c * 1.05).goodput()).isLessThan(0.9);
    assertThat(s.capacity(arm, 4, 50)).isBetween(c / 1.3, c * 1.3);
  }

  @Test
  void aFleetThatBearsNothingHasNoCapacityAndOneSeedNoInterval() throws Exception {
    FleetPlan never = FleetPlan.parse("f", "a paged\nb static\nlimits ttft=0.001 tpot=0.0001\n");
    Study s = new Study(Mix.CHAT.of(300), never, 0.95);
    List<Study.Result> none = s.run(List.of("fixed", "least-loaded"), 1, 0);
    assertThat(none).allSatisfy(r -> assertThat(r.capacity()).containsExactly(0.0));
    String table =
        new Report("chat", never, 0.95, s.commonRate(), none, List.of(), Map.of()).table();
    assertThat(table).contains("| fixed | none | - |").doesNotContain("NaN");
    Study one = new Study(Mix.CHAT.of(300), FleetPlan.of("1+1"), 0.95);
    Report report =
        new Report(
            "chat",
            FleetPlan.of("1+1"),
            0.95,
            1,
            one.run(List.of("fixed"), 1, 0),
            List.of(),
            Map.of());
    assertThat(report.table()).contains(" | 1.00 |").doesNotContain("NaN");
    assertThat(report.json()).contains("\"low\" : null").doesNotContain("NaN");
  }

  @Test
  void theWarmUpIsNotCounted() throws ConfigException {
    FleetPlan plan = FleetPlan.of("1+1");
    Outcome o = new Outcome(10);
    for (int k = 0; k < 10; k++) {
      o.node[k] = 0;
      o.arrival[k] = k;
      o.first[k] = k < 2 ? 1e12 : k + 10;
      o.last[k] = o.first[k] + 10;
      o.tokens[k] = 2;
    }
    assertThat(Figures.of(o, plan).goodput()).isEqualTo(1);
    assertThat(Figures.of(o, plan).meanTtft()).isEqualTo(10);
  }

  @Test
  void anIntervalIsStudents() {
    Interval i = Interval.of(List.of(1.0, 2.0, 3.0));
    assertThat(i.mean()).isEqualTo(2);
    assertThat(i.half()).isBetween(2.484, 2.485);
    assertThat(i.standsOut()).isFalse();
  }
}
