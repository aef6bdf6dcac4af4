package org.infinilm.svc.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Many sequences over one pool of cells. A prompt shares the cells of the running sequence that it
/// has most in common with; what finished ones held is kept beside the cells and copied back.
final class PagedCache implements Cache {
  /* Each step of llama.cpp passes over all cells up to the last one in use, whoever holds them: a
  finished sequence left in its cells would make every later token dearer. Its copy costs memory
  traffic once, when it ends and when a prompt goes on from it.
  A sequence takes over a kept one only while it is empty, and only when no running one will have
  as much: so what it was promised to share stays shared, and the books add up. */

  /// What a finished sequence held.
  private record Kept(Sequence sequence, Llama.Saved saved) {}

  private final Llama llama;
  private final int cells;
  private final int blockTokens;
  private final int maxKept;
  private final int maxKeptTokens;
  private final Deque<Integer> freeIds = new ArrayDeque<>();

  /// In the order they were taken.
  private final List<Sequence> running = new ArrayList<>();

  /// Least recently used first.
  private final List<Kept> kept = new ArrayList<>();

  /// @param cells size of the pool in tokens
  /// @param maxRunning sequences that run at a time
  /// @param maxKept finished sequences that are kept
  /// @param maxKeptTokens tokens that they hold together
  PagedCache(
      Llama llama, int cells, int blockTokens, int maxRunning, int maxKept, int maxKeptTokens) {
    this.llama = llama;
    this.cells = cells;
    this.blockTokens = blockTokens;
    this.maxKept = maxKept;
    this.maxKeptTokens = maxKeptTokens;
    for (int id = 0; id < maxRunning; id++) {
      freeIds.add(id);
    }
  }

  @Override
  public int reusable(int[] prompt) {
    return Math.max(blocks(source(prompt), prompt), blocks(keptFor(prompt), prompt));
  }

  @Override
  public int shared(int[] prompt) {
    int most = 0;
    for (Sequence s : running) {
      most = Math.max(most, s.commonExpected(prompt));
    }
    int shared = blocks(most, prompt);
    return blocks(keptFor(prompt), prompt) > shared ? 0 : shared;
  }

  @Override
  public int awaited(Sequence sequence, int[] prompt) {
    int most = 0;
    for (Sequence s : running) {
      if (s == sequence) {
        break;
      }
      most = Math.max(most, s.commonExpected(prompt));
    }
    return blocks(most, prompt);
  }

  @Override
  public int sharable(Sequence sequence, int[] prompt) {
    Kept k = takeable(sequence, prompt);
    return k == null ? blocks(source(prompt), prompt) : blocks(k, prompt);
  }

  @Override
  public Sequence take(int[] prompt) {
    Sequence taken = new Sequence(freeIds.remove(), prompt);
    share(taken, prompt);
    running.add(taken);
    return taken;
  }

  @Override
  public void share(Sequence sequence, int[] prompt) {
    Kept k = takeable(sequence, prompt);
    if (k != null && restore(k, sequence, blocks(k, prompt))) {
      return;
    }
    Sequence source = source(prompt);
    int to = blocks(source, prompt);
    if (source == null || source == sequence || to <= sequence.stored()) {
      return;
    }
    llama.share(source.id(), sequence.id(), sequence.stored(), to);
    sequence.shareUpTo(to, source);
  }

  /// The kept sequence that this one should go on from.
  private @Nullable Kept takeable(Sequence sequence, int[] prompt) {
    if (sequence.stored() > 0) {
      return null;
    }
    Kept k = keptFor(prompt);
    return blocks(k, prompt) > awaited(sequence, prompt) ? k : null;
  }

  private boolean restore(Kept k, Sequence sequence, int to) {
    kept.remove(k);
    boolean done = llama.restore(k.saved(), sequence.id());
    if (!done) {
      llama.defragment();
      done = llama.restore(k.saved(), sequence.id());
    }
    if (!done) {
      k.saved().close();
      return false;
    }
    kept.add(k);
    llama.trim(sequence.id(), to);
    sequence.storedUpTo(to);
    return true;
  }

  @Override
  public void keep(Sequence ended) {
    running.remove(ended);
    if (ended.stored() >= blockTokens
        && ended.stored() <= maxKeptTokens
        && kept.stream().noneMatch(k -> ended.isPrefixOf(k.sequence()))) {
      kept.removeIf(k -> k.sequence().isPrefixOf(ended) && close(k));
      kept.add(new Kept(ended, llama.save(ended.id())));
      while (kept.size() > maxKept || keptTokens() > maxKeptTokens) {
        close(kept.removeFirst());
      }
    }
    llama.trim(ended.id(), 0);
    freeIds.add(ended.id());
  }

  private static boolean close(Kept k) {
    k.saved().close();
    return true;
  }

  @Override
  public int keptTokens() {
    return kept.stream().mapToInt(k -> k.sequence().stored()).sum();
  }

  /// Finished sequences that are kept.
  int kept() {
    return kept.size();
  }

  @Override
  public void clear() {
    kept.removeIf(PagedCache::close);
  }

  @Override
  public int usedTokens() {
    return runningTokens();
  }

  @Override
  public int runningTokens() {
    return Sequence.cells(running.stream());
  }

  private int blocks(@Nullable Sequence source, int[] prompt) {
    return source == null ? 0 : blocks(source.common(prompt), prompt);
  }

  private int blocks(@Nullable Kept k, int[] prompt) {
    return k == null ? 0 : blocks(k.sequence(), prompt);
  }

  private int blocks(int common, int[] prompt) {
    return Cache.wholeBlocks(common, prompt, blockTokens);
  }

  /// The running sequence that holds most of this prompt.
  private @Nullable Sequence source(int[] prompt) {
    Sequence best = null;
    int most = 0;
    for (Sequence s : running) {
      int n = s.common(prompt);
      if (n > most) {
        most = n;
        best = s;
      }
    }
    return best;
  }

  /// The kept sequence that held most of this prompt and fits into the free cells.
  private @Nullable Kept keptFor(int[] prompt) {
    Kept best = null;
    int most = 0;
    int free = cells - runningTokens();
    for (Kept k : kept) {
      int n = k.sequence().common(prompt);
      if (n > most && k.sequence().stored() <= free) {
        most = n;
        best = k;
      }
    }
    return best;
  }
}
