package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.policy.Samples.IDLE;
import static org.infinilm.svc.policy.Samples.among;
import static org.infinilm.svc.policy.Samples.chosen;
import static org.infinilm.svc.policy.Samples.counts;
import static org.infinilm.svc.policy.Samples.instance;
import static org.infinilm.svc.policy.Samples.load;
import static org.infinilm.svc.policy.Samples.paged;
import static org.infinilm.svc.policy.Samples.sequence;
import static org.infinilm.svc.policy.Samples.size;
import static org.infinilm.svc.policy.Samples.statics;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.junit.jupiter.api.Test;

/// Turns as [RoundRobin] and [LeastLoaded] take them.
class TurnsTest {
  private static final Ask ASK = size(1, 1);
  private final Policy roundRobin = new RoundRobin();

  private static Instance weighted(String name, int weight, int slot) {
    return instance(name, null, Instance.UNKNOWN, weight, slot);
  }

  @Test
  void weightsThreeToOneAreSmooth() {
    Candidates two = among(weighted("a", 3, 0), weighted("b", 1, 1));
    List<String> turns = sequence(roundRobin, ASK, two, 400);
    assertThat(counts(turns)).isEqualTo(Map.of("a", 300, "b", 100));
    for (int k = 0; k + 4 <= 400; k += 4) {
      assertThat(counts(turns.subList(k, k + 4))).isEqualTo(Map.of("a", 3, "b", 1));
    }
    assertThat(String.join("", turns)).doesNotContain("aaaa");
  }

  @Test
  void aNewcomerGetsItsShareAndNoBurst() {
    sequence(roundRobin, ASK, among(paged("a", 0), paged("b", 1)), 1000);
    List<String> turns =
        sequence(roundRobin, ASK, among(paged("a", 0), paged("b", 1), paged("c", 2)), 9);
    assertThat(counts(turns)).isEqualTo(Map.of("a", 3, "b", 3, "c", 3));
    assertThat(String.join("", turns)).doesNotContain("cc");
  }

  @Test
  void whoWasAwayGetsNoBurstEither() {
    Candidates both = among(paged("a", 0), paged("b", 1));
    sequence(roundRobin, ASK, both, 10);
    sequence(roundRobin, ASK, among(paged("a", 0)), 1);
    sequence(roundRobin, ASK, among(paged("a", 0), paged("c", 2)), 1000);
    assertThat(counts(sequence(roundRobin, ASK, both, 10))).isEqualTo(Map.of("a", 5, "b", 5));
  }

  @Test
  void aSlotThatWasAnothersBringsNoDebt() {
    sequence(roundRobin, ASK, among(paged("a", 0), paged("b", 1)), 10);
    sequence(roundRobin, ASK, among(paged("a", 0), paged("c", 2)), 1000);
    Candidates next = among(paged("a", 0), paged("d", 1), paged("c", 2));
    assertThat(counts(sequence(roundRobin, ASK, next, 9)))
        .isEqualTo(Map.of("a", 3, "c", 3, "d", 3));
  }

  /// Each model kept an array as long as the fleet.
  @Test
  void whatIsKeptGrowsWithAModelsOwnInstances() {
    turns(100, 0);
    long near = turns(1000, 0);
    assertThat(turns(1000, 100_000)).as("slots of a large fleet").isLessThan(2 * near);
  }

  /// Bytes that turns between two instances of so many models allocate.
  private static long turns(int models, int slot) {
    Turns turns = new Turns();
    List<Candidates> all = new ArrayList<>();
    for (int k = 0; k < models; k++) {
      all.add(Candidates.of("m" + k, List.of(paged("a", slot + k), paged("b", slot + k + 1))));
    }
    var threads =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    for (Candidates c : all) {
      for (int k = 0; k < 4; k++) {
        assertThat(turns.next(c, Pool.ANY, c.in(Pool.ANY), IDLE).name())
            .isEqualTo(k % 2 == 0 ? "a" : "b");
      }
    }
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  @Test
  void manyInstancesComeAndGoInExactTurns() {
    for (int from = 0; from < 600; from += 50) {
      List<Instance> some = new ArrayList<>();
      for (int k = from; k < from + 100; k++) {
        some.add(paged("i%04d".formatted(k), (k * 37) % 1000));
      }
      Candidates c = among(some.toArray(Instance[]::new));
      sequence(roundRobin, ASK, c, 100);
      Map<String, Integer> turns = counts(sequence(roundRobin, ASK, c, 300));
      assertThat(turns).hasSize(100);
      assertThat(turns.values()).containsOnly(3);
    }
  }

  @Test
  void poolsHaveCountersOfTheirOwn() {
    Policy policy = new CacheTypePolicy(false);
    Candidates all = among(paged("a", 0), paged("b", 1), statics("s", 2), statics("t", 3));
    String small = "";
    String large = "";
    for (int k = 0; k < 4; k++) {
      small += chosen(policy, size(1, 1), all, IDLE);
      large += chosen(policy, size(2, 1), all, IDLE);
    }
    assertThat(small).isEqualTo("abab");
    assertThat(large).isEqualTo("stst");
  }

  @Test
  void roundRobinDoesNotLookAtLoadNorSize() {
    Candidates two = among(paged("a", 0), statics("b", 1));
    assertThat(chosen(roundRobin, ASK, two, load(Map.of(0, 50)))).isEqualTo("a");
    assertThat(chosen(roundRobin, ASK, two, load(Map.of(1, 50)))).isEqualTo("b");
  }

  @Test
  void leastLoadedCountsPerWeight() {
    Policy p = new LeastLoaded();
    Candidates two = among(weighted("a", 4, 0), weighted("b", 1, 1));
    assertThat(chosen(p, ASK, two, load(Map.of(0, 3, 1, 1)))).isEqualTo("a");
    assertThat(chosen(p, ASK, two, load(Map.of(0, 5, 1, 1)))).isEqualTo("b");
    assertThat(sequence(p, ASK, among(paged("a", 0), paged("b", 1)), 4))
        .containsExactly("a", "b", "a", "b");
  }
}
