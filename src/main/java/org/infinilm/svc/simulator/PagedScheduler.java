package org.infinilm.svc.simulator;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.UnaryOperator;

/*
 * Each step is either prefill or decode, prefill first: all waiting sequences that fit are computed
 * in one step, each prompt whole, so that a long prompt stalls every decode. A sequence is admitted
 * when the batch has a place, the step's prompt tokens stay within the cap (the first of a step may
 * exceed it, alone), and the pool can hold its prompt and its whole answer beside what the others
 * reserved; one that the pool cannot hold now goes to the tail of the queue. Nothing is preempted.
 */

/// The paged engine's schedule, after InfiniLM's.
final class PagedScheduler implements Scheduler {
  private final int maxBatchSize;
  private final int maxBatchTokens;
  private final BlockPool pool;
  private final Deque<Sequence> waiting = new ArrayDeque<>();
  private final List<Sequence> running = new ArrayList<>();

  PagedScheduler(EngineSettings settings) {
    this(
        settings.maxBatchSize(),
        settings.maxBatchTokens(),
        new BlockPool(settings.numBlocks(), settings.blockSizeTokens()));
  }

  private PagedScheduler(int maxBatchSize, int maxBatchTokens, BlockPool pool) {
    this.maxBatchSize = maxBatchSize;
    this.maxBatchTokens = maxBatchTokens;
    this.pool = pool;
  }

  @Override
  public void enqueue(Sequence sequence) {
    waiting.addLast(sequence);
  }

  @Override
  public Batch next() {
    List<Batch.Slice> prefills = admit();
    return new Batch(
        prefills.isEmpty() ? running.stream().map(Batch.Slice::decode).toList() : prefills);
  }

  private List<Batch.Slice> admit() {
    List<Batch.Slice> admitted = new ArrayList<>();
    int budgetTokens = maxBatchTokens;
    for (int looks = waiting.size(); looks > 0 && running.size() < maxBatchSize; looks--) {
      Sequence s = waiting.getFirst();
      int reusedTokens = pool.cachedTokens(s.prompt());
      int newTokens = s.promptTokens() - reusedTokens;
      if (!admitted.isEmpty() && newTokens > budgetTokens) {
        break;
      }
      waiting.removeFirst();
      if (!pool.reserve(s)) {
        waiting.addLast(s);
        continue;
      }
      s.admit(reusedTokens);
      budgetTokens -= newTokens;
      running.add(s);
      admitted.add(Batch.Slice.prefill(s));
    }
    return admitted;
  }

  @Override
  public void prefilled(Sequence sequence) {
    pool.share(sequence);
  }

  @Override
  public void remove(Sequence sequence) {
    if (running.remove(sequence)) {
      pool.release(sequence);
    } else {
      waiting.remove(sequence);
    }
  }

  @Override
  public int running() {
    return running.size();
  }

  @Override
  public int waiting() {
    return waiting.size();
  }

  @Override
  public double cacheUsage() {
    return pool.usage();
  }

  @Override
  public Scheduler fork(UnaryOperator<Sequence> copies) {
    PagedScheduler s = new PagedScheduler(maxBatchSize, maxBatchTokens, pool.copy());
    waiting.forEach(w -> s.waiting.addLast(copies.apply(w)));
    running.forEach(r -> s.running.add(copies.apply(r)));
    return s;
  }
}
