package org.infinilm.svc.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import org.infinilm.svc.fleet.CacheType;
import org.junit.jupiter.api.Test;

/// Runs of steps computed at once against [EngineCore], which counts every step; and what must hold
/// of engines that have no such twin.
class LeapCoreFuzz {
  private static final int ROUNDS = 120;
  private static final double MILLISECOND = 1e6;

  /// When each job's first and last token came.
  private static final class Times implements LeapCore.Sink {
    final Map<Integer, Double> first = new HashMap<>();
    final Map<Integer, Double> last = new HashMap<>();
    final Map<Integer, Integer> cached = new HashMap<>();
    final Map<Integer, Integer> tokens = new HashMap<>();

    @Override
    public void first(int job, double atNanos, int cachedTokens) {
      assertThat(first.put(job, atNanos)).isNull();
      cached.put(job, cachedTokens);
    }

    @Override
    public void ended(int job, double atNanos, int n, boolean cut) {
      assertThat(last.put(job, atNanos)).isNull();
      tokens.put(job, n);
    }
  }

  private record Arrival(double atNanos, LeapJob job) {}

  /// Conversations whose prompts each repeat all of the one before.
  private static List<Arrival> arrivals(Random random, int jobs, int texts, int mostPrompt) {
    List<Arrival> out = new ArrayList<>();
    long at = 0;
    int[] said = new int[texts];
    for (int k = 0; k < jobs; k++) {
      at += 1 + (long) (-Math.log(1 - random.nextDouble()) * 120 * MILLISECOND);
      int text = random.nextInt(texts);
      int prompt = said[text] + 1 + random.nextInt(mostPrompt);
      if (prompt > 4 * mostPrompt) {
        prompt = said[text] = 1 + random.nextInt(mostPrompt);
        text = texts + k;
      }
      int shared = text < texts ? said[text] : 0;
      if (text < texts) {
        said[text] = prompt;
      }
      int max = 1 + random.nextInt(120);
      int output = 1 + random.nextInt(max);
      out.add(
          new Arrival((double) at, new LeapJob(k, prompt, output, max, 0, 0, 1 + text, shared)));
    }
    return out;
  }

  private static Times leap(LeapCore core, List<Arrival> arrivals) {
    Times t = new Times();
    for (Arrival a : arrivals) {
      while (core.nextNanos() <= a.atNanos()) {
        core.advance(core.nextNanos(), t);
      }
      core.advance(a.atNanos(), t);
      core.submit(a.job(), a.atNanos());
    }
    while (core.nextNanos() < Double.POSITIVE_INFINITY) {
      core.advance(core.nextNanos(), t);
    }
    return t;
  }

  private static Times count(EngineCore core, List<Arrival> arrivals, int blockTokens) {
    Times t = new Times();
    Map<Long, Integer> n = new HashMap<>();
    List<Emission> out = new ArrayList<>();
    for (Arrival a : arrivals) {
      out.addAll(core.advance((long) a.atNanos()));
      LeapJob j = a.job();
      List<Long> chain =
          LongStream.range(0, j.promptTokens() / blockTokens)
              .mapToObj(i -> Seeds.at(j.text() * 1_000_003, i))
              .toList();
      core.submit(
          new Job(
              j.id(),
              new Prompt(j.promptTokens(), blockTokens, chain),
              j.maxTokens(),
              j.outputTokens()));
    }
    while (core.nextNanos() != Long.MAX_VALUE) {
      out.addAll(core.advance(core.nextNanos()));
    }
    for (Emission e : out) {
      if (n.merge(e.job(), 1, Integer::sum) == 1) {
        t.first((int) e.job(), (double) e.atNanos(), e.cachedTokens());
      }
      if (e.end() != Emission.End.NOT_YET) {
        t.ended((int) e.job(), (double) e.atNanos(), n.get(e.job()), false);
      }
    }
    return t;
  }

  private static void same(Times a, Times b, int jobs, int round) {
    assertThat(a.last).hasSize(jobs);
    assertThat(a.tokens).isEqualTo(b.tokens);
    assertThat(a.cached).as("round " + round).isEqualTo(b.cached);
    for (int k = 0; k < jobs; k++) {
      assertThat(a.first.get(k))
          .as("first of %d, round %d", k, round)
          .isCloseTo(b.first.get(k), within(MILLISECOND));
      assertThat(a.last.get(k))
          .as("last of %d, round %d", k, round)
          .isCloseTo(b.last.get(k), within(MILLISECOND));
    }
  }

  @Test
  void pagedAgreesWithTheCoreThatCountsEveryStep() {
    CostProfile cost = CostProfile.of("9b", CacheType.PAGED);
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      List<Arrival> arrivals = arrivals(random, 60, 60 + 1000 * (round % 2), 400);
      int blocks = 150 + random.nextInt(400);
      int batch = 1 + random.nextInt(8);
      EngineSettings s =
          EngineSettings.paged().withPool(blocks, 16).withBatch(batch, 1024).withLatency(cost, 0);
      LeapSettings l =
          new LeapSettings(LeapSettings.Kind.PAGED, cost, batch, blocks, 16, 1024, false);
      same(leap(LeapCore.of(l), arrivals), count(new EngineCore(s, 1), arrivals, 16), 60, round);
    }
  }

  @Test
  void staticAgreesWithTheCoreThatCountsEveryStep() {
    CostProfile cost = CostProfile.of("32b", CacheType.STATIC);
    for (int round = 0; round < ROUNDS; round++) {
      List<Arrival> arrivals = arrivals(new Random(round), 60, 3, 400);
      EngineSettings s = EngineSettings.ofStatic(8192).withLatency(cost, 0);
      LeapSettings l = new LeapSettings(LeapSettings.Kind.STATIC, cost, 1, 8192, 1, 1024, false);
      same(leap(LeapCore.of(l), arrivals), count(new EngineCore(s, 1), arrivals, 16), 60, round);
    }
  }

  @Test
  void slotsAgreeWithTheCoreThatCountsEveryStep() {
    CostProfile cost = CostProfile.of("8b", CacheType.PAGED);
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      List<Arrival> arrivals = arrivals(random, 60, 30 + random.nextInt(10), 400);
      int slots = 2 + random.nextInt(6);
      int tokens = 8 + random.nextInt(600);
      EngineSettings s =
          EngineSettings.ofStatic(8192).withSlots(slots, tokens).withLatency(cost, 0);
      LeapSettings l =
          new LeapSettings(LeapSettings.Kind.SLOTS, cost, slots, 8192, 1, tokens, false);
      same(leap(LeapCore.of(l), arrivals), count(new EngineCore(s, 1), arrivals, 16), 60, round);
    }
  }

  @Test
  void chunkedAnswersEachJobOnceWithAllItsTokensHoweverSmallThePool() {
    CostProfile cost = CostProfile.of("8b", CacheType.PAGED);
    int preempted = 0;
    for (int round = 0; round < ROUNDS; round++) {
      Random random = new Random(round);
      List<Arrival> arrivals = arrivals(random, 80, 10, 400);
      int blocks = 130 + random.nextInt(200);
      ChunkedCore core =
          new ChunkedCore(
              new LeapSettings(
                  LeapSettings.Kind.CHUNKED, cost, 16, blocks, 16, 512, random.nextBoolean()));
      Times t = leap(core, arrivals);
      assertThat(t.last).hasSize(80);
      for (Arrival a : arrivals) {
        assertThat(t.tokens).containsEntry(a.job().id(), a.job().outputTokens());
        assertThat(t.first.get(a.job().id())).isGreaterThan(a.atNanos());
        assertThat(t.last.get(a.job().id())).isGreaterThanOrEqualTo(t.first.get(a.job().id()));
      }
      assertThat(core.running() + core.waiting()).isZero();
      preempted += core.preemptions();
    }
    assertThat(preempted).isPositive();
  }

  @Test
  void aForkLivesOnByItselfAndTellsTheSame() {
    for (LeapSettings.Kind kind : LeapSettings.Kind.values()) {
      CostProfile cost = CostProfile.of("9b", kind.cacheType());
      LeapSettings l =
          switch (kind) {
            case PAGED -> LeapSettings.paged(cost);
            case STATIC -> LeapSettings.ofStatic(cost, 8192);
            case CHUNKED -> LeapSettings.chunked(cost);
            case SLOTS -> LeapSettings.slots(cost, 3, 8192);
          };
      List<Arrival> arrivals = arrivals(new Random(5), 40, 6, 800);
      LeapCore core = LeapCore.of(l);
      Times before = new Times();
      for (Arrival a : arrivals.subList(0, 20)) {
        core.advance(a.atNanos(), before);
        core.submit(a.job(), a.atNanos());
      }
      LeapCore fork = core.fork();
      LeapCore other = core.fork();
      other.submit(new LeapJob(99, 4000, 100, 100, 0, 0, 99, 0), arrivals.get(19).atNanos());
      other.advance(1e15, new Times());
      Times a = leap(core, arrivals.subList(20, 40));
      Times b = leap(fork, arrivals.subList(20, 40));
      assertThat(a.last).isEqualTo(b.last).isNotEmpty();
    }
  }

  @Test
  void aSlowNodeTakesAsMuchLongerFromTheNextStepOn() {
    LeapSettings l = LeapSettings.paged(CostProfile.of("9b", CacheType.PAGED));
    LeapJob j = new LeapJob(1, 1000, 200, 200, 0, 0, 1, 0);
    LeapCore even = LeapCore.of(l);
    even.submit(j, 0);
    Times a = new Times();
    even.advance(1e12, a);
    LeapCore slow = LeapCore.of(l);
    slow.submit(j, 0);
    Times b = new Times();
    double middle = (a.first.get(1) + a.last.get(1)) / 2;
    slow.advance(middle, b);
    slow.slow(3, middle);
    slow.advance(1e12, b);
    double rest = a.last.get(1) - middle;
    assertThat(b.last.get(1) - middle).isCloseTo(3 * rest, within(0.1 * rest));
  }

  @Test
  void whoeverHearsOfAnEndMaySubmitAnother() {
    LeapCore core = LeapCore.of(LeapSettings.ofStatic(CostProfile.of("9b", CacheType.STATIC), 256));
    List<Integer> ended = new ArrayList<>();
    core.submit(new LeapJob(0, 300, 10, 10, 0, 0, 1, 0), 0);
    LeapCore.Sink sink =
        new LeapCore.Sink() {
          @Override
          public void first(int job, double atNanos, int cachedTokens) {}

          @Override
          public void ended(int job, double atNanos, int tokens, boolean cut) {
            ended.add(job);
            if (job < 4) {
              int prompt = job % 2 == 0 ? 400 : 100;
              core.submit(new LeapJob(job + 1, prompt, 10, 10, 0, 0, 2 + job, 0), atNanos);
            }
          }
        };
    while (core.nextNanos() < Double.POSITIVE_INFINITY) {
      core.advance(core.nextNanos(), sink);
    }
    assertThat(ended).containsExactly(0, 1, 2, 3, 4);
  }
}
