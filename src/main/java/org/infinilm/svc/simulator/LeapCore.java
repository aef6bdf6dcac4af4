package org.infinilm.svc.simulator;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.UnaryOperator;

/*
 * Decode steps of an unchanging batch cost an arithmetic series: each is dearer than the one before by
 * the same amount, for every context is a token longer. So a run of them is one event, whose end is
 * known in closed form; something that changes the batch or the speed cuts it at the end of the step
 * under way. A simulated second costs the number of changes and not of tokens. [EngineCore], which
 * counts every step, is the twin that it is tested against.
 */

/// A simulated engine that computes runs of like steps at once. Virtual time in nanoseconds; no
/// threads, no randomness, one owner. Calls come in the order of time.
public abstract sealed class LeapCore permits WholeCore, PieceCore {
  /// Hears what comes out, in the order of time.
  public interface Sink {
    /// The first token of a job.
    void first(int job, double atNanos, int cachedTokens);

    /// The last token of a job.
    ///
    /// @param cut whether the cache was full before the answer was whole
    void ended(int job, double atNanos, int tokens, boolean cut);
  }

  private static final int IDLE = 0;
  private static final int STEP = 1;
  private static final int RUN = 2;

  final LeapSettings settings;
  final CostProfile cost;
  final Deque<Leaper> waiting = new ArrayDeque<>();
  final List<Leaper> running = new ArrayList<>();
  private final List<Leaper> impossible = new ArrayList<>();
  private double now;
  private double factor = 1;

  private int state = IDLE;
  private double start;
  private double end;
  private int runSteps;
  private double firstStep;
  private double growth;

  LeapCore(LeapSettings settings) {
    this.settings = settings;
    this.cost = settings.cost();
  }

  public static LeapCore of(LeapSettings settings) {
    return switch (settings.kind()) {
      case CHUNKED -> new ChunkedCore(settings);
      case SLOTS -> new SlotCore(settings);
      case PAGED, STATIC -> new WholeCore(settings);
    };
  }

  /// A copy that lives on by itself.
  public LeapCore fork() {
    IdentityHashMap<Leaper, Leaper> made = new IdentityHashMap<>();
    UnaryOperator<Leaper> copies = s -> made.computeIfAbsent(s, Leaper::copy);
    LeapCore c = forked(copies);
    waiting.forEach(s -> c.waiting.addLast(copies.apply(s)));
    running.forEach(s -> c.running.add(copies.apply(s)));
    impossible.forEach(s -> c.impossible.add(copies.apply(s)));
    c.now = now;
    c.factor = factor;
    c.state = state;
    c.start = start;
    c.end = end;
    c.runSteps = runSteps;
    c.firstStep = firstStep;
    c.growth = growth;
    return c;
  }

  abstract LeapCore forked(UnaryOperator<Leaper> copies);

  /// Adds a job. One that can never fit ends at once without a token.
  public void submit(LeapJob job, double atNanos) {
    Leaper s = new Leaper(job, settings.capacityTokens());
    now = Math.max(now, atNanos);
    if (s.limit < 1) {
      impossible.add(s);
      return;
    }
    if (state == RUN && admissible(s)) {
      cut();
    }
    waiting.addLast(s);
  }

  /// From the next step on a step takes `factor` times as long.
  public void slow(double factor, double atNanos) {
    now = Math.max(now, atNanos);
    if (state == RUN) {
      cut();
    }
    this.factor = factor;
  }

  /// When something changes next; [Double#POSITIVE_INFINITY] when nothing will.
  public double nextNanos() {
    if (!impossible.isEmpty()) {
      return now;
    }
    begin();
    return state == IDLE ? Double.POSITIVE_INFINITY : end;
  }

  /// Lets time pass until `untilNanos`.
  public void advance(double untilNanos, Sink sink) {
    while (!impossible.isEmpty()) {
      sink.ended(impossible.removeFirst().job.id(), now, 0, true);
    }
    begin();
    while (state != IDLE && end <= untilNanos) {
      now = end;
      if (state == RUN) {
        commit(sink);
      } else {
        state = IDLE;
        stepped(now, sink);
      }
      begin();
    }
    now = Math.max(now, untilNanos);
  }

  /// Tokens of a running job by now, which is not before the last call's.
  public int tokens(int job, double atNanos) {
    for (int k = 0; k < running.size(); k++) {
      Leaper s = running.get(k);
      if (s.job.id() == job) {
        return s.generated + (state == RUN && s.prefilled() ? stepsBy(atNanos, true) : 0);
      }
    }
    return 0;
  }

  public int running() {
    return running.size();
  }

  public int waiting() {
    return waiting.size();
  }

  private void begin() {
    if (state == IDLE) {
      plan();
    }
  }

  /// Decides what comes next, by calling [#step] or [#run], or neither when there is nothing to do.
  abstract void plan();

  /// Whether a job that comes now could be admitted at the end of the step under way.
  abstract boolean admissible(Leaper s);

  /// A step that is no pure decoding has ended.
  abstract void stepped(double atNanos, Sink sink);

  /// `s` has ended and is out of the batch.
  abstract void released(Leaper s);

  /// The batch has made so many decode steps more.
  void grown(int steps) {}

  final void step(double nanos) {
    state = STEP;
    start = now;
    end = now + nanos * factor;
  }

  /// At most so many decode steps of all that run.
  final void run(int steps) {
    int n = steps;
    double total = 0;
    double longest = 0;
    for (int k = 0; k < running.size(); k++) {
      Leaper s = running.get(k);
      n = Math.min(n, s.limit - s.generated);
      total += s.contextTokens();
      longest = Math.max(longest, s.contextTokens());
    }
    state = RUN;
    start = now;
    runSteps = n;
    firstStep = cost.decodeNanos(running.size(), total, longest) * factor;
    growth = cost.decodeGrowthNanos(running.size()) * factor;
    end = start + elapsed(n);
  }

  private double elapsed(int steps) {
    return steps * (firstStep + growth * (steps - 1) / 2);
  }

  /// Steps of the run that have ended by then, or the fewest that end at or after it.
  private int stepsBy(double atNanos, boolean ended) {
    double t = atNanos - start;
    double b = firstStep - growth / 2;
    int k = growth == 0 ? (int) (t / b) : (int) ((Math.sqrt(b * b + 2 * growth * t) - b) / growth);
    k = Math.clamp(k, 0, runSteps);
    while (k > 0 && elapsed(k) > t) {
      k--;
    }
    while (k < runSteps && elapsed(k + 1) <= t) {
      k++;
    }
    return ended || elapsed(k) == t ? k : Math.min(k + 1, runSteps);
  }

  private void cut() {
    runSteps = stepsBy(now, false);
    end = start + elapsed(runSteps);
  }

  private void commit(Sink sink) {
    state = IDLE;
    for (int k = 0; k < running.size(); k++) {
      running.get(k).generated += runSteps;
    }
    grown(runSteps);
    finish(now, sink);
  }

  /// Takes out those that are finished.
  final void finish(double atNanos, Sink sink) {
    for (int k = 0; k < running.size(); ) {
      Leaper s = running.get(k);
      if (s.generated >= s.limit && s.prefilled()) {
        running.remove(k);
        released(s);
        sink.ended(s.job.id(), atNanos, s.generated, s.cut);
      } else {
        k++;
      }
    }
  }
}
