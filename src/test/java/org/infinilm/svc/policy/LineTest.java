package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import org.infinilm.svc.policy.Line.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LineTest {
  private static final long SECOND = 1_000_000_000L;

  private static Line.Key key(Integer... slots) {
    return new Line.Key("m", 1, List.of(slots));
  }

  /// `name:work@second` in the order of arrival; then the order in which seats are given.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "SHORTEST | a:300@0 b:100@0 c:200@0 | b c a",
        "FIFO     | a:300@0 b:100@0 c:200@0 | a b c",
        "SHORTEST | a:100@0 b:100@0 | a b",
        // a second of waiting outweighs 100 of work
        "SHORTEST | a:300@0 b:100@1 | b a",
        "SHORTEST | a:300@0 b:100@3 | a b",
        "SHORTEST | a:300@0 b:101@2 | a b",
        "SHORTEST | a:300@0 b:99@2 | b a",
        // at most three may go before the oldest
        "SHORTEST | a:900@0 b:1@0 c:1@0 d:1@0 e:1@0 f:1@0 | b c d a e f",
        "SHORTEST | a:900@0 z:800@0 b:1@0 c:1@0 d:1@0 e:1@0 | b c d a z e",
        // who comes back after a change of the fleet keeps its time
        "FIFO     | b:1@5 a:1@1 | a b",
      })
  void givesSeatsInOrder(Order order, String arrivals, String expected) {
    Line<String> line = new Line<>(order, 100, 3);
    for (String s : arrivals.split(" ")) {
      String[] f = s.split("[:@]");
      line.add(f[0], key(7), Double.parseDouble(f[1]), Long.parseLong(f[2]) * SECOND);
    }
    assertThat(String.join(" ", all(line, 7))).isEqualTo(expected);
    assertThat(line.size()).isZero();
  }

  private static List<String> all(Line<String> line, int slot) {
    List<String> out = new ArrayList<>();
    for (Line<String>.Place p = line.next(slot); p != null; p = line.next(slot)) {
      out.add(p.waiter);
    }
    return out;
  }

  @Test
  void aSeatGoesOnlyToWhoAcceptsItsInstance() {
    Line<String> line = new Line<>(Order.SHORTEST, 100, 3);
    line.add("one", key(1), 5, 0);
    line.add("both", key(1, 2), 9, 0);
    line.add("two", key(2), 7, 0);
    assertThat(line.next(3)).isNull();
    assertThat(all(line, 2)).containsExactly("two", "both");
    assertThat(all(line, 1)).containsExactly("one");
  }

  @Test
  void whoLeavesIsOutOnceAndOvertakesNobody() {
    Line<String> line = new Line<>(Order.SHORTEST, 100, 1);
    line.add("long", key(1), 900, 0);
    Line<String>.Place gone = line.add("gone", key(1), 1, 0);
    line.add("short", key(1), 2, 0);
    line.add("next", key(1), 3, 0);
    assertThat(line.remove(gone)).isTrue();
    assertThat(line.remove(gone)).isFalse();
    assertThat(all(line, 1)).containsExactly("short", "long", "next");
  }

  @Test
  void whoMovesKeepsItsAgeItsRankAndWhatItWasOvertakenBy() {
    Line<String> line = new Line<>(Order.SHORTEST, 100, 2);
    Line<String>.Place old = line.add("old", key(1), 900, 0);
    line.add("b", key(1), 1, 0);
    line.add("c", key(1), 2, 0);
    assertThat(all(line, 1, 2)).containsExactly("b", "c");
    line.add("d", key(2), 3, 0);
    assertThat(line.move(old, key(2, 3))).isTrue();
    assertThat(line.keys()).containsExactlyInAnyOrder(key(2, 3), key(2));
    assertThat(line.places(key(2, 3))).extracting(p -> p.waiter).containsExactly("old");
    assertThat(line.size()).isEqualTo(2);
    assertThat(line.next(1)).isNull();
    assertThat(all(line, 2)).as("overtaken twice before").containsExactly("old", "d");
    assertThat(line.move(old, key(1))).as("it is out").isFalse();
    assertThat(line.keys()).isEmpty();
    assertThat(line.places(key(2))).isEmpty();
  }

  private static List<String> all(Line<String> line, int slot, int most) {
    List<String> out = new ArrayList<>();
    while (out.size() < most) {
      out.add(Objects.requireNonNull(line.next(slot)).waiter);
    }
    return out;
  }

  @Test
  void ofThoseWhoCameTogetherOneWhoIsNearGoesFirst() {
    Line<String> line = new Line<>(Order.SHORTEST, 100, 3);
    line.add("first", key(1), 5, 0);
    line.add("near", key(1), 5, 1_900_000);
    line.add("late", key(1), 5, 2_100_000);
    assertThat(line.next(1, w -> w.equals("late"))).extracting(p -> p.waiter).isEqualTo("first");
    line.add("again", key(1), 5, 2_200_000);
    assertThat(line.next(1, w -> w.equals("late"))).extracting(p -> p.waiter).isEqualTo("late");
    Line<String> fifo = new Line<>(Order.FIFO, 100, 3);
    fifo.add("first", key(1), 5, 0);
    fifo.add("near", key(1), 5, 1);
    assertThat(fifo.next(1, w -> w.equals("near"))).extracting(p -> p.waiter).isEqualTo("first");
  }

  /// A plain list in place of lanes and trees, which looks at everybody each time.
  private static final class Naive {
    private record Who(String name, List<Integer> slots, double work, long since, int number) {}

    private final List<Who> waiting = new ArrayList<>();
    private final Map<String, Integer> overtaken = new HashMap<>();

    /// @param near goes first where it stands within 2 ms of the first
    String next(int slot, double perSecond, int most, Predicate<String> near) {
      Who best = null;
      Who owed = null;
      for (Who w : waiting) {
        if (!w.slots().contains(slot)) {
          continue;
        }
        if (overtaken.getOrDefault(w.name(), 0) >= most && (owed == null || older(w, owed))) {
          owed = w;
        }
        if (best == null
            || rank(w, perSecond) < rank(best, perSecond)
            || (rank(w, perSecond) == rank(best, perSecond) && older(w, best))) {
          best = w;
        }
      }
      Who next = owed != null ? owed : best == null ? null : near(slot, perSecond, best, near);
      if (next == null) {
        return "";
      }
      for (Who w : waiting) {
        if (w.slots().contains(slot) && older(w, next)) {
          overtaken.merge(w.name(), 1, Integer::sum);
        }
      }
      waiting.remove(next);
      return next.name();
    }

    private Who near(int slot, double perSecond, Who best, Predicate<String> near) {
      return waiting.stream()
          .filter(w -> w.slots().contains(slot) && near.test(w.name()))
          .filter(w -> rank(w, perSecond) <= rank(best, perSecond) + perSecond * 0.002)
          .min(
              Comparator.<Who>comparingDouble(w -> rank(w, perSecond))
                  .thenComparingLong(Who::since)
                  .thenComparingInt(Who::number))
          .orElse(best);
    }

    private static double rank(Who w, double perSecond) {
      return w.work() + perSecond * (w.since() / 1e9);
    }

    private static boolean older(Who a, Who b) {
      return a.since() != b.since() ? a.since() < b.since() : a.number() < b.number();
    }
  }

  @Test
  void lanesAndTreesDoWhatAPlainListDoes() {
    for (int seed = 0; seed < 200; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      Line<String> line = new Line<>(Order.SHORTEST, 100, 4);
      Naive naive = new Naive();
      List<Line<String>.Place> places = new ArrayList<>();
      for (int k = 0; k < 200; k++) {
        switch (random.nextInt(4)) {
          case 0, 1 -> {
            List<Integer> slots =
                random.nextBoolean()
                    ? List.of(random.nextInt(3))
                    : List.of(0, 1 + random.nextInt(2));
            double work = random.nextInt(500) / (random.nextBoolean() ? 1.0 : 1000.0);
            long since = k / 20 * SECOND;
            places.add(line.add("w" + k, new Line.Key("m", 1, slots), work, since));
            naive.waiting.add(new Naive.Who("w" + k, slots, work, since, k));
          }
          case 2 -> {
            int slot = random.nextInt(3);
            int odd = random.nextInt(2);
            Predicate<String> near = w -> w.hashCode() % 2 == odd;
            Line<String>.Place p = line.next(slot, near);
            assertThat(p == null ? "" : p.waiter).isEqualTo(naive.next(slot, 100, 4, near));
          }
          default -> {
            if (!places.isEmpty()) {
              Line<String>.Place p = places.get(random.nextInt(places.size()));
              boolean was = naive.waiting.removeIf(w -> w.name().equals(p.waiter));
              assertThat(line.remove(p)).isEqualTo(was);
            }
          }
        }
      }
      assertThat(line.size()).isEqualTo(naive.waiting.size());
    }
  }
}
