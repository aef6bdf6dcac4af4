package org.infinilm.svc.policy;

import java.util.List;
import java.util.Set;
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
 * Beside each other. An instance that was found to compute prompts so (PromptOrder) lets a prompt wait for
 * a small part of those before it, and stalls answers as little; one of a few lanes until a lane is free,
 * and stalls the answers of one lane.
 *
 * Loss: Objective's, of times that are partly known (of those under way) and partly expected. Of an
 * instance's time, the share that went to others' prompts of late will go there again: steps
 * take 1 / (1 - share) as long.
 */
final class Estimate {
  private static final double MOST_STALLED = 0.75;

  /// Of a prompt that should be computed by now at least this part is left.
  private static final double LEAST_LEFT = 0.1;

  private static final double OVERDUE = 0.5;

  /// Tokens that may be due before an answer that has begun is taken to stand still.
  private static final double DUE = 16;

  /// Nor is it before so long: tokens come in pieces.
  private static final double LEAST_STILL_NANOS = 0.5e9;

  /// Gauges may tell the same for so long, and so many times as long as an answer takes.
  private static final long LEAST_STEADY_NANOS = 15_000_000_000L;

  private static final double STEADY = 4;

  /// A wait may end elsewhere while so much of the limit has not passed by the first token there.
  private static final double IN_TIME = 0.8;

  /// A wait that is longer than the free place's takes at most so many times the limit of the first
  /// token.
  private static final double MOST_WAIT = 8;

  /// The same of one that spares others their limits.
  private static final double LONGEST_WAIT = 32;

  /// Of more requests on an instance some stand for all.
  private static final int MOST_OTHERS = 48;

  /// So many lengths of others' answers are looked at, and of each at least one.
  private static final int MOST_WAYS = 64;

  private static final Costs FIRST_GUESS = new Costs();

  private final Ask ask;
  private final String name;
  private final Adaptive.Model model;
  private final Objective objective;
  private final Load load;
  private final Set<Part> without;
  private final long now;
  private final Prefixes.Hit hit;
  private final AnswerLengths lengths;
  private final double outputTokens;

  /// How long it has stood in line, which a limit of its first token has less of.
  private double waited;

  private double ceiling = Double.POSITIVE_INFINITY;

  /// @param name of the model, by which others tell whose costs it was foretold by
  /// @param without what an ablation leaves out
  Estimate(
      Ask ask,
      String name,
      Adaptive.Model model,
      Objective objective,
      Load load,
      Set<Part> without) {
    this.name = name;
    this.without = without;
    this.ask = ask;
    this.model = model;
    this.objective = objective;
    this.load = load;
    this.now = load.nowNanos();
    this.waited = (double) ask.waitedNanos();
    this.hit = model.prefixes.of(without.contains(Part.PREFIX) ? 0 : ask.prefix());
    this.lengths = without.contains(Part.LENGTH) ? AnswerLengths.NONE : model.lengths();
    this.outputTokens = lengths.left(ask.promptTokens(), 0, ask.maxTokens());
  }

  /// How much of the prompts before it a prompt waits for.
  private double serialShare = 1;

  /// In so many lanes, each of which computes prompts one after the other; 0 where that is not
  /// told.
  private int lanes = 1;

  /// What gauges show of others, and what other routers told.
  private Others others = Others.NONE;

  private boolean seated;
  private @Nullable Instance home;
  private double waitNanos;
  private double firstNanos;
  private double tokenNanos;
  private double ownLoss;
  private double othersLoss;
  private double promptNanos;
  private double newTokens;
  private boolean placed;
  private boolean othersBefore;
  private double longest;
  private double total;
  private double sequences;

  /// What sending it there would lose, others' losses included.
  double loss(Instance i) {
    Costs costs = without.contains(Part.COST) ? FIRST_GUESS : model.costs(i.cacheType());
    List<? extends Flight> flights =
        without.contains(Part.LOAD) ? List.of() : load.flights(i.slot());
    double factor = without.contains(Part.SPEED) ? 1 : factor(i, !flights.isEmpty());
    double held = hit.at(i, ask.promptTokens(), isDisplaced(i, flights));
    if (isHomeOfOthers(i)) {
      held = Math.max(held, model.prefixes.elsewhere() * ask.promptTokens());
    }
    newTokens = Math.max(1, ask.promptTokens() - held);
    promptNanos = costs.promptNanos(newTokens) * factor;
    others =
        without.contains(Part.LOAD)
            ? Others.NONE
            : believed(load.others(i.slot()), costs, factor).plus(load.siblings(i.slot()));
    serialShare = costs.serialShare(i.name());
    lanes = costs.lanes(i.name());
    boolean serial = i.cacheType() == CacheType.STATIC || model.costs(i.cacheType()).batch(i) == 1;
    if (serial && serialShare == 1) {
      serial(i, costs, factor, flights);
    } else {
      batched(i, costs, factor, flights);
    }
    othersLoss = without.contains(Part.OTHERS) ? 0 : othersLoss;
    return ownLoss + othersLoss;
  }

  /// Whether other routers have sent the key's requests there, if they had any.
  private boolean isHomeOfOthers(Instance i) {
    return home != null
        && i.slot() == home.slot()
        && i.cacheType() != CacheType.STATIC
        && load.routers() > 1
        && isNew();
  }

  /// What crowded answers show is no matter where nobody is.
  private double factor(Instance i, boolean crowded) {
    Costs of = model.costs(i.cacheType());
    return crowded ? of.factor(i.name(), now) : of.speed(i.name(), now);
  }

  /// It has a place now: those who stand in line are behind it.
  Estimate seated() {
    seated = true;
    return this;
  }

  /// What gauges tell, unless they have told the same for longer than answers take there, and their
  /// prompts: while there are any, one of them ends or begins in that time. A request that is sent
  /// there nevertheless moves gauges that do move, and they count again.
  private Others believed(Others told, Costs costs, double factor) {
    if (told.steadyNanos() <= LEAST_STEADY_NANOS) {
      return told;
    }
    double usual = usualPrompt();
    double answer =
        factor * (costs.promptNanos(usual) + usualLeft() * costs.tokenNanos(usual, usual, 1));
    return told.steadyNanos() > STEADY * answer ? Others.NONE : told;
  }

  /// Whether a static instance will hold another's text by then: that of the last one sent there,
  /// or of one that stands in its line.
  private boolean isDisplaced(Instance i, List<? extends Flight> flights) {
    if (i.cacheType() != CacheType.STATIC) {
      return false;
    }
    if (ask.waitedNanos() == 0 && load.waiting(i.slot()) > 0) {
      return true;
    }
    Flight last = null;
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      last = last == null || f.dispatchNanos() >= last.dispatchNanos() ? f : last;
    }
    return last != null && last.prefix() != ask.prefix();
  }

  /// What waiting there would lose, where it may still go elsewhere instead and lose `free`: of the
  /// ways in which what is before it may end, those that are worse than that do not happen.
  ///
  /// @param firstNanos until its first token there
  double lossOfWaiting(Instance i, double free, double firstNanos) {
    boolean later = waited + firstNanos < IN_TIME * objective.firstNanos();
    ceiling = later ? free : Double.POSITIVE_INFINITY;
    double l = loss(i);
    ceiling = Double.POSITIVE_INFINITY;
    return l;
  }

  /// Whether the first token is expected within [#MOST_WAIT] times its limit, or sooner than that:
  /// of what [#loss] was last asked about.
  ///
  /// @param spares whether the wait spares others their limits: within [#LONGEST_WAIT] times then
  boolean firstIsSooner(double nanos, boolean spares) {
    double most = spares ? LONGEST_WAIT : MOST_WAIT;
    return firstNanos <= Math.max(most * objective.firstNanos() - waited, nanos);
  }

  /// All routers send the request's key there, so that its text may be there though this one has
  /// not seen it.
  void home(Instance home) {
    this.home = home;
  }

  /// Whether no place of the text of the request's key is known.
  boolean isNew() {
    return hit.places().isEmpty();
  }

  /// Whether it may hold the text of the request's key.
  boolean isHome(Instance i) {
    return hit.isPlace(i);
  }

  /// What [#loss] was last asked about, for the record.
  Forecast.Part part(Instance i, Forecast.Place place) {
    return new Forecast.Part(
        i.name(),
        place,
        newTokens,
        waitNanos,
        promptNanos,
        firstNanos,
        tokenNanos,
        ownLoss,
        othersLoss);
  }

  private void serial(Instance i, Costs costs, double factor, List<? extends Flight> flights) {
    double wait = 0;
    double[] answers = new double[AnswerLengths.PARTS];
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      long came = f.tokens();
      double context = f.promptTokens() + came;
      boolean ours = isOfThisModel(f);
      if (f.firstNanos() == 0) {
        double whole =
            ours ? costs.promptNanos(newTokens(f)) * factor : f.forecast().prefillNanos();
        wait += k == 0 ? left(whole, (double) (now - f.dispatchNanos()), true) : whole;
      }
      double each =
          ours ? costs.tokenNanos(context, context, 1) * factor : f.forecast().tokenNanos();
      wait += still(f, each);
      int stage = AnswerLengths.stage(came);
      for (int part = 0; part < AnswerLengths.PARTS; part++) {
        answers[part] += each * lengths.left(part, stage, f.promptTokens(), came, f.maxTokens());
      }
    }
    if (others.any()) {
      double usual = usualPrompt();
      double answer = costs.tokenNanos(usual, usual, 1) * factor * usualLeft();
      wait += others.waiting() * (costs.promptNanos(usual) * factor + answer);
      wait += others.running() * answer / 2;
    }
    int line = seated ? 0 : load.waiting(i.slot()) - (ask.waitedNanos() > 0 ? 1 : 0); // itself
    if (line > 0) {
      double usual = usualPrompt();
      double answer = costs.tokenNanos(usual, usual, 1) * factor * usualLeft();
      wait += line * (costs.promptNanos(usual) * factor + answer);
    }
    placed = flights.isEmpty() && !others.any();
    othersBefore = others.any();
    longest = ask.promptTokens() + outputTokens / 2;
    total = longest;
    sequences = 1;
    tokenNanos = costs.tokenNanos(longest, total, 1) * factor;
    firstNanos = 0;
    ownLoss = 0;
    othersLoss = 0;
    for (double a : answers) {
      double first = wait + a + promptNanos;
      firstNanos += first / AnswerLengths.PARTS;
      double l = objective.loss(waited + first, tokenNanos, outputTokens);
      ownLoss += Math.min(ceiling, l) / AnswerLengths.PARTS;
    }
    waitNanos = firstNanos - promptNanos;
  }

  private void batched(Instance i, Costs costs, double factor, List<? extends Flight> flights) {
    int batch = costs.batch(i);
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
        queued += serialShare * promptLeft(f, costs, factor);
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
    if (head >= 0 && serialShare == 1) {
      double whole = costs.promptNanos(newTokens(flights.get(head))) * factor;
      double done = now - Math.max(lastFirst, flights.get(head).dispatchNanos());
      headLeft = left(whole, done, running + waiting <= batch);
      queued -= whole - headLeft;
    }
    if (lanes > 1) {
      queued = laneWait(flights, costs, factor);
    }
    if (waiting == 0 && running > 0 && !others.any()) {
      queued = stillness(flights, costs.tokenNanos(most, sum, running) * factor);
    }
    if (others.any()) {
      double usual = usualPrompt();
      waiting += others.waiting();
      running += others.running();
      queued += serialShare * others.waiting() * costs.promptNanos(usual) * factor;
      lefts += others.running() * usualLeft() / 2;
      most = Math.max(most, usual);
      sum += (others.waiting() + others.running()) * usual;
    }
    double own = ask.promptTokens() + outputTokens / 2;
    longest = Math.max(most, own);
    total = sum + own;
    double stretch =
        1 / (1 - Math.min(MOST_STALLED, model.costs(i.cacheType()).stalledShare(i.name())));
    sequences = Math.min(batch, running + waiting + 1);
    double before =
        costs.tokenNanos(most, sum, Math.min(batch, running + waiting)) * factor * stretch;
    double after = costs.tokenNanos(longest, total, sequences) * factor * stretch;
    int over = running + waiting + 1 - batch;
    double places =
        over <= 0 ? 0 : over * placeNanos(flights, lefts, running, waiting, batch, after);
    placed = over <= 0;
    othersBefore = others.waiting() > 0 || (!placed && others.running() > 0);
    firstNanos = queued + places + promptNanos;
    tokenNanos = after;
    waitNanos = queued + places;
    ownLoss = objective.loss(waited + firstNanos, tokenNanos, outputTokens);
    othersLoss = 0;
    int step = 1 + (flights.size() - 1) / MOST_OTHERS;
    int ways = Math.clamp(MOST_WAYS / Math.max(1, flights.size()), 1, AnswerLengths.PARTS);
    // each of those that are looked at stands for so many
    double stands = (double) flights.size() / Math.max(1, (flights.size() + step - 1) / step);
    double behind = queued;
    // of the prompts that are there an answer stands still for those that are computed beside it
    double beside = queued / Math.max(1, waiting) * Math.max(0, batch - 1);
    beside = waiting == 0 ? queued : Math.max(0, beside);
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      boolean waits = f.firstNanos() == 0;
      double left = waits ? promptLeft(f, costs, factor) : 0;
      behind -= k == head && serialShare == 1 ? headLeft : serialShare * left;
      if (k % step != 0) {
        continue;
      }
      double first =
          !waits
              ? f.firstNanos() - f.dispatchNanos()
              : now - f.dispatchNanos() + (serialShare == 1 ? queued - behind : left);
      double so =
          waits
              ? Math.min(Math.max(0, behind), beside)
              : now - f.firstNanos() + Math.min(queued, beside);
      othersLoss += stands * more(f, k / step, ways, first, so, before, after);
    }
  }

  /// Until one more place is free, on an average: of those that wait for their first token the
  /// whole answer is before it.
  ///
  /// @param lefts tokens that are left of the answers of those that have begun
  private double placeNanos(
      List<? extends Flight> flights,
      double lefts,
      int running,
      int waiting,
      int batch,
      double tokenNanos) {
    double tokens = lefts + others.waiting() * usualLeft();
    for (int k = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      if (f.firstNanos() == 0) {
        tokens += lengths.left(f.promptTokens(), 0, f.maxTokens());
      }
    }
    int all = Math.max(1, running + waiting);
    return tokens / all * tokenNanos / Math.min(batch, all);
  }

  /// Until a lane is free for a prompt more: each goes to the one that is free first.
  private double laneWait(List<? extends Flight> flights, Costs costs, double factor) {
    double[] busy = new double[lanes];
    int first = 0;
    for (int k = 0, waiting = 0; k < flights.size(); k++) {
      Flight f = flights.get(k);
      if (f.firstNanos() != 0) {
        continue;
      }
      boolean begun = ++waiting <= lanes;
      double whole = costs.promptNanos(newTokens(f)) * factor;
      busy[first] += begun ? left(whole, (double) (now - f.dispatchNanos()), true) : whole;
      for (int l = 0; l < lanes; l++) {
        first = busy[l] < busy[first] ? l : first;
      }
    }
    return busy[first];
  }

  /// What one that is there loses more, over the lengths that its answer may have.
  ///
  /// @param k which one it is, by which its lengths are drawn where not all are looked at
  /// @param ways so many of them
  /// @param first until its first token
  /// @param so time since its first token, and what it stands still for prompts that are there
  private double more(
      Flight f, int k, int ways, double first, double so, double before, double after) {
    long came = f.tokens();
    double sum = 0;
    int stage = AnswerLengths.stage(came);
    double kept = objective.kept(first);
    double later = so + serialShare * promptNanos;
    for (int j = 0; j < ways; j++) {
      int part = (k + j * AnswerLengths.PARTS / ways) % AnswerLengths.PARTS;
      double left = lengths.left(part, stage, f.promptTokens(), came, f.maxTokens());
      double n = Math.max(1, came + left - 1);
      sum += objective.more(kept, so + left * before, later + left * after, n);
    }
    return sum / ways;
  }

  /// Tokens of a prompt that nothing is known of.
  private double usualPrompt() {
    double usual = model.usualPrompt;
    return usual > 0 ? usual : (double) ask.promptTokens();
  }

  /// Tokens of an answer that nothing is known of.
  private double usualLeft() {
    return lengths.left((long) usualPrompt(), 0, 0);
  }

  /// Time that one that waits needs from the instance: all of it where it is computed after others.
  private double promptLeft(Flight f, Costs costs, double factor) {
    double whole = costs.promptNanos(newTokens(f)) * factor;
    return serialShare == 1 ? whole : left(whole, (double) (now - f.dispatchNanos()), true);
  }

  /// What is left of a prompt that has been under way for so long. One that is overdue takes long,
  /// whatever was expected of it: as long again as half of what it is over.
  ///
  /// @param begun whether nothing but prompts can have kept it
  private static double left(double whole, double done, boolean begun) {
    double least = LEAST_LEFT * whole;
    double over = begun ? OVERDUE * (done - whole) : 0;
    return Math.max(Math.max(least, over), whole - Math.max(0, done));
  }

  /// How long an answer that stands still will go on so: as long again as half of what it is over.
  ///
  /// @param each between its tokens
  private double still(Flight f, double each) {
    if (f.firstNanos() == 0 || f.lastNanos() == 0) {
      return 0;
    }
    double since = (double) (now - Math.max(f.firstNanos(), f.lastNanos()));
    return OVERDUE * Math.max(0, since - Math.max(LEAST_STILL_NANOS, DUE * each));
  }

  /// The same of all answers of a batch, that no prompt keeps.
  private double stillness(List<? extends Flight> flights, double each) {
    double least = Double.POSITIVE_INFINITY;
    for (int k = 0; k < flights.size() && least > 0; k++) {
      least = Math.min(least, still(flights.get(k), each));
    }
    return least;
  }

  /// Or of another one, whose costs are others.
  private boolean isOfThisModel(Flight f) {
    Forecast c = f.forecast();
    return c.isNone() || c.model().isEmpty() || c.model().equals(name);
  }

  private static double newTokens(Flight f) {
    double n = f.forecast().newTokens();
    return n > 0 ? n : f.promptTokens();
  }

  /// What is foretold of sending it there, from then on: an answer tells as much. What is asked for
  /// after this is asked for from now on, too.
  ///
  /// @param byRule the fixed rule's choice, or null
  Forecast forecast(
      Instance i,
      @Nullable Instance byRule,
      Forecast.Mode mode,
      @Nullable Instance best,
      List<Forecast.Part> parts) {
    waited = 0;
    double ruleLoss = byRule == null || byRule.equals(i) ? 0 : loss(byRule);
    double loss = loss(i);
    return new Forecast(
        newTokens,
        promptNanos,
        firstNanos,
        tokenNanos,
        placed,
        othersBefore,
        0,
        longest,
        total,
        sequences,
        loss,
        othersLoss,
        byRule == null || byRule.equals(i) ? loss : ruleLoss,
        byRule == null || byRule.equals(i),
        mode,
        best == null ? null : best.name(),
        best != null && best.cacheType() == CacheType.STATIC,
        name,
        load.routers() > 1 && (!isNew() || home == null || i.slot() == home.slot()),
        parts);
  }
}
