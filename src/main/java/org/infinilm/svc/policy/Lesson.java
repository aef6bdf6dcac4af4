package org.infinilm.svc.policy;

import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What one answer teaches. On the learner's thread.
/*
 * A streamed answer shows when its first token came: the time before it is the prompt's, less what was
 * before it, as far as the instance computes one after the other (PromptOrder); the time after it the tokens', less what the prompts of others took. Any other answer comes
 * whole: which part of it was its prompt's follows from answers of other lengths (Costs); when it had to
 * wait for others, it tells how much of what was foretold for those in flight is so there (Costs).
 *
 * Where `usage` is missing, events of the stream stand for tokens, and the estimate for the prompt.
 */
final class Lesson {
  /// First tokens so close come from one step.
  private static final long TOGETHER_NANOS = 1_000_000;

  /// Events of a stream that hold no token: the role, the reason of the end, the mark of the end.
  private static final int FRAMES = 3;

  /// Fewer tokens say too little about the time of one.
  private static final int LEAST_TOKENS = 8;

  /// No engine computes a token in less.
  private static final double LEAST_TOKEN_NANOS = 50_000;

  /// Of the time of an answer so much must be left, beside what others' prompts are thought to have
  /// taken of it, to tell what tokens cost; while too little is known of that, so much counts as
  /// left.
  private static final double LEAST_CLEAR = 0.3;

  /// So much once that is known: of less, what is foretold a little too low for prompts would be
  /// learned as tokens, and costs and speeds would run apart.
  private static final double MOSTLY_CLEAR = 0.6;

  /// An answer that comes whole tells of its own costs when others took at most this part of it.
  private static final double ALONE = 0.2;

  /// A wait for a place that is a smaller part of what an answer takes tells nothing.
  private static final double MUCH_HELD = 0.2;

  private static final double USUAL_STEP = 0.02;

  /// A request that has waited so many times as long as was foretold, and then was given up, waited
  /// for a slow instance.
  private static final double LATE = 1.5;

  /// Text that should have been in a cache, from which on times tell whether it was.
  private static final double MUCH = 256;

  private static final PromptOrder.Begin[] BEGINS = PromptOrder.Begin.values();

  private final Adaptive.Model m;
  private final Objective objective;
  private final Facts f;
  private final Ask ask;
  private final Instance i;
  private final Costs costs;
  private final Forecast forecast;
  private final boolean streamed;
  private final boolean counted;
  private final long prompt;
  private final long tokens;
  private final long cached;
  private final long now;

  Lesson(Adaptive.Model m, Objective objective, Facts f, Ask ask) {
    this.m = m;
    this.objective = objective;
    this.f = f;
    this.ask = ask;
    this.i = f.instance();
    this.costs = m.costs(i.cacheType());
    this.forecast = f.forecast();
    Facts.Usage u = f.usage();
    this.streamed = f.sseEvents() > 0 && !cameAtOnce(f, u);
    this.counted = u != null && u.promptTokens() > 0;
    this.prompt = u != null && u.promptTokens() > 0 ? u.promptTokens() : ask.promptTokens();
    this.tokens =
        u != null && u.completionTokens() > 0
            ? u.completionTokens()
            : streamed ? Math.max(1, f.sseEvents() - FRAMES) : 0;
    this.cached = u == null ? 0 : u.cachedTokens();
    this.now = f.lastByteNanos();
  }

  /// Whether a stream held all of its answer in one event, or was held back to its end.
  private static boolean cameAtOnce(Facts f, Facts.@Nullable Usage u) {
    long tokens = u == null ? 0 : u.completionTokens();
    double rest = (double) (f.lastByteNanos() - f.firstByteNanos());
    return tokens >= LEAST_TOKENS
        && (f.sseEvents() <= FRAMES + 1 || rest < LEAST_TOKEN_NANOS * (double) (tokens - 1));
  }

  void learn() {
    if (f.cutAtOnce() || tokens == 0) {
      m.prefixes.left(ask.prefix(), i);
      if (f.cutAtOnce()) {
        // its times are no answer's
        m.cuts.cut(i, ask.promptTokens(), now);
      }
      return;
    }
    if (tokens > 1) {
      m.cuts.answered(i, ask.promptTokens());
    }
    double[] times = streamed ? stream() : whole();
    if (tokens < LEAST_TOKENS) {
      costs.brief();
    }
    if (counted) {
      m.fits = m.fits.after(ask.text(), (double) prompt / Math.max(1, ask.promptTokens()));
      m.prompt(ask.text(), prompt);
    }
    m.lengths = m.lengths.after(prompt, tokens);
    double usual = m.usualPrompt;
    m.usualPrompt = usual == 0 ? (double) prompt : usual + USUAL_STEP * (prompt - usual);
    m.prefixes.settled(ask.prefix(), i, prompt, tokens, cached, forecast.ownText());
    if (!forecast.isNone() && m.known()) {
      // a wait that the rule would have spared it is its own choice's
      double first = times[0] + (forecast.byRule() ? 0 : forecast.waitedNanos());
      m.shadow.settled(forecast, objective.loss(first, times[1], (double) tokens), now);
    }
    if (forecast.best() != null) {
      m.crossing.decided(ask.size(), forecast.bestStatic());
    }
  }

  /// Learns from a request whose client left, or that was given up, before its answer's end: when
  /// its first token came, or how long it did not. How long answers are it does not tell.
  void givenUp() {
    if (forecast.isNone() || !m.known()) {
      return;
    }
    if (f.streamed() && f.firstByteNanos() != 0 && f.sseEvents() > 0) {
      promptOfStream();
      return;
    }
    double foretold = forecast.firstNanos();
    if (!f.streamed()) {
      double most = ask.maxTokens() > 0 ? ask.maxTokens() : m.lengths().most();
      foretold += most * forecast.tokenNanos();
    }
    double waited = (double) (f.lastByteNanos() - f.dispatchNanos());
    double then =
        forecast.prefillNanos()
            / costs.promptNanos(forecast.newTokens())
            / costs.crowd(i.name(), f.dispatchNanos());
    if (waited > LATE * foretold) {
      costs.atLeast(i, waited / foretold * then, now);
    }
  }

  /// Learns from first token and further ones; the times until the one and between the others.
  private double[] stream() {
    double rest = (double) (f.lastByteNanos() - f.firstByteNanos());
    costs.streamed(i);
    promptOfStream();
    if (tokens >= LEAST_TOKENS && rest > 0) {
      double stalled = f.stalledNanos() * costs.serialShare(i.name());
      double clear = rest - stalled;
      if (clear > MOSTLY_CLEAR * rest || !costs.isTokenKnown()) {
        token(Math.max(clear, LEAST_CLEAR * rest) / (tokens - 1));
      }
      costs.stalled(i, Math.clamp(stalled / rest, 0.0, 0.9));
    }
    return new double[] {
      (double) (f.firstByteNanos() - f.dispatchNanos()), tokens < 2 ? 0 : rest / (tokens - 1)
    };
  }

  /// Where others' requests were before it, nobody knows for how long.
  private void promptOfStream() {
    Ahead ahead = ofStream();
    if (ahead != null) {
      int before = forecast.others() ? 0 : ahead.runningBefore();
      boolean afterEnd = f.otherLastNanos() > Math.max(f.otherFirstNanos(), f.dispatchNanos());
      costs.began(i, before, ahead.streamsBeside(), afterEnd);
    }
    // of the prompts of answers that come whole nobody sees when they are done
    boolean unseen = ahead != null && ahead.isMixed() && !costs.isStreamed(i);
    if (forecast.others() || unseen) {
      return;
    }
    double[] nanos = times();
    // of a prompt that may have been cached, or not, no time is that of its size
    boolean tells = nanos[0] > TOGETHER_NANOS && supposedlyCached() == 0;
    PromptOrder.Begin begin =
        !tells
            ? costs.begins(i)
            : costs.began(
                i,
                Math.max(1, (double) (prompt - cached)),
                nanos,
                ahead != null && ahead.isOvertaken(),
                now);
    if (nanos[begin.place] > TOGETHER_NANOS) {
      prompt(nanos[begin.place]);
    }
  }

  /// What was before it, where its first token was looked for.
  private @Nullable Ahead ofStream() {
    Ahead a = f.ahead();
    return a != null && a.isStream() ? a : null;
  }

  /// What its prompt took, by each assumption of when it was begun.
  private double[] times() {
    Ahead ahead = ofStream();
    boolean full = ahead == null || ahead.beside() + 1 >= costs.batch(i);
    long placed = forecast.placed() || !full ? 0 : f.otherLastNanos();
    double[] nanos = new double[BEGINS.length];
    for (int k = 0; k < nanos.length; k++) {
      nanos[k] =
          switch (BEGINS[k]) {
            case AFTER_OTHERS -> since(Math.max(f.otherFirstNanos(), placed));
            case WITH_A_PLACE -> since(placed);
            case AT_ONCE -> since(f.dispatchNanos());
            default -> inLanes(BEGINS[k].lanes, placed);
          };
      nanos[k] = k == 0 ? nanos[k] : Math.max(nanos[k - 1], nanos[k]);
    }
    return nanos;
  }

  /// Where nobody looked, or more are still ahead than there would be lanes, that is no time at
  /// all.
  private double inLanes(int lanes, long placed) {
    Ahead ahead = ofStream();
    long since = ahead == null ? Long.MAX_VALUE : ahead.fewerSinceNanos(lanes);
    return since == Long.MAX_VALUE ? 0 : since(Math.max(since, placed));
  }

  /// Its first token came so long after it was sent, and after this.
  private double since(long nanos) {
    return (double) (f.firstByteNanos() - Math.max(f.dispatchNanos(), nanos));
  }

  /// Tokens that it was expected to find cached, where nobody reports whether it did; 0 where few.
  private double supposedlyCached() {
    double missing = forecast.isNone() ? 0 : ask.promptTokens() - forecast.newTokens();
    return missing > MUCH && cached == 0 && !m.prefixes.reported() ? missing : 0;
  }

  private void prompt(double nanos) {
    double missing = supposedlyCached();
    if (missing > 0) {
      double factor = costs.speed(i.name(), now);
      double full = costs.promptNanos((double) prompt) * factor;
      double part = costs.promptNanos(Math.max(1, prompt - missing)) * factor;
      m.prefixes.found((full - nanos) / Math.max(1, full - part));
      return;
    }
    costs.prompt(i, Math.max(1, (double) (prompt - cached)), nanos, now);
  }

  private void token(double nanos) {
    costs.token(
        i,
        Math.max(forecast.longestTokens(), (double) prompt),
        Math.max(forecast.totalTokens(), (double) prompt),
        forecast.sequences(),
        nanos,
        now);
  }

  /// Learns from the time of a whole answer; both times as they are expected to have been.
  private double[] whole() {
    costs.whole(i);
    double waited = forecast.isNone() ? 0 : forecast.firstNanos() - forecast.prefillNanos();
    double all = (double) (f.lastByteNanos() - f.dispatchNanos());
    double longest = Math.max(forecast.longestTokens(), (double) prompt);
    double total = Math.max(forecast.totalTokens(), (double) prompt);
    double factor = costs.factor(i.name(), now);
    double first = costs.promptNanos(Math.max(1, (double) (prompt - cached))) * factor;
    double each = costs.tokenNanos(longest, total, forecast.sequences()) * factor;
    double expected = first + (tokens - 1) * each;
    double scale = all / (waited + expected);
    double seen = waitedSeen(all, expected / costs.crowd(i.name(), now));
    double took = all - (seen < 0 ? waited : seen);
    // where some have nothing before them, what others waited need not be guessed
    boolean clear = seen >= 0 || !costs.seen(i).isOftenAlone();
    boolean alone = clear && took > 0 && (seen >= 0 || waited < ALONE * all);
    // by the first guess nobody may ever be alone
    if (alone || (clear && !(costs.isTokenKnown() || costs.isKnown()))) {
      took = alone ? took : Math.max(took, LEAST_CLEAR * all);
      double n = Math.max(1, (double) (tokens - 1));
      double share = costs.promptShare(i, Math.max(1, (double) (prompt - cached)), n, took, now);
      if (share >= 0) {
        prompt(took * share);
      }
      if (share >= 0 && tokens >= LEAST_TOKENS) {
        token(took * (1 - share) / n);
      }
    } else {
      costs.crowded(i, scale, now);
    }
    return new double[] {(waited + first) * scale, tokens < 2 ? 0 : each * scale};
  }

  /// How long it waited for a place, by the ends of those that were there before it; negative where
  /// that is not known.
  ///
  /// @param expected of one that does not wait
  private double waitedSeen(double all, double expected) {
    Ahead a = f.ahead();
    if (a == null || forecast.others()) {
      return -1;
    }
    Batch batch = costs.seen(i);
    if (a.inFlightBefore() == 0) {
      batch.alone(all / expected);
      return 0;
    }
    double usual = expected * batch.usual();
    if (usual > 0) {
      double[] off = new double[Ahead.MOST + 1];
      for (int n = 0; n < off.length; n++) {
        double held = n == 0 ? 0 : waited(a, n);
        boolean tells = n == 0 || held > MUCH_HELD * usual;
        off[n] = tells ? Math.abs(Math.log(Math.max(1, all - held) / usual)) : Double.NaN;
      }
      batch.beside(off);
    }
    return batch.isKnown() && batch.most() <= Ahead.MOST ? waited(a, batch.most()) : -1;
  }

  /// Until fewer than so many were left of those that were there before it; all of its time where
  /// that never was.
  private double waited(Ahead a, int places) {
    long until = Math.min(a.fewerLeftSinceNanos(places), f.lastByteNanos());
    return (double) Math.max(0, until - f.dispatchNanos());
  }
}
