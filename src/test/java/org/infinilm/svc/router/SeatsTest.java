package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Line.Order;
import org.infinilm.svc.router.Seats.Ticket;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class SeatsTest {
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
  private final Seats seats = new Seats(slots, new Line<>(Order.SHORTEST, 100, 3), 4, ticker);
  private final List<String> calls = new ArrayList<>();
  private Fleet fleet = new Fleet(0, List.of());

  static Instance instance(String name, int slot, int most) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name,
        List.of("m"),
        CacheType.STATIC,
        -1,
        1,
        State.ROUTABLE,
        slot,
        Map.of(),
        1,
        most,
        Map.of());
  }

  private final Instance a = instance("a", 0, 2);
  private final Instance b = instance("b", 1, 1);

  private void follow(Instance... instances) {
    fleet = fleet.next(List.of(instances));
    seats.follow(fleet);
  }

  private Candidates candidates() {
    return Objects.requireNonNull(fleet.forModel("m"));
  }

  private static Choice.Wait wait(Instance... accepted) {
    return new Choice.Wait(Pool.STATIC, Reason.SIZE, List.of(accepted));
  }

  private Ticket stand(String name, double work, Instance... accepted) {
    return Objects.requireNonNull(
        seats.await(candidates(), wait(accepted), work, nanos, waiter(name)));
  }

  private Seats.Waiter waiter(String name) {
    return new Seats.Waiter() {
      @Override
      public void seated(int slot) {
        calls.add(name + " " + slot);
      }

      @Override
      public void chooseAgain() {
        calls.add(name + " again");
      }
    };
  }

  @Test
  void soManySitAtOnceAndNoMore() {
    follow(a, b);
    assertThat(seats.tryTake(a)).isTrue();
    assertThat(seats.free(0)).isTrue();
    assertThat(seats.tryTake(a)).isTrue();
    assertThat(seats.free(0)).isFalse();
    assertThat(seats.tryTake(a)).isFalse();
    assertThat(seats.inFlight(0)).isEqualTo(2);
    seats.release(0);
    assertThat(seats.tryTake(a)).isTrue();
    assertThat(seats.sent(0)).isEqualTo(3);
    Instance any = instance("c", 2, 0);
    follow(a, b, any);
    for (int k = 0; k < 100; k++) {
      assertThat(seats.tryTake(any)).isTrue();
    }
  }

  @Test
  void aReleasedSeatGoesToWhoWaitsAndNeverToANewcomer() {
    follow(b);
    assertThat(seats.tryTake(b)).isTrue();
    stand("long", 500, b);
    stand("short", 5, b);
    assertThat(seats.waitingFor(1)).isEqualTo(2);
    seats.release(1);
    assertThat(calls).containsExactly("short 1");
    assertThat(seats.inFlight(1)).isEqualTo(1);
    assertThat(seats.tryTake(b)).isFalse();
    seats.release(1);
    assertThat(calls).containsExactly("short 1", "long 1");
    seats.release(1);
    assertThat(seats.inFlight(1)).isZero();
    assertThat(seats.waiting()).isZero();
    assertThat(seats.tryTake(b)).isTrue();
  }

  @Test
  void aNewcomerDoesNotTakeAFreeSeatBesideOneWhoWaits() {
    follow(b);
    seats.take(b);
    seats.take(b);
    stand("w", 1, b);
    seats.release(1);
    assertThat(calls).as("one over the limit is counted out, not handed over").isEmpty();
    seats.release(1);
    assertThat(calls).containsExactly("w 1");
  }

  @Test
  void whoStandsInLineBesideAFreeSeatHasIt() {
    follow(b);
    stand("w", 1, b);
    assertThat(calls).containsExactly("w 1");
    assertThat(seats.inFlight(1)).isEqualTo(1);
  }

  @Test
  void cancelledWaitersReleaseTheirPlaceAndCalledOnesAreTold() {
    follow(b);
    seats.tryTake(b);
    Ticket first = stand("first", 1, b);
    Ticket second = stand("second", 2, b);
    assertThat(first.cancel()).isTrue();
    assertThat(first.cancel()).isFalse();
    seats.release(1);
    assertThat(calls).containsExactly("second 1");
    assertThat(second.cancel()).as("it was called: the seat is its own to release").isFalse();
    assertThat(seats.inFlight(1)).isEqualTo(1);
    assertThat(seats.waitingFor(1)).isZero();
  }

  @Test
  void theLineIsBounded() {
    follow(b);
    seats.tryTake(b);
    for (int k = 0; k < 4; k++) {
      stand("w" + k, k, b);
    }
    assertThat(seats.await(candidates(), wait(b), 0, nanos, waiter("fifth"))).isNull();
    seats.release(1);
    stand("sixth", 9, b);
    assertThat(seats.waiting()).isEqualTo(4);
  }

  @Test
  void whoWaitsChoosesAnewWhenItsCandidatesChange() {
    follow(a, b);
    seats.tryTake(a);
    seats.tryTake(a);
    seats.tryTake(b);
    Candidates before = candidates();
    stand("w", 1, a, b);
    follow(a, b);
    assertThat(calls).as("nothing changed for the model").isEmpty();
    follow(a);
    assertThat(calls).containsExactly("w again");
    assertThat(seats.waitingFor(0)).isZero();
    Ticket late = Objects.requireNonNull(seats.await(before, wait(a, b), 1, nanos, waiter("late")));
    assertThat(calls).as("candidates of an older fleet").containsExactly("w again", "late again");
    assertThat(late.cancel()).isFalse();
  }

  @Test
  void aRaisedLimitSeatsWhoWaits() {
    Instance one = instance("o", 3, 1);
    Fleet other = fleet.next(List.of(one));
    fleet = other;
    seats.follow(other);
    seats.tryTake(one);
    stand("w", 1, one);
    slots.at(3).limit = 5;
    follow(one);
    assertThat(calls).as("the limit is the fleet's again").isEmpty();
    follow(instance("o", 3, 2));
    assertThat(calls).containsExactly("w again");
  }

  @Test
  void whoAskedForAPauseIsPassedOverSoLong() {
    follow(a, b);
    assertThat(seats.passedOver(0)).isFalse();
    seats.passOver(0, 2 * SECOND);
    seats.passOver(1, SECOND);
    assertThat(seats.passedOver(0)).isTrue();
    assertThat(seats.passedOver(1)).isTrue();
    nanos += SECOND;
    assertThat(seats.passedOver(0)).isTrue();
    assertThat(seats.passedOver(1)).isFalse();
    nanos += SECOND;
    assertThat(seats.passedOver(0)).isFalse();
    seats.passOver(1, SECOND);
    assertThat(seats.passedOver(1)).isTrue();
  }

  @Test
  void failuresAndASlowStartLowerTheShare() {
    assertThat(seats.share(0)).isEqualTo(1);
    slots.at(0).failed();
    assertThat(seats.share(0)).isEqualTo(0.5);
    slots.at(0).succeeded();
    slots.at(0).comeback = 0.25f;
    assertThat(seats.share(0)).isEqualTo(0.25);
    for (int k = 0; k < 50; k++) {
      slots.at(0).failed();
    }
    assertThat(seats.share(0)).isEqualTo(0.025);
  }

  @Test
  void retryAfterIsTheTimeThatTheLineTakes() {
    follow(b);
    seats.tryTake(b);
    assertThat(seats.retryAfterSeconds(List.of(b))).as("nothing is known yet").isEqualTo(1);
    for (int k = 0; k < 20; k++) {
      nanos += 10 * SECOND;
      seats.release(1);
      seats.tryTake(b);
    }
    assertThat(seats.retryAfterSeconds(List.of(b))).isEqualTo(10);
    stand("w1", 1, b);
    stand("w2", 1, b);
    assertThat(seats.retryAfterSeconds(List.of(b))).isEqualTo(30);
  }

  /// An hour of silence is no interval between released places.
  @Test
  void aQuietTimeDoesNotMakeRetryAfterLonger() {
    follow(b);
    for (int k = 0; k < 20; k++) {
      seats.tryTake(b);
      nanos += 2 * SECOND;
      seats.release(1);
      nanos += 3600 * SECOND;
    }
    seats.tryTake(b);
    assertThat(seats.retryAfterSeconds(List.of(b))).isEqualTo(2);
  }

  @Test
  void whatWasGivenBackWasNotSent() {
    follow(b);
    seats.tryTake(b);
    seats.giveBack(1);
    assertThat(seats.sent(1)).isZero();
    assertThat(seats.inFlight(1)).isZero();
  }

  /// Whoever waits for it among others would get its next place and its next refusal.
  @Test
  void whoAsksToBeLeftAloneIsNotWaitedForBesideOthers() {
    follow(a, b);
    seats.tryTake(a);
    seats.tryTake(a);
    seats.tryTake(b);
    stand("both", 1, a, b);
    stand("only b", 1, b);
    seats.passOver(1, SECOND);
    assertThat(calls).containsExactly("both again");
    seats.release(1);
    assertThat(calls).containsExactly("both again", "only b 1");
    assertThat(seats.passedOverNanos(1)).isEqualTo(SECOND);
    nanos += SECOND;
    assertThat(seats.passedOverNanos(1)).isZero();
  }

  @Test
  void slotsGrowAndKeepWhatTheyCount() {
    slots.at(5).take();
    Slot five = slots.at(5);
    slots.at(70_000).take();
    assertThat(slots.at(5)).isSameAs(five);
    assertThat(slots.at(70_000).inFlight()).isEqualTo(1);
    assertThat(slots.at(69_999).inFlight()).isZero();
  }

  /// Threads that take, wait, cancel and release as fast as they can: never more than the limit
  /// sits, nobody waits beside a free seat, and at the end all is back.
  @Test
  void noWakeUpIsLostAndNoSeatIsLentTwice() throws InterruptedException {
    int limit = 3;
    Instance only = instance("s", 0, limit);
    Seats shared =
        new Seats(new Slots(), new Line<>(Order.SHORTEST, 100, 3), 10_000, Ticker.SYSTEM);
    Fleet of = new Fleet(1, List.of(only));
    shared.follow(of);
    Candidates among = Objects.requireNonNull(of.forModel("m"));
    AtomicInteger sitting = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    AtomicInteger served = new AtomicInteger();
    ConcurrentLinkedQueue<Runnable> hops = new ConcurrentLinkedQueue<>();
    Runnable sit =
        () -> {
          most.accumulateAndGet(sitting.incrementAndGet(), Math::max);
          hops.add(() -> {
            sitting.decrementAndGet();
            served.incrementAndGet();
            shared.release(0);
          });
        };
    int rounds = 20_000;
    AtomicInteger cancelled = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      int id = t;
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                for (int k = 0; k < rounds; k++) {
                  if (shared.tryTake(only)) {
                    sit.run();
                  } else {
                    Ticket ticket =
                        shared.await(
                            among,
                            wait(only),
                            k % 7,
                            k,
                            new Seats.Waiter() {
                              @Override
                              public void seated(int slot) {
                                sit.run();
                              }

                              @Override
                              public void chooseAgain() {
                                throw new AssertionError("nothing changed");
                              }
                            });
                    if (ticket == null) {
                      throw new AssertionError("the line is long enough");
                    }
                    if ((k + id) % 5 == 0 && ticket.cancel()) {
                      cancelled.incrementAndGet();
                    }
                  }
                  Runnable hop = hops.poll();
                  if (hop != null) {
                    hop.run();
                  }
                }
              }));
    }
    for (Thread t : threads) {
      t.join();
    }
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> {
          for (Runnable hop = hops.poll(); hop != null; hop = hops.poll()) {
            hop.run();
          }
          return served.get() + cancelled.get() == 4 * rounds;
        });
    assertThat(most.get()).isLessThanOrEqualTo(limit);
    assertThat(shared.inFlight(0)).isZero();
    assertThat(shared.waiting()).isZero();
    assertThat(shared.waitingFor(0)).isZero();
  }
}
