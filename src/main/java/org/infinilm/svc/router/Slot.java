package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicLongArray;
import org.infinilm.svc.policy.Others;
import org.jspecify.annotations.Nullable;

/// The counters of one instance, which survive fleet snapshots. Lock-free; written by event loops.
/*
 * The cells in use stand in the middle of a larger array, so that two slots share no cache line that
 * both write, whatever the heap puts beside them.
 */
final class Slot {
  private static final int IN_FLIGHT = 4;
  private static final int SENT = 5;
  private static final int GOOD = 6;
  private static final int BAD = 7;
  private static final int FAILURES = 8;
  private static final int WAITING = 9;
  private static final int TRIAL = 10;
  private static final int RELEASED = 11;
  private static final int FIRST_BYTES = 12;
  private static final int STREAMS = 13;
  private static final int STREAM_WORK = 14;
  private static final int KEPT = 15;
  private static final int CELLS = 20;

  private static final long NO_TRIAL = 0;
  private static final long PLAIN_TRIAL = 1;
  private static final long OPEN_TRIAL = 2;

  private final Sessions good = new Sessions();
  private final Sessions bad = new Sessions();
  private final Sessions begun = new Sessions();
  private final AtomicLongArray cells = new AtomicLongArray(CELLS);

  /// For a learned policy.
  final Underway underway = new Underway();

  /// What its gauges told of others, and until when that counts.
  private record Told(Others others, long untilNanos) {}

  private volatile @Nullable Told told;

  /// What other routers told of themselves, likewise.
  private volatile @Nullable Told siblings;

  /// Requests it takes at once, 0 for any number, -1 for none now: this router's part of its seats.
  /// Written under the lock of the line.
  volatile int limit;

  /// Until when it is passed over, on the ticker's clock; 0 for never.
  volatile long passedOverUntilNanos;

  /// The part of its weight that counts while it comes back into service.
  volatile float comeback = 1;

  /// A number that is another one for whoever serves here next: another instance, or the process
  /// that comes after one whose port refused. Written by the keeper of the fleet.
  volatile long life;

  /// Whether the keeper wants to hear of answers: something is wrong with it, or was.
  volatile boolean doubted;

  /// Nanoseconds between two released seats while it was full, a moving average; 0 when unknown.
  private volatile long releaseNanos;

  int inFlight() {
    return (int) cells.get(IN_FLIGHT);
  }

  long sent() {
    return cells.get(SENT);
  }

  /// Counts a request in, whatever the limit.
  void take() {
    cells.incrementAndGet(IN_FLIGHT);
    cells.incrementAndGet(SENT);
  }

  /// Counts a request in where one more may be; false when it is full.
  boolean takeBelow(int most) {
    long n = cells.get(IN_FLIGHT);
    while (n < most) {
      if (cells.compareAndSet(IN_FLIGHT, n, n + 1)) {
        cells.incrementAndGet(SENT);
        return true;
      }
      n = cells.get(IN_FLIGHT);
    }
    return false;
  }

  /// Counts a request out, once.
  void release() {
    cells.decrementAndGet(IN_FLIGHT);
  }

  /// The seat of a request that ended is another's now.
  void passOn() {
    cells.incrementAndGet(SENT);
  }

  /// Takes back that a request was sent.
  void unsent() {
    cells.decrementAndGet(SENT);
  }

  /// Requests that others have there, as its gauges told of late.
  Others others(long nowNanos) {
    return valid(told, nowNanos);
  }

  /// Requests that other routers have there as they told of late, where its gauges do not tell.
  Others siblings(long nowNanos) {
    Told t = told;
    return t != null && nowNanos - t.untilNanos < 0 ? Others.NONE : valid(siblings, nowNanos);
  }

  private static Others valid(@Nullable Told t, long nowNanos) {
    return t == null || nowNanos - t.untilNanos >= 0 ? Others.NONE : t.others;
  }

  /// Other routers tell so, which counts so long.
  void siblings(Others others, long untilNanos) {
    siblings = new Told(others, untilNanos);
  }

  /// Its gauges tell so, which counts so long.
  void tell(Others others, long untilNanos) {
    told = new Told(others, untilNanos);
  }

  boolean full() {
    int most = limit;
    return most != 0 && inFlight() >= most;
  }

  /// Notes that it is full from now on: an interval between released seats begins.
  void filled(long now) {
    cells.set(RELEASED, now);
  }

  /// Notes that a seat of a full instance came free.
  void released(long now) {
    long before = cells.getAndSet(RELEASED, now);
    if (before != 0) {
      long gap = Math.max(1, now - before);
      long average = releaseNanos;
      releaseNanos = average == 0 ? gap : average + (gap - average) / 8;
    }
  }

  long releaseNanos() {
    return releaseNanos;
  }

  /// How many requests wait for one of its seats, among others perhaps.
  int waiting() {
    return (int) cells.get(WAITING);
  }

  void waiting(int more) {
    cells.addAndGet(WAITING, more);
  }

  /// Whether its free seats are kept for those who wait and are looking anew.
  boolean kept() {
    return cells.get(KEPT) != 0;
  }

  void keep(int more) {
    cells.addAndGet(KEPT, more);
  }

  /// Counts an answer, of each session the first in a window.
  ///
  /// @param key hash of the session's key; 0 for none
  void good(long key) {
    if (good.first(key)) {
      cells.incrementAndGet(GOOD);
    }
  }

  /// Takes an answer back that came to no good end.
  void notGood(long key) {
    if (good.takeBack(key)) {
      cells.decrementAndGet(GOOD);
    }
  }

  /// Counts a failure likewise.
  void bad(long key) {
    if (bad.first(key)) {
      cells.incrementAndGet(BAD);
    }
  }

  /// Every session counts anew.
  void beginWindow() {
    good.clear();
    bad.clear();
    begun.clear();
  }

  /// Takes one back.
  void notBad() {
    cells.decrementAndGet(BAD);
  }

  /// Adds the time to the first byte of a stream, likewise.
  ///
  /// @param work how much it was asked for, in any unit
  void firstByteAfter(long nanos, long work, long key) {
    if (begun.first(key)) {
      cells.addAndGet(FIRST_BYTES, nanos);
      cells.addAndGet(STREAM_WORK, work);
      cells.incrementAndGet(STREAMS);
    }
  }

  /// Time to first bytes, of all streams together.
  long firstByteNanos() {
    return cells.get(FIRST_BYTES);
  }

  /// Streams whose first byte came.
  long streams() {
    return cells.get(STREAMS);
  }

  /// The work of those streams.
  long streamWork() {
    return cells.get(STREAM_WORK);
  }

  long goodOnes() {
    return cells.get(GOOD);
  }

  long badOnes() {
    return cells.get(BAD);
  }

  int failuresInARow() {
    return (int) cells.get(FAILURES);
  }

  void failed() {
    cells.incrementAndGet(FAILURES);
  }

  void succeeded() {
    cells.set(FAILURES, 0);
  }

  /// Lets one request through as a trial.
  ///
  /// @param anyOne whether it may carry a session's key
  void offerTrial(boolean anyOne) {
    cells.set(TRIAL, anyOne ? OPEN_TRIAL : PLAIN_TRIAL);
  }

  /// An offered trial is for requests with a key too from now on.
  void widenTrial() {
    cells.compareAndSet(TRIAL, PLAIN_TRIAL, OPEN_TRIAL);
  }

  void endTrial() {
    cells.set(TRIAL, NO_TRIAL);
  }

  /// Takes the one trial; false when it is not offered or another has it.
  boolean tryTrial(boolean keyed) {
    return cells.compareAndSet(TRIAL, OPEN_TRIAL, NO_TRIAL)
        || (!keyed && cells.compareAndSet(TRIAL, PLAIN_TRIAL, NO_TRIAL));
  }

  boolean trialOffered() {
    return cells.get(TRIAL) != NO_TRIAL;
  }

  /// Whether a request may have it, with a session's key or without.
  boolean trialOffered(boolean keyed) {
    return cells.get(TRIAL) >= (keyed ? OPEN_TRIAL : PLAIN_TRIAL);
  }

  /// Clears everything for another instance; nothing is in flight then.
  void reuse() {
    for (int k = 0; k < CELLS; k++) {
      if (k != IN_FLIGHT && k != WAITING && k != KEPT) {
        cells.set(k, 0);
      }
    }
    limit = 0;
    passedOverUntilNanos = 0;
    life = 0;
    comeback = 1;
    doubted = false;
    releaseNanos = 0;
    beginWindow();
    underway.reuse();
    told = null;
    siblings = null;
  }
}
