package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Troubles.How;
import org.infinilm.svc.router.Troubles.Turn;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class TroublesTest {
  private static final long SECOND = 1_000_000_000L;
  private static final Part ONE = new Part("m1", 0);
  private static final Part TWO = new Part("m2", 0);

  private long now = SECOND;
  private final Slots slots = new Slots();
  private final Troubles troubles =
      new Troubles(
          slots,
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
  private final Instance a = instance("a", 0, "m1", "m2");
  private final Instance b = instance("b", 1, "m1", "m2");

  private static Instance instance(String name, int slot, String... models) {
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
        slot,
        Map.of(),
        1,
        0,
        Map.of());
  }

  private void fails(Instance i, Part part, int times) {
    for (int k = 0; k < times; k++) {
      troubles.failed(i, part, How.FAILS);
    }
  }

  private boolean passedOver(Instance i, Part part, boolean repeatable) {
    return turn(i, part, repeatable) != Turn.AS_OTHERS;
  }

  private Turn turn(Instance i, Part part, boolean repeatable) {
    Troubles.View v = troubles.view(part, repeatable);
    return v == null ? Turn.AS_OTHERS : v.turn(i.slot());
  }

  private long leftAloneNanos(Instance i, Part part, boolean repeatable) {
    Troubles.View v = troubles.view(part, repeatable);
    return v == null ? 0 : v.leftAloneNanos(i.slot());
  }

  private void fails(Instance i, Part part, How how, int times) {
    for (int k = 0; k < times; k++) {
      troubles.failed(i, part, how);
    }
  }

  @Test
  void whoFailsOneModelIsPassedOverForThatOneAlone() {
    fails(a, ONE, Troubles.FEW - 1);
    assertThat(passedOver(a, ONE, true)).isFalse();
    troubles.answered(a, TWO, true);
    fails(a, ONE, 1);
    assertThat(passedOver(a, ONE, true)).isTrue();
    assertThat(troubles.failuresInARow(a, ONE)).isEqualTo(Troubles.FEW);
    assertThat(passedOver(a, TWO, true)).isFalse();
    assertThat(troubles.view(ONE, true)).isNotNull();
    assertThat(troubles.view(TWO, true)).as("costs the others nothing").isNull();
    assertThat(passedOver(b, ONE, true)).isFalse();
    assertThat(passedOver(a, new Part("m1", 5), true)).as("whatever its key").isTrue();
  }

  @Test
  void aModelAloneOnItsInstanceIsTheCircuitsBusiness() {
    Instance alone = instance("c", 2, "m1");
    fails(alone, ONE, 10);
    assertThat(troubles.some()).isFalse();
    fails(alone, new Part("m1", 5), Troubles.FEW);
    assertThat(passedOver(alone, new Part("m1", 5), true)).isTrue();
    assertThat(passedOver(alone, new Part("m1", 6), true)).isFalse();
    assertThat(passedOver(alone, new Part(null, 5), true)).as("another model").isFalse();
  }

  @Test
  void afterThePauseItIsAskedAgainAndThePauseGrowsToItsMost() {
    fails(a, ONE, Troubles.FEW);
    long pause = Troubles.PAUSE_NANOS;
    for (int k = 0; k < 6; k++) {
      fails(a, ONE, 4);
      now += pause - 1;
      assertThat(passedOver(a, ONE, true)).isTrue();
      now += 1;
      assertThat(passedOver(a, ONE, true)).isFalse();
      assertThat(troubles.failuresInARow(a, ONE)).as("still no answer").isPositive();
      fails(a, ONE, 1);
      pause = Math.min(Troubles.MOST_PAUSE_NANOS, 2 * pause);
    }
    assertThat(pause).isEqualTo(Troubles.MOST_PAUSE_NANOS);
    now += pause;
    assertThat(passedOver(a, ONE, true)).isFalse();
    assertThat(passedOver(a, ONE, false)).as("nobody's only try").isTrue();
    now += Troubles.FORGET_NANOS;
    assertThat(passedOver(a, ONE, false)).as("for ever").isFalse();
    troubles.answered(a, ONE, true);
    assertThat(troubles.some()).isFalse();
    assertThat(passedOver(a, ONE, true)).isFalse();
  }

  @Test
  void aPauseIsForOneModelAndEnds() {
    troubles.pause(a, ONE, 10 * SECOND);
    troubles.pause(a, ONE, SECOND);
    now += 9 * SECOND;
    assertThat(passedOver(a, ONE, true)).isTrue();
    assertThat(passedOver(a, TWO, true)).isFalse();
    assertThat(passedOver(b, ONE, true)).isFalse();
    assertThat(troubles.failuresInARow(a, ONE)).as("no failure").isZero();
    now += SECOND;
    assertThat(passedOver(a, ONE, true)).isFalse();
    troubles.answered(a, TWO, true);
    assertThat(troubles.some()).isFalse();
  }

  @Test
  void whatIsRememberedIsBoundedAndForgotten() {
    Instance alone = instance("c", 2, "m1");
    for (int k = 1; k <= 2 * Troubles.MOST; k++) {
      fails(alone, new Part("m1", k), Troubles.FEW);
    }
    assertThat(passedOver(alone, new Part("m1", 1), true)).isTrue();
    assertThat(passedOver(alone, new Part("m1", 2L * Troubles.MOST), true)).isFalse();
    now += Troubles.FORGET_NANOS + 1;
    fails(alone, new Part("m1", 2L * Troubles.MOST), Troubles.FEW);
    assertThat(passedOver(alone, new Part("m1", 2L * Troubles.MOST), true)).isTrue();
    assertThat(troubles.failuresInARow(alone, new Part("m1", 1))).isZero();
  }

  @Test
  void whatItCostsDecidesWhetherOneWaitsForTheOthers() {
    fails(a, ONE, Troubles.FEW);
    assertThat(turn(a, ONE, true)).as("nothing but the try").isEqualTo(Turn.LAST);
    assertThat(leftAloneNanos(a, ONE, true)).isZero();
    assertThat(turn(a, ONE, false)).as("the request").isEqualTo(Turn.LEFT_ALONE);
    assertThat(leftAloneNanos(a, ONE, false)).isEqualTo(Troubles.LOSING_PAUSE_NANOS);
    fails(b, ONE, How.HANGS, Troubles.FEW);
    assertThat(turn(b, ONE, true)).as("the time").isEqualTo(Turn.LEFT_ALONE);
    assertThat(leftAloneNanos(b, ONE, true)).isEqualTo(Troubles.PAUSE_NANOS);
  }

  /// Nobody's requests came back before ten minutes were over.
  @Test
  void afterThePauseOneRequestIsTheTrial() {
    fails(a, ONE, Troubles.FEW);
    long pause = Troubles.LOSING_PAUSE_NANOS;
    for (int k = 0; k < 8; k++) {
      now += pause - 1;
      troubles.goes(a, ONE, false);
      assertThat(passedOver(a, ONE, false)).isTrue();
      now += 1;
      assertThat(passedOver(a, ONE, false)).isFalse();
      troubles.goes(a, ONE, false);
      assertThat(passedOver(a, ONE, false)).as("one at a time").isTrue();
      if (k % 2 == 0) {
        fails(a, ONE, 1);
        pause = Math.min(Troubles.FORGET_NANOS, 2 * pause);
      }
      assertThat(leftAloneNanos(a, ONE, false)).isEqualTo(pause);
    }
    assertThat(troubles.answered(a, ONE, true)).isTrue();
    assertThat(passedOver(a, ONE, false)).isFalse();
  }

  /// The same stream's first second took its own failure back.
  @Test
  void whoBreaksStreamsIsNotWellByTheirBeginning() {
    Part session = new Part("m1", 7);
    for (int k = 0; k < Troubles.FEW; k++) {
      assertThat(passedOver(a, session, true)).isFalse();
      assertThat(troubles.answered(a, session, false)).isFalse();
      fails(a, session, How.BREAKS, 1);
    }
    assertThat(turn(a, session, true)).isEqualTo(Turn.LEFT_ALONE);
    assertThat(leftAloneNanos(a, session, true)).isEqualTo(Troubles.LOSING_PAUSE_NANOS);
    troubles.answered(a, session, false);
    assertThat(passedOver(a, session, true)).isTrue();
    assertThat(troubles.answered(a, session, true)).isTrue();
    assertThat(passedOver(a, session, true)).isFalse();
  }

  @Test
  void itEndsWithTheProcess() {
    fails(a, ONE, Troubles.FEW);
    troubles.pause(a, TWO, 60 * SECOND);
    slots.at(0).life = 7;
    assertThat(passedOver(a, ONE, false)).isFalse();
    assertThat(passedOver(a, TWO, true)).isFalse();
    fails(a, ONE, 1);
    assertThat(troubles.failuresInARow(a, ONE)).isEqualTo(1);
  }

  @Test
  void whatIsNoPromptIsAPartOfItsOwn() {
    Instance alone = instance("c", 2, "m1");
    Part embeddings = new Part("m1", 0, Route.EMBEDDINGS);
    Part files = new Part(null, 0, Route.OTHER);
    Part messages = new Part("m1", 0, Route.MESSAGES);
    fails(alone, embeddings, Troubles.FEW);
    assertThat(turn(alone, embeddings, true)).isEqualTo(Turn.LAST);
    assertThat(turn(alone, ONE, true)).isEqualTo(Turn.AS_OTHERS);
    troubles.pause(alone, files, SECOND);
    assertThat(turn(alone, files, true)).isEqualTo(Turn.LEFT_ALONE);
    assertThat(turn(alone, new Part("m1", 0, Route.SCORE), true)).isEqualTo(Turn.AS_OTHERS);
    troubles.pause(a, messages, SECOND);
    assertThat(turn(a, ONE, true)).as("prompts are all the engine's").isEqualTo(Turn.LEFT_ALONE);
  }

  @Test
  void whoHasNotARouteIsAskedLastForThatOneAlone() {
    Part messages = new Part("m1", 0, Route.MESSAGES);
    for (int k = 0; k < Troubles.FEW; k++) {
      assertThat(turn(a, messages, true)).isEqualTo(Turn.AS_OTHERS);
      troubles.lacksRoute(a, messages);
      troubles.answered(a, ONE, true);
    }
    assertThat(turn(a, messages, true)).isEqualTo(Turn.LAST);
    assertThat(turn(a, ONE, true)).isEqualTo(Turn.AS_OTHERS);
    troubles.answered(a, messages, true);
    assertThat(turn(a, messages, true)).isEqualTo(Turn.AS_OTHERS);
  }
}
