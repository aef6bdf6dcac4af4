package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// A request that waits for a static instance: for how long, and when it goes elsewhere.
class LookingAgainTest {
  private static final Instance PAGED = Samples.instance("a", CacheType.PAGED, 131_072, 1, 0);
  private static final Instance STATIC = Samples.instance("b", CacheType.STATIC, 16_384, 1, 1);
  private static final Candidates BOTH = Samples.among(PAGED, STATIC);
  private static final Objective OBJECTIVE = new Objective(2e9, 20e6);
  private static final long NOW = 1_000_000_000_000L;

  private record Running(long promptTokens, long tokens, long dispatchNanos, long firstNanos)
      implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }
  }

  /// The static instance is full.
  private static final class Desk extends Samples.Desk {
    int line;
    boolean pagedIsFull;

    Desk() {
      super(NOW);
    }

    Desk runs(int slot, int many, long promptTokens, long tokens, long ago) {
      for (int k = 0; k < many; k++) {
        add(slot, new Running(promptTokens, tokens, NOW - ago, NOW - ago / 2));
      }
      return this;
    }

    @Override
    public boolean free(int slot) {
      return slot != STATIC.slot() && !pagedIsFull;
    }

    @Override
    public int waiting(int slot) {
      return slot == STATIC.slot() || pagedIsFull ? line : 0;
    }
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, 0, prompt, 0);
  }

  /// Prompts cost 30 us a token, answers of 100 tokens 7 ms each.
  private static Adaptive taught() {
    Adaptive p = new Adaptive(OBJECTIVE);
    Random random = new Random(7);
    for (Instance i : List.of(PAGED, STATIC)) {
      for (int k = 0; k < 60; k++) {
        long prompt = 100L + random.nextInt(8000);
        long sent = NOW - 100_000_000_000L + k * 1_000_000L;
        long first = sent + prompt * 30_000;
        p.settled(
            new Facts(
                i,
                "m",
                4 * prompt,
                sent,
                first,
                first + 99 * 7_000_000L,
                100,
                1000,
                new Facts.Usage(prompt, 100, 0),
                true,
                true,
                ask(prompt),
                new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
                0,
                0,
                0,
                null,
                false));
      }
    }
    return p;
  }

  private static Choice choose(Adaptive p, Ask a, Desk d) {
    return p.choose(a, BOTH, d, new SplittableRandom(1));
  }

  /// Beside eight answers that a long prompt would make too slow, and a static instance that is
  /// about to be free.
  private static Desk busy() {
    return new Desk().runs(0, 8, 4000, 30, 1_300_000_000L).runs(1, 1, 1000, 90, 900_000_000L);
  }

  @Test
  void itIsAskedForAgainLongBeforeTheLimit() {
    Choice c = choose(taught(), ask(10_000), busy());
    assertThat(c).isInstanceOf(Choice.Wait.class);
    assertThat(((Choice.Wait) c).accepted()).containsExactly(STATIC);
    assertThat(((Choice.Wait) c).lookNanos()).isEqualTo(50_000_000L);
  }

  /// What was compared when it chose to wait is told of it when it goes.
  @Test
  void whatItWaitedForIsToldBesideWhatWasFree() {
    Adaptive p = taught();
    Desk d = busy();
    Forecast wait = ((Choice.Wait) choose(p, ask(10_000), d)).ways().getFirst().forecast();
    assertThat(wait.parts())
        .extracting(Forecast.Part::instance)
        .containsExactly(PAGED.name(), STATIC.name());
    assertThat(wait.parts())
        .extracting(Forecast.Part::place)
        .as("a wait is no free place")
        .containsExactly(Forecast.Place.FREE, Forecast.Place.FULL);
    assertThat(wait.best()).isEqualTo(STATIC.name());
    assertThat(wait.bestStatic()).isTrue();
    Forecast.Part paged = wait.parts().getFirst();
    assertThat(wait.ruleLoss()).isEqualTo(paged.ownLoss() + paged.othersLoss());
    Forecast sent = p.foretell(ask(10_000).waited(800_000_000L), "m", STATIC, new Desk());
    Forecast told = sent.after(wait, 800_000_000L);
    assertThat(told.parts()).isEqualTo(wait.parts());
    assertThat(told.best()).isEqualTo(STATIC.name());
    assertThat(told.ruleLoss()).isEqualTo(wait.ruleLoss());
    assertThat(told.loss()).isEqualTo(sent.loss());
    assertThat(told.byRule()).as("the rule would have sent it").isFalse();
    assertThat(told.waitedNanos()).isEqualTo(800_000_000.0);
    assertThat(sent.after(Forecast.NONE, 800_000_000L)).isSameAs(sent);

    d.pagedIsFull = true;
    Forecast full = ((Choice.Wait) choose(p, ask(10_000), d)).ways().getFirst().forecast();
    assertThat(full.parts())
        .extracting(Forecast.Part::place)
        .containsExactly(Forecast.Place.FULL, Forecast.Place.FULL);
    assertThat(full.best()).isEqualTo(STATIC.name());
    assertThat(full.byRule()).as("the rule would have it wait too").isTrue();
  }

  /// One that leaves the line is told of with what it waited for, and that it did so by choice.
  @Test
  void whatItWaitedForIsToldOfOneThatLeavesTheLine() {
    Adaptive p = taught();
    Ask a = ask(10_000);
    Forecast wait = ((Choice.Wait) choose(p, a, busy())).ways().getFirst().forecast();
    Ask later = a.waited(400_000_000L);
    Forecast sent = ((Choice.Send) choose(p, later, new Desk())).forecast();
    assertThat(sent.byRule()).isTrue();
    Forecast told = sent.leaving(wait, 400_000_000L);
    assertThat(told.parts())
        .extracting(Forecast.Part::instance)
        .containsExactlyInAnyOrder(PAGED.name(), STATIC.name());
    assertThat(told.parts()).containsAll(sent.parts());
    assertThat(told.byRule()).as("the rule would have sent it at once").isFalse();
    assertThat(told.ruleLoss()).isEqualTo(wait.ruleLoss());
    assertThat(told.waitedNanos()).isEqualTo(400_000_000.0);
    assertThat(told.loss()).isEqualTo(sent.loss());
    assertThat(sent.leaving(Forecast.NONE, 400_000_000L)).isSameAs(sent);
  }

  /// A wait that was looked at and is not worth it is told of, too.
  @Test
  void aWaitThatIsNotWorthItIsTold() {
    Adaptive p = taught();
    Desk idle = new Desk().runs(1, 1, 1000, 10, 900_000_000L);
    Forecast sent = ((Choice.Send) choose(p, ask(10_000), idle)).forecast();
    assertThat(sent.best()).isEqualTo(PAGED.name());
    assertThat(sent.parts())
        .extracting(Forecast.Part::instance)
        .containsExactly(PAGED.name(), STATIC.name());
  }

  /// The shadow of the fixed rule counts waits that the rule would have spared the request.
  @Test
  void waitsThatTurnOutBadlyLetTheRuleDecide() {
    for (long waited : List.of(0L, 30_000_000_000L)) {
      Adaptive p = taught();
      Ask a = ask(10_000);
      Forecast wait = ((Choice.Wait) choose(p, a, busy())).ways().getFirst().forecast();
      Forecast f = p.foretell(a, "m", STATIC, new Desk()).after(wait, waited);
      for (int k = 0; k < 300; k++) {
        long sent = NOW - 1_000_000_000L + k * 1_000_000L;
        long first = sent + 300_000_000L;
        p.settled(
            new Facts(
                STATIC,
                "m",
                40_000,
                sent,
                first,
                first + 99 * 7_000_000L,
                100,
                1000,
                new Facts.Usage(10_000, 100, 0),
                true,
                true,
                a,
                f,
                0,
                0,
                0,
                null,
                false));
      }
      Choice c = choose(p, a, busy());
      if (waited == 0) {
        assertThat(c).isInstanceOf(Choice.Wait.class);
      } else {
        assertThat(((Choice.Send) c).instance()).isEqualTo(PAGED);
        assertThat(((Choice.Send) c).forecast().mode()).isEqualTo(Forecast.Mode.FALLBACK);
      }
    }
  }

  /// What it has waited counts: what would be in time for one that has just come is too late for
  /// it.
  @Test
  void itGoesElsewhereBeforeItIsTooLate() {
    Adaptive p = taught();
    Desk d = new Desk().runs(0, 6, 4000, 30, 1_100_000_000L).runs(1, 1, 1000, 5, 200_000_000L);
    Ask a = ask(10_000);
    assertThat(choose(p, a, d)).isInstanceOf(Choice.Wait.class);
    Choice late = choose(p, a.waited(1_500_000_000L), d);
    assertThat(late).isInstanceOf(Choice.Send.class);
    assertThat(((Choice.Send) late).instance()).isEqualTo(PAGED);
  }

  /// Of those that wait one is the request itself.
  @Test
  void itDoesNotWaitForItself() {
    Adaptive p = taught();
    Desk d = busy();
    d.line = 1;
    Ask a = ask(10_000).waited(50_000_000L);
    assertThat(choose(p, a, d)).isInstanceOf(Choice.Wait.class);
    d.line = 9;
    assertThat(choose(p, a, d)).isInstanceOf(Choice.Send.class);
  }

  /// Whatever was foretold, it is what comes from the dispatch on, as answers tell it.
  @Test
  void whatIsForetoldBeginsWhenItIsSent() {
    Adaptive p = taught();
    Desk d = new Desk();
    Ask a = ask(3000);
    Forecast now = p.foretell(a, "m", STATIC, d);
    Forecast later = p.foretell(a.waited(1_000_000_000L), "m", STATIC, d);
    assertThat(later.firstNanos()).isEqualTo(now.firstNanos());
    assertThat(later.loss()).isEqualTo(now.loss());
  }

  @Test
  void oneThatIsTooLateAlreadyIsAskedForLessOften() {
    Adaptive p = taught();
    Choice early = choose(p, ask(10_000).waited(10_000_000L), busy());
    Choice late = choose(p, ask(10_000).waited(2_100_000_000L), busy());
    assertThat(early).isInstanceOf(Choice.Wait.class);
    assertThat(late).isInstanceOf(Choice.Wait.class);
    assertThat(((Choice.Wait) late).lookNanos()).isGreaterThan(((Choice.Wait) early).lookNanos());
  }

  /// Where all are full, a place that is hardly worth more than a miss is not waited for.
  @Test
  void whereAllAreFullItWaitsForThoseThatAreWorthIt() {
    Desk d = busy();
    d.pagedIsFull = true;
    Choice c = choose(taught(), ask(10_000), d);
    assertThat(c).isInstanceOf(Choice.Wait.class);
    assertThat(((Choice.Wait) c).accepted()).containsExactly(STATIC);
    assertThat(((Choice.Wait) c).lookNanos()).isPositive();
    Desk even = new Desk().runs(0, 8, 100, 90, 900_000_000L).runs(1, 1, 100, 90, 900_000_000L);
    even.pagedIsFull = true;
    Choice either = choose(taught(), ask(100), even);
    assertThat(((Choice.Wait) either).accepted()).containsExactly(PAGED, STATIC);
  }

  /// A thousand that wait must not cost a thousand times as many looks.
  @Test
  void howOftenAllThatWaitAreAskedForDoesNotGrowWithTheirNumber() {
    Desk d = busy();
    d.pagedIsFull = true;
    List<Double> looksASecond = new ArrayList<>();
    for (int line : List.of(8, 80, 800)) {
      d.line = line;
      Choice c = choose(taught(), ask(10_000).waited(10_000_000L), d);
      assertThat(c).isInstanceOf(Choice.Wait.class);
      Choice.Wait w = (Choice.Wait) c;
      looksASecond.add(line * 1e9 / w.lookNanos());
    }
    assertThat(looksASecond).allMatch(n -> n <= 160.0);
  }
}
