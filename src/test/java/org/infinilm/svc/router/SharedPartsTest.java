package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.router.Sibling.Claim;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The part of one router as it is put into force, without the others.
class SharedPartsTest {
  private static final long SECOND = 1_000_000_000L;

  private long nanos = SECOND;
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return nanos;
        }

        @Override
        public Instant now() {
          return Instant.EPOCH;
        }
      };
  private final Slots slots = new Slots();
  private final Seats seats = new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, ticker);
  private final Instance a = SeatsTest.instance("a", 0, 8);
  private final Fleet fleet = new Fleet(1, List.of(a));
  private final RoutingTable table = new RoutingTable(fleet, List.of(), 0);
  private final SharedParts parts =
      new SharedParts(() -> table, seats, slots, new KeyRing(List.of(), ticker), ticker);

  @BeforeEach
  void begin() {
    seats.follow(fleet, () -> {});
  }

  private Sibling sibling(String run, long held, long waiting) {
    return new Sibling(
        run, false, 0, Map.of(Sibling.id(a.nameHash()), new Claim(held, waiting)), Map.of(), nanos);
  }

  private boolean set(Sibling... others) {
    return parts.set(new Shares("me", List.of(others), 0, nanos, 6 * SECOND));
  }

  private int taken() {
    int n = 0;
    while (seats.tryTake(a)) {
      n++;
    }
    return n;
  }

  private void giveBack(int n) {
    for (int k = 0; k < n; k++) {
      seats.release(0);
    }
  }

  @Test
  void anEvenPartIsInForceAndAllOfItAgainWhenTheOthersAreGone() {
    set(sibling("b", 9, 9));
    assertThat(seats.limit(a)).isLessThanOrEqualTo(4);
    set(sibling("b", 0, 0));
    int n = taken();
    assertThat(n).isEqualTo(4);
    giveBack(n);
    set();
    assertThat(taken()).isEqualTo(8);
  }

  @Test
  void whatWasSaidCountsWithTheNextWordAndAllIsUsed() {
    Sibling idle = sibling("b", 0, 0);
    int all = 0;
    for (int words = 0; words < 6; words++) {
      set(idle);
      all += taken();
      parts.claims();
      parts.said();
    }
    assertThat(all).isEqualTo(8);
  }

  @Test
  void whoComesBackHasAPartOfItsSeatsForAllRoutersTogether() {
    slots.at(0).comeback = 0.25f;
    set(sibling("b", 0, 0), sibling("c", 0, 0), sibling("d", 0, 0));
    // two of eight for four routers
    assertThat(seats.limit(a)).isLessThanOrEqualTo(1);
    slots.at(0).comeback = 1;
    set(sibling("b", 0, 0), sibling("c", 0, 0), sibling("d", 0, 0));
    assertThat(seats.limit(a)).isEqualTo(2);
  }

  @Test
  void whoComesBackWithoutSeatsGetsTheOddsOfOneRouterFromAllTogether() {
    Instance open = SeatsTest.instance("open", 1, 0);
    Fleet both = new Fleet(2, List.of(a, open));
    seats.follow(both, () -> {});
    Sibling[] others = {sibling("b", 0, 0), sibling("c", 0, 0), sibling("d", 0, 0)};
    slots.at(1).comeback = 0.1f;
    assertThat(seats.odds(1)).as("alone").isCloseTo(0.1, within(1e-6));
    set(others);
    // odds of 1 to 9 for four
    assertThat(seats.odds(1)).isCloseTo(1.0 / 37, within(1e-6));
    assertThat(seats.share(1)).as("what it has counts as ever").isCloseTo(0.1, within(1e-6));
    slots.at(1).comeback = 0.99f;
    assertThat(seats.odds(1)).as("no leap at the end").isGreaterThan(0.95);
    slots.at(1).comeback = 1;
    assertThat(seats.odds(1)).isEqualTo(1);
    slots.at(0).comeback = 0.1f;
    assertThat(seats.odds(0)).as("its seats are divided").isCloseTo(0.1, within(1e-6));
    set();
    slots.at(1).comeback = 0.1f;
    assertThat(seats.odds(1)).as("the others are gone").isCloseTo(0.1, within(1e-6));
  }

  /// All routers see it idle, and it gets no more at once than one router would send.
  @Test
  void theFirstRequestsOfManyRoutersDoNotComeAtOnce() {
    int routers = 10;
    Instance back = SeatsTest.instance("back", 0, 0);
    Instance busy = SeatsTest.instance("busy", 1, 0);
    SplittableRandom random = new SplittableRandom(3);
    int alone = firsts(1, 20 * routers, back, busy, random);
    int together = 0;
    for (int k = 0; k < routers; k++) {
      together += firsts(routers, 20, back, busy, random);
    }
    assertThat(alone).isEqualTo(1);
    assertThat(together).isLessThanOrEqualTo(routers / 2);
  }

  /// How many of some requests at one of so many routers went to the one that comes back.
  private int firsts(
      int routers, int requests, Instance back, Instance busy, SplittableRandom random) {
    Slots own = new Slots();
    Seats s = new Seats(own, new Line<>(Line.Order.FIFO, 0, 1), 10, ticker);
    s.follow(new Fleet(1, List.of(back, busy)), () -> {});
    s.share(new Seats.Part(Map.of(), routers));
    own.at(0).comeback = 0.1f;
    s.tryTake(busy);
    Candidates both = Candidates.of("m", List.of(back, busy));
    Policy policy = Policies.create("least-loaded");
    int n = 0;
    for (int k = 0; k < requests; k++) {
      if (policy.choose(new Ask(1, 4, 1, 1, 0), both, s, random) instanceof Choice.Send to
          && to.instance().equals(back)) {
        s.tryTake(back);
        n++;
      }
    }
    return n;
  }

  @Test
  void whatGaugesShowOfStrangersIsTakenAwayAndWhatSiblingsHadIsNot() {
    Sibling b = sibling("b", 3, 0);
    set(b);
    int before = seats.limit(a);
    slots.at(0).tell(new Others(3, 0), nanos + 3 * SECOND);
    set(b);
    assertThat(seats.limit(a)).as("those are b's").isEqualTo(before);
    slots.at(0).tell(new Others(8, 4), nanos + 3 * SECOND);
    set(b);
    assertThat(Math.max(0, seats.limit(a))).isLessThan(before);
    // gauges that say nothing any more take nothing away
    nanos += 4 * SECOND;
    set(sibling("b", 3, 0));
    assertThat(seats.limit(a)).isEqualTo(before);
  }

  @Test
  void policiesThatLookAtOthersSeeWhatSiblingsHave() {
    set(sibling("b", 3, 5));
    Others o = seats.siblings(0);
    assertThat(o.running() + o.waiting()).isEqualTo(3);
    slots.at(0).tell(new Others(1, 1), nanos + SECOND);
    assertThat(seats.siblings(0)).as("gauges know better").isEqualTo(Others.NONE);
    nanos += 4 * SECOND;
    assertThat(seats.siblings(0)).as("that was long ago").isEqualTo(Others.NONE);
  }

  @Test
  void whatIsSaidIsWhatIsThere() {
    seats.tryTake(a);
    Map<String, Claim> claims = new HashMap<>(parts.claims());
    assertThat(claims).containsExactly(Map.entry(Sibling.id(a.nameHash()), new Claim(1, 0)));
  }
}
