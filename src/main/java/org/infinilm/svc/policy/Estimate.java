package org.infinilm.svc.policy;

import java.util.List;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What one request would come to on each instance, and what those that are there would lose by it.
/// For one decision.
/*
 * Paged. The prompts that wait are computed first, then this one; meanwhile every answer under way stands
 * still. So the request's first token comes after W + P, and each of the others takes P longer for what is
 * left of it. When the batch is full, it waits for places too, one of which comes free every
 * (what is left of an answer / batch) on average.
 *
 * Static. One after the other: the request waits for all that is left of those before it, and stalls
 * nobody that is there.
 *
 * Loss: Objective's, of times that are partly known (of those under way) and partly expected. Of an
 * instance's time, the share that went to others' prompts of late will go there again: steps
 * take 1 / (1 - share) as long.
 */
final class Estimate {
  /// Sequences at once in a paged instance that does not say.
  private static final int USUAL_BATCH = 8;

  private static final double MOST_STALLED = 0.75;

  private final Ask ask;
  private final Adaptive.Model model;
  private final Objective objective;
  private final Load load;
  private final long now;
  private final Prefixes.Hit hit;
  private final AnswerLengths lengths;
  private final double outputTokens;

  Estimate(Ask ask, Adaptive.Model model, Objective objective, Load load) {
    this.ask = ask;
    this.model = model;
    this.objective = objective;
    this.load = load;
    this.now = load.nowNanos();
    this.hit = model.prefixes.of(ask.affinity());
    this.lengths = model.lengths;
    this.outputTokens = lengths.left(ask.promptTokens(), 0, ask.maxTokens());
  }

  private double firstNanos;
  private double tokenNanos;
  private double promptNanos;
  private double newTokens;
  private boolean placed;
  private double longest;
  private double total;

  /// What sending it there would lose, others' losses included.
  double loss(Instance i) {
    Costs costs = model.costs(i.cacheType());
    double factor = model.own(i.cacheType()).factor(i.name(), now);
    List<? extends Flight> flights = load.flights(i.slot());
    newTokens = Math.max(1, ask.promptTokens() - hit.at(i, ask.promptTokens()));
    promptNanos = costs.promptNanos(newTokens) * factor;
    return i.cacheType() == CacheType.STATIC
        ? serial(costs, factor, flights)
        : batched(i, costs, factor, flights);
  }

  private double serial(Costs costs, double factor, List<? extends Flight> flights) {
    double wait = 0;
    double[] answers = new double[AnswerLengths.PARTS];
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      long came = f.tokens();
      double context = f.promptTokens() + came;
      if (f.firstNanos() == 0) {
        double whole = costs.promptNanos(newTokens(f)) * factor;
        double done = k == 0 ? now - f.dispatchNanos() : 0;
        wait += Math.max(0.1 * whole, whole - done);
      }
      double each = costs.tokenNanos(context, context) * factor;
      for (int part = 0; part < AnswerLengths.PARTS; part++) {
        answers[part] += each * lengths.left(part, f.promptTokens(), came, f.maxTokens());
      }
    }
    placed = flights.isEmpty();
    longest = ask.promptTokens() + outputTokens / 2;
    total = longest;
    tokenNanos = costs.tokenNanos(longest, total) * factor;
    firstNanos = 0;
    double loss = 0;
    for (double a : answers) {
      double first = wait + a + promptNanos;
      firstNanos += first / AnswerLengths.PARTS;
      loss += objective.loss(first, tokenNanos) / AnswerLengths.PARTS;
    }
    return loss;
  }

  private double batched(Instance i, Costs costs, double factor, List<? extends Flight> flights) {
    double queued = 0;
    int waiting = 0;
    int running = 0;
    long lastFirst = 0;
    double most = 0;
    double sum = 0;
    double lefts = 0;
    int head = -1;
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      double context = f.promptTokens();
      if (f.firstNanos() == 0) {
        head = waiting == 0 ? k : head;
        waiting++;
        queued += costs.promptNanos(newTokens(f)) * factor;
      } else {
        running++;
        lastFirst = Math.max(lastFirst, f.firstNanos());
        long came = f.tokens();
        context += came;
        lefts += lengths.left(f.promptTokens(), came, f.maxTokens());
      }
      most = Math.max(most, context);
      sum += context;
    }
    double headLeft = 0;
    if (head >= 0) {
      double whole = costs.promptNanos(newTokens(flights.get(head))) * factor;
      double done = now - Math.max(lastFirst, flights.get(head).dispatchNanos());
      headLeft = whole - Math.clamp(done, 0, 0.9 * whole);
      queued -= whole - headLeft;
    }
    double own = ask.promptTokens() + outputTokens / 2;
    longest = Math.max(most, own);
    total = sum + own;
    double stretch =
        1 / (1 - Math.min(MOST_STALLED, model.own(i.cacheType()).stalledShare(i.name())));
    double before = costs.tokenNanos(most, sum) * factor * stretch;
    double after = costs.tokenNanos(longest, total) * factor * stretch;
    int batch = batch(i);
    int over = running + waiting + 1 - batch;
    double places =
        over <= 0 || running == 0 ? 0 : over * (lefts / running) * after / Math.min(batch, running);
    placed = over <= 0;
    firstNanos = queued + places + promptNanos;
    tokenNanos = after;
    double loss = objective.loss(firstNanos, tokenNanos);
    double behind = queued;
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      if (f.firstNanos() == 0) {
        behind -= k == head ? headLeft : costs.promptNanos(newTokens(f)) * factor;
        double first = now - f.dispatchNanos() + queued - behind;
        loss += more(f, first, Math.max(0, behind), before, after);
      } else {
        double first = f.firstNanos() - f.dispatchNanos();
        loss += more(f, first, now - f.firstNanos() + queued, before, after);
      }
    }
    return loss;
  }

  /// What one that is there loses more, over the lengths that its answer may have.
  ///
  /// @param first until its first token
  /// @param so time since its first token, and what it stands still for prompts that are there
  private double more(Flight f, double first, double so, double before, double after) {
    long came = f.tokens();
    double sum = 0;
    for (int k = 0; k < AnswerLengths.PARTS; k++) {
      double left = lengths.left(k, f.promptTokens(), came, f.maxTokens());
      double n = Math.max(1, came + left - 1);
      sum +=
          objective.loss(first, (so + promptNanos + left * after) / n)
              - objective.loss(first, (so + left * before) / n);
    }
    return sum / AnswerLengths.PARTS;
  }

  private static int batch(Instance i) {
    return i.seats() > 0 ? i.seats() : USUAL_BATCH;
  }

  private static double newTokens(Flight f) {
    double n = f.forecast().newTokens();
    return n > 0 ? n : f.promptTokens();
  }

  /// What is foretold of sending it there.
  Forecast forecast(Instance i, @Nullable Instance byRule) {
    double ruleLoss = byRule == null ? 0 : loss(byRule);
    double loss = loss(i);
    return new Forecast(
        newTokens,
        promptNanos,
        firstNanos,
        tokenNanos,
        placed,
        longest,
        total,
        loss,
        byRule == null ? loss : ruleLoss,
        byRule == null || byRule.equals(i));
  }
}
