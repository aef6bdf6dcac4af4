package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// C14: 1,292 decisions among 1,000 instances that changed all the time filled the heap.
class DecisionsTest {
  private static Instance instance(int k, State state, Map<String, Object> metadata) {
    return new Instance(
        "instance-" + k,
        "h",
        1,
        "http://h" + k,
        List.of("m"),
        CacheType.PAGED,
        1000,
        1,
        state,
        k,
        metadata);
  }

  private static Decision decision(Decisions ring, Candidates among, Instance to) {
    SampleDecision d = new SampleDecision();
    d.sequence = ring.claim();
    d.pool = Pool.PAGED;
    d.instance = to.name();
    d.reason = Reason.SIZE;
    d.roll = among.roll();
    return d.make();
  }

  @Test
  void aFullRingKeepsNamesAloneHoweverOftenTheFleetChanges() {
    Decisions ring = new Decisions(4096);
    List<WeakReference<Object>> fleets = new ArrayList<>();
    Fleet fleet = new Fleet(0, List.of());
    for (int version = 0; version < 4096; version++) {
      List<Instance> now = new ArrayList<>();
      for (int k = 0; k < 1000; k++) {
        State state = k == version % 1000 ? State.EJECTED : State.ROUTABLE;
        now.add(instance(k, state, Map.of("big", new byte[0])));
      }
      fleet = fleet.next(now);
      Candidates m = Objects.requireNonNull(fleet.forModel("m"));
      ring.put(decision(ring, m, now.getLast()));
      if (version % 512 == 0) {
        fleets.add(new WeakReference<>(fleet));
        fleets.add(new WeakReference<>(m));
        fleets.add(new WeakReference<>(now.getFirst()));
      }
    }
    fleet = new Fleet(0, List.of());
    assertThat(fleet.instances()).isEmpty();
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> {
          System.gc();
          assertThat(fleets).allMatch(f -> f.refersTo(null));
        });
    List<Decision> all = ring.last(5000);
    assertThat(all).hasSize(4096);
    assertThat(all).allMatch(d -> d.roll().size() == Roll.MOST && d.roll().total() == 999);
  }

  @Test
  void decisionsAmongTheSameCandidatesShareWhatTheyKeep() {
    Decisions ring = new Decisions(16);
    Fleet one = new Fleet(1, List.of(instance(0, State.ROUTABLE, Map.of())));
    Fleet two = one.next(List.of(instance(0, State.ROUTABLE, Map.of())));
    ring.put(decision(ring, Objects.requireNonNull(one.forModel("m")), one.instances().getFirst()));
    ring.put(decision(ring, Objects.requireNonNull(two.forModel("m")), two.instances().getFirst()));
    List<Decision> both = ring.last(2);
    assertThat(both.getFirst().roll()).isSameAs(both.getLast().roll());
    assertThat(both.getFirst().roll().name(0)).isEqualTo("instance-0");
  }

  private static Decision full(long sequence, String id, @Nullable Usage usage) {
    return new Decision(
        sequence,
        id,
        4,
        3,
        "PUT",
        "/p",
        "other",
        5,
        6,
        7,
        Pool.STATIC,
        "i",
        Reason.TIER,
        new Fleet(1, List.of(instance(0, State.ROUTABLE, Map.of()))).any().roll(),
        List.of("f"),
        List.of("g"),
        Outcome.CLIENT_GONE,
        499,
        8,
        9,
        10,
        11,
        12,
        13,
        usage,
        14,
        Forecast.NONE,
        15,
        "k",
        new Decisions.Said("c", "a message", "asked"),
        "trace");
  }

  @Test
  void aDecisionComesOutAsItWentInWhateverWasInItsPlace() {
    Decisions ring = new Decisions(2);
    Instance to = instance(1, State.ROUTABLE, Map.of());
    Candidates among = Candidates.of("m", List.of(to));
    List<Decision> in = new ArrayList<>();
    for (int round = 0; round < 2; round++) {
      in.add(full(ring.claim(), "a-long-id", new Usage(1, 2, 3)));
      in.add(decision(ring, among, to));
      in.add(decision(ring, among, to));
      in.add(full(ring.claim(), "x", null));
    }
    for (Decision d : in) {
      ring.put(d);
      assertThat(ring.at(d.sequence())).isEqualTo(d);
    }
    ring.put(in.getFirst());
    assertThat(ring.at(0)).as("one that came late").isNull();
    assertThat(ring.last(9)).containsExactly(in.get(7), in.get(6));
  }

  private static Decision ended(Decisions ring, Outcome how, long endNanos) {
    SampleDecision d = new SampleDecision();
    d.sequence = ring.claim();
    d.outcome = how;
    d.endNanos = endNanos;
    Decision made = d.make();
    ring.put(made);
    return made;
  }

  @Test
  void whatFailedIsSeenForAMinuteHoweverManyCameSince() {
    Decisions ring = new Decisions(16);
    Decision first = ended(ring, Outcome.TIMEOUT, 1);
    Decision second = ended(ring, Outcome.CLIENT_GONE, 2);
    assertThat(ring.failed(Figures.WINDOW_NANOS * 9)).containsExactly(second, first);
    for (int k = 0; k < 100; k++) {
      ended(ring, Outcome.OK, 3);
    }
    assertThat(ring.last(100)).doesNotContain(first, second);
    assertThat(ring.failed(4)).containsExactly(second, first);
    assertThat(ring.failed(Figures.WINDOW_NANOS + 2)).containsExactly(second);
    assertThat(ring.failed(Figures.WINDOW_NANOS + 3)).isEmpty();
    for (int k = 0; k < 5000; k++) {
      ended(ring, Outcome.REJECTED, 5);
    }
    List<Decision> failed = ring.failed(5);
    assertThat(failed).as("a flood of others is no end of these").endsWith(second, first);
    assertThat(failed).hasSize(Decisions.MOST_FAILED + 2);
  }

  /// B38: 60,000 were allowed in a heap of 192 MiB without a word.
  @Test
  void moreThanTheHeapHoldsWellIsSaid() {
    assertThat(Decisions.sizeWarning(4096, 192 << 20)).isNull();
    assertThat(Decisions.sizeWarning(60_000, 192 << 20))
        .startsWith(
            "decisions: 60000 take up to 58 MiB of 192 MiB of heap (expected: at most 49152");
    assertThat(Decisions.sizeWarning(1 << 20, 8L << 30)).isNull();
  }
}
