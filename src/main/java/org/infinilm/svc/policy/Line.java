package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Who waits for a seat, and who is next. Pure: no threads, no clock; one caller at a time.
/*
 * Shortest work first with ageing: a place's rank is its work, plus what one second of waiting is worth
 * for each second that it came later. That is "work minus ageing x waited" at every moment, and a number
 * that never changes, so the next one is the least in a tree. The oldest goes first all the same once
 * so many who came later went before it. First come, first served is the same line with a rank of zero.
 *
 * Places that accept the same instances stand in one lane: a seat looks at the heads of its lanes.
 */
public final class Line<W> {
  /// In which order places are called.
  public enum Order {
    SHORTEST,
    FIFO
  }

  /// One place in the line.
  public final class Place {
    public final W waiter;
    public final double rank;
    public final long sinceNanos;
    public final long number;
    private Lane lane;
    private int overtaken;

    private Place(W waiter, double rank, long sinceNanos, long number, Lane lane) {
      this.waiter = waiter;
      this.rank = rank;
      this.sinceNanos = sinceNanos;
      this.number = number;
      this.lane = lane;
    }

    public List<Integer> slots() {
      return lane.key.slots();
    }

    public Key key() {
      return lane.key;
    }

    private boolean before(Place o) {
      return sinceNanos != o.sinceNanos ? sinceNanos < o.sinceNanos : number < o.number;
    }
  }

  /// Whose candidates a lane's places chose among: what may make them choose anew.
  ///
  /// @param version of those candidates
  public record Key(String model, long version, List<Integer> slots) {
    public Key {
      slots = List.copyOf(slots);
    }
  }

  private final class Lane {
    final Key key;
    final TreeSet<Place> byAge =
        new TreeSet<>(
            Comparator.<Place>comparingLong(p -> p.sinceNanos).thenComparingLong(p -> p.number));
    final TreeSet<Place> byRank =
        new TreeSet<>(
            Comparator.<Place>comparingDouble(p -> p.rank)
                .thenComparingLong(p -> p.sinceNanos)
                .thenComparingLong(p -> p.number));

    Lane(Key key) {
      this.key = key;
    }
  }

  /// Who is near goes before others who came so much earlier.
  static final double NEAR_SECONDS = 0.002;

  private static final int MOST_LOOKED_AT = 16;

  private final Order order;
  private final double workPerSecond;
  private final int mostOvertakes;
  private final Map<Key, Lane> lanes = new HashMap<>();
  private final Map<Integer, List<Lane>> bySlot = new HashMap<>();
  private long numbers;
  private int size;

  /// @param workPerSecond how much more work a second of waiting outweighs
  /// @param mostOvertakes how often later ones may go before the oldest
  public Line(Order order, double workPerSecond, int mostOvertakes) {
    this.order = order;
    this.workPerSecond = workPerSecond;
    this.mostOvertakes = mostOvertakes;
  }

  public int size() {
    return size;
  }

  public Place add(W waiter, Key key, double work, long sinceNanos) {
    double rank = order == Order.FIFO ? 0 : work + workPerSecond * (sinceNanos / 1e9);
    Place p = new Place(waiter, rank, sinceNanos, numbers++, lane(key));
    enter(p);
    size++;
    return p;
  }

  private Lane lane(Key key) {
    Lane lane = lanes.get(key);
    if (lane == null) {
      lane = new Lane(key);
      lanes.put(key, lane);
      for (Integer slot : key.slots()) {
        bySlot.computeIfAbsent(slot, s -> new ArrayList<>(1)).add(lane);
      }
    }
    return lane;
  }

  private void enter(Place p) {
    p.lane.byAge.add(p);
    p.lane.byRank.add(p);
  }

  /// Takes a place out; false when it is out already.
  public boolean remove(Place p) {
    if (!p.lane.byAge.remove(p)) {
      return false;
    }
    leave(p);
    size--;
    return true;
  }

  /// What is left to do for a place that is out of its lane's order of age.
  private void leave(Place p) {
    Lane lane = p.lane;
    lane.byRank.remove(p);
    if (lane.byAge.isEmpty()) {
      lanes.remove(lane.key);
      for (Integer slot : lane.key.slots()) {
        List<Lane> of = bySlot.get(slot);
        if (of != null && of.remove(lane) && of.isEmpty()) {
          bySlot.remove(slot);
        }
      }
    }
  }

  /// Has a place stand in another lane from now on: its rank, its age and how often it was
  /// overtaken stay. False when it is out.
  public boolean move(Place p, Key to) {
    if (!p.lane.byAge.contains(p)) {
      return false;
    }
    if (!p.lane.key.equals(to)) {
      p.lane.byAge.remove(p);
      leave(p);
      p.lane = lane(to);
      enter(p);
    }
    return true;
  }

  /// Takes out and returns the place that a free seat of this slot belongs to, or null when nobody
  /// waits for one.
  public @Nullable Place next(int slot) {
    return next(slot, w -> false);
  }

  /// The same, but a seat that is nobody's by right goes to one who is near, where that one stands
  /// in the order within what [#NEAR_SECONDS] of waiting are worth of the first.
  ///
  /// @param near asked of a few
  public @Nullable Place next(int slot, Predicate<W> near) {
    List<Lane> of = bySlot.get(slot);
    if (of == null) {
      return null;
    }
    Place owed = null;
    Place least = null;
    for (Lane lane : of) {
      Place oldest = lane.byAge.first();
      if (oldest.overtaken >= mostOvertakes && (owed == null || oldest.before(owed))) {
        owed = oldest;
      }
      Place head = lane.byRank.first();
      if (least == null || head.lane.byRank.comparator().compare(head, least) < 0) {
        least = head;
      }
    }
    Place next = owed != null ? owed : least == null ? null : near(of, least, near);
    if (next != null) {
      for (Lane lane : of) {
        for (Place p : lane.byAge) {
          if (!p.before(next)) {
            break;
          }
          p.overtaken++;
        }
      }
      remove(next);
    }
    return next;
  }

  private Place near(List<Lane> of, Place least, Predicate<W> near) {
    if (order == Order.FIFO || near.test(least.waiter)) {
      return least;
    }
    double most = least.rank + workPerSecond * NEAR_SECONDS;
    Place best = null;
    for (Lane lane : of) {
      int looked = 0;
      for (Place p : lane.byRank) {
        if (p.rank > most || looked++ == MOST_LOOKED_AT) {
          break;
        }
        if (near.test(p.waiter)) {
          best = best == null || lane.byRank.comparator().compare(p, best) < 0 ? p : best;
          break;
        }
      }
    }
    return best == null ? least : best;
  }

  /// The keys of all lanes.
  public Collection<Key> keys() {
    return List.copyOf(lanes.keySet());
  }

  /// All places of a lane, the oldest first.
  public List<Place> places(Key key) {
    Lane lane = lanes.get(key);
    return lane == null ? List.of() : List.copyOf(lane.byAge);
  }
}
