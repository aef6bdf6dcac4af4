package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Others;
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
