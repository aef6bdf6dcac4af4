package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BatchTest {
  private static Batch streams(int places) {
    Batch b = new Batch();
    for (int k = 1; k < places; k++) {
      b.stream(k, k, false);
      b.stream(k, k, false);
    }
    for (int k = 0; k < 20; k++) {
      b.stream(places, places - 1, true);
    }
    return b;
  }

  @Test
  void ofWhichNothingWasSeenItIsTheUsualNumber() {
    assertThat(new Batch().most()).isEqualTo(Batch.USUAL);
    assertThat(new Batch().isKnown()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 8, 16})
  void streamsThatWaitForEndsShowIt(int places) {
    assertThat(streams(places).most()).isEqualTo(places);
    assertThat(streams(places).isKnown()).isTrue();
  }

  /// An end is heard after the first token that followed it, now and then.
  @Test
  void oneThatSaysOtherwiseIsNoProof() {
    Batch b = streams(1);
    for (int k = 0; k < 400; k++) {
      b.stream(1, k % 20 == 0 ? 1 : 0, true);
      assertThat(b.most()).as("after %s", k).isEqualTo(1);
    }
  }

  @Test
  void whoGetsMorePlacesShowsThem() {
    Batch b = streams(2);
    for (int k = 0; k < 4; k++) {
      b.stream(2, 2, false);
    }
    assertThat(b.most()).isEqualTo(Batch.USUAL);
  }

  /// It was replaced by one with fewer: never as many go on as there were places.
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void whoHasFewerShowsThatToo(int places) {
    Batch b = streams(8);
    for (int k = 0; k < 40; k++) {
      b.stream(places, places - 1, true);
    }
    assertThat(b.most()).isEqualTo(places);
  }

  /// Under little load an end comes now and then before a first token, though there is room.
  @Test
  void littleLoadForgetsNothing() {
    Batch b = streams(8);
    for (int k = 0; k < 2_000; k++) {
      b.stream(1 + k % 3, k % 4 == 0 ? k % 3 : 1 + k % 3, k % 4 == 0);
      assertThat(b.most()).as("after %s", k).isEqualTo(8);
    }
  }

  /// A few in a thousand ends are heard late, now and then two in a row.
  @Test
  void endsThatAreHeardLateDoNotMakeItForgetForGood() {
    Random random = new Random(4);
    Batch b = streams(2);
    int known = 0;
    for (int k = 0; k < 20_000; k++) {
      boolean late = random.nextInt(300) == 0;
      b.stream(2, late ? 2 : 1, true);
      known += b.most() == 2 ? 1 : 0;
    }
    assertThat(known).isGreaterThan(15_000);
  }

  /// As they come with room for any number: first tokens come beside those that go on.
  @Test
  void whereThereIsRoomNothingIsKnown() {
    Batch b = new Batch();
    for (int k = 0; k < 1_000; k++) {
      int before = k % 5;
      b.stream(before, k % 3 == 0 ? Math.max(0, before - 1) : before, k % 3 == 0);
    }
    assertThat(b.isKnown()).isFalse();
  }

  private static double[] off(int places) {
    double[] off = new double[Ahead.MOST + 1];
    Arrays.fill(off, 0.9);
    for (int n = places + 1; n < off.length; n++) {
      off[n] = Double.NaN;
    }
    off[0] = places == 0 ? 0.05 : 0.7;
    off[places] = 0.05;
    return off;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 8})
  void wholeAnswersShowItByTheirTimes(int places) {
    Batch b = new Batch();
    for (int k = 0; k < 20; k++) {
      b.beside(off(places));
    }
    assertThat(b.most()).isEqualTo(places);
  }

  @Test
  void wholeAnswersThatDoNotWaitShowNone() {
    Batch b = new Batch();
    for (int k = 0; k < 100; k++) {
      double[] off = off(0);
      off[1] = 0.8;
      off[2] = 0.6;
      b.beside(off);
    }
    assertThat(b.isKnown()).isFalse();
  }

  @Test
  void whatIsUsualTakesAFewThatAreAlone() {
    Batch b = new Batch();
    for (int k = 0; k < 8; k++) {
      assertThat(b.usual()).isZero();
      b.alone(1.3);
    }
    assertThat(b.usual()).isBetween(1.29, 1.31);
    assertThat(b.isOftenAlone()).isTrue();
  }
}
