package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SampleTest {
  private final SplittableRandom random = new SplittableRandom(1);

  /// Half of them have so many times the weight of the others.
  private static Candidates uneven(int n, int heavy) {
    Instance[] all = new Instance[n];
    for (int k = 0; k < n; k++) {
      all[k] = Samples.instance("i" + k, null, Instance.UNKNOWN, k % 2 == 0 ? heavy : 1, k);
    }
    return Samples.among(all);
  }

  private Instance drawn(Candidates of, Load load) {
    return Objects.requireNonNull(Sample.lesser(of, Pool.ANY, 0, load, random));
  }

  /// A30: from 64 instances on half of the requests went to those of weight 1, idle or busy.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void eachGetsRequestsByItsWeight(boolean busy) {
    Candidates all = uneven(64, 9);
    Map<Integer, Integer> inFlight = new HashMap<>();
    int heavy = 0;
    int draws = 20_000;
    for (int k = 0; k < draws; k++) {
      Instance i = drawn(all, busy ? Samples.load(inFlight) : Samples.IDLE);
      heavy += i.weight() == 9 ? 1 : 0;
      inFlight.merge(i.slot(), 1, Integer::sum);
    }
    assertThat(heavy / (double) draws).isBetween(0.87, 0.93);
  }

  @Test
  void aWeightOfNothingIsNeverDrawnAndOneOfAllIsDrawnAlone() {
    Candidates none = uneven(64, 0);
    for (int k = 0; k < 1000; k++) {
      assertThat(drawn(none, Samples.IDLE).weight()).isOne();
    }
    Instance[] all = new Instance[64];
    for (int k = 0; k < all.length; k++) {
      all[k] = Samples.instance("i" + k, null, Instance.UNKNOWN, k == 7 ? 5 : 0, k);
    }
    assertThat(drawn(Samples.among(all), Samples.IDLE).slot()).isEqualTo(7);
    for (int k = 0; k < all.length; k++) {
      all[k] = Samples.instance("i" + k, null, Instance.UNKNOWN, 0, k);
    }
    assertThat(Sample.lesser(Samples.among(all), Pool.ANY, 0, Samples.IDLE, random)).isNull();
  }
}
