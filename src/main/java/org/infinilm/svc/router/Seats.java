package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Admission: how many requests an instance has at once, and who waits for the next seat.
/// Thread-safe; nobody blocks, and while nobody waits a seat costs what a counter costs.
/*
 * 1. A seat that comes free while someone waits is never free: it goes from hand to hand under the lock.
 *    A newcomer looks at the number of those who wait before it takes a free seat, so it cannot go
 *    before them.
 * 2. Nobody sleeps beside a free seat. A releaser counts out and then looks who waits; a waiter stands
 *    in line and then looks for a free seat. Both are sequentially consistent, so one sees the other
 *    (Dekker).
 * 3. Waiters are called on the thread that released, outside the lock, and only hop to their loop.
 * 4. When candidates of a model change, or one of them asks to be left alone, those who wait among them are called to choose anew; they keep
 *    the time since when they wait, and with it their place.
 */
final class Seats implements Load {
  /// One who waits. Called on any thread, once, and must only hop to its own.
  interface Waiter {
    /// A seat of the instance of this slot is counted in for it: use or release it.
    void seated(int slot);

    /// Its candidates changed while it waited: it is out of the line and must choose anew.
    void chooseAgain();
  }

  /// A place in the line.
  interface Ticket {
    /// Leaves the line. False when the waiter was called already: a seat that it got is its own to
    /// release.
    boolean cancel();
  }

  private static final Ticket OUT = () -> false;

  private final Slots slots;
  private final Ticker ticker;
  private final int most;
  private final Line<Waiter> line;
  private Fleet fleet = new Fleet(0, List.of());
  private volatile int waiting;

  /// When the last of those that are passed over is asked again; 0 when nobody is.
  private final AtomicLong passedOverUntilNanos = new AtomicLong();

  /// @param most how many may wait in all
  Seats(Slots slots, Line<Waiter> line, int most, Ticker ticker) {
    this.slots = slots;
    this.line = line;
    this.most = most;
    this.ticker = ticker;
  }

  @Override
  public int inFlight(int slot) {
    return slots.at(slot).inFlight();
  }

  @Override
  public boolean free(int slot) {
    Slot s = slots.at(slot);
    return s.limit == 0 || (s.waiting() == 0 && s.inFlight() < s.limit);
  }

  @Override
  public boolean passedOver(int slot) {
    long last = passedOverUntilNanos.get();
    if (last == 0) {
      return false;
    }
    long now = ticker.nanos();
    if (now - last >= 0) {
      passedOverUntilNanos.compareAndSet(last, 0);
      return false;
    }
    long until = slots.at(slot).passedOverUntilNanos;
    return until != 0 && now - until < 0;
  }

  /// How long it still is passed over, in nanoseconds; 0 when it is not.
  long passedOverNanos(int slot) {
    return passedOver(slot) ? Math.max(1, slots.at(slot).passedOverUntilNanos - ticker.nanos()) : 0;
  }

  @Override
  public double share(int slot) {
    Slot s = slots.at(slot);
    int failures = s.failuresInARow();
    return failures == 0 ? s.comeback : s.comeback / (1.0 + Math.min(failures, 9));
  }

  /// Passes an instance over for so long while others can take requests.
  void passOver(int slot, long nanos) {
    long until = ticker.nanos() + Math.max(1, nanos);
    until = until == 0 ? 1 : until;
    Slot s = slots.at(slot);
    s.passedOverUntilNanos = until;
    passedOverUntilNanos.accumulateAndGet(until, (a, b) -> a == 0 || a - b < 0 ? b : a);
    if (s.waiting() > 0) {
      List<Runnable> calls = new ArrayList<>();
      synchronized (line) {
        for (Line.Key key : line.keys()) {
          if (key.slots().contains(slot) && !allPassedOver(key.slots())) {
            callAll(key, calls);
          }
        }
      }
      calls.forEach(Runnable::run);
    }
  }

  private boolean allPassedOver(List<Integer> of) {
    for (int slot : of) {
      if (!passedOver(slot)) {
        return false;
      }
    }
    return true;
  }

  /// Has all who wait in a lane choose anew. Under the lock.
  private void callAll(Line.Key key, List<Runnable> calls) {
    for (Line<Waiter>.Place p : line.removeAll(key)) {
      count(p, -1);
      calls.add(p.waiter::chooseAgain);
    }
  }

  long sent(int slot) {
    return slots.at(slot).sent();
  }

  /// How many wait for a seat of this slot, among others perhaps.
  int waitingFor(int slot) {
    return slots.at(slot).waiting();
  }

  /// How many wait in all.
  int waiting() {
    return waiting;
  }

  /// Whether nobody more may wait.
  boolean lineIsFull() {
    return waiting >= most;
  }

  /// Takes a seat; false when it is full or others wait for one.
  boolean tryTake(Instance i) {
    Slot s = slots.at(i.slot());
    int limit = s.limit;
    if (limit == 0) {
      s.take();
      return true;
    }
    if (s.waiting() > 0 || !s.takeBelow(limit)) {
      return false;
    }
    if (s.inFlight() >= limit) {
      s.filled(ticker.nanos());
    }
    return true;
  }

  /// Whether the one trial of an instance that comes back is to be had.
  boolean trialOffered(int slot) {
    return slots.at(slot).trialOffered();
  }

  /// Takes that trial; false when another request has it.
  boolean tryTrial(Instance i) {
    return slots.at(i.slot()).tryTrial();
  }

  /// Takes a seat whatever the limit.
  void take(Instance i) {
    slots.at(i.slot()).take();
  }

  /// Gives a seat back, once; it goes to who waits for it first.
  void release(int slot) {
    Slot s = slots.at(slot);
    if (s.full()) {
      s.released(ticker.nanos());
    }
    if (s.waiting() > 0) {
      Waiter next = null;
      synchronized (line) {
        if (s.limit == 0 || s.inFlight() <= s.limit) {
          next = called(slot);
        }
        if (next == null) {
          s.release();
        } else {
          s.passOn();
        }
      }
      if (next != null) {
        next.seated(slot);
      }
      return;
    }
    s.release();
    if (s.waiting() > 0) {
      List<Runnable> calls = new ArrayList<>(1);
      synchronized (line) {
        offer(slot, calls);
      }
      calls.forEach(Runnable::run);
    }
  }

  /// Gives back a seat that nothing was sent in.
  void giveBack(int slot) {
    slots.at(slot).unsent();
    release(slot);
  }

  /// Stands in line for a seat of one of the instances that a decision would wait for.
  ///
  /// @param of the candidates of that decision
  /// @param work by which the line is ordered, in bytes
  /// @param sinceNanos when it began to wait, on the ticker's clock
  /// @return null when the line is full
  @Nullable Ticket await(
      Candidates of, Choice.Wait wait, double work, long sinceNanos, Waiter waiter) {
    List<Integer> accepted = new ArrayList<>(wait.accepted().size());
    for (Instance i : wait.accepted()) {
      accepted.add(i.slot());
    }
    List<Runnable> calls = new ArrayList<>(1);
    Ticket ticket;
    synchronized (line) {
      if (line.size() >= most) {
        return null;
      }
      Line.Key key = new Line.Key(of.model(), of.version(), accepted);
      if (stale(key)) {
        calls.add(waiter::chooseAgain);
        ticket = OUT;
      } else {
        Line<Waiter>.Place p = line.add(waiter, key, work, sinceNanos);
        count(p, 1);
        for (int slot : accepted) {
          offer(slot, calls);
        }
        ticket = () -> left(p);
      }
    }
    calls.forEach(Runnable::run);
    return ticket;
  }

  private boolean left(Line<Waiter>.Place p) {
    synchronized (line) {
      boolean was = line.remove(p);
      if (was) {
        count(p, -1);
      }
      return was;
    }
  }

  private void count(Line<Waiter>.Place p, int more) {
    for (int slot : p.slots()) {
      slots.at(slot).waiting(more);
    }
    waiting = line.size();
  }

  /// The next for a seat of this slot, out of the line, or null. Under the lock.
  private @Nullable Waiter called(int slot) {
    Line<Waiter>.Place p = line.next(slot);
    if (p == null) {
      return null;
    }
    count(p, -1);
    return p.waiter;
  }

  /// Gives free seats of this slot to who waits for them. Under the lock.
  private void offer(int slot, List<Runnable> calls) {
    Slot s = slots.at(slot);
    while (s.waiting() > 0 && s.takeBelow(s.limit == 0 ? Integer.MAX_VALUE : s.limit)) {
      Waiter next = called(slot);
      if (next == null) {
        throw new IllegalStateException("slot " + slot + " counts a waiter that nobody knows");
      }
      calls.add(() -> next.seated(slot));
    }
  }

  /// Takes over limits of a new fleet, and calls those who wait among candidates that changed.
  void follow(Fleet now) {
    List<Runnable> calls = new ArrayList<>();
    synchronized (line) {
      fleet = now;
      for (Instance i : now.instances()) {
        Slot s = slots.at(i.slot());
        if (s.limit != i.seats()) {
          s.limit = i.seats();
        }
      }
      for (Line.Key key : line.keys()) {
        if (stale(key)) {
          callAll(key, calls);
        } else {
          for (int slot : key.slots()) {
            offer(slot, calls);
          }
        }
      }
    }
    calls.forEach(Runnable::run);
  }

  private boolean stale(Line.Key key) {
    Candidates now = key.model().isEmpty() ? fleet.any() : fleet.forModel(key.model());
    return now == null || now.version() != key.version();
  }

  /// How long a request that comes now would wait for a seat of these, in whole seconds, at least
  /// 1: what an honest Retry-After says.
  ///
  /// Seats of a full instance come free at intervals, whose moving average is known; the ones that
  /// wait before take that many of all intervals together.
  long retryAfterSeconds(List<Instance> accepted) {
    double perSecond = 0;
    int ahead = 0;
    for (Instance i : accepted) {
      Slot s = slots.at(i.slot());
      ahead = Math.max(ahead, s.waiting());
      long gap = s.releaseNanos();
      perSecond += gap == 0 ? 0 : 1e9 / gap;
    }
    if (perSecond == 0) {
      return 1;
    }
    return (long) Math.clamp(Math.ceil((ahead + 1) / perSecond), 1, MOST_RETRY_AFTER);
  }

  private static final long MOST_RETRY_AFTER = 600;
}
