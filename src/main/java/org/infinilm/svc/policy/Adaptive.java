package org.infinilm.svc.policy;

import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.jspecify.annotations.Nullable;

/// Learned marginal loss: the instance where this request, and those that are there, miss least of
/// their limits.
///
/// Inputs: estimated tokens, the router's own requests in flight with what came of them, learned
/// costs ([Costs]), lengths of answers ([AnswerLengths]), places of prefixes ([Prefixes]). Formula:
/// [Estimate]. The size rule decides until costs are known, and while the [Shadow] finds that it
/// would do better. Waits as the others do when all that fit are full. Tie-break: the earlier name.
/// Cost: O(candidates + requests in flight).
final class Adaptive implements Policy {
  /// Prompts and answers of a model before its costs count as known.
  private static final int ENOUGH = 30;

  private static final int MOST_MODELS = 1024;

  /// First tokens so close come from one step.
  private static final long TOGETHER_NANOS = 1_000_000;

  private final CacheTypePolicy rule = new CacheTypePolicy(false);
  private final Objective objective;
  private final ConcurrentHashMap<String, Model> models = new ConcurrentHashMap<>();

  /// What is known of one model.
  static final class Model {
    final Costs paged = new Costs();
    final Costs statics = new Costs();
    final Prefixes prefixes = new Prefixes();
    final Shadow shadow = new Shadow();
    volatile Fit fit = Fit.FIRST;
    volatile AnswerLengths lengths = AnswerLengths.NONE;

    /// The costs of a cache type; of the other one while nothing is known of it.
    Costs costs(@Nullable CacheType type) {
      Costs own = own(type);
      return known(own) ? own : own == paged ? statics : paged;
    }

    Costs own(@Nullable CacheType type) {
      return type == CacheType.STATIC ? statics : paged;
    }

    boolean known() {
      return known(paged) || known(statics);
    }

    private static boolean known(Costs c) {
      return c.prompts() >= ENOUGH && c.answers() >= ENOUGH;
    }
  }

  Adaptive(Objective objective) {
    this.objective = objective;
  }

  @Override
  public String name() {
    return "adaptive";
  }

  private Model model(String name) {
    Model m = models.get(name);
    if (m == null) {
      if (models.size() >= MOST_MODELS) {
        models.clear();
      }
      m = models.computeIfAbsent(name, n -> new Model());
    }
    return m;
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Choice ruled = rule.choose(ask, candidates, load, random);
    if (ask.promptTokens() <= 0) {
      return ruled;
    }
    Model m = model(candidates.model());
    Estimate e = new Estimate(ask, m, objective, load);
    Instance byRule = ruled instanceof Choice.Send s ? s.instance() : null;
    if (!m.known() || m.shadow.rules(load.nowNanos())) {
      return ruled instanceof Choice.Send s
          ? new Choice.Send(s.instance(), s.pool(), s.why(), e.forecast(s.instance(), byRule))
          : ruled;
    }
    List<Instance> all = candidates.in(Pool.ANY);
    List<Instance> fit = Shortlist.fitting(all, m.fit.need(ask, m.lengths));
    fit = fit.isEmpty() ? Shortlist.fitting(all, ask.needTokens()) : fit;
    if (fit.isEmpty()) {
      return ruled;
    }
    List<Instance> now = Shortlist.now(fit, load, random);
    if (now.isEmpty()) {
      return new Choice.Wait(Pool.ANY, Reason.LEARNED, Shortlist.awaited(fit, load));
    }
    Instance best = now.getFirst();
    double least = Double.POSITIVE_INFINITY;
    for (int k = 0; k < now.size(); k++) {
      Instance i = now.get(k);
      double loss = e.loss(i) + (i.weight() == 0 ? 1e6 : 0);
      if (loss < least) {
        least = loss;
        best = i;
      }
    }
    return new Choice.Send(best, Pool.ANY, Reason.LEARNED, e.forecast(best, byRule));
  }

  @Override
  public void settled(Facts f) {
    Ask ask = f.ask();
    Facts.Usage usage = f.usage();
    if (ask == null || usage == null || !f.complete() || f.firstByteNanos() == 0) {
      return;
    }
    Model m = model(f.model());
    Instance i = f.instance();
    Costs costs = m.own(i.cacheType());
    Forecast forecast = f.forecast();
    long prompt = usage.promptTokens() > 0 ? usage.promptTokens() : ask.promptTokens();
    long tokens = usage.completionTokens();
    double first = (double) (f.firstByteNanos() - f.dispatchNanos());
    double rest = (double) (f.lastByteNanos() - f.firstByteNanos());
    long now = f.lastByteNanos();
    long began = Math.max(f.dispatchNanos(), f.otherFirstNanos());
    began = forecast.placed() ? began : Math.max(began, f.otherLastNanos());
    double computed = Math.max(1, prompt - usage.cachedTokens());
    if (f.firstByteNanos() - began > TOGETHER_NANOS) {
      costs.prompt(i.name(), computed, (double) (f.firstByteNanos() - began), now);
    }
    m.fit = m.fit.after((double) prompt / Math.max(1, ask.promptTokens()));
    if (tokens >= 8 && rest > 0) {
      double clear = rest - f.stalledNanos();
      if (clear > 0.3 * rest) {
        costs.token(
            i.name(),
            Math.max(forecast.longestTokens(), (double) prompt),
            Math.max(forecast.totalTokens(), (double) prompt),
            clear / (tokens - 1),
            now);
      }
      costs.stalled(i.name(), Math.clamp(f.stalledNanos() / rest, 0.0, 0.9));
    }
    m.lengths = m.lengths.after(prompt, tokens);
    m.prefixes.settled(ask.affinity(), i, prompt, tokens, usage.cachedTokens());
    if (!forecast.equals(Forecast.NONE) && m.known()) {
      double each = tokens < 2 ? 0 : rest / (tokens - 1);
      m.shadow.settled(forecast, objective.loss(first, each), now);
    }
  }
}
