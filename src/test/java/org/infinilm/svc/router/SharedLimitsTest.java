package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// A key's limits over several routers, on a virtual clock: how much all together grant.
class SharedLimitsTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long HASH = 77;

  private final Clock ticker = new Clock();

  private static final class Clock implements Ticker {
    private long nanos = SECOND;

    @Override
    public long nanos() {
      return nanos;
    }

    @Override
    public Instant now() {
      return Instant.ofEpochSecond(0, nanos);
    }

    void advanceNanos(long by) {
      nanos += by;
    }
  }

  private KeyHolder holder(long requests, long tokens) {
    return new KeyHolder(
        new ClientKey(
            "k", "0".repeat(64), Set.of(), new Allowance.Limits(0, requests, tokens), null),
        ticker);
  }

  private static Sibling sibling(String run, Sibling.Ask ask, long nanos) {
    return new Sibling(run, false, 0, Map.of(), Map.of("k", ask), nanos);
  }

  /// Clients come to whichever router they like, in waves.
  ///
  /// @return the most requests that were granted in any minute
  private long most(int n, long limit, long seed, int seconds) {
    SplittableRandom random = new SplittableRandom(seed);
    List<KeyHolder> routers = new ArrayList<>();
    List<Sibling> said = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      routers.add(holder(limit, 0));
      said.add(sibling("r" + k, Sibling.Ask.NONE, ticker.nanos()));
    }
    share(routers, said, limit);
    Deque<Long> granted = new ArrayDeque<>();
    long most = 0;
    double[] rates = new double[n];
    for (int s = 0; s < seconds; s++) {
      if (s % 20 == 0) {
        for (int k = 0; k < n; k++) {
          rates[k] = random.nextInt(3) == 0 ? 0 : random.nextDouble() * 3 * limit / 60.0;
        }
      }
      for (int tenth = 0; tenth < 10; tenth++) {
        for (int k = 0; k < n; k++) {
          double due = rates[k] / 10;
          int asks = (int) due + (random.nextDouble() < due - (int) due ? 1 : 0);
          for (int a = 0; a < asks; a++) {
            if (routers.get(k).enter(0) instanceof Allowance.Granted g) {
              routers.get(k).leave(g.reserved(), 0);
              granted.addLast(ticker.nanos());
            }
          }
        }
        ticker.advanceNanos(SECOND / 10);
        while (!granted.isEmpty() && ticker.nanos() - granted.getFirst() >= 60 * SECOND) {
          granted.removeFirst();
        }
        most = Math.max(most, granted.size());
      }
      for (int k = 0; k < n; k++) {
        said.set(k, sibling("r" + k, routers.get(k).asked(), ticker.nanos()));
      }
      share(routers, said, limit);
    }
    return most;
  }

  private void share(List<KeyHolder> routers, List<Sibling> said, long limit) {
    for (int k = 0; k < routers.size(); k++) {
      int me = k;
      List<Sibling> others = said.stream().filter(o -> !o.run().equals("r" + me)).toList();
      Shares shares = new Shares("r" + k, others, 0, ticker.nanos(), 6 * SECOND);
      long part =
          shares.ofLimit(HASH, limit, said.get(k).of("k").requests(), o -> o.of("k").requests());
      routers.get(k).share(new Allowance.Limits(0, part, 0));
    }
  }

  /// The bucket of one router alone lets through twice its limit in its first minute: as much as it
  /// holds, and what drains.
  @Test
  void allTogetherGrantNoMoreThanOneWouldAndOneEach() {
    for (long seed = 1; seed <= 12; seed++) {
      int n = 2 + (int) (seed % 9);
      long limit = new long[] {6, 60, 600}[(int) (seed % 3)];
      long most = most(n, limit, seed, 400);
      assertThat(most)
          .as("%s routers, %s a minute", n, limit)
          .isLessThanOrEqualTo(2 * limit + 2L * n);
    }
  }

  @Test
  void whatIsAskedForAtOneRouterAloneIsGrantedThere() {
    KeyHolder one = holder(600, 0);
    KeyHolder two = holder(600, 0);
    List<KeyHolder> routers = List.of(one, two);
    List<Sibling> said =
        new ArrayList<>(
            List.of(
                sibling("r0", Sibling.Ask.NONE, ticker.nanos()),
                sibling("r1", Sibling.Ask.NONE, ticker.nanos())));
    long granted = 0;
    for (int s = 0; s < 180; s++) {
      for (int k = 0; k < 20; k++) {
        if (one.enter(0) instanceof Allowance.Granted g) {
          one.leave(g.reserved(), 0);
          granted += s >= 120 ? 1 : 0;
        }
        ticker.advanceNanos(SECOND / 20);
      }
      said.set(0, sibling("r0", one.asked(), ticker.nanos()));
      said.set(1, sibling("r1", two.asked(), ticker.nanos()));
      share(routers, said, 600);
    }
    assertThat(granted).as("in the last minute").isBetween(560L, 620L);
  }

  @Test
  void aPartThatComesAndGoesTakesNothingAndGivesNothing() {
    KeyHolder k = holder(100, 0);
    for (int n = 0; n < 40; n++) {
      k.enter(0);
    }
    for (int n = 0; n < 1000; n++) {
      k.share(new Allowance.Limits(0, 50 + n % 50, 0));
    }
    k.share(new Allowance.Limits(0, 100, 0));
    int more = 0;
    while (k.enter(0) instanceof Allowance.Granted) {
      more++;
    }
    // 60 were left of 100; a part of 50 holds no more than 50
    assertThat(more).isEqualTo(50);
  }
}
