package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CacheTest {
  private static final int BLOCK = 4;
  private final FakeLlama llama = new FakeLlama(256, 1000);

  private static int[] tokens(int from, int count) {
    return IntStream.range(from, from + count).toArray();
  }

  private static int[] join(int[] a, int[] b) {
    return IntStream.concat(IntStream.of(a), IntStream.of(b)).toArray();
  }

  /// Stores what is not stored of a prompt, as a request does.
  private void compute(Sequence s, int[] prompt) {
    Batch b = new Batch(256);
    for (int i = s.stored(); i < prompt.length; i++) {
      b.add(prompt[i], i, s.id(), false);
    }
    assertThat(llama.decode(b)).isEqualTo(Llama.Decoded.DONE);
    s.storedUpTo(prompt.length);
  }

  @Test
  void aSecondTurnGoesOnFromTheFirst() {
    PagedCache cache = new PagedCache(llama, 256, BLOCK, 2, 4, 1000);
    int[] first = tokens(10, 40);
    Sequence one = cache.take(first);
    assertThat(one.stored()).isZero();
    compute(one, first);
    cache.keep(one);
    int[] second = join(first, tokens(500, 10));
    Sequence two = cache.take(second);
    assertThat(two.stored()).isEqualTo(40);
    assertThat(llama.usedCells()).isEqualTo(40);
    assertThat(cache.usedTokens()).isEqualTo(40);
    compute(two, second);
    assertThat(llama.usedCells()).isEqualTo(50);
    cache.keep(two);
    assertThat(cache.kept()).as("the first turn is part of the second").isEqualTo(1);
    assertThat(llama.usedCells()).as("kept beside the cells").isZero();
  }

  @Test
  void aRunningSequenceIsSharedToo() {
    PagedCache cache = new PagedCache(llama, 256, BLOCK, 2, 4, 1000);
    int[] prompt = tokens(10, 21);
    Sequence one = cache.take(prompt);
    compute(one, prompt);
    Sequence two = cache.take(prompt);
    assertThat(two.stored()).as("whole blocks, without the last token").isEqualTo(20);
    assertThat(two.id()).isNotEqualTo(one.id());
  }

  @Test
  void whatDoesNotFitIntoTheFreeCellsIsComputedAgain() {
    PagedCache cache = new PagedCache(llama, 60, BLOCK, 2, 4, 1000);
    int[] prompt = tokens(10, 40);
    Sequence one = cache.take(prompt);
    compute(one, prompt);
    cache.keep(one);
    int[] other = tokens(500, 24);
    compute(cache.take(other), other);
    assertThat(cache.reusable(prompt)).as("40 kept, 36 free").isZero();
    assertThat(cache.take(prompt).stored()).isZero();
  }

  @Test
  void aRunningPromptThatWillHoldMoreIsWaitedFor() {
    PagedCache cache = new PagedCache(llama, 256, BLOCK, 3, 4, 1000);
    int[] start = tokens(10, 16);
    Sequence one = cache.take(start);
    compute(one, start);
    cache.keep(one);
    int[] prompt = join(start, tokens(500, 24));
    Sequence first = cache.take(prompt);
    assertThat(first.stored()).as("from the kept one").isEqualTo(16);
    assertThat(cache.shared(prompt)).isEqualTo(36);
    Sequence second = cache.take(prompt);
    assertThat(cache.awaited(second, prompt)).isEqualTo(36);
    compute(first, prompt);
    cache.share(second, prompt);
    assertThat(second.stored()).isEqualTo(36);
    assertThat(llama.usedCells()).as("shared").isEqualTo(40);
    assertThat(cache.usedTokens()).isEqualTo(40);
  }

  @Test
  void theLeastRecentlyUsedGoesFirst() {
    PagedCache cache = new PagedCache(llama, 256, BLOCK, 1, 2, 1000);
    for (int start : new int[] {100, 200, 100, 300}) {
      int[] prompt = tokens(start, 20);
      Sequence s = cache.take(prompt);
      compute(s, prompt);
      cache.keep(s);
    }
    assertThat(cache.kept()).isEqualTo(2);
    assertThat(cache.reusable(tokens(100, 20))).isEqualTo(16);
    assertThat(cache.reusable(tokens(200, 20))).isZero();
    assertThat(cache.reusable(tokens(300, 20))).isEqualTo(16);
  }

  @Test
  void keptTokensAreBounded() {
    PagedCache cache = new PagedCache(llama, 256, BLOCK, 1, 8, 50);
    for (int start = 100; start < 600; start += 100) {
      int[] prompt = tokens(start, 20);
      Sequence s = cache.take(prompt);
      compute(s, prompt);
      cache.keep(s);
    }
    assertThat(cache.kept()).isEqualTo(2);
    assertThat(cache.keptTokens()).isEqualTo(40);
    assertThat(llama.usedCells()).isZero();
  }

  @Test
  void theStaticCacheKnowsThePreviousRequestOnly() {
    Cache cache = new StaticCache(llama);
    int[] first = tokens(10, 40);
    Sequence one = cache.take(first);
    compute(one, first);
    cache.keep(one);
    assertThat(cache.reusable(join(tokens(10, 30), tokens(500, 30)))).isEqualTo(30);
    int[] other = tokens(700, 10);
    Sequence two = cache.take(other);
    assertThat(two.stored()).isZero();
    assertThat(llama.usedCells()).isZero();
    compute(two, other);
    cache.keep(two);
    assertThat(cache.reusable(first)).isZero();
  }

  @Test
  void aBatchThatFindsNoRunOfCellsIsHelpedByMovingThemTogether() {
    FakeLlama small = new FakeLlama(20, 10);
    for (int s = 0; s < 10; s++) {
      Batch b = new Batch(2);
      b.add(1, 0, s, false);
      b.add(1, 1, s, false);
      assertThat(small.decode(b)).isEqualTo(Llama.Decoded.DONE);
    }
    for (int s = 0; s < 10; s += 2) {
      small.trim(s, 0);
    }
    Decoder decoder = new Decoder(small, new EngineMetrics("m", true, 1, 20));
    Batch ten = decoder.batch(10);
    for (int i = 0; i < 10; i++) {
      ten.add(i, i, 20, i == 9);
    }
    int[] seen = new int[1];
    assertThat(decoder.run(ten, (entry, index) -> seen[0] += entry)).isTrue();
    assertThat(seen[0]).isEqualTo(9);
    assertThat(small.defragmentations).isEqualTo(1);
    assertThat(small.usedCells()).isEqualTo(20);
  }

  @Test
  void aBatchThatCannotRunLeavesNothingBehind() {
    FakeLlama small = new FakeLlama(8, 10);
    Decoder decoder = new Decoder(small, new EngineMetrics("m", true, 1, 20));
    Batch b = decoder.batch(16);
    for (int i = 0; i < 9; i++) {
      b.add(i, i, 0, false);
    }
    assertThat(decoder.run(b, (entry, index) -> {})).isFalse();
    small.trim(0, 0);
    assertThat(small.usedCells()).isZero();
    small.failing = true;
    assertThat(decoder.run(b.slice(0, 1), (entry, index) -> {})).isFalse();
    assertThat(small.usedCells()).isZero();
  }
}
