package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

class RoughlyTest {
  private static final Instance A = Samples.paged("a", 0);
  private static final Instance B = Samples.paged("b", 1);
  private final Roughly roughly = new Roughly();

  @Test
  void whereAPlaceIsFreeIsLookedAtBeforeWhereOneWouldWait() {
    roughly.heard(A, 1, 1, 0);
    roughly.heard(B, 3, 1, 0);
    assertThat(roughly.load(B, 0, 0)).isLessThan(roughly.load(A, 1, 0));
    roughly.heard(A, 1, 8, 0);
    assertThat(roughly.load(A, 1, 0)).isLessThan(roughly.load(B, 0, 0));
  }

  @Test
  void whoIsInAnothersSlotIsNotTakenForIt() {
    roughly.heard(A, 5, 1, 0);
    assertThat(roughly.load(Samples.paged("next", 0), 1, 0)).isEqualTo(2);
  }
}
