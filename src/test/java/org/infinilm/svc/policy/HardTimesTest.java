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
import org.infinilm.svc.policy.Forecast.Mode;
import org.junit.jupiter.api.Test;

/// The learned policy where something is wrong: overload, an instance that hangs, clients that
/// leave, requests that others send.
class HardTimesTest {
  private static final Instance FIRST = Samples.instance("a", CacheType.PAGED, 131_072, 1, 0);
  private static final Instance OTHER = Samples.instance("b", CacheType.PAGED, 131_072, 1, 1);
  private static final Instance STATIC = Samples.instance("c", CacheType.STATIC, 16_384, 1, 2);
  private static final Candidates TWO = Samples.among(FIRST, OTHER);
  private static final double PROMPT_NANOS = 30_000;
  private static final double TOKEN_NANOS = 7e6;
  private static final long NOW = 1_000_000_000_000L;

  private record Answering(long promptTokens, long dispatchNanos, long firstNanos, long tokens)
      implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }
  }

  private static final class Desk extends Samples.Desk {
    final Map<Integer, Integer> line = new HashMap<>();
    final Set<Integer> full = new HashSet<>();

    Desk() {
      super(NOW);
    }

    @Override
    public boolean free(int slot) {
      return !full.contains(slot);
    }

    @Override
    public int waiting(int slot) {
      return line.getOrDefault(slot, 0);
    }

    /// So many that wait, each sent `ago`.
    Desk waits(int slot, int requests, long promptTokens, long ago) {
      for (int k = 0; k < requests; k++) {
        add(slot, new Samples.Waiting(promptTokens, NOW - ago, Forecast.NONE));
      }
      return this;
    }
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, 0, prompt, 0);
  }

  private static Facts facts(
      Instance i, long prompt, long tokens, long sent, long first, long last, boolean complete) {
    return new Facts(
        i,
        "m",
        4 * prompt,
        sent,
        first,
        last,
        (int) tokens,
        1000,
        complete ? new Facts.Usage(prompt, tokens, 0) : null,
        complete,
        true,
        ask(prompt),
        new Forecast(
            prompt,
            prompt * PROMPT_NANOS,
            prompt * PROMPT_NANOS,
            TOKEN_NANOS,
            true,
            prompt,
            prompt,
            0.1,
            0.1,
            true),
        0,
        0,
        0,
        null,
        false);
  }

  private static Adaptive taught(Instance... instances) {
    return taught(new Objective(2e9, 20e6), instances);
  }

  private static Adaptive taught(Objective objective, Instance... instances) {
    Adaptive p = new Adaptive(objective);
    for (Instance i : instances) {
      Random random = new Random(7);
      for (int k = 0; k < 60; k++) {
        long prompt = 100L + random.nextInt(8000);
        long tokens = 100L + random.nextInt(300);
        long sent = NOW - 60_000_000_000L + k * 500_000_000L;
        long first = sent + (long) (prompt * PROMPT_NANOS);
        long last = first + (long) ((tokens - 1) * TOKEN_NANOS);
        p.settled(facts(i, prompt, tokens, sent, first, last, true));
      }
    }
    return p;
  }

  private static Choice.Send chosen(Adaptive p, Ask a, Candidates among, Load l) {
    return (Choice.Send) p.choose(a, among, l, new SplittableRandom(1));
  }

  @Test
  void whereAllAreFarBeyondTheLimitsTheShorterQueueIsStillFound() {
    for (Objective.Kind kind : Objective.Kind.values()) {
      Adaptive p = taught(new Objective(kind, 2e9, 20e6), FIRST, OTHER);
      Desk desk = new Desk().waits(0, 400, 8000, 1_000_000).waits(1, 200, 8000, 1_000_000);
      assertThat(chosen(p, ask(1000), TWO, desk).instance()).as(kind.name()).isEqualTo(OTHER);
    }
  }

  @Test
  void answersOfAFewTokensEndTheColdStartToo() {
    Adaptive p = new Adaptive(new Objective(2e9, 20e6));
    for (int k = 0; k < 40; k++) {
      long sent = NOW - 60_000_000_000L + k * 500_000_000L;
      long first = sent + (long) ((500 + 100 * k) * PROMPT_NANOS);
      p.settled(facts(FIRST, 500 + 100 * k, 3, sent, first, first + 14_000_000, true));
    }
    assertThat(chosen(p, ask(500), TWO, new Desk()).forecast().mode()).isEqualTo(Mode.LEARNED);
  }

  @Test
  void whatClientsGiveUpOnMakesAnInstanceSlowAndNoSlowerThanItWas() {
    Adaptive p = taught(FIRST, OTHER);
    Desk busy = new Desk().waits(1, 2, 1000, 1_000_000);
    assertThat(chosen(p, ask(1000), TWO, busy).instance()).isEqualTo(FIRST);
    for (int k = 0; k < 40; k++) {
      // foretold 30 ms, left after 240 ms: at least eight times as slow
      p.settled(facts(FIRST, 1000, 0, NOW - 300_000_000, 0, NOW - 60_000_000, false));
    }
    Choice.Send now = chosen(p, ask(1000), TWO, busy);
    assertThat(now.instance()).isEqualTo(OTHER);
    double slow = chosen(p, ask(1000), Samples.among(FIRST), new Desk()).forecast().firstNanos();
    assertThat(slow / (1000 * PROMPT_NANOS)).isBetween(3.0, 9.0);
  }

  @Test
  void aClientThatLeavesSoonTellsNothing() {
    Adaptive p = taught(FIRST, OTHER);
    double before = chosen(p, ask(1000), Samples.among(FIRST), new Desk()).forecast().firstNanos();
    for (int k = 0; k < 40; k++) {
      p.settled(facts(FIRST, 1000, 0, NOW - 30_000_000, 0, NOW - 1_000_000, false));
    }
    double after = chosen(p, ask(1000), Samples.among(FIRST), new Desk()).forecast().firstNanos();
    assertThat(after).isEqualTo(before);
  }

  @Test
  void aStreamThatIsLeftAfterItsFirstTokenTeachesWhatItsPromptTook() {
    Adaptive p = taught(FIRST, OTHER);
    for (int k = 0; k < 40; k++) {
      long sent = NOW - 5_000_000_000L + k * 100_000_000L;
      long first = sent + (long) (4 * 1000 * PROMPT_NANOS);
      p.settled(facts(FIRST, 1000, 5, sent, first, first + 40_000_000, false));
    }
    Desk busy = new Desk().waits(1, 1, 1000, 1_000_000);
    assertThat(chosen(p, ask(1000), TWO, busy).instance()).isEqualTo(OTHER);
  }

  @Test
  void whoKeepsAPromptLongerThanItShouldIsPassedOverBeforeItAnswers() {
    for (Instance i : List.of(FIRST, STATIC)) {
      Adaptive p = taught(FIRST, OTHER, STATIC);
      Candidates among = Samples.among(i, OTHER);
      Desk desk = new Desk().waits(i.slot(), 1, 1000, 20_000_000).waits(1, 3, 1000, 1_000_000);
      Desk overdue =
          new Desk().waits(i.slot(), 1, 1000, 5_000_000_000L).waits(1, 3, 1000, 1_000_000);
      double before = chosen(p, ask(200), Samples.among(i), desk).forecast().firstNanos();
      double after = chosen(p, ask(200), Samples.among(i), overdue).forecast().firstNanos();
      assertThat(after).isGreaterThan(before + 1e9);
      assertThat(chosen(p, ask(200), among, overdue).instance()).isEqualTo(OTHER);
    }
  }

  @Test
  void whatOthersSendCountsAsWorkAndTeachesNoSpeed() {
    for (Instance i : List.of(FIRST, STATIC)) {
      Adaptive p = taught(FIRST, OTHER, STATIC);
      Desk desk = new Desk();
      Candidates among = Samples.among(i, OTHER);
      double before = chosen(p, ask(1000), Samples.among(i), desk).forecast().loss();
      for (int n = 1; n < 12; n += 2) {
        desk.others.put(i.slot(), new Others(n, n));
        double more = chosen(p, ask(1000), Samples.among(i), desk).forecast().loss();
        assertThat(more).isGreaterThan(before);
        before = more;
      }
      assertThat(chosen(p, ask(1000), among, desk).instance()).isEqualTo(OTHER);
      Forecast f = chosen(p, ask(1000), Samples.among(i), desk).forecast();
      assertThat(f.others()).isTrue();
      assertThat(f.placed()).isFalse();
    }
  }

  @Test
  void whoWasNotHeardOfForLongIsTriedAtABoundedCost() {
    Random random = new Random(3);
    for (int round = 0; round < 30; round++) {
      Trials t = new Trials();
      int decisions = 1000 + random.nextInt(5000);
      double spent = 0;
      int trials = 0;
      for (int k = 0; k < decisions; k++) {
        t.decided();
        double more = 0.1 * random.nextDouble();
        boolean worth = t.worth(more, 2 * Trials.UNHEARD_NANOS);
        spent += worth ? more : 0;
        trials += worth ? 1 : 0;
        assertThat(worth && more > Trials.MOST).isFalse();
        assertThat(t.worth(more, Trials.UNHEARD_NANOS / 2)).isFalse();
      }
      assertThat(trials).isPositive();
      assertThat(spent).isLessThanOrEqualTo(Trials.EACH * decisions);
    }
  }

  @Test
  void trialsGoToTheOneThatWasNotHeardOf() {
    Adaptive p = taught(FIRST);
    int tried = 0;
    for (int k = 0; k < 1000; k++) {
      Choice.Send s = chosen(p, ask(1000), TWO, new Desk());
      tried += s.instance().name().equals(s.forecast().best()) ? 0 : 1;
      if (!s.instance().name().equals(s.forecast().best())) {
        assertThat(s.instance()).isEqualTo(OTHER);
      }
    }
    assertThat(tried).isBetween(1, 120);
  }

  /// A static instance that is about to be free, beside a paged one with a long queue.
  @Test
  void aPlaceThatComesFreeSoonIsWorthMoreThanALongQueue() {
    Adaptive p = taught(FIRST, OTHER, STATIC);
    Candidates among = Samples.among(FIRST, STATIC);
    Desk desk = new Desk().waits(0, 24, 8000, 1_000_000).waits(2, 2, 1000, 1_000_000);
    desk.full.add(2);
    Choice c = p.choose(ask(1000), among, desk, new SplittableRandom(1));
    assertThat(c).isInstanceOf(Choice.Wait.class);
    assertThat(((Choice.Wait) c).accepted()).containsExactly(STATIC);
    assertThat(((Choice.Wait) c).ways().getFirst().why()).isEqualTo(Reason.LEARNED);
    desk.line.put(2, 50);
    assertThat(chosen(p, ask(1000), among, desk).instance())
        .as("a long line is no better")
        .isEqualTo(FIRST);
    desk.line.clear();
    assertThat(chosen(p, ask(1000), among, new Desk().waits(0, 1, 200, 1_000_000)).instance())
        .as("nothing to wait for")
        .isIn(FIRST, STATIC);
    Instance free = Samples.instance("d", CacheType.STATIC, 16_384, 1, 3);
    assertThat(chosen(p, ask(1000), Samples.among(FIRST, STATIC, free), desk).instance())
        .as("no wait while a static one is free")
        .isEqualTo(free);
    Instance lower =
        new Instance(
            "z",
            "h",
            1,
            "http://z:1",
            List.of("m"),
            CacheType.PAGED,
            131_072,
            1,
            Instance.State.ROUTABLE,
            4,
            Map.of(),
            2,
            0,
            Map.of());
    Choice tiered =
        new Tiered(p)
            .choose(ask(1000), Samples.among(FIRST, STATIC, lower), desk, new SplittableRandom(1));
    assertThat(tiered).as("the next tier is for a tier that is full").isEqualTo(c);
    desk.full.addAll(List.of(FIRST.slot(), STATIC.slot(), lower.slot()));
    Choice full =
        new Tiered(p)
            .choose(ask(1000), Samples.among(FIRST, STATIC, lower), desk, new SplittableRandom(1));
    assertThat(((Choice.Wait) full).accepted()).contains(lower);
    assertThat(((Choice.Wait) full).lookNanos()).as("it is asked for anew").isPositive();
  }

  /// No answer has come, and none will soon where all queue at one.
  @Test
  void theRuleOfTheColdStartSwampsNobodyWhileAnotherIsIdle() {
    Candidates among = Samples.among(FIRST, STATIC);
    for (int waiting : new int[] {0, 7}) {
      Adaptive p = new Adaptive(new Objective(2e9, 20e6));
      Desk desk = new Desk().waits(0, waiting, 1000, 1_000_000);
      assertThat(chosen(p, ask(1000), among, desk).why()).isEqualTo(Reason.SIZE);
    }
    Adaptive p = new Adaptive(new Objective(2e9, 20e6));
    Desk desk = new Desk().waits(0, 8, 1000, 1_000_000);
    assertThat(chosen(p, ask(1000), among, desk).instance()).isEqualTo(STATIC);
    Adaptive shadow = new Adaptive(Objectives.of(new Objective(2e9, 20e6)), false, true);
    assertThat(chosen(shadow, ask(1000), among, desk).instance()).isEqualTo(FIRST);
  }

  /// Beside many answers under way a long prompt costs others more than it loses itself by a wait.
  @Test
  void aLongPromptWaitsLongerThanItsLimitForWhatItWouldDoToOthersAndNotForMinutes() {
    Instance wide = Samples.instance("c", CacheType.STATIC, 131_072, 1, 2);
    Adaptive p = taught(FIRST, OTHER, wide);
    Candidates among = Samples.among(FIRST, wide);
    Desk desk = new Desk().waits(2, 2, 1000, 1_000_000);
    desk.full.add(2);
    for (int k = 0; k < 6; k++) {
      desk.flights
          .computeIfAbsent(0, s -> new ArrayList<>())
          .add(new Answering(1000, NOW - 800_000_000, NOW - 700_000_000, 100));
    }
    for (int line : new int[] {0, 2, 4}) {
      desk.line.put(2, line);
      Choice c = p.choose(ask(90_000), among, desk, new SplittableRandom(1));
      assertThat(c).as("%s before it", line).isInstanceOf(Choice.Wait.class);
    }
    desk.line.put(2, 60);
    assertThat(chosen(p, ask(90_000), among, desk).instance()).isEqualTo(FIRST);
  }

  /// Times between tokens that miss their limit anyhow are no reason to stand in a line for
  /// minutes.
  @Test
  void nobodyWaitsForLongWhereAnAnswerWouldBeginAtOnce() {
    Adaptive p = taught(new Objective(2e9, 5e6), FIRST, STATIC);
    Candidates among = Samples.among(FIRST, STATIC);
    Desk desk = new Desk().waits(2, 2, 1000, 1_000_000);
    desk.full.add(2);
    desk.others.put(0, new Others(6, 0));
    for (int line : new int[] {20, 60, 200}) {
      desk.line.put(2, line);
      assertThat(chosen(p, ask(1000), among, desk).instance()).isEqualTo(FIRST);
    }
  }
}
