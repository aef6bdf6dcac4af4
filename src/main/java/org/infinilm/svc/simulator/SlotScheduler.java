package org.infinilm.svc.simulator;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Several preallocated sequences, after llama.cpp's server: who waits longest gets the free slot
/// that has most in common with it, else the one that was free for longest; prompts are computed in
/// parts beside the decoding.
final class SlotScheduler implements Scheduler {
  private static final class Slot {
    @Nullable Sequence now;
    @Nullable Prompt inCache;
    long freed;
  }

  private final int maxCacheLenTokens;
  private final int stepTokens;
  private final List<Slot> slots = new ArrayList<>();
  private final Deque<Sequence> waiting = new ArrayDeque<>();
  private long steps;

  SlotScheduler(EngineSettings settings) {
    this(settings.maxCacheLenTokens(), settings.maxBatchTokens(), settings.slots());
  }

  private SlotScheduler(int maxCacheLenTokens, int stepTokens, int number) {
    this.maxCacheLenTokens = maxCacheLenTokens;
    this.stepTokens = Math.max(stepTokens, number);
    for (int k = 0; k < number; k++) {
      slots.add(new Slot());
    }
  }

  @Override
  public void enqueue(Sequence sequence) {
    waiting.addLast(sequence);
  }

  @Override
  public Batch next() {
    steps++;
    while (!waiting.isEmpty() && running() < slots.size()) {
      admit(waiting.removeFirst());
    }
    List<Batch.Slice> out = new ArrayList<>();
    for (Slot slot : slots) {
      if (slot.now != null && slot.now.prefilled()) {
        out.add(Batch.Slice.decode(slot.now));
      }
    }
    int budget = stepTokens - out.size();
    for (Slot slot : slots) {
      Sequence s = slot.now;
      if (s != null && !s.prefilled() && budget > 0) {
        int n = Math.min(budget, s.promptTokens() - s.computedTokens());
        budget -= n;
        out.add(new Batch.Slice(s, n, s.computedTokens(), false));
      }
    }
    return new Batch(out);
  }

  private void admit(Sequence s) {
    Slot best = null;
    int most = 0;
    for (Slot slot : slots) {
      if (slot.now != null) {
        continue;
      }
      int same = same(slot, s);
      int counts = same > SlotCore.ALIKE * s.promptTokens() ? same : 0;
      if (best == null || counts > most || (counts == most && slot.freed < best.freed)) {
        best = slot;
        most = counts;
      }
    }
    if (best == null) {
      throw new IllegalStateException("no slot is free");
    }
    s.admit(same(best, s));
    best.now = s;
  }

  private static int same(Slot slot, Sequence s) {
    Prompt p = slot.inCache;
    return p == null ? 0 : s.prompt().sharedTokens(p);
  }

  @Override
  public void prefilled(Sequence sequence) {
    // what the slot holds is taken down when it is free
  }

  @Override
  public void remove(Sequence sequence) {
    waiting.remove(sequence);
    for (Slot slot : slots) {
      if (slot.now == sequence) {
        slot.now = null;
        slot.inCache = sequence.prefilled() ? sequence.prompt() : null;
        slot.freed = steps;
      }
    }
  }

  @Override
  public int running() {
    int n = 0;
    for (Slot slot : slots) {
      n += slot.now == null ? 0 : 1;
    }
    return n;
  }

  @Override
  public int waiting() {
    return waiting.size();
  }

  @Override
  public double cacheUsage() {
    double used = 0;
    for (Slot slot : slots) {
      used += slot.now == null ? 0 : slot.now.contextTokens();
    }
    return Math.min(1, used / ((double) maxCacheLenTokens * slots.size()));
  }

  @Override
  public Scheduler fork(UnaryOperator<Sequence> copies) {
    SlotScheduler c = new SlotScheduler(maxCacheLenTokens, stepTokens, slots.size());
    waiting.forEach(w -> c.waiting.addLast(copies.apply(w)));
    for (int k = 0; k < slots.size(); k++) {
      Sequence now = slots.get(k).now;
      c.slots.get(k).now = now == null ? null : copies.apply(now);
      c.slots.get(k).inCache = slots.get(k).inCache;
      c.slots.get(k).freed = slots.get(k).freed;
    }
    c.steps = steps;
    return c;
  }
}
