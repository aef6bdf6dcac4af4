package org.infinilm.svc.simulator;

import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/*
 * Each slot is a sequence of its own, of the same length. Who waits longest gets the free slot whose last
 * text it has most in common with, when that is more than a tenth of its prompt, else the one that was
 * free for longest; it keeps what they have in common. A step computes one token of each decoding
 * sequence, and of prompts, slot by slot, as many as the budget leaves.
 */

/// An engine of several preallocated sequences, after llama.cpp's server.
final class SlotCore extends PieceCore {
  /// Granularity of reuse, in tokens, as the other engines' here.
  static final int BLOCK_TOKENS = 16;

  /// So much of a prompt must be in a slot that it is chosen for that.
  static final double ALIKE = 0.1;

  private static final class Slot {
    @Nullable Leaper now;
    @Nullable LeapJob last;
    int lastTokens;
    long freed;
  }

  private final Slot[] slots;
  private long steps;

  SlotCore(LeapSettings settings) {
    super(settings);
    slots = new Slot[settings.batch()];
    for (int k = 0; k < slots.length; k++) {
      slots[k] = new Slot();
    }
  }

  @Override
  LeapCore forked(UnaryOperator<Leaper> copies) {
    SlotCore c = new SlotCore(settings);
    for (int k = 0; k < slots.length; k++) {
      Leaper now = slots[k].now;
      c.slots[k].now = now == null ? null : copies.apply(now);
      c.slots[k].last = slots[k].last;
      c.slots[k].lastTokens = slots[k].lastTokens;
      c.slots[k].freed = slots[k].freed;
    }
    piecesTo(c, copies);
    c.steps = steps;
    return c;
  }

  @Override
  boolean admissible(Leaper s) {
    return waiting.isEmpty() && running.size() < slots.length;
  }

  @Override
  void plan() {
    steps++;
    while (!waiting.isEmpty() && running.size() < slots.length) {
      admit(waiting.removeFirst());
    }
    clearPieces();
    int budget = settings.stepTokens();
    for (Leaper s : running) {
      budget -= s.prefilled() ? 1 : 0;
    }
    for (Slot slot : slots) {
      Leaper s = slot.now;
      if (s != null && !s.prefilled() && budget > 0) {
        int n = Math.min(budget, s.target - s.computed);
        budget -= n;
        piece(s, n);
      }
    }
    if (hasPieces()) {
      step(mixedNanos());
    } else if (!running.isEmpty()) {
      run(Integer.MAX_VALUE);
    }
  }

  private void admit(Leaper s) {
    Slot best = null;
    int most = 0;
    for (Slot slot : slots) {
      if (slot.now != null) {
        continue;
      }
      int same = same(slot, s.job);
      boolean alike = same > ALIKE * s.job.promptTokens();
      int counts = alike ? same : 0;
      if (best == null || counts > most || (counts == most && slot.freed < best.freed)) {
        best = slot;
        most = counts;
      }
    }
    if (best == null) {
      throw new IllegalStateException("no slot is free");
    }
    s.cachedTokens = same(best, s.job);
    s.computed = s.cachedTokens;
    best.now = s;
    running.add(s);
  }

  private static int same(Slot slot, LeapJob j) {
    LeapJob l = slot.last;
    if (l == null) {
      return 0;
    }
    int same =
        l.text() == j.text()
            ? Math.min(slot.lastTokens, j.sharedTokens())
            : l.system() != 0 && l.system() == j.system() ? j.systemTokens() : 0;
    same = Math.min(same, j.promptTokens() - 1);
    return same - same % BLOCK_TOKENS;
  }

  @Override
  void released(Leaper s) {
    for (Slot slot : slots) {
      if (slot.now == s) {
        slot.now = null;
        slot.last = s.job;
        slot.lastTokens = settings.keepsAnswers() ? s.contextTokens() : s.job.promptTokens();
        slot.freed = steps;
      }
    }
  }
}
