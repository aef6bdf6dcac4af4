package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.router.Sibling.Claim;
import org.junit.jupiter.api.Test;

/// How routers beside each other divide seats, without a router.
class SharesTest {
  private static final long HASH = 0x1234_5678_9abc_def0L;
  private static final long SECOND = 1_000_000_000L;

  private static Sibling sibling(String run, long held, long waiting, long heardNanos) {
    return new Sibling(
        run, false, 0, Map.of(Sibling.id(HASH), new Claim(held, waiting)), Map.of(), heardNanos);
  }

  private static Shares shares(String self, long turn, Sibling... others) {
    return new Shares(self, List.of(others), turn, 0, 6 * SECOND);
  }

  @Test
  void partsAreTheWholeAndNobodyWithLessGetsMore() {
    SplittableRandom random = new SplittableRandom(1);
    for (int k = 0; k < 20_000; k++) {
      long[] wants = new long[1 + random.nextInt(10)];
      for (int i = 0; i < wants.length; i++) {
        wants[i] = random.nextInt(3) == 0 ? 0 : random.nextInt(40);
      }
      long whole = random.nextInt(60);
      long[] parts = Division.parts(whole, wants, random.nextInt(wants.length));
      assertThat(Arrays.stream(parts).sum()).isEqualTo(whole);
      for (int i = 0; i < wants.length; i++) {
        for (int j = 0; j < wants.length; j++) {
          // max-min: who is short of what it wants is at most one behind anybody
          if (parts[i] < wants[i]) {
            assertThat(parts[j])
                .as("%s of %s", whole, Arrays.toString(wants))
                .isLessThanOrEqualTo(parts[i] + 1);
          }
        }
      }
    }
  }

  @Test
  void aRouterAloneHasAllSeats() {
    assertThat(shares("a", 7).seats(HASH, 5, new Claim(0, 0), 0)).isEqualTo(5);
  }

  @Test
  void whileAllKnowTheSameTheirPartsAreTheSeats() {
    SplittableRandom random = new SplittableRandom(2);
    for (int k = 0; k < 20_000; k++) {
      int n = 2 + random.nextInt(9);
      long seats = 1 + random.nextLong(20);
      List<Sibling> all = new ArrayList<>();
      long room = seats;
      for (int i = 0; i < n; i++) {
        long held = random.nextLong(room + 1);
        room -= held;
        all.add(sibling("r" + i, held, random.nextInt(4), 0));
      }
      long turn = random.nextInt(100);
      long sum = 0;
      for (Sibling s : all) {
        List<Sibling> others = all.stream().filter(o -> !o.run().equals(s.run())).toList();
        Claim own = s.at(Sibling.id(HASH));
        int limit =
            new Shares(s.run(), others, turn, 0, SECOND).seats(HASH, seats, own, own.wants());
        sum += Math.max(own.held(), limit);
      }
      // nobody takes one while others hold what they wait for
      assertThat(sum).isLessThanOrEqualTo(seats);
      long granted = 0;
      for (Sibling s : all) {
        List<Sibling> others = all.stream().filter(o -> !o.run().equals(s.run())).toList();
        Claim own = s.at(Sibling.id(HASH));
        int limit =
            new Shares(s.run(), others, turn, 0, SECOND).seats(HASH, seats, own, own.wants());
        granted += Math.max(0, limit);
      }
      assertThat(granted).isLessThanOrEqualTo(seats);
    }
  }

  /// All routers take and release by rounds; each knows the others by their last word.
  private static final class Fleet {
    final int n;
    final long seats;
    final long[] held;
    final long[] waiting;
    final long[] said;
    final long[] served;
    final SplittableRandom random;
    List<Sibling> told = List.of();
    long most;

    Fleet(int n, long seats, long seed) {
      this.n = n;
      this.seats = seats;
      held = new long[n];
      waiting = new long[n];
      said = new long[n];
      served = new long[n];
      random = new SplittableRandom(seed);
      publish();
    }

    void publish() {
      List<Sibling> out = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        out.add(sibling("r" + i, held[i], waiting[i], 0));
        said[i] = held[i] + waiting[i];
      }
      told = out;
    }

    void take(long turn) {
      for (int i = 0; i < n; i++) {
        int me = i;
        List<Sibling> others = told.stream().filter(o -> !o.run().equals("r" + me)).toList();
        int limit =
            new Shares("r" + i, others, turn, 0, SECOND)
                .seats(HASH, seats, new Claim(held[i], waiting[i]), said[i]);
        while (waiting[i] > 0 && held[i] < limit) {
          waiting[i]--;
          held[i]++;
          served[i]++;
        }
      }
      most = Math.max(most, Arrays.stream(held).sum());
    }

    void end(double part) {
      for (int i = 0; i < n; i++) {
        for (long k = held[i]; k > 0; k--) {
          held[i] -= random.nextDouble() < part ? 1 : 0;
        }
      }
    }
  }

  @Test
  void oneSeatAndThreeRoutersServeAllOfThem() {
    Fleet f = new Fleet(3, 1, 3);
    int rounds = 300;
    for (int k = 0; k < rounds; k++) {
      Arrays.fill(f.waiting, 2);
      f.take(k / 4);
      f.end(0.7);
      f.publish();
    }
    assertThat(Arrays.stream(f.served).min().orElse(0)).isGreaterThan(rounds / 12);
    assertThat(f.most).isLessThanOrEqualTo(f.seats + f.n - 1);
  }

  @Test
  void whatIsTakenTooMuchIsBoundedWhateverComesToWhom() {
    for (long seed = 0; seed < 300; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      int n = 2 + random.nextInt(9);
      long seats = 1 + random.nextLong(30);
      Fleet f = new Fleet(n, seats, seed);
      for (int k = 0; k < 100; k++) {
        for (int i = 0; i < n; i++) {
          if (random.nextInt(4) == 0) {
            f.waiting[i] = random.nextInt(60);
          }
        }
        for (int words = random.nextInt(3); words >= 0; words--) {
          f.take(k / 3);
          f.end(0.2);
        }
        f.publish();
      }
      assertThat(f.most).as("%s routers, %s seats", n, seats).isLessThanOrEqualTo(2 * seats + n);
    }
  }

  @Test
  void whatTheOthersDoNotWantIsUsed() {
    Fleet f = new Fleet(4, 16, 5);
    f.waiting[0] = 100;
    for (int k = 0; k < 6; k++) {
      f.take(0);
      f.publish();
    }
    assertThat(f.held[0]).isEqualTo(16);
    f.waiting[1] = 100;
    for (int k = 0; k < 40; k++) {
      f.publish();
      f.take(k / 4);
      f.end(0.3);
      f.waiting[0] = 100;
      f.waiting[1] = 100;
    }
    f.publish();
    f.take(10);
    assertThat(Math.abs(f.held[0] - f.held[1])).isLessThanOrEqualTo(9);
    assertThat(f.held[0] + f.held[1]).isBetween(8L, 16L);
  }

  @Test
  void whoIsNotHeardOfKeepsAnEvenPartAndStopsNobody() {
    Sibling silent = sibling("b", 12, 0, -10 * SECOND);
    assertThat(shares("a", 0, silent).seats(HASH, 12, new Claim(0, 40), 40)).isEqualTo(6);
    assertThat(
            shares("a", 0, silent, sibling("c", 0, 0, -10 * SECOND))
                .seats(HASH, 1, new Claim(0, 1), 1))
        .isEqualTo(1);
  }

  @Test
  void whoLeavesHoldsWhatItHasAndWantsNothing() {
    Sibling leaving =
        new Sibling("b", true, 0, Map.of(Sibling.id(HASH), new Claim(3, 9)), Map.of(), 0);
    Shares s = shares("a", 0, leaving);
    assertThat(s.routers()).isEqualTo(1);
    assertThat(s.seats(HASH, 4, new Claim(0, 9), 9)).isEqualTo(1);
  }

  @Test
  void aSiblingsNonsenseIsNoNumberOfOurs() {
    Map<String, Object> at = new HashMap<>();
    at.put(Sibling.id(HASH), List.of(-5, "x"));
    at.put("other", "no list");
    Sibling s =
        Sibling.unknown("b", 0)
            .told(Sibling.SEATS, Map.of("at", at, "turn", -3, "leaving", "maybe"), 1)
            .told(Sibling.KEYS, Map.of("of", 7), 2)
            .told("other", Map.of(), 3);
    assertThat(s.at(Sibling.id(HASH))).isEqualTo(Claim.NONE);
    assertThat(s.leaving()).isFalse();
    assertThat(s.turn()).isZero();
    assertThat(s.keys()).isEmpty();
  }

  @Test
  void limitsOfAKeyAreDividedByWhatIsAskedFor() {
    Sibling idle = sibling("b", 0, 0, 0);
    Sibling asks = idle.told(Sibling.KEYS, Map.of("of", Map.of("k", List.of(0, 500, 0))), 0);
    Shares one = shares("a", 0, asks);
    assertThat(one.ofLimit(5, 100, 500, o -> o.of("k").requests())).isEqualTo(50);
    assertThat(shares("a", 0, idle).ofLimit(5, 100, 500, o -> o.of("k").requests())).isEqualTo(100);
    assertThat(one.ofLimit(5, 100, 0, o -> o.of("k").requests())).isEqualTo(1);
    assertThat(one.ofLimit(5, 0, 0, o -> o.of("k").requests())).as("no limit").isZero();
  }

  /// Until all have read the new file and divided it, together they let in no more than it says.
  @Test
  void partsOfALoweredLimitAreTogetherNoMoreThanIt() {
    Allowance.Limits whole = new Allowance.Limits(0, 100, 1_000_000_007);
    for (long lower : List.of(99L, 50L, 7L, 3L)) {
      Allowance.Limits to = new Allowance.Limits(0, lower, lower * 1_000_003);
      long requests = 0;
      long tokens = 0;
      for (long part : Division.parts(100, new long[] {50, 20, 60}, 1)) {
        Allowance.Limits of = new Allowance.Limits(0, part, part * 10_000_000);
        Allowance.Limits then = of.scaled(whole, to);
        assertThat(then.requests()).isBetween(1L, Math.max(1, part));
        requests += then.requests();
        tokens += then.tokens();
      }
      assertThat(requests).isBetween(1L, lower);
      assertThat(tokens).isBetween(1L, to.tokens());
    }
  }
}
