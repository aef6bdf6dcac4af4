package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.junit.jupiter.api.Test;

/// Many routers before one fleet.
class GrowthTest {
  private static final String MIXED =
      """
      a chunked count=3 batch=16
      b paged down=.4..0.6
      c static count=2
      """;

  private static Outcome run(String fleet, Workload w, Arm arm, long seed, int routers, Sharing s)
      throws ConfigException {
    FleetPlan plan = FleetPlan.parse("test", fleet);
    return new FleetRun(plan, w, arm, seed, routers, s, new Spread(arm.before(plan), w.spanNanos()))
        .run();
  }

  @Test
  void everyRequestIsAnsweredBrokenOrRefusedOnceWhateverRoutersKnow() throws ConfigException {
    for (Mix mix : List.of(Mix.CHAT, Mix.CONVERSATIONS, Mix.SESSIONS)) {
      Workload w = mix.of(600).at(3, 20);
      for (String arm : List.of("cache-type", "least-loaded", "session", "adaptive")) {
        for (int routers : new int[] {1, 3, 10}) {
          for (Sharing s : Sharing.values()) {
            Outcome o = run(MIXED, w, Arms.of(arm), 3, routers, s);
            assertThat(o.answered + o.refused + o.broken)
                .as(mix + " " + arm + " " + routers + " " + s)
                .isEqualTo(600);
            assertThat(o.refused).isZero();
          }
        }
      }
    }
  }

  @Test
  void theSameSeedGivesTheSameOutcome() throws ConfigException {
    Workload w = Mix.SESSIONS.of(500).at(3, 40);
    for (String arm : List.of("least-loaded", "adaptive", "session")) {
      Outcome a = run(MIXED, w, Arms.of(arm), 5, 4, Sharing.SIBLINGS);
      Outcome b = run(MIXED, w, Arms.of(arm), 5, 4, Sharing.SIBLINGS);
      assertThat(Arrays.equals(a.last, b.last)).isTrue();
      assertThat(a.node).isEqualTo(b.node);
    }
  }

  /// Whatever it is told of others, a router that is alone is the single run.
  @Test
  void oneRouterIsTheSingleRun() throws ConfigException {
    String fleet = "a chunked count=3 batch=16\nb paged\nc static count=2";
    Workload w = Mix.CONVERSATIONS.of(600).at(4, 20);
    for (String arm : Arms.names()) {
      if (!arm.equals(Arms.BEST_CUT)) {
        Outcome single = new FleetRun(FleetPlan.parse("test", fleet), w, Arms.of(arm), 4).run();
        for (Sharing s : List.of(Sharing.NONE, Sharing.COUNTED)) {
          double[] last = run(fleet, w, Arms.of(arm), 4, 1, s).last;
          assertThat(Arrays.equals(last, single.last)).as(arm).isTrue();
        }
      }
    }
  }

  /// Decides by the request alone.
  private static final class Blind implements Policy {
    @Override
    public String name() {
      return "blind";
    }

    @Override
    public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
      List<Instance> all = candidates.in(Pool.ANY);
      return new Choice.Send(all.get((int) (ask.size() % all.size())), Pool.ANY, Reason.POLICY);
    }
  }

  /// Who needs to know nothing loses nothing by not knowing it.
  @Test
  void ofAPolicyThatLooksAtNothingManyRoutersAreOne() throws ConfigException {
    Arm arm = new Arm("blind", p -> new Blind(), false, -1);
    Workload w = Mix.CHAT.of(600).at(4, 20);
    String fleet = "a chunked count=3 batch=16\nb paged\nc static count=2";
    Outcome one = run(fleet, w, arm, 4, 1, Sharing.NONE);
    for (int routers : new int[] {2, 7, 10}) {
      Outcome many = run(fleet, w, arm, 4, routers, Sharing.SIBLINGS);
      assertThat(many.node).isEqualTo(one.node);
      assertThat(Arrays.equals(many.last, one.last)).isTrue();
    }
  }

  @Test
  void evenPartsComeToTheSeatsAndPartsOfWhatIsFreeToNoMore() {
    Random random = new Random(2);
    for (int round = 0; round < 20_000; round++) {
      int routers = 1 + random.nextInt(12);
      int seats = 1 + random.nextInt(70);
      int slot = random.nextInt(1000);
      int[] has = new int[routers];
      int all = 0;
      for (int k = 0; k < routers; k++) {
        has[k] = random.nextInt(2 + seats / routers);
        all += has[k];
      }
      int even = 0;
      int more = 0;
      for (int k = 0; k < routers; k++) {
        even += SeatShare.even(seats, routers, k, slot);
        int part = SeatShare.of(seats, routers, k, slot, has[k], all - has[k]);
        assertThat(part).isBetween(1, seats);
        more += Math.max(0, Math.max(part, has[k]) - has[k]);
      }
      assertThat(even).isEqualTo(seats);
      assertThat(all + more).isLessThan(2 * seats + Math.max(routers, all));
      assertThat(SeatShare.of(seats, 1, 0, slot, has[0], 0)).isEqualTo(seats);
    }
  }

  /// As long as there are as many seats as routers, even parts are never more than all.
  @Test
  void evenPartsNeverFillAnInstanceBeyondItsSeats() throws ConfigException {
    FleetPlan plan = FleetPlan.parse("test", "a chunked count=4 batch=16");
    Workload w = Mix.SESSIONS.of(3000).at(1, 500);
    Spread even = new Spread(plan, w.spanNanos());
    new FleetRun(plan, w, Arms.of("session"), 1, 5, Sharing.NUMBER, even).run();
    assertThat(even.overSeats()).isZero();
    Spread each = new Spread(plan, w.spanNanos());
    new FleetRun(plan, w, Arms.of("session"), 1, 5, Sharing.NONE, each).run();
    assertThat(each.overSeats()).isGreaterThan(0.5);
  }

  /// What siblings have at an instance matters to who computes its wait.
  @Test
  void adaptiveIsBetterOffWithTheFiguresOfOthers() throws ConfigException {
    FleetPlan plan = FleetPlan.parse("test", "a paged count=6\nb static count=6");
    double alone = 0;
    double told = 0;
    for (long seed = 1; seed <= 3; seed++) {
      Workload w = Mix.CHAT.of(3000).at(seed, 18);
      for (Sharing s : List.of(Sharing.NONE, Sharing.SIBLINGS)) {
        Outcome o =
            new FleetRun(plan, w, Arms.of("adaptive"), seed, 6, s, new Spread(plan, w.spanNanos()))
                .run();
        double good = Figures.of(o, plan).goodput();
        alone += s == Sharing.NONE ? good / 3 : 0;
        told += s == Sharing.SIBLINGS ? good / 3 : 0;
      }
    }
    assertThat(told).isGreaterThan(alone + 0.03);
  }

  @Test
  void theWinnerIsTheFirstOfTheLeast() {
    Random random = new Random(4);
    for (int n : new int[] {1, 2, 3, 7, 64, 100}) {
      Earliest tree = new Earliest(n);
      double[] times = new double[n];
      Arrays.fill(times, Double.POSITIVE_INFINITY);
      for (int round = 0; round < 500; round++) {
        int at = random.nextInt(n);
        times[at] = random.nextInt(5) == 0 ? Double.POSITIVE_INFINITY : random.nextInt(20);
        tree.set(at, times[at]);
        int first = 0;
        for (int k = 1; k < n; k++) {
          first = times[k] < times[first] ? k : first;
        }
        assertThat(tree.first()).isEqualTo(first);
        assertThat(tree.time(first)).isEqualTo(times[first]);
      }
    }
  }

  @Test
  void sessionsAreZipfs() {
    Random random = new Random(6);
    int first = 0;
    int hundred = 0;
    for (int k = 0; k < 100_000; k++) {
      int rank = Zipf.SESSIONS.rank(random.nextDouble());
      assertThat(rank).isBetween(1, 50_000);
      first += rank == 1 ? 1 : 0;
      hundred += rank <= 100 ? 1 : 0;
    }
    double sum = 0;
    double head = 0;
    for (int k = 1; k <= 50_000; k++) {
      sum += Math.pow(k, -0.9);
      head += k <= 100 ? Math.pow(k, -0.9) : 0;
    }
    assertThat(first / 1e5).isCloseTo(1 / sum, within(0.003));
    assertThat(hundred / 1e5).isCloseTo(head / sum, within(0.006));
  }

  @Test
  void whatIsWrongInWordsIsNamed() {
    assertThatThrownBy(() -> Growth.numbers(List.of("0")))
        .hasMessage("routers: 0 (expected: 1..100, with commas between)");
    assertThatThrownBy(() -> Sharing.parse("all"))
        .hasMessage("sharing: all (expected: one of none, number, gauges, siblings, counted)");
  }

  @Test
  void aReportHasARowForEachAndItsNumbers() throws ConfigException {
    Growth g = new Growth(Mix.SESSIONS.of(300), FleetPlan.of("3+1"), 30, 2, 1);
    List<Growth.Row> rows =
        g.run(List.of("session"), List.of(1, 3), List.of(Sharing.NONE, Sharing.SIBLINGS));
    assertThat(rows)
        .extracting(Growth.Row::label)
        .containsExactly(
            "session, 1 router", "session, 3 routers, none", "session, 3 routers, siblings");
    assertThat(GrowthReport.table(g, rows)).contains("| session, 3 routers, none | ");
    assertThat(GrowthReport.json(g, rows)).contains("\"key_stays\"", "\"infini evaluation\"");
    assertThat(rows.getFirst().figures()).hasSize(2);
    assertThat(g.runs()).isEqualTo(6);
  }
}
