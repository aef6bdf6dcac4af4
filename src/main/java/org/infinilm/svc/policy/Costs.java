package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What instances of one model and cache type cost, learned from answers, and how fast each of them
/// is beside that. Written by the learner's thread, read by event loops; what is read at once
/// belongs together.
/*
 * Seconds of a prompt: a + b u + c u^2, u in 4,096 new tokens, from requests before which nothing else
 * was to be computed. Seconds between tokens: a + b x longest context + c x contexts together + d x the
 * other answers of the step, from whole answers less what the prompts of others were foretold to take in
 * that time; of what is not told apart most is what is likely. Both are of a typical instance; an instance's own factor is a moving average of the logarithm of what it took over
 * what was expected, and goes back to 1 while nothing is heard of it, so that who was slow is tried
 * again; when it is off to one side for a few answers (Drift) it is forgotten faster. Of prompts weights of which
 * little was seen are held to those of the other cache type, or of the first guess, times what makes both
 * alike: a hundred short prompts do not say what a long one costs, and a few long ones say more than all
 * that the other type has seen. While neither type is known the first guess counts. Of answers that come whole the seconds are a + b u + d n, n in 100 tokens: which part of one
 * was its prompt's.
 */
final class Costs {
  private static final double BLOCK = 4096;
  private static final double TOKENS = 100;
  private static final double PEERS = 8;

  /// What a token costs depends on so much.
  private static final int TOKEN_FEATURES = 4;

  /// Whole answers after which it is known which part of one its prompt was.
  private static final int MANY_WHOLE = 20;

  private static final double STEP = 0.15;

  /// The same while an instance has just become another one.
  private static final double SHIFTED_STEP = 0.5;

  /// Of an instance's factor beside others, as an exponent, so much is its own, and the rest what
  /// all cost.
  private static final double ITS_OWN = 0.9;

  /// The same where answers come whole: what one takes beside others is hardly told from what it
  /// takes.
  private static final double ITS_OWN_OF_WHOLE = 0.5;

  private static final double TWICE = 2;

  /// Of what is one kind of model answers are off by less, as a part of what was expected.
  private static final double UNLIKE = 0.5;

  private static final double STALL_STEP = 0.05;
  static final double MOST_STEP = 0.8;
  private static final double GIVEN_UP_WEIGHT = 3;
  private static final double MOST_LOG = 7;
  private static final String BRIEF = "brief";
  private static final String MIDDLES = "middles";
  private static final String BEGINS = "begins";
  private static final String PLACES = "places";
  private static final double BACK_NANOS = 30e9;
  private static final double MOST_AGE_SECONDS = 1e6;
  private static final double LEAST_SECONDS = 1e-4;

  /// So much of what was heard of an instance still counts that its speed is known here.
  private static final double FRESH = 0.4;

  /// What another router says of an instance counts within so many times what is known of it here,
  /// or of a usual one where nothing is.
  private static final double MOST_OFF = 4;

  private static final double MOST_TOLD = 16;

  /// Of more instances one that is heard of takes the place of another.
  private static final int MOST_INSTANCES = 8192;

  /// Of more instances the last prompts are not looked at again.
  private static final int MOST_RELEARNED = 64;

  /// What was learned so far; replaced as a whole.
  private record Known(LeastSquares prompt, LeastSquares token, LeastSquares whole) {}

  /// Weights that costs are read by.
  private record Weights(double[] prompt, double[] token) {}

  private record Speed(double log, long atNanos) {}

  /// Prompts and answers before costs count as known.
  private static final int ENOUGH = 30;

  private static final Weights FIRST =
      new Weights(new double[] {0.01, 0.15, 0.02}, new double[] {0.008, 0.001, 0.0002, 0.001});

  private static final Known GUESS =
      new Known(
          LeastSquares.guess(FIRST.prompt),
          LeastSquares.guess(FIRST.token),
          LeastSquares.guess(0.01, 0.15, 0.008 * TOKENS));

  /// What one router remembers.
  private record Memory(
      Known known,
      Map<String, Speed> speeds,
      Map<String, Double> stalls,
      Map<String, PromptOrder.Begin> begins,
      Map<String, Integer> places,
      double[] middles,
      int brief) {}

  /// What other routers told, each with its weight.
  private record Others(
      List<Pooling.Part> prompt,
      List<Pooling.Part> token,
      List<Pooling.Part> whole,
      Map<String, List<Speed>> speeds,
      int brief) {
    static final Others NONE = new Others(List.of(), List.of(), List.of(), Map.of(), 0);
  }

  /// Least squares of relative errors lie below the middle, the more costs scatter: how many times
  /// as much the middle is, from what was observed over what was expected. Or instances' factors
  /// would have to make up for it, without an end.
  private static final class Middle {
    private static final double STEP = 0.01;
    private static final double MOST = 0.7;
    private double log;
    private volatile double scale = 1;

    double scale() {
      return scale;
    }

    double log() {
      return log;
    }

    void become(double log) {
      this.log = Math.clamp(log, -MOST, MOST);
      scale = Math.exp(this.log);
    }

    void after(double ratio) {
      become(log + STEP * Math.clamp(Math.log(ratio), -MOST, MOST));
    }
  }

  private final Middle promptMiddle = new Middle();
  private final Middle tokenMiddle = new Middle();

  /// By own answers alone: what others are told.
  private volatile Known own = GUESS;

  /// With what others told.
  private volatile Known known = GUESS;

  /// Costs of the other cache type: where little is known of these, they are most likely alike.
  private @Nullable Costs beside;

  /// What is known of prompts, held to the first guess.
  private volatile double[] alone = FIRST.prompt;

  /// The same of tokens.
  private volatile double[] tokenAlone = FIRST.token;

  /// What costs are read by.
  private volatile Weights read = FIRST;

  private volatile Others others = Others.NONE;

  /// Answers that were too short to tell what a token costs.
  private volatile int brief;

  private final ConcurrentHashMap<String, Drift> drifts = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Speed> speeds = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Double> stalls = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, PromptOrder> orders = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Crowd> crowds = new ConcurrentHashMap<>();
  private final Places places = new Places();
  private final Roughly rough = new Roughly();
  private final Lately lately = new Lately();

  /// Those of the other cache type of the same model.
  void beside(Costs other) {
    beside = other;
  }

  /// Whether they are known from enough answers.
  boolean isKnown() {
    return prompts() >= ENOUGH && answers() >= ENOUGH;
  }

  /// Whether all that it was learned from costs alike.
  boolean isAlike() {
    return isAlike(known.prompt()) && isAlike(known.token());
  }

  /// Whether others' costs are known where these are, and at most twice these, or half.
  boolean isLike(Costs other, double prompt) {
    if (!isKnown() || !other.isKnown()) {
      return !isKnown();
    }
    return isNear(promptNanos(prompt), other.promptNanos(prompt))
        && isNear(tokenNanos(prompt, prompt, 1), other.tokenNanos(prompt, prompt, 1));
  }

  private static boolean isNear(double a, double b) {
    return a < TWICE * b && b < TWICE * a;
  }

  private static boolean isAlike(LeastSquares l) {
    return l.seen() == 0 || l.deviation() < UNLIKE;
  }

  /// Whether what a token costs is known from enough answers of its own.
  boolean isTokenKnown() {
    return known.token().seen() >= ENOUGH;
  }

  /// Prompts that it was learned from.
  int prompts() {
    return known.prompt().seen();
  }

  /// The same, of which each counts less with time.
  double lately(long nowNanos) {
    return lately.count(nowNanos);
  }

  /// Answers that it was learned from, or that were too short to teach more than their prompt.
  int answers() {
    return known.token().seen() + brief + others.brief();
  }

  /// An answer was too short to tell what a token costs.
  @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
  void brief() {
    brief = Math.min(brief + 1, 1 << 20);
  }

  /// Nanoseconds that a typical instance needs for so many new tokens of a prompt.
  double promptNanos(double newTokens) {
    double u = newTokens / BLOCK;
    return 1e9
        * Math.max(
            LEAST_SECONDS, promptMiddle.scale() * LeastSquares.sum(read.prompt, 1, u, u * u));
  }

  /// Nanoseconds between two tokens.
  ///
  /// @param longest tokens of the longest context
  /// @param total tokens of all contexts
  /// @param sequences answers that are computed together
  double tokenNanos(double longest, double total, double sequences) {
    double[] w = read.token;
    double peers = Math.max(0, sequences - 1) / PEERS;
    return 1e9
        * Math.max(
            LEAST_SECONDS,
            tokenMiddle.scale() * LeastSquares.sum(w, 1, longest / BLOCK, total / BLOCK, peers));
  }

  /// How many times as long this instance takes, as what is expected of it is to be multiplied.
  double factor(String instance, long nowNanos) {
    return speed(instance, nowNanos) * crowd(instance, nowNanos);
  }

  /// How many times as long those take there that have to wait, beside those that have not.
  double crowd(String instance, long nowNanos) {
    Crowd c = crowds.get(instance);
    return c == null ? 1 : Math.exp(c.log() * fade(c.atNanos(), nowNanos));
  }

  /// How many times as long this instance takes by itself.
  double speed(String instance, long nowNanos) {
    List<Speed> told = others.speeds().get(instance);
    if (told == null) {
      return ownFactor(instance, nowNanos);
    }
    Speed s = speeds.get(instance);
    double count = s == null ? 0 : fade(s, nowNanos);
    double sum = s == null ? 0 : s.log() * count;
    double middle = sum;
    double most = Math.log(count > FRESH ? MOST_OFF : MOST_TOLD);
    for (int k = 0; k < told.size(); k++) {
      Speed t = told.get(k);
      double fade = fade(t, nowNanos);
      count += fade;
      sum += fade * Math.clamp(t.log(), middle - most, middle + most);
    }
    return Math.exp(sum / Math.max(1, count));
  }

  /// What an instance's times are divided by to be those of a typical one: a little less than its
  /// factor, or the one could grow as the other falls without any end.
  private double usual(String instance, double factor) {
    Crowd c = crowds.get(instance);
    return Math.pow(factor, c == null || c.isStreamed() ? ITS_OWN : ITS_OWN_OF_WHOLE);
  }

  /// The logarithm of an instance's own factor, beside an answer that took so many times as long as
  /// is expected of a typical one: what has faded while nothing was heard of it comes back as far
  /// as that bears it out. Or an instance that is seldom asked would be known by a part of its
  /// slowness for ever.
  private double borneOut(String instance, double ratio, long nowNanos) {
    Speed s = speeds.get(instance);
    if (s == null) {
      return 0;
    }
    double faded = s.log() * fade(s, nowNanos);
    return Math.clamp(Math.log(ratio), Math.min(faded, s.log()), Math.max(faded, s.log()));
  }

  /// [#speed] beside such an answer, once it is known what to expect.
  private double speed(String instance, double ratio, int seen, long nowNanos) {
    double speed = speed(instance, nowNanos);
    return seen < 20
        ? speed
        : speed * Math.exp(borneOut(instance, ratio, nowNanos)) / ownFactor(instance, nowNanos);
  }

  private double ownFactor(String instance, long nowNanos) {
    Speed s = speeds.get(instance);
    return s == null ? 1 : Math.exp(s.log() * fade(s, nowNanos));
  }

  private static double fade(Speed s, long nowNanos) {
    return fade(s.atNanos(), nowNanos);
  }

  static double fade(long atNanos, long nowNanos) {
    return Math.exp(-Math.max(0, nowNanos - atNanos) / BACK_NANOS);
  }

  /// How long nothing was heard of an instance; [Long#MAX_VALUE] of one that never was.
  long unheardNanos(String instance, long nowNanos) {
    Speed s = speeds.get(instance);
    long least = s == null ? Long.MAX_VALUE : nowNanos - s.atNanos();
    for (Speed t : others.speeds().getOrDefault(instance, List.of())) {
      least = Math.min(least, Math.max(0, nowNanos - t.atNanos()));
    }
    return least;
  }

  /// Takes over what all other routers that are known have told.
  void told(List<Recalled> from, List<Told> of, long nowNanos) {
    List<Pooling.Part> prompt = new ArrayList<>();
    List<Pooling.Part> token = new ArrayList<>();
    List<Pooling.Part> whole = new ArrayList<>();
    Map<String, List<Speed>> heard = new HashMap<>();
    int few = 0;
    for (int k = 0; k < from.size(); k++) {
      double weight = of.get(k).weight();
      Memory m = read(from.get(k), Math.min(nowNanos, of.get(k).atNanos()));
      prompt.add(new Pooling.Part(m.known().prompt(), weight));
      token.add(new Pooling.Part(m.known().token(), weight));
      whole.add(new Pooling.Part(m.known().whole(), weight));
      m.speeds().forEach((name, s) -> heard.computeIfAbsent(name, n -> new ArrayList<>()).add(s));
      few = (int) Math.min(1 << 20, few + (long) (weight * m.brief()));
    }
    others = new Others(prompt, token, whole, heard, few);
    pool(own);
  }

  /// Own knowledge is this from now on.
  private void pool(Known now) {
    boolean was = isKnown();
    own = now;
    Others o = others;
    known =
        o.prompt().isEmpty()
            ? now
            : new Known(
                Pooling.of(now.prompt(), o.prompt()),
                Pooling.of(now.token(), o.token()),
                Pooling.of(now.whole(), o.whole()));
    alone = known.prompt().near(FIRST.prompt, FIRST.prompt);
    tokenAlone = known.token().near(FIRST.token, FIRST.token);
    reread();
    Costs other = beside;
    if (other != null && (!other.isKnown() || isKnown() != was)) {
      other.reread();
    }
  }

  private void reread() {
    Costs other = beside;
    boolean is = isKnown();
    Known k = known;
    if (other != null && other.isKnown()) {
      double[] token = is ? tokenAlone : k.token().near(other.tokenAlone, FIRST.token);
      read = new Weights(k.prompt().near(other.alone, FIRST.prompt), token);
    } else {
      read =
          new Weights(
              prompts() >= ENOUGH ? alone : FIRST.prompt,
              answers() >= ENOUGH ? tokenAlone : FIRST.token);
    }
  }

  /// The same roughly, for a first look at many.
  Roughly roughly() {
    return rough;
  }

  /// The first token of a request came `nanos` after it was sent, nothing else being before it.
  void prompt(Instance i, double newTokens, double nanos, long nowNanos) {
    lately.one(nowNanos);
    double u = newTokens / BLOCK;
    double expected =
        1e9 * Math.max(LEAST_SECONDS, promptMiddle.scale() * known.prompt().at(1, u, u * u));
    int seen = known.prompt().seen();
    double ratio = nanos / expected;
    double speed = speed(i.name(), ratio, seen, nowNanos);
    double f = usual(i.name(), speed);
    Known k = own;
    pool(
        new Known(
            k.prompt().after(Math.max(LEAST_SECONDS, nanos / f / 1e9), 1, u, u * u),
            k.token(),
            k.whole()));
    if (seen >= 20) {
      promptMiddle.after(ratio / speed);
      heard(i, ratio, 0.6, nowNanos);
    }
  }

  /// When an instance began a prompt, of the times that it took by each assumption.
  ///
  /// @param nanos and what follows: as [PromptOrder#after] takes them
  PromptOrder.Begin began(
      Instance i, double newTokens, double[] nanos, boolean overtaken, long nowNanos) {
    bound(orders, i.name());
    PromptOrder o = orders.computeIfAbsent(i.name(), n -> new PromptOrder());
    if (o.after(newTokens, nanos, overtaken)) {
      speeds.remove(i.name());
      drifts.remove(i.name());
      promptMiddle.become(0);
      Known k = own;
      pool(new Known(relearned(i, o, nowNanos), k.token(), k.whole()));
    }
    return o.begin();
  }

  /// Costs of prompts from those that were last seen: times by another assumption may be off by a
  /// hundred.
  private LeastSquares relearned(Instance of, PromptOrder order, long nowNanos) {
    LeastSquares p = own.prompt().anew(FIRST.prompt);
    int left = MOST_RELEARNED;
    for (Map.Entry<String, PromptOrder> e : orders.entrySet()) {
      if (!e.getKey().equals(of.name()) && left-- > 0) {
        p = after(p, e.getKey(), e.getValue(), nowNanos);
      }
    }
    return after(p, of.name(), order, nowNanos);
  }

  private LeastSquares after(LeastSquares before, String name, PromptOrder order, long nowNanos) {
    LeastSquares p = before;
    double f = 1e9 * usual(name, speed(name, nowNanos));
    for (PromptOrder.Took t : order.kept()) {
      double u = t.newTokens() / BLOCK;
      double seconds = t.nanos()[order.begin().place] / f;
      p = p.after(Math.max(LEAST_SECONDS, seconds), 1, u, u * u);
    }
    return p;
  }

  /// The same of one that says nothing of the order.
  PromptOrder.Begin begins(Instance i) {
    PromptOrder o = orders.get(i.name());
    return o == null ? PromptOrder.Begin.AFTER_OTHERS : o.begin();
  }

  /// How many prompts an instance computes beside each other, each lane one after the other; 0
  /// where that is not told.
  int lanes(String instance) {
    PromptOrder o = orders.get(instance);
    return o == null ? 1 : o.begin().lanes;
  }

  /// How much of the prompts before it a prompt waits for there, 0..1.
  double serialShare(String instance) {
    PromptOrder o = orders.get(instance);
    return o == null ? 1 : o.serialShare();
  }

  /// Tokens came in `nanos` each.
  ///
  /// @param longest and what follows: as [#tokenNanos] takes them
  void token(
      Instance i, double longest, double total, double sequences, double nanos, long nowNanos) {
    double peers = Math.max(0, sequences - 1) / PEERS;
    double[] x = {1, longest / BLOCK, total / BLOCK, peers};
    double expected = 1e9 * Math.max(LEAST_SECONDS, tokenMiddle.scale() * known.token().at(x));
    int seen = known.token().seen();
    double ratio = nanos / expected;
    double speed = speed(i.name(), ratio, seen, nowNanos);
    double f = usual(i.name(), speed);
    Known k = own;
    pool(
        new Known(
            k.prompt(), k.token().after(Math.max(LEAST_SECONDS, nanos / f / 1e9), x), k.whole()));
    if (seen >= 20) {
      tokenMiddle.after(ratio / speed);
      heard(i, ratio, 1, nowNanos);
    }
  }

  /// The part of the time of an answer that came whole that went to its prompt, from all that came
  /// so before; negative while too few did.
  ///
  /// @param tokens after the first
  double promptShare(Instance i, double newTokens, double tokens, double nanos, long nowNanos) {
    Known k = own;
    double u = newTokens / BLOCK;
    double n = tokens / TOKENS;
    double f = usual(i.name(), speed(i.name(), nowNanos));
    LeastSquares own = k.whole().after(Math.max(LEAST_SECONDS, nanos / f / 1e9), 1, u, n);
    pool(new Known(k.prompt(), k.token(), own));
    LeastSquares w = known.whole();
    if (w.seen() <= MANY_WHOLE) {
      return -1;
    }
    double prompt = Math.max(LEAST_SECONDS, w.at(1, u, 0));
    return prompt / Math.max(prompt, w.at(1, u, n));
  }

  /// An answer showed when its first token came.
  void streamed(Instance i) {
    bound(crowds, i.name());
    crowds.merge(i.name(), Crowd.STREAMED, (c, now) -> c.with(1));
  }

  /// Whether enough answers are streams there for them to say when prompts are begun.
  boolean isStreamed(Instance i) {
    Crowd c = crowds.get(i.name());
    return c == null || c.isStreamed();
  }

  /// A whole answer that had to wait took so many times as long as was expected of this instance.
  /// Where no streams are, that says how much of what was foretold for those in flight is so there,
  /// and nothing of what one takes alone.
  void crowded(Instance i, double ratio, long nowNanos) {
    if (isKnown()) {
      crowds.computeIfPresent(i.name(), (n, c) -> c.after(Math.log(ratio), nowNanos));
    }
  }

  /// An answer came whole.
  void whole(Instance i) {
    bound(crowds, i.name());
    crowds.merge(i.name(), Crowd.WHOLE, (c, now) -> c.with(0));
  }

  /// A request was given up after it had waited so many times as long as a typical instance would
  /// have let it: at least so slow is this one. It counts for more than an answer, since each costs
  /// a client.
  void atLeast(Instance i, double factor, long nowNanos) {
    if (known.prompt().seen() >= 20 && factor > speed(i.name(), nowNanos)) {
      heard(i, factor, GIVEN_UP_WEIGHT, nowNanos);
    }
  }

  /// What was seen of how many answers it computes at once; for the learner's thread.
  Batch seen(Instance i) {
    return places.seen(i);
  }

  /// A stream began.
  ///
  /// @param before and what follows: as [Batch#stream] takes them
  void began(Instance i, int before, int beside, boolean afterEnd) {
    places.stream(i, before, beside, afterEnd);
  }

  /// Sequences at once.
  int batch(Instance i) {
    return places.most(i);
  }

  /// Share of the time of its answers that an instance spends on the prompts of others.
  double stalledShare(String instance) {
    return stalls.getOrDefault(instance, 0.0);
  }

  /// So large a share of an answer's time went to the prompts of others.
  void stalled(Instance i, double share) {
    bound(stalls, i.name());
    stalls.merge(i.name(), share, (a, b) -> a + STALL_STEP * (b - a));
  }

  private void heard(Instance i, double ratio, double weight, long nowNanos) {
    double before = borneOut(i.name(), ratio, nowNanos);
    double off = Math.clamp(Math.log(ratio) - before, -MOST_STEP, MOST_STEP);
    bound(speeds, i.name());
    bound(drifts, i.name());
    boolean shifted = drifts.computeIfAbsent(i.name(), n -> new Drift()).after(off);
    double step = shifted ? Math.max(SHIFTED_STEP, STEP * weight) : STEP * weight;
    double after = Math.clamp(before + step * off, -MOST_LOG, MOST_LOG);
    Speed s = new Speed(after, nowNanos);
    speeds.put(i.name(), s);
    rough.heard(i, Math.exp(s.log()), batch(i), nowNanos);
  }

  /// Makes room for one more of that name, where as many are kept as are at most.
  static void bound(Map<String, ?> of, String name) {
    if (of.size() >= MOST_INSTANCES && !of.containsKey(name)) {
      of.remove(of.keySet().iterator().next());
    }
  }

  /// For a file; times become ages.
  Map<String, Object> remembered(long nowNanos) {
    Map<String, Object> speed = new HashMap<>();
    speeds.forEach(
        (name, s) -> speed.put(name, new double[] {s.log(), (nowNanos - s.atNanos()) / 1e9}));
    Map<String, Object> begins = new HashMap<>();
    orders.forEach((name, o) -> {
      if (o.begin() != PromptOrder.Begin.AFTER_OTHERS) {
        begins.put(name, o.begin().number);
      }
    });
    Known k = own;
    return Map.of(
        "prompt",
        k.prompt().remembered(),
        "token",
        k.token().remembered(),
        "whole",
        k.whole().remembered(),
        "speeds",
        speed,
        "stalls",
        new HashMap<String, Object>(stalls),
        BEGINS,
        begins,
        MIDDLES,
        new double[] {promptMiddle.log(), tokenMiddle.log()},
        PLACES,
        places.remembered(),
        BRIEF,
        brief);
  }

  /// What a file says.
  ///
  /// @throws IllegalArgumentException when it is not what [#remembered] gave
  void recall(Recalled from, long nowNanos) {
    Memory m = read(from, nowNanos);
    brief = m.brief();
    promptMiddle.become(m.middles()[0]);
    tokenMiddle.become(m.middles()[1]);
    pool(m.known());
    lately.recalled(prompts(), nowNanos);
    speeds.putAll(m.speeds());
    stalls.putAll(m.stalls());
    m.begins().forEach((name, b) -> orders.computeIfAbsent(name, n -> new PromptOrder()).assume(b));
    places.recall(m.places());
  }

  private static List<String> few(Recalled of) {
    return of.names().stream().limit(MOST_INSTANCES).toList();
  }

  private static Memory read(Recalled from, long nowNanos) {
    LeastSquares prompt = LeastSquares.recall(from.in("prompt"), 3);
    LeastSquares token = LeastSquares.recall(from.in("token"), TOKEN_FEATURES);
    LeastSquares whole = LeastSquares.recall(from.in("whole"), 3);
    Map<String, Speed> heard = new HashMap<>();
    Recalled all = from.in("speeds");
    for (String name : few(all)) {
      double[] pair = all.numbers(name, 2);
      double log = Math.clamp(pair[0], -MOST_LOG, MOST_LOG);
      heard.put(
          name, new Speed(log, nowNanos - (long) (Math.clamp(pair[1], 0, MOST_AGE_SECONDS) * 1e9)));
    }
    Map<String, Double> stalled = new HashMap<>();
    Recalled shares = from.in("stalls");
    for (String name : few(shares)) {
      stalled.put(name, Math.clamp(shares.number(name), 0.0, 1.0));
    }
    int brief = from.names().contains(BRIEF) ? (int) Math.clamp(from.number(BRIEF), 0, 1 << 20) : 0;
    Map<String, PromptOrder.Begin> begins = new HashMap<>();
    if (from.names().contains(BEGINS)) {
      Recalled orders = from.in(BEGINS);
      for (String name : few(orders)) {
        begins.put(name, PromptOrder.Begin.of(orders.number(name)));
      }
    }
    Map<String, Integer> at = Map.of();
    if (from.names().contains(PLACES)) {
      at = Places.read(from.in(PLACES), few(from.in(PLACES)));
    }
    double[] middles = from.names().contains(MIDDLES) ? from.numbers(MIDDLES, 2) : new double[2];
    return new Memory(new Known(prompt, token, whole), heard, stalled, begins, at, middles, brief);
  }
}
