package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntPredicate;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Others;
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
 * 4. Nobody loses a place by a change. When candidates of a model change, or one of them asks to be left
 *    alone, those who wait stay in line for those that are left, and are called to look anew; a look moves
 *    the place, with its age and rank. Instances that came with the change give no seat to anybody until
 *    the last who was called has looked: then they give their seats in the order of the line.
 */
final class Seats implements Offer {
  /// One who waits. Called on any thread, once, and must only hop to its own.
  interface Waiter {
    /// A seat of the instance of this slot is counted in for it: use or release it.
    void seated(int slot);

    /// Whether it lives on the calling thread, so that a seat costs it no hop.
    default boolean isHere() {
      return false;
    }

    /// Its candidates changed. It stands in line still, for those that are left, and must look
    /// anew: then it moves its place, or leaves.
    void lookAgain();
  }

  /// One in line.
  static final class Standing {
    private final Waiter waiter;
    private @Nullable Move move;

    private Standing(Waiter waiter) {
      this.waiter = waiter;
    }
  }

  /// A change of some candidates that not all who were called have looked at.
  private static final class Move {
    /// Those that give no seat until then.
    final List<Integer> kept;

    int pending;

    Move(List<Integer> kept) {
      this.kept = kept;
    }
  }

  /// A place in the line.
  interface Ticket {
    /// Leaves the line. False when the waiter was called already: a seat that it got is its own to
    /// release.
    boolean cancel();

    /// Stands for other seats from now on. False when the waiter was called already.
    boolean move(Candidates of, Choice.Wait wait);
  }

  /// The part of all seats that is this router's: of instances that are not named an even one.
  ///
  /// @param limits as [Slot#limit] has them, by the instance's name
  /// @param routers that share
  record Part(Map<String, Integer> limits, int routers) {
    static final Part ALL = new Part(Map.of(), 1);

    int of(Instance i) {
      int all = i.seats();
      return all == 0 || routers == 1
          ? all
          : Math.min(all, limits.getOrDefault(i.name(), (int) Shares.even(all, routers)));
    }
  }

  private final Slots slots;
  private final Ticker ticker;
  private volatile Part part = Part.ALL;
  private volatile Runnable shortage = () -> {};
  private volatile int most;
  private final Line<Standing> line;
  private Fleet fleet = new Fleet(0, List.of());
  private volatile int waiting;

  /// When the last of those that are passed over is asked again; 0 when nobody is.
  private final AtomicLong passedOverUntilNanos = new AtomicLong();

  /// @param most how many may wait in all
  Seats(Slots slots, Line<Standing> line, int most, Ticker ticker) {
    this.slots = slots;
    this.line = line;
    this.most = most;
    this.ticker = ticker;
  }

  /// Called when somebody begins to wait: this router's part may be too small.
  void onShortage(Runnable tell) {
    shortage = tell;
  }

  /// Puts another part of the seats into force.
  void share(Part now) {
    if (now.equals(part)) {
      return;
    }
    List<Runnable> calls = new ArrayList<>();
    synchronized (line) {
      part = now;
      for (Instance i : fleet.instances()) {
        Slot s = slots.at(i.slot());
        int limit = now.of(i);
        if (s.limit != limit) {
          s.limit = limit;
          offer(i.slot(), calls);
        }
      }
    }
    calls.forEach(Runnable::run);
  }

  /// This router's part of the seats of an instance, 0 for any number.
  int limit(Instance i) {
    return i.seats() == 0 ? 0 : Math.max(0, part.of(i));
  }

  /// So many may wait in all from now on; those that wait stay.
  void most(int waiting) {
    most = waiting;
  }

  @Override
  public int inFlight(int slot) {
    return slots.at(slot).inFlight();
  }

  @Override
  public boolean free(int slot) {
    Slot s = slots.at(slot);
    return s.limit == 0 || (s.waiting() == 0 && !s.kept() && s.inFlight() < s.limit);
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

  @Override
  public long passedOverNanos(int slot) {
    return passedOver(slot) ? Math.max(1, slots.at(slot).passedOverUntilNanos - ticker.nanos()) : 0;
  }

  @Override
  public double share(int slot) {
    Slot s = slots.at(slot);
    int failures = s.failuresInARow();
    return failures == 0 ? s.comeback : s.comeback / (1.0 + Math.min(failures, 9));
  }

  /// Seats of one that comes back are divided among routers. Where there are none, the odds are:
  /// who looks idle to each of them does not get the first request of all at once.
  @Override
  public double odds(int slot) {
    Slot s = slots.at(slot);
    double share = share(slot);
    int routers = part.routers();
    double comeback = s.comeback;
    return s.limit != 0 ? share : share / comeback * Load.odds(comeback, routers);
  }

  @Override
  public List<? extends Flight> flights(int slot) {
    return slots.at(slot).underway.all();
  }

  /// The same with what may be noted of it.
  Underway noted(int slot) {
    return slots.at(slot).underway;
  }

  @Override
  public int waiting(int slot) {
    return slots.at(slot).waiting();
  }

  @Override
  public Others others(int slot) {
    return slots.at(slot).others(ticker.nanos());
  }

  @Override
  public int routers() {
    return part.routers();
  }

  @Override
  public Others siblings(int slot) {
    return slots.at(slot).siblings(ticker.nanos());
  }

  @Override
  public long nowNanos() {
    return ticker.nanos();
  }

  /// Passes an instance over for so long while others can take requests.
  void passOver(int slot, long nanos) {
    long until = ticker.nanos() + Math.max(1, nanos);
    until = until == 0 ? 1 : until;
    slots.at(slot).passedOverUntilNanos = until;
    passedOverUntilNanos.accumulateAndGet(until, (a, b) -> a == 0 || a - b < 0 ? b : a);
    callAway(slot, null, this::passedOver);
  }

  /// Has who waits for it stand for others alone, where it waits for others too, and look anew.
  ///
  /// @param model of those who wait; null for all
  /// @param over whom they no longer stand for
  void callAway(int slot, @Nullable String model, IntPredicate over) {
    if (slots.at(slot).waiting() > 0) {
      List<Runnable> calls = new ArrayList<>();
      synchronized (line) {
        for (Line.Key key : line.keys()) {
          List<Integer> others = new ArrayList<>(key.slots());
          others.removeIf(over::test);
          boolean concerned = model == null || model.equals(key.model());
          if (concerned && key.slots().contains(slot) && !others.isEmpty()) {
            Line.Key to = new Line.Key(key.model(), key.version(), others);
            call(key, to, null, List.of(), calls);
          }
        }
      }
      calls.forEach(Runnable::run);
    }
  }

  /// Has all who wait with a model look anew: an instance has become another one for some of them.
  void lookAgain(String model) {
    if (waiting > 0) {
      List<Runnable> calls = new ArrayList<>();
      synchronized (line) {
        for (Line.Key key : line.keys()) {
          if (model.equals(key.model())) {
            line.places(key).forEach(p -> calls.add(p.waiter.waiter::lookAgain));
          }
        }
      }
      calls.forEach(Runnable::run);
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
    if (s.waiting() > 0 || s.kept() || !s.takeBelow(limit)) {
      return false;
    }
    if (s.inFlight() >= limit) {
      s.filled(ticker.nanos());
    }
    return true;
  }

  /// Whether the one trial of an instance that comes back is to be had.
  boolean trialOffered(int slot, boolean keyed) {
    return slots.at(slot).trialOffered(keyed);
  }

  /// Takes that trial; false when another request has it.
  boolean tryTrial(Instance i, boolean keyed) {
    return slots.at(i.slot()).tryTrial(keyed);
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
      List<Runnable> calls = new ArrayList<>(1);
      synchronized (line) {
        boolean over = s.limit != 0 && s.inFlight() > s.limit;
        Waiter next = over || s.kept() ? null : called(slot, calls);
        if (next == null) {
          s.release();
        } else {
          s.passOn();
          calls.addFirst(() -> next.seated(slot));
        }
      }
      calls.forEach(Runnable::run);
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
  /// @param sinceNanos when it came, on the ticker's clock
  /// @param takenIn whether it has a right to a place, however long the line
  /// @return null when the line is full
  @Nullable Ticket await(
      Candidates of,
      Choice.Wait wait,
      double work,
      long sinceNanos,
      boolean takenIn,
      Waiter waiter) {
    List<Runnable> calls = new ArrayList<>(1);
    Line<Standing>.Place p;
    synchronized (line) {
      if (!takenIn && line.size() >= most) {
        return null;
      }
      Line.Key key = key(of, wait);
      p = line.add(new Standing(waiter), key, work, sinceNanos);
      count(key.slots(), 1);
      settle(p, calls);
    }
    calls.forEach(Runnable::run);
    shortage.run();
    return new Ticket() {
      @Override
      public boolean cancel() {
        return left(p);
      }

      @Override
      public boolean move(Candidates among, Choice.Wait other) {
        return moved(p, key(among, other));
      }
    };
  }

  private static Line.Key key(Candidates of, Choice.Wait wait) {
    List<Integer> accepted = new ArrayList<>(wait.ways().size());
    for (Choice.Send s : wait.ways()) {
      accepted.add(s.instance().slot());
    }
    return new Line.Key(of.model(), of.version(), accepted);
  }

  /// A place that has just been taken: it may have a free seat, or must look at once. Under the
  /// lock.
  private void settle(Line<Standing>.Place p, List<Runnable> calls) {
    Line.Key key = p.key();
    if (stale(key)) {
      stand(p, left(key));
      calls.add(p.waiter.waiter::lookAgain);
    } else {
      looked(p.waiter, calls);
      for (int slot : key.slots()) {
        offer(slot, calls);
      }
    }
  }

  private boolean moved(Line<Standing>.Place p, Line.Key to) {
    List<Runnable> calls = new ArrayList<>(1);
    boolean stands;
    synchronized (line) {
      stands = stand(p, to);
      if (stands) {
        settle(p, calls);
      }
    }
    calls.forEach(Runnable::run);
    return stands;
  }

  private boolean left(Line<Standing>.Place p) {
    List<Runnable> calls = new ArrayList<>(0);
    boolean was;
    synchronized (line) {
      was = line.remove(p);
      if (was) {
        count(p.slots(), -1);
        looked(p.waiter, calls);
      }
    }
    calls.forEach(Runnable::run);
    return was;
  }

  /// Has a place stand in another lane; false when it is out. Whom it waits for in both is counted
  /// all the time, so that no newcomer sees nobody. Under the lock.
  private boolean stand(Line<Standing>.Place p, Line.Key to) {
    List<Integer> before = p.slots();
    if (!line.move(p, to)) {
      return false;
    }
    count(to.slots(), 1);
    count(before, -1);
    return true;
  }

  private void count(List<Integer> of, int more) {
    for (int slot : of) {
      slots.at(slot).waiting(more);
    }
    waiting = line.size();
  }

  /// Has all of a lane stand in another one and look anew. Under the lock.
  ///
  /// @param move what they are to look at, when seats are kept meanwhile
  /// @param overtaken gets what they were to look at before
  private void call(
      Line.Key from, Line.Key to, @Nullable Move move, List<Move> overtaken, List<Runnable> calls) {
    for (Line<Standing>.Place p : line.places(from)) {
      stand(p, to);
      Move before = p.waiter.move;
      if (move != null) {
        move.pending++;
        p.waiter.move = move;
        if (before != null) {
          overtaken.add(before);
        }
      }
      calls.add(p.waiter.waiter::lookAgain);
    }
  }

  /// One who was called has looked, or is gone. Under the lock.
  private void looked(Standing who, List<Runnable> calls) {
    Move m = who.move;
    who.move = null;
    if (m != null) {
      looked(m, calls);
    }
  }

  private void looked(Move m, List<Runnable> calls) {
    m.pending--;
    if (m.pending > 0) {
      return;
    }
    for (int slot : m.kept) {
      slots.at(slot).keep(-1);
    }
    for (int slot : m.kept) {
      offer(slot, calls);
    }
  }

  /// The next for a seat of this slot, out of the line, or null. Under the lock.
  private @Nullable Waiter called(int slot, List<Runnable> calls) {
    Line<Standing>.Place p = line.next(slot, s -> s.waiter.isHere());
    if (p == null) {
      return null;
    }
    count(p.slots(), -1);
    looked(p.waiter, calls);
    return p.waiter.waiter;
  }

  /// Gives free seats of this slot to who waits for them. Under the lock.
  private void offer(int slot, List<Runnable> calls) {
    Slot s = slots.at(slot);
    while (s.waiting() > 0
        && !s.kept()
        && s.takeBelow(s.limit == 0 ? Integer.MAX_VALUE : s.limit)) {
      Waiter next = called(slot, calls);
      if (next == null) {
        throw new IllegalStateException("slot " + slot + " counts a waiter that nobody knows");
      }
      calls.add(() -> next.seated(slot));
    }
  }

  /// Takes over the limits of a new fleet, shows it, and calls those who wait among candidates that
  /// changed. Nobody may choose among instances whose limits do not hold yet.
  ///
  /// @param show makes the fleet the one that is chosen from
  void follow(Fleet now, Runnable show) {
    List<Runnable> calls = new ArrayList<>();
    synchronized (line) {
      for (Instance i : now.instances()) {
        Slot s = slots.at(i.slot());
        int limit = part.of(i);
        if (s.limit != limit) {
          s.limit = limit;
        }
      }
      show.run();
      Fleet before = fleet;
      fleet = now;
      Map<String, Move> moves = new HashMap<>();
      List<Move> overtaken = new ArrayList<>();
      for (Line.Key key : line.keys()) {
        if (stale(key)) {
          Move m = moves.computeIfAbsent(key.model(), model -> move(before, now, model));
          call(key, left(key), m, overtaken, calls);
        }
      }
      overtaken.addAll(moves.values());
      overtaken.forEach(m -> looked(m, calls));
      for (Line.Key key : line.keys()) {
        for (int slot : key.slots()) {
          offer(slot, calls);
        }
      }
    }
    calls.forEach(Runnable::run);
  }

  /// A change that keeps the seats of those that have become candidates of a model, now or in a
  /// change that not all have looked at.
  private Move move(Fleet before, Fleet now, String model) {
    Set<Integer> known = slotsOf(candidates(before, model));
    List<Integer> kept = new ArrayList<>();
    for (int slot : slotsOf(candidates(now, model))) {
      Slot s = slots.at(slot);
      if (s.limit != 0 && (!known.contains(slot) || s.kept())) {
        kept.add(slot);
        s.keep(1);
      }
    }
    // one more, until all were called
    Move m = new Move(kept);
    m.pending = 1;
    return m;
  }

  private static Set<Integer> slotsOf(@Nullable Candidates c) {
    Set<Integer> out = new HashSet<>();
    if (c != null) {
      for (Instance i : c.in(Pool.ANY)) {
        out.add(i.slot());
      }
    }
    return out;
  }

  private static @Nullable Candidates candidates(Fleet of, String model) {
    return model.isEmpty() ? of.any() : of.forModel(model);
  }

  /// Those of a lane that are candidates still.
  private Line.Key left(Line.Key key) {
    Candidates now = candidates(fleet, key.model());
    List<Integer> kept = new ArrayList<>(key.slots());
    kept.retainAll(slotsOf(now));
    return new Line.Key(key.model(), now == null ? fleet.version() : now.version(), kept);
  }

  private boolean stale(Line.Key key) {
    Candidates now = candidates(fleet, key.model());
    return now == null ? key.version() < fleet.version() : now.version() > key.version();
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
