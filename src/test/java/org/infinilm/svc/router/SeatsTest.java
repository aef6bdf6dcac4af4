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
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.policy.Line.Order;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.policy.Reason;
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
    seats.follow(fleet, () -> {});
  }

  private Candidates candidates() {
    return Objects.requireNonNull(fleet.forModel("m"));
  }

  private static Choice.Wait wait(Instance... accepted) {
    return new Choice.Wait(Pool.STATIC, Reason.SIZE, List.of(accepted));
  }

  private Ticket stand(String name, double work, Instance... accepted) {
    return Objects.requireNonNull(
        seats.await(candidates(), wait(accepted), work, nanos, false, waiter(name)));
  }

  private Seats.Waiter waiter(String name) {
    return new Seats.Waiter() {
      @Override
      public void seated(int slot) {
        calls.add(name + " " + slot);
      }

      @Override
      public void lookAgain() {
        calls.add(name + " again");
      }
    };
  }

  /// What policies are told of an instance is what its gauges told of it, for as long as it counts.
  @Test
  void whatOthersSendIsToldToPoliciesUntilItIsOld() {
    follow(a, b);
    slots.at(0).tell(new Others(3, 1), nanos + SECOND);
    assertThat(seats.others(0)).isEqualTo(new Others(3, 1));
    assertThat(seats.others(1)).isEqualTo(Others.NONE);
    nanos += SECOND;
    assertThat(seats.others(0)).isEqualTo(Others.NONE);
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
    assertThat(seats.await(candidates(), wait(b), 0, nanos, false, waiter("fifth"))).isNull();
    seats.release(1);
    stand("sixth", 9, b);
    assertThat(seats.waiting()).isEqualTo(4);
    assertThat(seats.await(candidates(), wait(b), 0, nanos, true, waiter("was in before")))
        .as("a request that has been taken in keeps its right to a place")
        .isNotNull();
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
    assertThat(seats.waitingFor(0)).as("it stands in line").isEqualTo(1);
    assertThat(seats.waitingFor(1)).as("not for one who left").isZero();
    Ticket late =
        Objects.requireNonNull(seats.await(before, wait(a, b), 1, nanos, false, waiter("late")));
    assertThat(calls).as("candidates of an older fleet").containsExactly("w again", "late again");
    assertThat(late.cancel()).isTrue();
    seats.release(0);
    assertThat(calls).containsExactly("w again", "late again", "w 0");
  }

  private Instance changed(Instance i) {
    return new Instance(
        i.name(),
        "h",
        1,
        "http://" + i.name(),
        List.of("m"),
        CacheType.STATIC,
        -1,
        1,
        State.ROUTABLE,
        i.slot(),
        Map.of("change", fleet.version()),
        1,
        i.seats(),
        Map.of());
  }

  /// Each had to leave the line and stand in it anew, against all newcomers and the limit.
  @Test
  void aChangeThrowsNobodyOutOfAFullLine() {
    follow(b);
    seats.tryTake(b);
    List<Ticket> tickets = new ArrayList<>();
    for (int k = 0; k < 4; k++) {
      tickets.add(stand("w" + k, k, b));
    }
    for (int change = 0; change < 3; change++) {
      calls.clear();
      follow(changed(b));
      assertThat(calls).containsExactlyInAnyOrder("w0 again", "w1 again", "w2 again", "w3 again");
      assertThat(seats.waiting()).isEqualTo(4);
      assertThat(seats.await(candidates(), wait(b), 0, nanos, false, waiter("new"))).isNull();
    }
    assertThat(tickets.get(1).move(candidates(), wait(b))).isTrue();
    calls.clear();
    for (int k = 0; k < 4; k++) {
      assertThat(seats.tryTake(b)).as("a newcomer").isFalse();
      seats.release(1);
    }
    assertThat(calls).as("in their order").containsExactly("w0 1", "w1 1", "w2 1", "w3 1");
    assertThat(tickets.get(0).move(candidates(), wait(b))).as("called already").isFalse();
    assertThat(seats.waitingFor(1)).isZero();
  }

  @Test
  void anInstanceThatComesGivesItsSeatsToThoseWhoWaitedBefore() {
    follow(b);
    seats.tryTake(b);
    Ticket first = stand("first", 1, b);
    Ticket second = stand("second", 2, b);
    Instance c = instance("c", 2, 1);
    follow(b, c);
    assertThat(calls).containsExactly("first again", "second again");
    calls.clear();
    assertThat(seats.free(2)).isFalse();
    assertThat(seats.tryTake(c)).as("a newcomer walks past").isFalse();
    nanos += SECOND;
    stand("new", 1, b, c);
    assertThat(second.move(candidates(), wait(b, c))).isTrue();
    assertThat(calls).as("the first has not looked yet").isEmpty();
    assertThat(first.move(candidates(), wait(b, c))).isTrue();
    assertThat(calls).containsExactly("first 2");
    seats.release(2);
    seats.release(1);
    assertThat(calls).containsExactly("first 2", "second 2", "new 1");
    seats.release(2);
    assertThat(seats.tryTake(c)).isTrue();
  }

  @Test
  void seatsAreKeptForThoseWhoWereCalledUntilTheLastIsGone() {
    follow(b);
    seats.tryTake(b);
    Ticket leaves = stand("leaves", 1, b);
    stand("is called", 2, b);
    Instance c = instance("c", 2, 1);
    Instance d = instance("d", 3, 1);
    follow(b, c);
    follow(b, c, d);
    assertThat(seats.tryTake(c)).isFalse();
    assertThat(leaves.cancel()).isTrue();
    assertThat(seats.tryTake(d)).isFalse();
    seats.release(1);
    assertThat(calls).last().isEqualTo("is called 1");
    assertThat(seats.tryTake(c)).isTrue();
    assertThat(seats.tryTake(d)).isTrue();
  }

  @Test
  void whoLosesAllItsInstancesStandsInLineUntilItHasLooked() {
    follow(b);
    seats.tryTake(b);
    Ticket w = stand("w", 1, b);
    Instance c = instance("c", 2, 1);
    follow(c);
    assertThat(seats.waiting()).isEqualTo(1);
    assertThat(seats.waitingFor(1)).isZero();
    seats.release(1);
    assertThat(calls).containsExactly("w again");
    assertThat(w.move(candidates(), wait(c))).isTrue();
    assertThat(calls).containsExactly("w again", "w 2");
  }

  @Test
  void aRaisedLimitSeatsWhoWaits() {
    Instance one = instance("o", 3, 1);
    Fleet other = fleet.next(List.of(one));
    fleet = other;
    seats.follow(other, () -> {});
    seats.tryTake(one);
    stand("w", 1, one);
    slots.at(3).limit = 5;
    follow(one);
    assertThat(calls).as("the limit is the fleet's again").isEmpty();
    follow(instance("o", 3, 2));
    assertThat(calls).containsExactly("w again", "w 3");
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
    seats.release(0);
    assertThat(calls).containsExactly("both again", "only b 1", "both 0");
    assertThat(seats.passedOverNanos(1)).isEqualTo(SECOND);
    nanos += SECOND;
    assertThat(seats.passedOverNanos(1)).isZero();
  }

  /// The same for one model: those who wait with another stand where they stood.
  @Test
  void whoIsLeftAloneWithAModelIsNotWaitedForWithThatOne() {
    follow(a, b);
    seats.tryTake(a);
    seats.tryTake(a);
    seats.tryTake(b);
    stand("both", 1, a, b);
    seats.callAway(1, "other", slot -> slot == 1);
    assertThat(calls).isEmpty();
    seats.callAway(1, "m", slot -> slot == 1);
    assertThat(calls).containsExactly("both again");
    seats.release(1);
    assertThat(calls).containsExactly("both again");
    seats.lookAgain("other");
    assertThat(calls).hasSize(1);
    seats.lookAgain("m");
    assertThat(calls).containsExactly("both again", "both again");
    seats.release(0);
    assertThat(calls).endsWith("both 0");
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
    shared.follow(of, () -> {});
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
                            false,
                            new Seats.Waiter() {
                              @Override
                              public void seated(int slot) {
                                sit.run();
                              }

                              @Override
                              public void lookAgain() {
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

  /// The same while instances come and go: who waits looks anew each time, and nobody is forgotten.
  @Test
  void noOneIsForgottenWhileInstancesComeAndGo() throws InterruptedException {
    Instance stays = instance("s", 0, 2);
    Instance comes = instance("t", 1, 1);
    Seats shared =
        new Seats(new Slots(), new Line<>(Order.SHORTEST, 100, 3), 10_000, Ticker.SYSTEM);
    AtomicReference<Fleet> of = new AtomicReference<>(new Fleet(1, List.of(stays)));
    shared.follow(of.get(), () -> {});
    AtomicInteger served = new AtomicInteger();
    AtomicInteger cancelled = new AtomicInteger();
    AtomicInteger looks = new AtomicInteger();
    ConcurrentLinkedQueue<Runnable> hops = new ConcurrentLinkedQueue<>();
    AtomicIntegerArray sitting = new AtomicIntegerArray(2);
    AtomicBoolean tooMany = new AtomicBoolean();
    IntConsumer sit =
        slot -> {
          if (sitting.incrementAndGet(slot) > (slot == 0 ? 2 : 1)) {
            tooMany.set(true);
          }
          hops.add(() -> {
            sitting.decrementAndGet(slot);
            served.incrementAndGet();
            shared.release(slot);
          });
        };
    int rounds = 5000;
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 3; t++) {
      int id = t;
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                for (int k = 0; k < rounds; k++) {
                  if (id == 0 && k % 8 == 0) {
                    Fleet next =
                        of.get().next(k % 16 == 0 ? List.of(stays, comes) : List.of(stays));
                    shared.follow(next, () -> of.set(next));
                  }
                  Candidates now = Objects.requireNonNull(of.get().forModel("m"));
                  Instance taken =
                      now.in(Pool.ANY).stream().filter(shared::tryTake).findFirst().orElse(null);
                  if (taken != null) {
                    sit.accept(taken.slot());
                  } else {
                    AtomicReference<Ticket> ticket = new AtomicReference<>();
                    Seats.Waiter waiter =
                        new Seats.Waiter() {
                          @Override
                          public void seated(int slot) {
                            sit.accept(slot);
                          }

                          @Override
                          public void lookAgain() {
                            hops.add(this::look);
                          }

                          private void look() {
                            Ticket t = ticket.get();
                            if (t == null) {
                              hops.add(this::look);
                            } else {
                              looks.incrementAndGet();
                              Candidates then = Objects.requireNonNull(of.get().forModel("m"));
                              t.move(then, waitFor(then));
                            }
                          }
                        };
                    ticket.set(shared.await(now, waitFor(now), k % 7, k, false, waiter));
                    if ((k + id) % 5 == 0 && ticket.get().cancel()) {
                      cancelled.incrementAndGet();
                    }
                  }
                  // now and then, so that a line forms
                  Runnable hop = k % 16 == 15 ? hops.poll() : null;
                  for (; hop != null; hop = hops.poll()) {
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
          return served.get() + cancelled.get() == 3 * rounds;
        });
    assertThat(tooMany).isFalse();
    assertThat(looks).hasPositiveValue();
    assertThat(shared.waiting()).isZero();
    for (int slot = 0; slot < 2; slot++) {
      assertThat(shared.inFlight(slot)).isZero();
      assertThat(shared.waitingFor(slot)).isZero();
    }
    assertThat(shared.tryTake(comes)).as("no seat is kept for ever").isTrue();
  }

  private static Choice.Wait waitFor(Candidates all) {
    return new Choice.Wait(Pool.ANY, Reason.SIZE, all.in(Pool.ANY));
  }
}
