package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.junit.jupiter.api.Test;

/// Policies where other routers send requests to the same instances.
class SeveralRoutersTest {
  private static final Objective OBJECTIVE = new Objective(2e9, 20e6);
  private static final double PROMPT_NANOS = 30_000;
  private static final double TOKEN_NANOS = 7e6;

  /// What one of ten routers sees.
  private static final class View implements Load {
    final Map<Integer, Integer> inFlight = new HashMap<>();
    final Map<Integer, Others> others = new HashMap<>();
    int routers = 10;

    @Override
    public int inFlight(int slot) {
      return inFlight.getOrDefault(slot, 0);
    }

    @Override
    public Others others(int slot) {
      return others.getOrDefault(slot, Others.NONE);
    }

    @Override
    public int routers() {
      return routers;
    }

    @Override
    public long nowNanos() {
      return 1_000_000_000_000L;
    }
  }

  private static Candidates fleet(int n) {
    List<Instance> all = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      all.add(Samples.instance("i" + k, CacheType.PAGED, 131_072, 1, k));
    }
    return Candidates.of("m", all);
  }

  private static Ask ask(long prompt, long key) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, key, prompt, 0);
  }

  private static Instance sentTo(Policy p, Ask a, Candidates c, Load l, long seed) {
    Choice x = p.choose(a, c, l, new SplittableRandom(seed));
    assertThat(x).isInstanceOf(Choice.Send.class);
    return ((Choice.Send) x).instance();
  }

  /// Answers to requests of this router, each decided while others had something there.
  private static void answer(Adaptive p, Candidates c, View view, int answers, long seed) {
    Random random = new Random(seed);
    long at = 1_000_000_000L;
    for (int k = 0; k < answers; k++) {
      long prompt = 100L + random.nextInt(8000);
      long tokens = 100L + random.nextInt(300);
      Instance i = c.in(Pool.ANY).get(k % 3);
      Forecast f = p.foretell(ask(prompt, 0), "m", i, view);
      long first = at + (long) (prompt * PROMPT_NANOS);
      long last = first + (long) ((tokens - 1) * TOKEN_NANOS);
      p.settled(
          new Facts(
              i,
              "m",
              4 * prompt,
              at,
              first,
              last,
              (int) tokens,
              1000,
              new Facts.Usage(prompt, tokens, 0),
              true,
              true,
              ask(prompt, 0),
              f,
              0,
              0,
              0,
              null,
              false));
      at += 10_000_000_000L;
    }
  }

  @Test
  void aNewKeyHasTheSameHomeAtEveryRouterWhateverEachHasLearned() {
    Candidates c = fleet(20);
    Random random = new Random(5);
    List<Adaptive> routers = new ArrayList<>();
    for (int k = 0; k < 4; k++) {
      Adaptive p = new Adaptive(OBJECTIVE);
      answer(p, c, new View(), 60, k);
      routers.add(p);
    }
    Set<String> homes = new HashSet<>();
    for (long key = 1; key <= 50; key++) {
      Set<String> of = new HashSet<>();
      for (Adaptive p : routers) {
        of.add(sentTo(p, ask(500, key), c, new View(), random.nextLong()).name());
      }
      assertThat(of).as("key " + key).hasSize(1);
      homes.addAll(of);
    }
    assertThat(homes).hasSizeGreaterThan(15);
  }

  @Test
  void aHomeWithAQueueIsNoHome() {
    Candidates c = fleet(4);
    Adaptive p = new Adaptive(OBJECTIVE);
    View view = new View();
    answer(p, c, view, 60, 1);
    Instance home = sentTo(p, ask(500, 9), c, view, 1);
    view.others.put(home.slot(), new Others(8, 30));
    assertThat(sentTo(p, ask(500, 9), c, view, 1)).isNotEqualTo(home);
  }

  /// Others run on every instance at every moment, and yet costs become known.
  @Test
  void costsAreLearnedBesideTheRequestsOfOthers() {
    Candidates c = fleet(3);
    Adaptive p = new Adaptive(OBJECTIVE);
    View view = new View();
    for (int k = 0; k < 3; k++) {
      view.others.put(k, new Others(4, 0));
    }
    answer(p, c, view, 60, 3);
    assertThat(p.insights(view.nowNanos()).getFirst().mode()).isEqualTo(Forecast.Mode.LEARNED);
    Forecast f = p.foretell(ask(4096, 0), "m", c.in(Pool.ANY).getFirst(), view);
    assertThat(f.prefillNanos()).isBetween(0.8 * 4096 * PROMPT_NANOS, 1.25 * 4096 * PROMPT_NANOS);
  }

  /// Where a router has a few requests of many, its own counts are noise: a key leaves its home
  /// less readily.
  @Test
  void smallCountsOfOneRouterOfManyMoveFewKeys() {
    Candidates c = fleet(20);
    Policy p = Policies.create("session");
    int[] moved = new int[2];
    Random random = new Random(8);
    for (int round = 0; round < 2000; round++) {
      View view = new View();
      for (int k = 0; k < 20; k++) {
        // a Poisson number of mean 2
        double left = Math.exp(-2);
        double product = random.nextDouble();
        int n = 0;
        while (product > left) {
          product *= random.nextDouble();
          n++;
        }
        view.inFlight.put(k, n);
      }
      for (int routers : new int[] {1, 10}) {
        view.routers = routers;
        Choice x = p.choose(ask(500, round + 1), c, view, new SplittableRandom(1));
        moved[routers / 10] += ((Choice.Send) x).why() == Reason.SPILL ? 1 : 0;
      }
    }
    assertThat(moved[0]).as("alone, 1.25 of the mean").isGreaterThan(500);
    assertThat(moved[1]).as("one of ten").isLessThan(moved[0] / 2);
  }
}
