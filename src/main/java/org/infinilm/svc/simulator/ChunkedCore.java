package org.infinilm.svc.simulator;

import java.util.function.UnaryOperator;

/*
 * Each step has a budget of tokens: every decoding sequence gets one, those whose prompt is not done
 * yet a chunk of the rest in order of their coming, then who waits is admitted while the budget, the
 * batch and the pool last. Blocks are taken as the text grows; when there are none, the sequence that
 * was admitted last loses all of its own and waits, first in line, to be computed anew with what it
 * had generated (vLLM's preemption by recomputing).
 */

/// An engine with chunked prefill, after vLLM's.
final class ChunkedCore extends PieceCore {
  private final PrefixStore store;
  private int preemptions;

  ChunkedCore(LeapSettings settings) {
    this(settings, new PrefixStore(settings.numBlocks(), settings.blockTokens()));
  }

  private ChunkedCore(LeapSettings settings, PrefixStore store) {
    super(settings);
    this.store = store;
  }

  @Override
  LeapCore forked(UnaryOperator<Leaper> copies) {
    ChunkedCore c = new ChunkedCore(settings, store.copy());
    piecesTo(c, copies);
    c.preemptions = preemptions;
    return c;
  }

  /// How often a sequence had to be computed anew.
  int preemptions() {
    return preemptions;
  }

  @Override
  boolean admissible(Leaper s) {
    return waiting.isEmpty()
        && running.size() < settings.batch()
        && store.hasRoom(s.job, firstBlocks(s, settings.stepTokens() - running.size()));
  }

  private int firstBlocks(Leaper s, int budget) {
    int cached = store.hitBlocks(s.job) * settings.blockTokens();
    return store.blocksOf(Math.min((long) s.target + 1, (long) cached + budget));
  }

  @Override
  void plan() {
    clearPieces();
    int budget = settings.stepTokens();
    boolean preempted = false;
    for (int k = 0; k < running.size(); k++) {
      Leaper s = running.get(k);
      int n = s.prefilled() ? 1 : Math.min(budget, s.target - s.computed);
      int blocks =
          s.prefilled()
              ? store.blocksOf(s.contextTokens() + 1L)
              : store.blocksOf((long) s.computed + n);
      while (k < running.size() && !store.grow(s, blocks)) {
        preempt(running.removeLast());
        preempted = true;
      }
      if (k == running.size()) {
        break;
      }
      budget -= n;
      take(s, n);
    }
    while (!preempted && budget > 0 && running.size() < settings.batch() && !waiting.isEmpty()) {
      Leaper s = waiting.getFirst();
      if (!store.reserve(s, firstBlocks(s, budget))) {
        break;
      }
      waiting.removeFirst();
      s.cachedTokens = s.hitBlocks * settings.blockTokens();
      s.computed = Math.min(s.cachedTokens, s.target - 1);
      running.add(s);
      int n = Math.min(budget, s.target - s.computed);
      budget -= n;
      take(s, n);
    }
    if (hasPieces()) {
      step(mixedNanos());
    } else if (!running.isEmpty()) {
      run(stepsThatFit());
    }
  }

  private void take(Leaper s, int n) {
    if (!s.prefilled()) {
      piece(s, n);
    }
  }

  private void preempt(Leaper s) {
    store.release(s);
    s.target = s.contextTokens();
    s.computed = 0;
    waiting.addFirst(s);
    preemptions++;
  }

  /// Decode steps of all that run for which there are blocks; the first one's are taken already.
  private int stepsThatFit() {
    int most = Integer.MAX_VALUE;
    for (Leaper s : running) {
      most = Math.min(most, s.limit - s.generated);
    }
    int fit = 1;
    int over = most + 1;
    while (over - fit > 1) {
      int mid = (fit + over) >>> 1;
      long need = 0;
      for (Leaper s : running) {
        need += store.missing(s, store.blocksOf((long) s.contextTokens() + mid));
      }
      if (need <= store.freeBlocks()) {
        fit = mid;
      } else {
        over = mid;
      }
    }
    return fit;
  }

  @Override
  void grown(int steps) {
    for (Leaper s : running) {
      store.grow(s, store.blocksOf(s.contextTokens()));
    }
  }

  @Override
  void prefilled(Leaper s) {
    store.share(s, s.job.promptTokens());
  }

  @Override
  void released(Leaper s) {
    if (settings.keepsAnswers()) {
      store.share(s, s.contextTokens());
    }
    store.release(s);
  }
}
