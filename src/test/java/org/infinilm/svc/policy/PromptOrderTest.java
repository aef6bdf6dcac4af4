package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.PromptOrder.Begin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PromptOrderTest {
  /// A prompt that an engine computed, in seconds.
  private record Done(double tokens, double sent, double first) {}

  private static double cost(Random random, double tokens, double noise) {
    return (0.01 + 1e-4 * tokens) * Math.exp(noise * random.nextGaussian());
  }

  private static double size(Random random) {
    return random.nextInt(20) == 0 ? 5_000 + random.nextInt(25_000) : 200.0 + random.nextInt(200);
  }

  /// @param perSecond requests that come
  private static List<Done> engine(
      Random random, boolean serial, double perSecond, double noise, int requests) {
    List<Done> out = new ArrayList<>();
    double at = 0;
    double free = 0;
    for (int k = 0; k < requests; k++) {
      at += -Math.log(1 - random.nextDouble()) / perSecond;
      double tokens = size(random);
      double begin = serial ? Math.max(at, free) : at;
      free = begin + cost(random, tokens, noise);
      out.add(new Done(tokens, at, free));
    }
    out.sort(Comparator.comparingDouble(Done::first));
    return out;
  }

  /// As answers are heard of, one after the other.
  private static Begin told(PromptOrder o, List<Done> all, boolean changes) {
    for (int k = 0; k < all.size(); k++) {
      Done d = all.get(k);
      double[] nanos = times(all, k);
      if (nanos[0] > 1e6) {
        assertThat(o.after(d.tokens(), nanos, isOvertaken(all, k)) && !changes).isFalse();
      }
    }
    return o.begin();
  }

  private static boolean isOvertaken(List<Done> all, int k) {
    return all.subList(Math.max(0, k - 200), k).stream()
        .anyMatch(e -> e.sent() > all.get(k).sent());
  }

  /// What a prompt took, by each assumption.
  ///
  /// @param all in the order of their first tokens
  private static double[] times(List<Done> all, int k) {
    Done d = all.get(k);
    List<Done> firstBefore = new ArrayList<>(all.subList(Math.max(0, k - 400), k));
    firstBefore.removeIf(e -> e.sent() >= d.sent() || e.first() <= d.sent());
    Collections.reverse(firstBefore);
    long left =
        all.subList(k + 1, Math.min(all.size(), k + 400)).stream()
            .filter(e -> e.sent() < d.sent())
            .count();
    double whole = d.first() - d.sent();
    double[] out = new double[Begin.values().length];
    for (Begin b : Begin.values()) {
      int h = b.place;
      int freed = b.lanes - 1 - (int) left;
      if (b == Begin.AFTER_OTHERS) {
        out[h] = k == 0 ? whole : Math.min(whole, d.first() - all.get(k - 1).first());
      } else if (b.lanes == 0 || freed >= firstBefore.size()) {
        out[h] = whole;
      } else if (freed >= 0) {
        out[h] = d.first() - firstBefore.get(freed).first();
      }
      out[h] = 1e9 * Math.max(out[h], h == 0 ? 0 : out[h - 1] / 1e9);
    }
    return out;
  }

  /// The mean prompt takes 0.12 s: 8 a second are as many as it computes.
  @ParameterizedTest
  @CsvSource({"1,0", "4,0", "7,0", "9,0", "30,0", "1,0.3", "4,0.3", "7,0.3", "9,0.3", "30,0.3"})
  void anEngineThatComputesOneAfterTheOtherIsTakenForOne(double perSecond, double noise) {
    for (long seed = 1; seed <= 40; seed++) {
      List<Done> all = engine(new Random(seed), true, perSecond, noise, 1000);
      PromptOrder o = new PromptOrder();
      assertThat(told(o, all, false)).isEqualTo(Begin.AFTER_OTHERS);
      assertThat(o.serialShare()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @CsvSource({"4,0", "8,0", "20,0", "4,0.15", "8,0.15", "20,0.15"})
  void oneThatComputesThemBesideEachOtherIsFoundOut(double perSecond, double noise) {
    for (long seed = 1; seed <= 40; seed++) {
      List<Done> all = engine(new Random(seed), false, perSecond, noise, 400);
      PromptOrder o = new PromptOrder();
      assertThat(told(o, all, true).lanes).as("seed %s", seed).isNotIn(1, 2);
      assertThat(o.serialShare()).isLessThan(0.4);
    }
  }

  /// With as many requests in it all the time each waits alike, and a text that was in a cache,
  /// which nobody tells, takes hardly any time: then the time since sending hardly differs.
  @Test
  void aQueueOfConstantLengthIsNoSignOfTheContrary() {
    for (long seed = 1; seed <= 40; seed++) {
      Random random = new Random(seed);
      PromptOrder o = new PromptOrder();
      double[] sent = new double[50];
      double now = 0;
      for (int k = 0; k < 3000; k++) {
        double takes = random.nextInt(5) == 0 ? 0.01 : 0.2 * (0.8 + 0.4 * random.nextDouble());
        now += takes;
        double whole = 1e9 * (now - sent[k % 50]);
        sent[k % 50] = now;
        if (k > 50) {
          double[] nanos = new double[Begin.values().length];
          Arrays.fill(nanos, whole);
          nanos[0] = 1e9 * takes;
          o.after(2000, nanos, true);
        }
      }
      assertThat(o.begin()).isEqualTo(Begin.AFTER_OTHERS);
    }
  }

  @Test
  void whatWasFoundBeforeHoldsUntilItIsOtherwise() {
    PromptOrder o = new PromptOrder();
    o.assume(Begin.AT_ONCE);
    assertThat(o.begin()).isEqualTo(Begin.AT_ONCE);
    assertThat(told(o, engine(new Random(1), true, 4, 0.1, 500), true))
        .isEqualTo(Begin.AFTER_OTHERS);
    o.assume(Begin.AT_ONCE);
    assertThat(told(o, engine(new Random(1), false, 8, 0.1, 500), false)).isEqualTo(Begin.AT_ONCE);
  }

  /// What [Costs] makes of it: prompts beside each other are learned as they are, though others'
  /// first tokens come all the time.
  @Test
  void longPromptsBesideShortOnesAreLearnedAsTheyAre() {
    Instance paged = Samples.paged("a", 0);
    Costs costs = new Costs();
    Random random = new Random(5);
    double last = 0;
    List<Done> all = engine(random, false, 20, 0.05, 1500);
    for (int k = 0; k < all.size(); k++) {
      Done d = all.get(k);
      double[] nanos = times(all, k);
      last = d.first();
      if (nanos[0] > 1e6) {
        Begin b = costs.began(paged, d.tokens(), nanos, isOvertaken(all, k), (long) (1e9 * last));
        costs.prompt(paged, d.tokens(), nanos[b.place], (long) (1e9 * d.first()));
        costs.brief();
      }
    }
    long now = (long) (1e9 * last);
    for (double tokens : new double[] {300, 6000, 28_000}) {
      assertThat(costs.promptNanos(tokens) * costs.factor("a", now) / 1e9)
          .isBetween(0.7 * (0.01 + 1e-4 * tokens), 1.4 * (0.01 + 1e-4 * tokens));
    }
    Costs again = new Costs();
    again.recall(Recalled.of(Samples.asFile(costs.remembered(now))), now);
    assertThat(again.serialShare("a")).isLessThan(0.3);
    assertThat(again.serialShare("b")).isEqualTo(1);
  }
}
