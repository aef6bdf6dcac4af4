package org.infinilm.svc.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class EngineCoreTest {
  private static final long SECOND = 1_000_000_000L;
  private static final LatencyModel L = LatencyModel.PUBLISHED;

  /// A prompt of its own text: no block equals any other's.
  private static Prompt prompt(int tokens, int blockTokens, long text) {
    return new Prompt(
        tokens,
        blockTokens,
        LongStream.range(0, tokens / blockTokens)
            .mapToObj(i -> Seeds.at(text * 1_000_003, i))
            .toList());
  }

  private static Job paged(long id, int promptTokens, int maxTokens) {
    return new Job(id, prompt(promptTokens, 256, id), maxTokens);
  }

  private static Job fixed(long id, int promptTokens, int maxTokens) {
    return new Job(id, prompt(promptTokens, 16, id), maxTokens);
  }

  private static double prefillMillis(double tokens) {
    return 4.209989e-7 * tokens * tokens + 1.518344e-2 * tokens + 16.50142;
  }

  private static double millis(Emission e) {
    return e.atNanos() / 1e6;
  }

  private static List<Emission> of(long job, List<Emission> all) {
    return all.stream().filter(e -> e.job() == job).toList();
  }

  @Test
  void aLonePrefillTakesThePublishedTimeAndADecodeStepFollows() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 1000, 2));
    List<Emission> out = core.advance(SECOND);
    assertThat(out).hasSize(2);
    assertThat(millis(out.get(0))).isCloseTo(prefillMillis(1000), within(1e-3));
    double p = 1001.0 / 131_072;
    assertThat(millis(out.get(1)) - millis(out.get(0)))
        .isCloseTo(-25.74 * p * p + 54.01 * p + 5.74, within(1e-3));
    assertThat(out.get(1).end()).isEqualTo(Emission.End.COMPLETE);
    assertThat(core.nextNanos()).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void tokensComeOutAtStepEndsOnly() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 1000, 2));
    long end = core.nextNanos();
    assertThat(core.advance(end - 1)).isEmpty();
    assertThat(core.advance(end)).singleElement().satisfies(e -> assertThat(e.token()).isTrue());
  }

  @Test
  void whatWaitsTogetherIsPrefilledTogetherUpToTheCap() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 500, 1));
    core.submit(paged(2, 524, 1));
    core.submit(paged(3, 1, 1));
    List<Emission> out = core.advance(SECOND);
    assertThat(out).extracting(Emission::job).containsExactly(1L, 2L, 3L);
    assertThat(out.get(0).atNanos()).isEqualTo(out.get(1).atNanos());
    assertThat(out.get(2).atNanos()).isGreaterThan(out.get(1).atNanos());
  }

  @Test
  void aPromptOverTheCapGoesAlone() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 5000, 1));
    core.submit(paged(2, 1, 1));
    List<Emission> out = core.advance(SECOND);
    assertThat(millis(out.get(0))).isCloseTo(prefillMillis(5000), within(1e-3));
    assertThat(out.get(1).atNanos()).isGreaterThan(out.get(0).atNanos());
  }

  @Test
  void theBatchHoldsNoMoreThanItsSize() {
    EngineCore core = new EngineCore(EngineSettings.paged().withBatch(2, 1024), 1);
    for (int i = 1; i <= 3; i++) {
      core.submit(paged(i, 10, 5));
    }
    List<Emission> out = new ArrayList<>();
    while (core.nextNanos() != Long.MAX_VALUE) {
      assertThat(core.running()).isLessThanOrEqualTo(2);
      out.addAll(core.advance(core.nextNanos()));
    }
    assertThat(of(3, out).getFirst().atNanos()).isGreaterThan(of(1, out).getLast().atNanos());
    assertThat(out).hasSize(15);
  }

  @Test
  void aLongPrefillIsAGapInTheOtherStreams() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 10, 40));
    List<Emission> out = new ArrayList<>(core.advance(100_000_000L));
    core.submit(paged(2, 20_000, 1));
    out.addAll(core.advance(5 * SECOND));
    List<Emission> first = of(1, out);
    double longest = 0;
    List<Double> gaps = new ArrayList<>();
    for (int i = 1; i < first.size(); i++) {
      gaps.add(millis(first.get(i)) - millis(first.get(i - 1)));
      longest = Math.max(longest, gaps.getLast());
    }
    assertThat(longest).isGreaterThan(prefillMillis(20_000)).isLessThan(prefillMillis(20_000) + 10);
    assertThat(gaps.stream().filter(g -> g > 20).count()).isEqualTo(1);
  }

  @Test
  void aJobIsAdmittedOnlyWhenItsWholeAnswerFits() {
    EngineCore core = new EngineCore(EngineSettings.paged().withPool(4, 16), 1);
    core.submit(new Job(1, prompt(20, 16, 1), 28)); // 3 blocks
    core.submit(new Job(2, prompt(16, 16, 2), 16)); // 2 blocks: waits
    core.submit(new Job(3, prompt(8, 16, 3), 8)); // 1 block: passes
    List<Emission> out = new ArrayList<>(core.advance(core.nextNanos()));
    assertThat(out).extracting(Emission::job).containsExactly(1L, 3L);
    assertThat(core.cacheUsage()).isEqualTo(1);
    assertThat(core.waiting()).isEqualTo(1);
    out.addAll(core.advance(5 * SECOND));
    assertThat(of(2, out).getFirst().atNanos()).isGreaterThan(of(1, out).getLast().atNanos());
    assertThat(core.cacheUsage()).isZero();
  }

  @Test
  void pagedReusesBlocksOfEqualContent() {
    EngineCore core = new EngineCore(EngineSettings.paged().withPool(64, 16), 1);
    Prompt text = prompt(100, 16, 7);
    core.submit(new Job(1, text, 1));
    core.advance(SECOND);
    core.submit(new Job(2, text, 1));
    core.submit(new Job(3, prompt(100, 16, 8), 1));
    List<Emission> out = core.advance(2 * SECOND);
    assertThat(of(2, out).getFirst().cachedTokens()).isEqualTo(96);
    assertThat(of(3, out).getFirst().cachedTokens()).isZero();
  }

  @Test
  void aWholePromptInTheCacheStillComputesOneBlock() {
    EngineCore core = new EngineCore(EngineSettings.paged().withPool(64, 16), 1);
    Prompt text = prompt(96, 16, 7);
    core.submit(new Job(1, text, 1));
    core.advance(SECOND);
    core.submit(new Job(2, text, 1));
    assertThat(core.advance(2 * SECOND).getFirst().cachedTokens()).isEqualTo(80);
  }

  @Test
  void staticServesOneAtATimeInOrder() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(4096), 1);
    core.submit(fixed(1, 3000, 3));
    core.submit(fixed(2, 10, 2));
    core.submit(fixed(3, 10, 1));
    List<Emission> out = core.advance(10 * SECOND);
    assertThat(out).extracting(Emission::job).containsExactly(1L, 1L, 1L, 2L, 2L, 3L);
    assertThat(out).extracting(Emission::atNanos).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void staticReusesThePrefixOfTheRequestBeforeOnly() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(4096), 1);
    long[] texts = {1, 1, 2, 1};
    List<Integer> cached = new ArrayList<>();
    for (int i = 0; i < texts.length; i++) {
      core.submit(new Job(i, prompt(1000, 16, texts[i]), 1));
      cached.add(core.advance(core.nextNanos()).getFirst().cachedTokens());
    }
    assertThat(cached).containsExactly(0, 992, 0, 0);
  }

  @Test
  void slotsServeSoManyAtOnceAndEachKeepsItsText() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(4096).withSlots(2, 512), 1);
    core.submit(new Job(1, prompt(1000, 16, 1), 20));
    core.submit(new Job(2, prompt(1000, 16, 2), 20));
    core.submit(new Job(3, prompt(1000, 16, 2), 20));
    core.nextNanos();
    assertThat(core.running()).isEqualTo(2);
    assertThat(core.waiting()).isEqualTo(1);
    List<Emission> out = core.advance(20 * SECOND);
    assertThat(out).hasSize(60);
    assertThat(first(out, 3).cachedTokens()).as("of the one before in its slot").isIn(0, 992);
    core.submit(new Job(4, prompt(1000, 16, 1), 1));
    core.submit(new Job(5, prompt(1000, 16, 2), 1));
    out = core.advance(40 * SECOND);
    assertThat(first(out, 5).cachedTokens()).isEqualTo(992);
    assertThat(core.cacheUsage()).isZero();
  }

  private static Emission first(List<Emission> of, long job) {
    return of.stream().filter(e -> e.job() == job).findFirst().orElseThrow();
  }

  /// Decoding goes on beside a long prompt, which takes several steps.
  @Test
  void slotsComputePromptsInPartsBesideTheDecoding() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(8192).withSlots(2, 256), 1);
    core.submit(fixed(1, 10, 400));
    core.advance(core.nextNanos());
    core.submit(fixed(2, 4000, 2));
    List<Emission> out = core.advance(60 * SECOND);
    int at = out.indexOf(first(out, 2));
    assertThat(at).as("tokens of the other before its first").isBetween(16, 18);
  }

  @Test
  void aReusedPrefixShortensThePrefill() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(8192), 1);
    core.submit(new Job(1, prompt(8000, 16, 1), 1));
    long first = core.advance(core.nextNanos()).getFirst().atNanos();
    core.submit(new Job(2, prompt(8000, 16, 1), 1));
    long second = core.advance(core.nextNanos()).getFirst().atNanos() - first;
    assertThat(second).isLessThan(first / 5);
  }

  @Test
  void cancelFreesAWaitingAndARunningJob() {
    EngineCore core = new EngineCore(EngineSettings.ofStatic(4096), 1);
    core.submit(fixed(1, 100, 1000));
    core.submit(fixed(2, 100, 1));
    core.submit(fixed(3, 100, 1));
    core.advance(core.nextNanos());
    core.nextNanos();
    assertThat(core.cancel(2)).isTrue();
    assertThat(core.waiting()).isEqualTo(1);
    assertThat(core.cancel(1)).isTrue();
    assertThat(core.advance(10 * SECOND)).extracting(Emission::job).containsExactly(3L);
    assertThat(core.cancel(1)).isFalse();
    assertThat(core.running()).isZero();
  }

  @Test
  void cancelGivesPagedBlocksBackAtTheStepEnd() {
    EngineCore core = new EngineCore(EngineSettings.paged().withPool(4, 16), 1);
    core.submit(new Job(1, prompt(30, 16, 1), 34));
    core.submit(new Job(2, prompt(30, 16, 2), 34));
    long end = core.nextNanos();
    core.cancel(1);
    assertThat(core.advance(end)).isEmpty();
    core.nextNanos();
    assertThat(core.running()).isEqualTo(1);
    assertThat(core.advance(5 * SECOND)).hasSize(34);
    assertThat(core.cacheUsage()).isZero();
  }

  @Test
  void whatNeverFitsIsRefusedCutOrKept() {
    EngineSettings tiny = EngineSettings.ofStatic(64);
    assertThat(new EngineCore(tiny, 1).submit(fixed(1, 60, 5)))
        .isEqualTo(EngineCore.Admission.REFUSED);

    EngineCore cut = new EngineCore(tiny.withOverflow(Overflow.TRUNCATE), 1);
    cut.submit(fixed(1, 60, 50));
    cut.submit(fixed(2, 64, 50));
    List<Emission> out = cut.advance(SECOND);
    assertThat(of(1, out)).hasSize(4);
    assertThat(of(1, out).getLast().end()).isEqualTo(Emission.End.CACHE_FULL);
    assertThat(of(2, out))
        .singleElement()
        .satisfies(e -> {
          assertThat(e.token()).isFalse();
          assertThat(e.end()).isEqualTo(Emission.End.CACHE_FULL);
        });

    EngineCore hang = new EngineCore(tiny.withOverflow(Overflow.HANG), 1);
    hang.submit(fixed(1, 60, 50));
    hang.submit(fixed(2, 10, 1));
    assertThat(hang.advance(100 * SECOND)).extracting(Emission::job).containsExactly(2L);
    assertThat(hang.waiting()).isEqualTo(1);
    assertThat(hang.cancel(1)).isTrue();
    assertThat(hang.waiting()).isZero();
  }

  @Test
  void theSameSeedGivesTheSameEmissions() {
    EngineSettings jittery = EngineSettings.paged().withLatency(L, 0.2);
    assertThat(script(new EngineCore(jittery, 5))).isEqualTo(script(new EngineCore(jittery, 5)));
    assertThat(script(new EngineCore(jittery, 5))).isNotEqualTo(script(new EngineCore(jittery, 6)));
  }

  private static List<Emission> script(EngineCore core) {
    List<Emission> out = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      core.submit(paged(i, 50 + 97 * i, 1 + i));
      out.addAll(core.advance(core.nowNanos() + 30_000_000L));
    }
    out.addAll(core.advance(60 * SECOND));
    return out;
  }

  @Test
  void aForkLivesOnByItself() {
    for (EngineSettings s : List.of(EngineSettings.paged(), EngineSettings.ofStatic(131_072))) {
      EngineCore core = new EngineCore(s.withLatency(L, 0.1), 3);
      for (int i = 0; i < 6; i++) {
        core.submit(new Job(i, prompt(300 + i, s.hashBlockTokens(), i), 10));
      }
      core.advance(60_000_000L);
      EngineCore same = core.fork();
      EngineCore other = core.fork();
      other.submit(new Job(99, prompt(20_000, s.hashBlockTokens(), 99), 1));
      List<Emission> disturbed = other.advance(60 * SECOND);
      List<Emission> expected = same.advance(60 * SECOND);
      assertThat(core.advance(60 * SECOND)).isEqualTo(expected).isNotEmpty();
      assertThat(of(99, disturbed)).hasSize(1);
      assertThat(disturbed).isNotEqualTo(expected);
    }
  }

  @Test
  void anIdIsUsedOnce() {
    EngineCore core = new EngineCore(EngineSettings.paged(), 1);
    core.submit(paged(1, 1, 1));
    assertThatThrownBy(() -> core.submit(paged(1, 1, 1))).hasMessageContaining("job 1");
  }
}
