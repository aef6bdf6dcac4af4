package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Forecast.Mode;
import org.infinilm.svc.policy.Forecast.Place;
import org.jspecify.annotations.Nullable;

/// Learned marginal loss: the instance where this request, and those that are there, miss least of
/// their limits.
///
/// Inputs: estimated tokens, the router's own requests in flight with what came of them, learned
/// costs ([Costs]), lengths of answers ([AnswerLengths]), places of prefixes ([Prefixes]). Formula:
/// [Estimate]. The size rule decides until costs are known, where it does not swamp an instance,
/// and while the [Shadow] finds that it would do better; as `shadow:adaptive` it always decides,
/// and what the costs would have chosen is recorded. Waits as the others do when all that fit are
/// full, and for static instances where the wait is expected to lose less than a free place.
/// Tie-break: the earlier name. Cost: O(requests in flight) at up to [#LOOKED_AT] candidates, and a
/// first look at the others.
final class Adaptive implements Policy {
  private static final int MOST_MODELS = 1024;

  /// So many candidates are all looked at closely.
  private static final int LOOKED_AT = 8;

  /// A wait that spares so many requests their limits may be a long one.
  private static final double WORTH_LONG_WAIT = 1;

  /// Of the limit of the first token, how often one that waits is asked for anew.
  private static final double LOOKS = 40;

  private static final double LATE_LOOKS = 8;

  /// Of more that wait for one instance each is asked for anew as much less often, so that what
  /// looks cost does not grow with the line.
  private static final int LOOKING = 8;

  private static final long LEAST_LOOK_NANOS = 20_000_000;
  private static final long MOST_LOOK_NANOS = 1_000_000_000;

  /// What instances of weight 0 lose more: they are asked when there is no other.
  private static final double NEVER = 1e6;

  /// Of what several models of the same instances have shown together so large a part, as one in so
  /// many, is enough to stand alone.
  private static final int PART_OF_KIN = 2;

  /// Tokens of a prompt where none was seen since the start.
  private static final double USUAL_PROMPT = 1000;

  private final CacheTypePolicy rule;
  private final Objectives objectives;
  private final boolean onlyWatches;
  private final Set<Part> without;
  private final ConcurrentHashMap<String, Model> models = new ConcurrentHashMap<>();
  private final Prefixes.Homes homes = new Prefixes.Homes();
  private final Kin kin = new Kin();

  /// What is known of one model.
  static final class Model {
    final Costs paged;
    final Costs statics;
    final Prefixes prefixes;
    final Shadow shadow;
    final Crossing crossing;
    final Trials trials;
    final Cuts cuts;
    final Arrivals arrivals;
    volatile Fits fits = Fits.FIRST;

    /// Lengths of prompts, by kind of text; replaced as a whole.
    volatile Map<Ask.TextKind, Sizes> sizes = Map.of();

    /// Tokens of a prompt, a moving average; 0 before the first.
    volatile double usualPrompt;

    volatile AnswerLengths lengths = AnswerLengths.NONE;

    /// What other routers told.
    private volatile Fits toldFits = Fits.FIRST;

    /// Own lengths with those of others, a few seconds old; null without others.
    private volatile @Nullable AnswerLengths pooled;

    /// While it is not known: with what is known of its kin.
    private volatile @Nullable Model view;

    /// @param homes of all models
    Model(String name, Prefixes.Homes homes) {
      paged = new Costs();
      statics = new Costs();
      shadow = new Shadow();
      crossing = new Crossing();
      trials = new Trials();
      cuts = new Cuts();
      arrivals = new Arrivals();
      prefixes = new Prefixes(homes, name);
      paged.beside(statics);
      statics.beside(paged);
    }

    /// What this one is taken for, by what others cost.
    private Model(Model own, Model kin) {
      paged = kin.paged;
      statics = kin.statics;
      shadow = kin.shadow;
      crossing = kin.crossing;
      trials = kin.trials;
      cuts = own.cuts;
      arrivals = kin.arrivals;
      prefixes = own.prefixes;
    }

    /// This one where it has shown itself a good part of what its kin have; else with what they
    /// have, if they cost alike: what is slow, and how many are computed at once, is the same for
    /// each of them, and each alone sees little of it.
    Model as(@Nullable Model kin, long nowNanos) {
      if (kin == null || standsAlone(kin, nowNanos)) {
        return this;
      }
      Model v = view;
      if (v == null || v.paged != kin.paged) {
        v = new Model(this, kin);
        view = v;
      }
      v.fits = kin.fits;
      v.sizes = sizes;
      v.usualPrompt = kin.usualPrompt;
      v.lengths = known() ? lengths() : kin.lengths;
      v.toldFits = toldFits;
      return v;
    }

    private boolean standsAlone(Model kin, long nowNanos) {
      boolean isMost = known() && PART_OF_KIN * lately(nowNanos) >= kin.lately(nowNanos);
      return !kin.known() || isMost || !isLike(kin);
    }

    /// Whether it costs what they cost, as far as it has shown; else whether they cost alike.
    private boolean isLike(Model kin) {
      return known()
          ? paged.isLike(kin.paged, kin.usualPrompt) && statics.isLike(kin.statics, kin.usualPrompt)
          : kin.paged.isAlike() && kin.statics.isAlike();
    }

    /// Prompts that it was learned from.
    int seen() {
      return paged.prompts() + statics.prompts();
    }

    /// The same, of which each counts less with time.
    private double lately(long nowNanos) {
      return paged.lately(nowNanos) + statics.lately(nowNanos);
    }

    /// By whose costs it is sent.
    Model told(long nowNanos) {
      Model v = view;
      return v == null || standsAlone(v, nowNanos) ? this : v;
    }

    AnswerLengths lengths() {
      AnswerLengths p = pooled;
      return p == null ? lengths : p;
    }

    Fit fit(Ask.TextKind kind) {
      return fits.of(kind, toldFits);
    }

    Sizes sizes(Ask.TextKind kind) {
      return sizes.getOrDefault(kind, Sizes.NONE);
    }

    /// A prompt was so long.
    void prompt(Ask.TextKind kind, long tokens) {
      Map<Ask.TextKind, Sizes> next = new EnumMap<>(Ask.TextKind.class);
      next.putAll(sizes);
      next.put(kind, sizes(kind).after(tokens));
      sizes = next;
    }

    void told(List<Recalled> from, List<Told> of, long nowNanos) {
      List<Recalled> paged = new ArrayList<>();
      List<Recalled> statics = new ArrayList<>();
      List<AnswerLengths> lengthsOf = new ArrayList<>();
      List<Double> weights = new ArrayList<>();
      List<Fits> fitsOf = new ArrayList<>();
      for (int k = 0; k < from.size(); k++) {
        paged.add(from.get(k).in("paged"));
        statics.add(from.get(k).in("static"));
        lengthsOf.add(AnswerLengths.recall(from.get(k).in("lengths")));
        weights.add(of.get(k).weight());
        fitsOf.add(Fits.recall(from.get(k).in("fits")));
      }
      this.paged.told(paged, of, nowNanos);
      this.statics.told(statics, of, nowNanos);
      toldFits = Fits.mean(fitsOf);
      pooled = lengthsOf.isEmpty() ? null : lengths.with(lengthsOf, weights);
    }

    /// The costs of a cache type.
    Costs costs(@Nullable CacheType type) {
      return type == CacheType.STATIC ? statics : paged;
    }

    boolean known() {
      return paged.isKnown() || statics.isKnown();
    }
  }

  /// @param spill as [CacheTypePolicy] takes it, while that decides
  /// @param onlyWatches whether the fixed rule always decides
  /// @param without what an ablation leaves out
  Adaptive(Objectives objectives, boolean spill, boolean onlyWatches, Set<Part> without) {
    this.without = Set.copyOf(without);
    this.objectives = objectives;
    this.rule = new CacheTypePolicy(spill);
    this.onlyWatches = onlyWatches;
  }

  Adaptive(Objectives objectives, boolean spill, boolean onlyWatches) {
    this(objectives, spill, onlyWatches, Set.of());
  }

  Adaptive(Objective objective) {
    this(Objectives.of(objective), false, false);
  }

  @Override
  public String name() {
    return onlyWatches ? "shadow:adaptive" : "adaptive";
  }

  @Override
  public boolean learns() {
    return true;
  }

  private Model model(String name) {
    Model m = models.get(name);
    if (m == null) {
      if (models.size() >= MOST_MODELS) {
        models.remove(models.keySet().iterator().next());
      }
      m = models.computeIfAbsent(name, n -> new Model(n, homes));
    }
    return m;
  }

  private Mode mode(Model m, long nowNanos) {
    return !m.known()
        ? Mode.COLD
        : onlyWatches ? Mode.SHADOW : m.shadow.rules(nowNanos) ? Mode.FALLBACK : Mode.LEARNED;
  }

  private Estimate estimate(Ask ask, String model, Model m, Load load) {
    return new Estimate(ask, model, m, objectives.of(model), load, without);
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    if (ask.promptTokens() <= 0) {
      return withoutPrompt(ask, candidates, load, random);
    }
    Model m = model(candidates.model()).as(kin.of(candidates), load.nowNanos());
    Estimate e = estimate(ask, candidates.model(), m, load);
    Mode mode = mode(m, load.nowNanos());
    Choice ruled = rule.choose(ask, candidates, load, random);
    Instance byRule = ruled instanceof Choice.Send s ? s.instance() : null;
    boolean cuts = byRule != null && !m.cuts.fits(byRule, ask.promptTokens(), load.nowNanos());
    boolean swamped =
        mode == Mode.COLD && byRule != null && isSwamped(byRule, m.costs(byRule.cacheType()), load);
    if ((swamped || (cuts && mode != Mode.SHADOW)) && !onlyWatches) {
      mode = Mode.LEARNED;
    }
    if (mode == Mode.COLD || mode == Mode.FALLBACK) {
      return ruled instanceof Choice.Send s ? as(s, e, byRule, mode, null, List.of()) : ruled;
    }
    List<Instance> fit = fitting(ask, m, candidates, load.nowNanos());
    List<Instance> now = fit.isEmpty() ? fit : Shortlist.now(fit, load, random);
    if (now.isEmpty()) {
      return fit.isEmpty() || mode == Mode.SHADOW
          ? ruled
          : awaited(ask, fit, e, load, objectives.of(candidates.model()));
    }
    Instance home =
        (load.routers() > 1 || e.isNew()) && ask.prefix() != 0 && !without.contains(Part.PREFIX)
            ? Rendezvous.home(ask.prefix(), fit, candidates.evenWeights())
            : null;
    if (home != null) {
      e.home(home);
    }
    List<Instance> closely = now.size() <= LOOKED_AT ? now : nearest(now, e, m, load, home);
    List<Forecast.Part> parts = new ArrayList<>(closely.size());
    double[] losses = new double[closely.size()];
    for (int k = 0; k < closely.size(); k++) {
      Instance i = closely.get(k);
      losses[k] = e.loss(i) + (i.weight() == 0 ? NEVER : 0);
      parts.add(e.part(i, i.weight() == 0 ? Place.LAST : Place.FREE));
    }
    if (!without.contains(Part.OTHERS)) {
      m.arrivals.add(m, objectives.of(candidates.model()), closely, parts, losses, load.nowNanos());
    }
    int at = 0;
    for (int k = 1; k < losses.length; k++) {
      at = losses[k] < losses[at] ? k : at;
    }
    int stays = home == null ? -1 : closely.indexOf(home);
    at = stays >= 0 && losses[stays] <= losses[at] + Forecast.AT_HOME ? stays : at;
    Instance best = closely.get(at);
    if (mode == Mode.LEARNED && now.size() < fit.size()) {
      List<Forecast.Part> waits = new ArrayList<>();
      List<Instance> worth =
          worthWaiting(fit, e, losses[at], parts.get(at).firstNanos(), load, random, waits);
      parts.addAll(waits);
      if (!worth.isEmpty()) {
        int ruledAt = byRule == null ? -1 : closely.indexOf(byRule);
        Forecast f =
            Forecast.compared(
                worth.getFirst(), losses[ruledAt < 0 ? at : ruledAt], byRule == null, parts);
        return waits(
            worth, Pool.STATIC, f, lookNanos(ask, objectives.of(candidates.model()), worth, load));
      }
    }
    if (mode == Mode.SHADOW) {
      return ruled instanceof Choice.Send s ? as(s, e, byRule, mode, best, parts) : ruled;
    }
    Instance to = closely.get(tried(ask, m, closely, losses, at, load.nowNanos()));
    return new Choice.Send(to, Pool.ANY, Reason.LEARNED, e.forecast(to, byRule, mode, best, parts));
  }

  /// One of which no tokens are known, such as an embedding: where least is in flight for what an
  /// instance takes for a usual prompt. The rule's choice while costs are not what decides.
  private Choice withoutPrompt(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Model own = models.get(candidates.model());
    Model m = own == null ? null : own.as(kin.of(candidates), load.nowNanos());
    Choice ruled = rule.choose(ask, candidates, load, random);
    if (m == null || mode(m, load.nowNanos()) != Mode.LEARNED || !(ruled instanceof Choice.Send)) {
      return ruled;
    }
    List<Instance> now =
        Shortlist.now(Shortlist.fitting(candidates.in(Pool.ANY), ask.needTokens()), load, random);
    double prompt = m.usualPrompt > 0 ? m.usualPrompt : USUAL_PROMPT;
    double paged = m.paged.promptNanos(prompt) / 1e9;
    double statics = m.statics.promptNanos(prompt) / 1e9;
    boolean few = now.size() <= LOOKED_AT;
    Instance best = null;
    double least = Double.POSITIVE_INFINITY;
    long nowNanos = load.nowNanos();
    for (int k = 0; k < now.size(); k++) {
      Instance i = now.get(k);
      Costs costs = m.costs(i.cacheType());
      double usual = i.cacheType() == CacheType.STATIC ? statics : paged;
      double factor = few ? costs.factor(i.name(), nowNanos) : costs.roughly().factor(i, nowNanos);
      double score = (1 + load.inFlight(i.slot())) * usual * factor + (i.weight() == 0 ? NEVER : 0);
      best = score < least ? i : best;
      least = Math.min(least, score);
    }
    return best == null ? ruled : new Choice.Send(best, Pool.ANY, Reason.LEARNED, Forecast.NONE);
  }

  /// While it waits for a place it is asked for anew, so that it goes elsewhere before it is too
  /// late: a wait costs little until the limit is near. One that is too late already is in no
  /// hurry.
  private static long lookNanos(Ask ask, Objective objective, List<Instance> ways, Load load) {
    double looks = ask.waitedNanos() > objective.firstNanos() ? LATE_LOOKS : LOOKS;
    int line = 0;
    for (Instance i : ways) {
      line = Math.max(line, load.waiting(i.slot()));
    }
    return Math.clamp((long) (objective.firstNanos() / looks), LEAST_LOOK_NANOS, MOST_LOOK_NANOS)
        * Math.max(1, line / LOOKING);
  }

  /// Where all are full: of a few those whose place would lose little more than the best one's.
  private static Choice.Wait awaited(
      Ask ask, List<Instance> fit, Estimate e, Load load, Objective objective) {
    List<Instance> all = Shortlist.awaited(fit, load);
    if (all.size() > LOOKED_AT) {
      return new Choice.Wait(Pool.ANY, Reason.LEARNED, all);
    }
    double[] losses = new double[all.size()];
    List<Forecast.Part> parts = new ArrayList<>(all.size());
    int least = 0;
    for (int k = 0; k < losses.length; k++) {
      losses[k] = e.loss(all.get(k)) + (all.get(k).weight() == 0 ? NEVER : 0);
      parts.add(e.part(all.get(k), Place.FULL));
      least = losses[k] < losses[least] ? k : least;
    }
    List<Instance> near = new ArrayList<>(all.size());
    for (int k = 0; k < losses.length; k++) {
      if (losses[k] <= losses[least] + Forecast.WORTH_WAITING) {
        near.add(all.get(k));
      }
    }
    return waits(
        near,
        Pool.ANY,
        Forecast.compared(all.get(least), losses[least], true, parts),
        lookNanos(ask, objective, near, load));
  }

  private static Choice.Wait waits(List<Instance> until, Pool pool, Forecast f, long lookNanos) {
    List<Choice.Send> ways = new ArrayList<>(until.size());
    for (Instance i : until) {
      ways.add(new Choice.Send(i, pool, Reason.LEARNED, f));
    }
    return new Choice.Wait(ways, lookNanos);
  }

  /// Static instances whose next place is worth more than a free place elsewhere, when none of
  /// those that fit is free; a few of many, from a place drawn at random on. No wait is worth it
  /// that is beyond some times the limit of the first token and longer than that of the free place.
  ///
  /// @param parts gets what each of them comes to
  private static List<Instance> worthWaiting(
      List<Instance> fit,
      Estimate e,
      double free,
      double freeFirstNanos,
      Load load,
      RandomGenerator random,
      List<Forecast.Part> parts) {
    List<Instance> worth = new ArrayList<>();
    int from = fit.size() > LOOKED_AT ? random.nextInt(fit.size()) : 0;
    int looked = 0;
    for (int k = 0; k < fit.size(); k++) {
      Instance i = fit.get((from + k) % fit.size());
      if (i.cacheType() != CacheType.STATIC || load.othersFirst(i.slot()) || i.weight() == 0) {
        continue;
      }
      if (load.free(i.slot())) {
        parts.clear();
        return List.of();
      }
      if (looked++ < LOOKED_AT / 2) {
        double loss = e.lossOfWaiting(i, free, freeFirstNanos);
        parts.add(e.part(i, Place.FULL));
        boolean inTime = e.firstIsSooner(freeFirstNanos, loss < free - WORTH_LONG_WAIT);
        if (loss < free - Forecast.WORTH_WAITING && inTime) {
          worth.add(i);
        }
      }
    }
    return worth;
  }

  /// The best one, or now and then one that was not heard of for long and is hardly worse.
  private int tried(Ask ask, Model m, List<Instance> of, double[] losses, int best, long nowNanos) {
    if (ask.waitedNanos() == 0) {
      m.trials.decided();
    }
    int longest = best;
    long unheard = 0;
    for (int k = 0; k < losses.length; k++) {
      Instance i = of.get(k);
      long since = m.costs(i.cacheType()).unheardNanos(i.name(), nowNanos);
      if (k != best && since > unheard && losses[k] - losses[best] <= Trials.MOST) {
        unheard = since;
        longest = k;
      }
    }
    return longest != best
            && !without.contains(Part.TRIALS)
            && m.trials.worth(losses[longest] - losses[best], unheard)
        ? longest
        : best;
  }

  private static Choice.Send as(
      Choice.Send s,
      Estimate e,
      @Nullable Instance byRule,
      Mode mode,
      @Nullable Instance best,
      List<Forecast.Part> parts) {
    return new Choice.Send(
        s.instance(), s.pool(), s.why(), e.forecast(s.instance(), byRule, mode, best, parts));
  }

  /// Whether so much is before an instance that no first token will come soon: then little is
  /// learned of it either, and a first guess with what is in flight is better than the rule.
  private static boolean isSwamped(Instance i, Costs costs, Load load) {
    List<? extends Flight> flights = load.flights(i.slot());
    int batch = costs.batch(i);
    int waiting = 0;
    for (int k = 0; k < flights.size(); k++) {
      waiting += flights.get(k).firstNanos() == 0 ? 1 : 0;
    }
    return waiting >= batch || flights.size() >= 2 * batch;
  }

  private List<Instance> fitting(Ask ask, Model m, Candidates candidates, long nowNanos) {
    List<Instance> all = candidates.in(Pool.ANY);
    if (without.contains(Part.FIT)) {
      return all;
    }
    Fit off = m.fit(ask.text());
    long need = off.need(ask, m.lengths());
    if (need > candidates.leastCapacityTokens()) {
      need = off.need(ask, m.lengths(), m.sizes(ask.text()));
    }
    List<Instance> fit = Shortlist.fitting(all, need);
    fit = fit.isEmpty() ? Shortlist.fitting(all, ask.needTokens()) : fit;
    return m.cuts.fitting(fit, ask.promptTokens(), nowNanos);
  }

  /// Of many the few of each kind that have least to do for their speed, and the home of the key
  /// and where its text was computed.
  private static List<Instance> nearest(
      List<Instance> of, Estimate e, Model m, Load load, @Nullable Instance home) {
    int half = LOOKED_AT / 2;
    Instance[] chosen = new Instance[LOOKED_AT];
    double[] scores = new double[LOOKED_AT];
    int[] counts = new int[2];
    List<Instance> places = new ArrayList<>(LOOKED_AT);
    for (int k = 0; k < of.size(); k++) {
      Instance i = of.get(k);
      if (e.isHome(i) || (home != null && i.slot() == home.slot())) {
        places.add(i);
      }
      int kind = i.cacheType() == CacheType.STATIC ? 1 : 0;
      double score =
          m.costs(i.cacheType()).roughly().load(i, load.inFlight(i.slot()), load.nowNanos())
              + (i.weight() == 0 ? NEVER : 0);
      int from = kind * half;
      int n = counts[kind];
      if (n == half && score >= scores[from + n - 1]) {
        continue;
      }
      int at = from + Math.min(n, half - 1);
      while (at > from && score < scores[at - 1]) {
        scores[at] = scores[at - 1];
        chosen[at] = chosen[at - 1];
        at--;
      }
      scores[at] = score;
      chosen[at] = i;
      counts[kind] = Math.min(half, n + 1);
    }
    List<Instance> out = new ArrayList<>(LOOKED_AT + 1);
    for (Instance i : chosen) {
      if (i != null) {
        out.add(i);
      }
    }
    places.forEach(i -> {
      if (!out.contains(i)) {
        out.add(i);
      }
    });
    return out;
  }

  @Override
  public Forecast foretell(Ask ask, String model, Instance to, Load load) {
    if (ask.promptTokens() <= 0) {
      return Forecast.NONE;
    }
    Model m = model(model).as(kin.of(to), load.nowNanos());
    return estimate(ask, model, m, load)
        .seated()
        .forecast(to, null, mode(m, load.nowNanos()), null, List.of());
  }

  @Override
  public void settled(Facts f) {
    Ask ask = f.ask();
    if (ask == null || ask.promptTokens() <= 0) {
      return;
    }
    Model m = model(f.model());
    if (!f.complete()) {
      m.prefixes.left(ask.prefix(), f.instance());
    }
    teach(m, f, ask);
    if (f.instance().models().size() > 1 || kin.has(f.model())) {
      teach(kin.at(f.instance(), f.model()), f, ask.withoutPrefix());
    }
  }

  private void teach(Model m, Facts f, Ask ask) {
    m.arrivals.sent(f.instance(), f.dispatchNanos());
    Lesson lesson = new Lesson(m, objectives.of(f.model()), f, ask);
    if (!f.complete()) {
      lesson.givenUp();
    } else if (f.firstByteNanos() != 0) {
      lesson.learn();
    }
  }

  @Override
  public List<Insight> insights(long nowNanos) {
    List<Insight> out = new ArrayList<>();
    models.forEach((name, m) -> {
      Model told = m.told(nowNanos);
      long size = told.crossing.size();
      out.add(
          new Insight(
              name,
              mode(told, nowNanos),
              m.paged.prompts() + m.statics.prompts(),
              m.paged.answers() + m.statics.answers(),
              size < 0 ? null : size,
              told.shadow.fallbacks(),
              m.cuts.known(nowNanos)));
    });
    return out;
  }

  @Override
  public Map<String, Object> remembered(long nowNanos) {
    Map<String, Object> out = new HashMap<>();
    models.forEach((name, m) -> {
      if (m.known()) {
        out.put(
            name,
            Map.of(
                "paged", m.paged.remembered(nowNanos),
                "static", m.statics.remembered(nowNanos),
                "lengths", m.lengths.remembered(),
                "fits", m.fits.remembered()));
      }
    });
    return out;
  }

  @Override
  public void recall(Map<String, Object> from, long nowNanos) {
    Recalled all = Recalled.of(from);
    Map<String, Model> read = new HashMap<>();
    for (String name : all.names()) {
      Recalled of = all.in(name);
      Model m = new Model(name, homes);
      m.paged.recall(of.in("paged"), nowNanos);
      m.statics.recall(of.in("static"), nowNanos);
      m.lengths = AnswerLengths.recall(of.in("lengths"));
      m.fits = Fits.recall(of.in("fits"));
      read.put(name, m);
      if (read.size() > MOST_MODELS) {
        throw new IllegalArgumentException(
            "models: more than " + MOST_MODELS + " (expected: at most that many)");
      }
    }
    models.putAll(read);
  }

  @Override
  public void told(List<Told> others, long nowNanos) {
    Set<String> names = new HashSet<>(models.keySet());
    Map<String, List<Recalled>> from = new HashMap<>();
    Map<String, List<Told>> of = new HashMap<>();
    for (Told t : others) {
      try {
        Recalled all = Recalled.of(t.learned());
        for (String name : all.names()) {
          if (names.size() < MOST_MODELS || names.contains(name)) {
            Recalled m = all.in(name);
            new Model(name, homes)
                .told(List.of(m), List.of(t), nowNanos); // nothing is taken over of nonsense
            names.add(name);
            from.computeIfAbsent(name, n -> new ArrayList<>()).add(m);
            of.computeIfAbsent(name, n -> new ArrayList<>()).add(t);
          }
        }
      } catch (IllegalArgumentException nonsense) {
        // another router's mistakes are not ours
      }
    }
    for (String name : names) {
      model(name)
          .told(from.getOrDefault(name, List.of()), of.getOrDefault(name, List.of()), nowNanos);
    }
  }
}
