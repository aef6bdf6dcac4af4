package org.infinilm.svc.simulator;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// One preallocated sequence: batch 1, first come first served; a request reuses at most the prefix
/// that it has in common with the one before it.
final class StaticScheduler implements Scheduler {
  private final int maxCacheLenTokens;
  private final Deque<Sequence> waiting = new ArrayDeque<>();
  private @Nullable Sequence current;
  private @Nullable Prompt inCache;

  StaticScheduler(int maxCacheLenTokens) {
    this.maxCacheLenTokens = maxCacheLenTokens;
  }

  @Override
  public void enqueue(Sequence sequence) {
    waiting.addLast(sequence);
  }

  @Override
  public Batch next() {
    Sequence s = current;
    if (s != null) {
      return new Batch(List.of(Batch.Slice.decode(s)));
    }
    s = waiting.pollFirst();
    if (s == null) {
      return Batch.NONE;
    }
    current = s;
    s.admit(inCache == null ? 0 : s.prompt().sharedTokens(inCache));
    return new Batch(List.of(Batch.Slice.prefill(s)));
  }

  @Override
  public void prefilled(Sequence sequence) {
    inCache = sequence.prompt();
  }

  @Override
  public void remove(Sequence sequence) {
    if (current == sequence) {
      current = null;
    } else {
      waiting.remove(sequence);
    }
  }

  @Override
  public int running() {
    return current == null ? 0 : 1;
  }

  @Override
  public int waiting() {
    return waiting.size();
  }

  @Override
  public double cacheUsage() {
    return current == null ? 0 : Math.min(1, (double) current.contextTokens() / maxCacheLenTokens);
  }

  @Override
  public Scheduler fork(UnaryOperator<Sequence> copies) {
    StaticScheduler s = new StaticScheduler(maxCacheLenTokens);
    waiting.forEach(w -> s.waiting.addLast(copies.apply(w)));
    s.current = current == null ? null : copies.apply(current);
    s.inCache = inCache;
    return s;
  }
}
