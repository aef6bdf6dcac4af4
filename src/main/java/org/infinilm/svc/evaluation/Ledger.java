package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Others;
import org.jspecify.annotations.Nullable;

/// What a router knows of its instances, and who waits for a seat: the rules of the router's own
/// seats, for one thread. A seat that comes free while someone waits goes to the next in line.
final class Ledger implements Load {
  /// The router's defaults: a second of waiting outweighs so many bytes, and later requests go at
  /// most so often before the oldest.
  private static final double AGEING_BYTES = 8192;

  private static final int MOST_OVERTAKES = 32;

  /// One who waits.
  static final class Waiter {
    private final int id;
    private Choice.Wait until;

    private Waiter(int id, Choice.Wait until) {
      this.id = id;
      this.until = until;
    }

    int id() {
      return id;
    }

    Choice.Wait until() {
      return until;
    }
  }

  /// Of other routers' and own looks at own requests so many are kept, a second apart.
  private static final int LOOKS = 7;

  private static final int ANY = Integer.MAX_VALUE;
  private static final double SLOW_START_NANOS = 10e9;
  private static final double FIRST_SHARE = 0.1;

  private final List<List<Sent>> flights = new ArrayList<>();
  private final int[] seats;
  private final int[] limits;
  private final int[] othersRunning;
  private final int[] othersWaiting;
  private final int[][] looks;
  private final double[] backNanos;
  private boolean counted;
  private boolean slowStart;
  private int routers = 1;
  private final int[] waiting;
  private final boolean[] down;
  private final double[] stalled;
  private final long[] lastFirst;
  private final long[] lastEnd;
  private final Line<Waiter> line;
  private final Map<Integer, Line<Waiter>.Place> places = new HashMap<>();
  private final Sent.Clock clock;

  /// @param seated whether seats limit how many requests an instance gets at once
  Ledger(List<Node> nodes, boolean seated, Sent.Clock clock) {
    this.seats = nodes.stream().mapToInt(n -> seated ? n.seats() : 0).toArray();
    this.limits = new int[seats.length];
    Arrays.setAll(limits, k -> seats[k] == 0 ? ANY : seats[k]);
    this.othersRunning = new int[seats.length];
    this.othersWaiting = new int[seats.length];
    this.looks = new int[LOOKS][seats.length];
    this.backNanos = new double[seats.length];
    Arrays.fill(backNanos, Double.NEGATIVE_INFINITY);
    this.waiting = new int[nodes.size()];
    this.down = new boolean[nodes.size()];
    this.stalled = new double[nodes.size()];
    this.lastFirst = new long[nodes.size()];
    this.lastEnd = new long[nodes.size()];
    this.line = new Line<>(Line.Order.SHORTEST, AGEING_BYTES, MOST_OVERTAKES);
    this.clock = clock;
    nodes.forEach(n -> flights.add(new ArrayList<>()));
  }

  /// There are others beside it, of which it knows so much; who comes back gets less at first.
  void among(int number, Sharing sharing) {
    routers = sharing.atLeast(Sharing.NUMBER) ? number : 1;
    counted = sharing.atLeast(Sharing.COUNTED);
    slowStart = true;
  }

  @Override
  public int inFlight(int slot) {
    return own(slot) + (counted ? othersRunning[slot] + othersWaiting[slot] : 0);
  }

  @Override
  public int routers() {
    return routers;
  }

  int own(int slot) {
    return flights.get(slot).size();
  }

  /// Of its own those without a first token.
  int ownWaiting(int slot) {
    int n = 0;
    for (Sent s : flights.get(slot)) {
      n += s.firstNanos() == 0 ? 1 : 0;
    }
    return n;
  }

  @Override
  public boolean free(int slot) {
    return !down[slot] && own(slot) < limits[slot] && (limits[slot] == ANY || waiting[slot] == 0);
  }

  @Override
  public double share(int slot) {
    double since = clock.nanos() - backNanos[slot];
    return !slowStart || since >= SLOW_START_NANOS
        ? 1
        : FIRST_SHARE + (1 - FIRST_SHARE) * since / SLOW_START_NANOS;
  }

  @Override
  public double odds(int slot) {
    return limits[slot] == ANY ? Load.odds(share(slot), routers) : share(slot);
  }

  @Override
  public Others others(int slot) {
    return othersRunning[slot] + othersWaiting[slot] == 0
        ? Others.NONE
        : new Others(othersRunning[slot], othersWaiting[slot]);
  }

  /// Seats that an instance has, for all routers; 0 for any number.
  int seats(int slot) {
    return seats[slot];
  }

  /// It may have so many there from now on, of an instance with seats.
  void limit(int slot, int most) {
    limits[slot] = seats[slot] == 0 ? ANY : most;
  }

  /// Others have so many there, by the last that was heard.
  void hear(int slot, int running, int wait) {
    othersRunning[slot] = running;
    othersWaiting[slot] = wait;
  }

  int heard(int slot) {
    return othersRunning[slot] + othersWaiting[slot];
  }

  /// The most that it had there at its last looks, the `nth` of which is this one.
  int peak(int slot, int nth) {
    looks[nth % LOOKS][slot] = own(slot);
    int most = 0;
    for (int[] l : looks) {
      most = Math.max(most, l[slot]);
    }
    return most;
  }

  @Override
  public List<? extends Flight> flights(int slot) {
    return flights.get(slot);
  }

  @Override
  public int waiting(int slot) {
    return waiting[slot];
  }

  @Override
  public long nowNanos() {
    return (long) clock.nanos();
  }

  /// Whether there is a seat for one more.
  boolean hasSeat(int slot) {
    return !down[slot] && own(slot) < limits[slot];
  }

  /// The instance is gone: what it had in flight, and no longer has.
  List<Sent> crashed(int slot) {
    down[slot] = true;
    List<Sent> had = List.copyOf(flights.get(slot));
    flights.get(slot).clear();
    return had;
  }

  /// It takes requests again.
  void back(int slot) {
    down[slot] = false;
    backNanos[slot] = clock.nanos();
  }

  /// Takes all who wait out of the line, in its order of age.
  List<Integer> leave() {
    List<Line<Waiter>.Place> places = new ArrayList<>();
    line.keys().forEach(k -> places.addAll(line.places(k)));
    places.sort((a, b) -> Long.compare(a.number, b.number));
    List<Integer> ids = new ArrayList<>();
    for (Line<Waiter>.Place p : places) {
      p.slots().forEach(k -> waiting[k]--);
      line.remove(p);
      this.places.remove(p.waiter.id());
      ids.add(p.waiter.id());
    }
    return ids;
  }

  void sent(int slot, Sent s) {
    s.behind(flights.get(slot));
    flights.get(slot).add(s);
  }

  Sent find(int slot, int id) {
    for (Sent s : flights.get(slot)) {
      if (s.id == id) {
        return s;
      }
    }
    throw new IllegalStateException("request " + id + " is not in flight at " + slot);
  }

  /// Its first token came.
  void first(int slot, Sent s, double atNanos) {
    Flight.passed(flights.get(slot), s, (long) atNanos, true);
    s.first(atNanos);
    stalled[slot] += s.send.forecast().prefillNanos();
    s.stalledBefore = stalled[slot];
    s.otherFirstNanos = lastFirst[slot];
    s.otherLastNanos = lastEnd[slot];
    lastFirst[slot] = (long) atNanos;
  }

  /// What the prompts of others were foretold to cost whose first token came after its own.
  double stalled(int slot, Sent s) {
    return stalled[slot] - s.stalledBefore;
  }

  /// Counts it out; the one in line whose seat that is, already out of the line, or null.
  @Nullable Waiter ended(int slot, Sent s) {
    if (s.firstNanos() == 0) {
      Flight.passed(flights.get(slot), s, nowNanos(), false);
    }
    int place = flights.get(slot).indexOf(s);
    flights.get(slot).remove(s);
    if (place >= 0) {
      Flight.ended(flights.get(slot), place, nowNanos());
    }
    lastEnd[slot] = nowNanos();
    return next(slot);
  }

  /// The one in line whose free seat that is, already out of the line, or null.
  @Nullable Waiter next(int slot) {
    if (limits[slot] == ANY || waiting[slot] == 0 || down[slot] || own(slot) >= limits[slot]) {
      return null;
    }
    Line<Waiter>.Place p = line.next(slot);
    if (p == null) {
      return null;
    }
    p.slots().forEach(k -> waiting[k]--);
    places.remove(p.waiter.id());
    return p.waiter;
  }

  /// Stands in line for one of the ways.
  void await(int id, Choice.Wait wait, long bodyBytes) {
    Line.Key key = key(wait);
    long now = (long) clock.nanos();
    places.put(id, line.add(new Waiter(id, wait), key, (double) bodyBytes, now));
    key.slots().forEach(k -> waiting[k]++);
  }

  private static Line.Key key(Choice.Wait wait) {
    return new Line.Key(
        "", 0, wait.accepted().stream().map(i -> i.slot()).distinct().sorted().toList());
  }

  /// Whether it stands in line.
  boolean waits(int id) {
    return places.containsKey(id);
  }

  /// One that stands in line stands for other ways from now on; it keeps its age and rank.
  void move(int id, Choice.Wait to) {
    Line<Waiter>.Place p = Objects.requireNonNull(places.get(id));
    p.slots().forEach(k -> waiting[k]--);
    p.waiter.until = to;
    line.move(p, key(to));
    p.slots().forEach(k -> waiting[k]++);
  }

  /// One that stands in line leaves it; what it waited for.
  Choice.Wait leave(int id) {
    Line<Waiter>.Place p = Objects.requireNonNull(places.remove(id));
    p.slots().forEach(k -> waiting[k]--);
    line.remove(p);
    return p.waiter.until();
  }

  int waiting() {
    return line.size();
  }
}
