package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class TroublesTest {
  private static final long SECOND = 1_000_000_000L;
  private static final Part ONE = new Part("m1", 0);
  private static final Part TWO = new Part("m2", 0);

  private long now = SECOND;
  private final Troubles troubles =
      new Troubles(
          new Ticker() {
            @Override
            public long nanos() {
              return now;
            }

            @Override
            public Instant now() {
              return Instant.EPOCH;
            }
          });
  private final Instance a = instance("a", "m1", "m2");
  private final Instance b = instance("b", "m1", "m2");

  private static Instance instance(String name, String... models) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name,
        List.of(models),
        CacheType.PAGED,
        -1,
        1,
        State.ROUTABLE,
        0,
        Map.of(),
        1,
        0,
        Map.of());
  }

  private void fails(Instance i, Part part, int times) {
    for (int k = 0; k < times; k++) {
      troubles.failed(i, part);
    }
  }

  @Test
  void whoFailsOneModelIsPassedOverForThatOneAlone() {
    fails(a, ONE, Troubles.FEW - 1);
    assertThat(troubles.passedOver(a, ONE, true)).isFalse();
    troubles.answered(a, TWO);
    fails(a, ONE, 1);
    assertThat(troubles.passedOver(a, ONE, true)).isTrue();
    assertThat(troubles.failuresInARow(a, ONE)).isEqualTo(Troubles.FEW);
    assertThat(troubles.passedOver(a, TWO, true)).isFalse();
    assertThat(troubles.concern(ONE)).isTrue();
    assertThat(troubles.concern(TWO)).as("costs the others nothing").isFalse();
    assertThat(troubles.passedOver(b, ONE, true)).isFalse();
    assertThat(troubles.passedOver(a, new Part("m1", 5), true)).as("whatever its key").isTrue();
  }

  @Test
  void aModelAloneOnItsInstanceIsTheCircuitsBusiness() {
    Instance alone = instance("c", "m1");
    fails(alone, ONE, 10);
    assertThat(troubles.some()).isFalse();
    fails(alone, new Part("m1", 5), Troubles.FEW);
    assertThat(troubles.passedOver(alone, new Part("m1", 5), true)).isTrue();
    assertThat(troubles.passedOver(alone, new Part("m1", 6), true)).isFalse();
    assertThat(troubles.passedOver(alone, new Part(null, 5), true)).as("another model").isFalse();
  }

  @Test
  void afterThePauseItIsAskedAgainAndThePauseGrowsToItsMost() {
    fails(a, ONE, Troubles.FEW);
    long pause = Troubles.PAUSE_NANOS;
    for (int k = 0; k < 6; k++) {
      fails(a, ONE, 4);
      now += pause - 1;
      assertThat(troubles.passedOver(a, ONE, true)).isTrue();
      now += 1;
      assertThat(troubles.passedOver(a, ONE, true)).isFalse();
      assertThat(troubles.failuresInARow(a, ONE)).as("still no answer").isPositive();
      fails(a, ONE, 1);
      pause = Math.min(Troubles.MOST_PAUSE_NANOS, 2 * pause);
    }
    assertThat(pause).isEqualTo(Troubles.MOST_PAUSE_NANOS);
    now += pause;
    assertThat(troubles.passedOver(a, ONE, true)).isFalse();
    assertThat(troubles.passedOver(a, ONE, false)).as("nobody's only try").isTrue();
    now += Troubles.FORGET_NANOS;
    assertThat(troubles.passedOver(a, ONE, false)).as("for ever").isFalse();
    troubles.answered(a, ONE);
    assertThat(troubles.some()).isFalse();
    assertThat(troubles.passedOver(a, ONE, true)).isFalse();
  }

  @Test
  void aPauseIsForOneModelAndEnds() {
    troubles.pause(a, ONE, 10 * SECOND);
    troubles.pause(a, ONE, SECOND);
    now += 9 * SECOND;
    assertThat(troubles.passedOver(a, ONE, true)).isTrue();
    assertThat(troubles.passedOver(a, TWO, true)).isFalse();
    assertThat(troubles.passedOver(b, ONE, true)).isFalse();
    assertThat(troubles.failuresInARow(a, ONE)).as("no failure").isZero();
    now += SECOND;
    assertThat(troubles.passedOver(a, ONE, true)).isFalse();
    troubles.answered(a, TWO);
    assertThat(troubles.some()).isFalse();
  }

  @Test
  void whatIsRememberedIsBoundedAndForgotten() {
    Instance alone = instance("c", "m1");
    for (int k = 1; k <= 2 * Troubles.MOST; k++) {
      fails(alone, new Part("m1", k), Troubles.FEW);
    }
    assertThat(troubles.passedOver(alone, new Part("m1", 1), true)).isTrue();
    assertThat(troubles.passedOver(alone, new Part("m1", 2L * Troubles.MOST), true)).isFalse();
    now += Troubles.FORGET_NANOS + 1;
    fails(alone, new Part("m1", 2L * Troubles.MOST), Troubles.FEW);
    assertThat(troubles.passedOver(alone, new Part("m1", 2L * Troubles.MOST), true)).isTrue();
    assertThat(troubles.failuresInARow(alone, new Part("m1", 1))).isZero();
  }
}
