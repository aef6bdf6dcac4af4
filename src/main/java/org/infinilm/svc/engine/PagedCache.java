package org.infinilm.svc.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Many sequences over one pool of cells. A prompt shares the cells of the sequence, running or
/// finished, that it has most in common with; finished ones are kept until their room is needed.
final class PagedCache implements Cache {
  private final Llama llama;
  private final int blockTokens;
  private final int maxKept;
  private final int maxKeptTokens;
  private final Deque<Integer> freeIds = new ArrayDeque<>();

  /// In the order they were taken.
  private final List<Sequence> running = new ArrayList<>();

  /// Finished sequences, least recently used first.
  private final List<Sequence> kept = new ArrayList<>();

  /// @param maxRunning sequences that run at a time
  /// @param maxKept finished sequences that are kept
  /// @param maxKeptTokens tokens that they hold together, shared ones counted each time
  PagedCache(Llama llama, int blockTokens, int maxRunning, int maxKept, int maxKeptTokens) {
    this.llama = llama;
    this.blockTokens = blockTokens;
    this.maxKept = maxKept;
    this.maxKeptTokens = maxKeptTokens;
    for (int id = 0; id < maxRunning + maxKept; id++) {
      freeIds.add(id);
    }
  }

  @Override
  public int reusable(int[] prompt) {
    Sequence source = source(prompt);
    return source == null ? 0 : blocks(source.common(prompt), prompt);
  }

  @Override
  public int expected(int[] prompt) {
    int most = 0;
    for (Sequence s : running) {
      most = Math.max(most, s.commonExpected(prompt));
    }
    return Math.max(blocks(most, prompt), reusable(prompt));
  }

  @Override
  public int expected(int[] prompt, Sequence sequence) {
    int most = 0;
    for (Sequence s : running) {
      if (s == sequence) {
        break;
      }
      most = Math.max(most, s.commonExpected(prompt));
    }
    return blocks(most, prompt);
  }

  private int blocks(int common, int[] prompt) {
    return Cache.wholeBlocks(common, prompt, blockTokens);
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
    Sequence source = source(prompt);
    int to = source == null ? 0 : blocks(source.common(prompt), prompt);
    if (source == null || source == sequence || to <= sequence.stored()) {
      return;
    }
    llama.share(source.id(), sequence.id(), sequence.stored(), to);
    sequence.shareUpTo(to, source);
    touch(source);
  }

  private void touch(Sequence used) {
    if (kept.remove(used)) {
      kept.add(used);
    }
  }

  @Override
  public void keep(Sequence ended) {
    running.remove(ended);
    kept.removeIf(k -> k.isPrefixOf(ended) && free(k));
    if (ended.stored() < blockTokens
        || ended.stored() > maxKeptTokens
        || kept.stream().anyMatch(ended::isPrefixOf)) {
      free(ended);
      return;
    }
    kept.add(ended);
    while (kept.size() > maxKept
        || kept.stream().mapToInt(Sequence::stored).sum() > maxKeptTokens) {
      free(kept.removeFirst());
    }
  }

  @Override
  public void evict(int[] spared) {
    Sequence source = source(spared);
    if (source != null) {
      touch(source);
    }
    free(kept.removeFirst());
  }

  @Override
  public int kept() {
    return kept.size();
  }

  @Override
  public int usedTokens() {
    return Sequence.cells(Stream.concat(running.stream(), kept.stream()));
  }

  @Override
  public int runningTokens() {
    return Sequence.cells(running.stream());
  }

  private boolean free(Sequence s) {
    llama.trim(s.id(), 0);
    return freeIds.add(s.id());
  }

  /// The sequence that holds most of this prompt.
  private @Nullable Sequence source(int[] prompt) {
    Sequence best = null;
    int most = 0;
    for (List<Sequence> list : List.of(kept, running)) {
      for (Sequence s : list) {
        int n = s.common(prompt);
        if (n > most) {
          most = n;
          best = s;
        }
      }
    }
    return best;
  }
}
