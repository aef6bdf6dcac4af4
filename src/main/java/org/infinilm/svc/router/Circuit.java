package org.infinilm.svc.router;

/// Whether an instance may be asked, from what was seen on its data path. Pure: `next` is a
/// function of the state, the event and the time.
///
/// @param strikes failures of its own in a row that show that it serves wrongly; above 0 in one
///   that is out because it cannot be connected to, where a request has to show that it serves
///   again, and in one on trial that has failed a request
/// @param refusals failed connections in a row
/// @param level how often it was taken out lately
/// @param hard whether it is out because it cannot be connected to
/// @param sinceNanos when it entered the phase
/// @param untilNanos end of the pause, or of the slow start
/*
 *             strikes, refusals in a row, or far below its peers
 *   CLOSED  ----------------------------------------------------> OPEN
 *     ^  ^                                                        |  | hard: connected to again, after the pause
 *     |   \                                      soft: the pause  |  |
 *     |    \                                       is over        v  |
 *     |     \                                        HALF_OPEN ------+--> OPEN again, one level up: the trial failed
 *     |      \                                            |          |
 *     +------ SLOW_START <--------------------------------+----------+
 *      time                 the trial was answered, or nobody asked for a while
 *
 * Soft evidence is what the instance answered: a client may have had a part in it, so it moves an
 * instance only by permission (at most half of those that serve a model, never the only one), and
 * only a request can show that it is over: a port that refuses meanwhile, as in a restart, does not
 * change that. Hard evidence is a port that does not answer: a connection shows that it is over,
 * whoever makes it. A failure that no peer disproved counts in the window of success rates alone
 * (Outliers), and on trial the second time, since nobody else may be left to disprove it; not when it
 * failed elsewhere too.
 */
record Circuit(
    Phase phase,
    int strikes,
    int refusals,
    int level,
    boolean hard,
    long sinceNanos,
    long untilNanos) {
  enum Phase {
    CLOSED,
    OPEN,
    HALF_OPEN,
    SLOW_START
  }

  enum Event {
    /// It answered a request, below 500.
    ANSWERED,
    /// It failed a request, and the fault is its own.
    STRIKE,
    /// It failed a request, which may be to blame.
    FAILED,
    /// A request that it failed has failed elsewhere too.
    TAKEN_BACK,
    /// It could not be connected to.
    REFUSED,
    /// It was connected to outside a request.
    CONNECTED,
    /// It succeeds far less often than its peers.
    OUTLIER,
    /// Its probes failed and now do not: where its port refused meanwhile, it is another process,
    /// and what it answered before may be over.
    RESTARTED,
    /// Its trial was offered for long, and nobody took it.
    UNASKED,
    /// Time has passed.
    TIME
  }

  /// @param most strikes or refusals in a row that take it out
  /// @param softPauseNanos first pause after strikes; it doubles by level
  /// @param hardPauseNanos first pause after refusals
  /// @param mostPauseNanos longest pause, before jitter
  /// @param quietNanos time in service that takes a level off
  /// @param unaskedNanos time on trial without an outcome after which it comes back slowly: where
  ///   nobody asks, nobody is harmed, and who asks first is the trial
  /// @param slowStartNanos time from a tenth of its weight to all of it
  record Rules(
      int most,
      long softPauseNanos,
      long hardPauseNanos,
      long mostPauseNanos,
      long quietNanos,
      long unaskedNanos,
      long slowStartNanos) {
    private static final long SECOND = 1_000_000_000L;

    static Rules of(int most) {
      return new Rules(
          most, 5 * SECOND, SECOND, 120 * SECOND, 60 * SECOND, 10 * SECOND, 10 * SECOND);
    }
  }

  private static final int MOST_LEVEL = 30;

  /// A refused connection costs little, and one that stands is proof: the pause grows so far, and
  /// that of what comes after it.
  private static final int MOST_HARD_LEVEL = 3;

  /// A trial may have failed by its request, and costs one that is repeated.
  private static final double MOST_TRIAL_TIMES = 4;

  private static final double FIRST_SHARE = 0.1;
  private static final double JITTER = 0.25;

  static final Circuit NEW = new Circuit(Phase.CLOSED, 0, 0, 0, false, 0, 0);

  /// @param mayLeave whether soft evidence may take it out now
  /// @param jitter evenly from 0 up to 1: a pause is up to a quarter longer or shorter
  Circuit next(Event e, boolean mayLeave, long now, double jitter, Rules rules) {
    return switch (phase) {
      case CLOSED, SLOW_START -> inService(e, mayLeave, now, jitter, rules);
      case OPEN -> out(e, now, rules);
      case HALF_OPEN -> onTrial(e, now, jitter, rules);
    };
  }

  private Circuit inService(Event e, boolean mayLeave, long now, double jitter, Rules rules) {
    return switch (e) {
      case ANSWERED -> strikes == 0 && refusals == 0 ? this : counting(0, 0);
      case STRIKE ->
          strikes + 1 >= rules.most() && mayLeave
              ? opened(false, now, jitter, rules)
              : counting(Math.min(strikes + 1, rules.most()), refusals);
      case REFUSED ->
          refusals + 1 >= rules.most()
              ? opened(true, now, jitter, rules)
              : counting(strikes, refusals + 1);
      case CONNECTED -> refusals == 0 ? this : counting(strikes, 0);
      case OUTLIER -> mayLeave ? opened(false, now, jitter, rules) : this;
      case TIME ->
          phase == Phase.SLOW_START && now - untilNanos >= 0
              ? new Circuit(Phase.CLOSED, strikes, refusals, level, false, now, 0)
              : this;
      case RESTARTED, UNASKED, FAILED, TAKEN_BACK -> this;
    };
  }

  private Circuit out(Event e, long now, Rules rules) {
    boolean over = now - untilNanos >= 0;
    return switch (e) {
      case TIME -> !hard && over ? tried(now) : this;
      case RESTARTED -> hard && strikes > 0 ? tried(now) : this;
      case CONNECTED -> hard && over ? (strikes > 0 ? tried(now) : started(now, rules)) : this;
      case ANSWERED -> hard && over ? started(now, rules) : this;
      case REFUSED ->
          hard ? this : new Circuit(phase, 1, refusals, level, true, sinceNanos, untilNanos);
      case STRIKE, FAILED, TAKEN_BACK, OUTLIER, UNASKED -> this;
    };
  }

  private Circuit onTrial(Event e, long now, double jitter, Rules rules) {
    return switch (e) {
      case ANSWERED -> started(now, rules);
      case STRIKE -> opened(false, now, jitter, rules);
      case FAILED -> strikes == 0 ? counting(1, 0) : opened(false, now, jitter, rules);
      case TAKEN_BACK -> strikes == 0 ? this : counting(0, 0);
      case REFUSED -> opened(true, now, jitter, rules).counting(1, 0);
      case UNASKED -> started(now, rules);
      case RESTARTED, TIME, CONNECTED, OUTLIER -> this;
    };
  }

  private Circuit counting(int newStrikes, int newRefusals) {
    return new Circuit(phase, newStrikes, newRefusals, level, hard, sinceNanos, untilNanos);
  }

  private Circuit tried(long now) {
    return new Circuit(Phase.HALF_OPEN, 0, 0, level, false, now, 0);
  }

  private Circuit started(long now, Rules rules) {
    return new Circuit(Phase.SLOW_START, 0, 0, level, false, now, now + rules.slowStartNanos());
  }

  /// Out for a pause that doubles each time, less what quiet time in service took off.
  private Circuit opened(boolean byConnection, long now, double jitter, Rules rules) {
    int calm =
        phase == Phase.CLOSED
            ? (int) Math.min(MOST_LEVEL, (now - sinceNanos) / rules.quietNanos())
            : 0;
    int before = Math.max(0, level - calm);
    long first = byConnection ? rules.hardPauseNanos() : rules.softPauseNanos();
    double doubled = first * Math.pow(2, before);
    int after = before + 1;
    if (byConnection) {
      doubled = Math.min(doubled, first * Math.pow(2, MOST_HARD_LEVEL));
      after = Math.min(after, Math.max(before, MOST_HARD_LEVEL));
    } else if (phase == Phase.HALF_OPEN) {
      doubled = Math.min(doubled, MOST_TRIAL_TIMES * first);
    }
    double pause = Math.min((double) rules.mostPauseNanos(), doubled);
    long jittered = (long) (pause * (1 - JITTER + 2 * JITTER * jitter));
    return new Circuit(
        Phase.OPEN, 0, 0, Math.min(MOST_LEVEL, after), byConnection, now, now + jittered);
  }

  /// Whether it gets requests as they come.
  boolean inService() {
    return phase == Phase.CLOSED || phase == Phase.SLOW_START;
  }

  /// Whether it is out, or on trial, for what it answered.
  boolean softlyOut() {
    return phase == Phase.HALF_OPEN || (phase == Phase.OPEN && !hard);
  }

  /// Whether a connection must show that its port answers.
  boolean doubted() {
    return refusals > 0 || (phase == Phase.OPEN && hard);
  }

  /// The part of its weight that counts.
  double share(long now, Rules rules) {
    if (phase != Phase.SLOW_START) {
      return 1;
    }
    double done = (now - sinceNanos) / (double) rules.slowStartNanos();
    return Math.clamp(FIRST_SHARE + (1 - FIRST_SHARE) * done, FIRST_SHARE, 1);
  }

  /// Whether time alone will change it.
  boolean waitsForTime() {
    return phase == Phase.SLOW_START || phase == Phase.HALF_OPEN || (phase == Phase.OPEN && !hard);
  }
}
