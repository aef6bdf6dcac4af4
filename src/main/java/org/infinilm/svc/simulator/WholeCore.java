package org.infinilm.svc.simulator;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Engines that compute a prompt whole, before any decoding: InfiniLM's paged and static ones.
final class WholeCore extends LeapCore {
  /// Granularity of a static engine's reuse, in tokens.
  private static final int STATIC_BLOCK_TOKENS = 16;

  private final PrefixStore store;
  private final boolean single;
  private final List<Leaper> prefilling = new ArrayList<>();
  private @Nullable LeapJob last;
  private int lastTokens;

  WholeCore(LeapSettings settings) {
    this(settings, new PrefixStore(settings.numBlocks(), settings.blockTokens()));
  }

  private WholeCore(LeapSettings settings, PrefixStore store) {
    super(settings);
    this.store = store;
    this.single = settings.kind() == LeapSettings.Kind.STATIC;
  }

  @Override
  LeapCore forked(UnaryOperator<Leaper> copies) {
    WholeCore c = new WholeCore(settings, single ? store : store.copy());
    prefilling.forEach(s -> c.prefilling.add(copies.apply(s)));
    c.last = last;
    c.lastTokens = lastTokens;
    return c;
  }

  private int blocks(Leaper s) {
    LeapJob j = s.job;
    long most = Math.min(settings.capacityTokens(), (long) j.promptTokens() + j.maxTokens());
    return store.blocksOf(Math.max(most, (long) j.promptTokens() + s.limit));
  }

  @Override
  boolean admissible(Leaper s) {
    return running.size() < settings.batch() && (single || store.hasRoom(s.job, blocks(s)));
  }

  @Override
  void plan() {
    admit();
    if (!prefilling.isEmpty()) {
      double tokens = 0;
      double squares = 0;
      double products = 0;
      for (Leaper s : prefilling) {
        double n = s.job.promptTokens() - s.cachedTokens;
        tokens += n;
        squares += n * n;
        products += n * s.cachedTokens;
      }
      step(cost.prefillNanos(tokens, squares, products));
    } else if (!running.isEmpty()) {
      run(Integer.MAX_VALUE);
    }
  }

  private void admit() {
    int budgetTokens = settings.stepTokens();
    for (int looks = waiting.size(); looks > 0 && running.size() < settings.batch(); looks--) {
      Leaper s = waiting.getFirst();
      int reused =
          single ? reusedByTheNext(s.job) : store.hitBlocks(s.job) * settings.blockTokens();
      int n = s.job.promptTokens() - reused;
      if (!prefilling.isEmpty() && n > budgetTokens) {
        return;
      }
      waiting.removeFirst();
      if (!single && !store.reserve(s, blocks(s))) {
        waiting.addLast(s);
        continue;
      }
      s.cachedTokens = reused;
      budgetTokens -= n;
      running.add(s);
      prefilling.add(s);
    }
  }

  private int reusedByTheNext(LeapJob j) {
    LeapJob l = last;
    if (l == null) {
      return 0;
    }
    int same =
        l.text() == j.text()
            ? Math.min(lastTokens, j.sharedTokens())
            : l.system() != 0 && l.system() == j.system() ? j.systemTokens() : 0;
    same = Math.min(same, j.promptTokens() - 1);
    return same - same % STATIC_BLOCK_TOKENS;
  }

  @Override
  void stepped(double atNanos, Sink sink) {
    for (Leaper s : prefilling) {
      s.computed = s.target;
      s.generated = 1;
      if (single) {
        last = s.job;
        lastTokens = s.job.promptTokens();
      } else {
        store.share(s, s.job.promptTokens());
      }
      sink.first(s.job.id(), atNanos, s.cachedTokens);
    }
    prefilling.clear();
    finish(atNanos, sink);
  }

  @Override
  void released(Leaper s) {
    if (single) {
      lastTokens = settings.keepsAnswers() ? s.contextTokens() : lastTokens;
    } else {
      if (settings.keepsAnswers()) {
        store.share(s, s.contextTokens());
      }
      store.release(s);
    }
  }
}
