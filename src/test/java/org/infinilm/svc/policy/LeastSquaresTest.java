package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What is learned of costs stays what it is: information is never negative, weights are numbers, a
/// change is followed, and what is not seen is kept.
class LeastSquaresTest {
  private static final LeastSquares GUESS = LeastSquares.guess(0.01, 0.15, 0.02);

  private static double cost(double u) {
    return 0.03 + 0.4 * u + 0.05 * u * u;
  }

  private static LeastSquares taught(
      LeastSquares from, Random random, int n, double middle, double spread, double factor) {
    LeastSquares l = from;
    for (int k = 0; k < n; k++) {
      double u = Math.min(16, middle * Math.exp(spread * random.nextGaussian()));
      double y = factor * cost(u) * Math.exp(0.1 * random.nextGaussian());
      l = l.after(y, 1, u, u * u);
    }
    return l;
  }

  /// Mean distance of the logarithm at these lengths.
  private static double off(LeastSquares l, double factor, double... at) {
    double sum = 0;
    for (double u : at) {
      sum += Math.abs(Math.log(l.at(1, u, u * u) / (factor * cost(u))));
    }
    return sum / at.length;
  }

  /// Whether sums of products are positive semi-definite but for rounding: with a trillionth of
  /// each feature's own added, Cholesky's factors exist.
  private static boolean isInformation(LeastSquares l) {
    double[][] p = l.sums().products();
    for (int k = 0; k < p.length; k++) {
      p[k][k] += 1e-12 * p[k][k] + Double.MIN_NORMAL;
    }
    return Information.of(p, new double[p.length]) != null;
  }

  private static void assertSound(LeastSquares l, String as) {
    assertThat(isInformation(l)).as("%s: information", as).isTrue();
    for (double w : l.weights()) {
      assertThat(w).as("%s: a weight", as).isFinite().isNotNegative();
    }
    assertThat(l.at(1, 1, 1)).as("%s: a cost", as).isFinite();
    assertThat(l.deviation()).as("%s: deviation", as).isBetween(0.02, 2.6);
    assertThat(l.sums().trace()).as("%s: sums", as).isFinite().isNotNegative();
  }

  private static double anyScale(Random random) {
    return Math.pow(10, 18 * random.nextDouble() - 9);
  }

  /// Kinds of series that a router may see or be shown.
  private static double[] observation(int kind, int k, Random random) {
    double u = 8 * random.nextDouble();
    return switch (kind) {
      case 0 -> new double[] {cost(u), 1, u, u * u};
      case 1 -> new double[] {cost(0.1), 1, 0.1, 0.01}; // one direction for ever
      case 2 ->
          k / 500 % 2 == 0
              ? new double[] {cost(0.1), 1, 0.1, 0.01}
              : new double[] {cost(6), 1, 6, 36};
      case 3 ->
          new double[] {anyScale(random), anyScale(random), anyScale(random), anyScale(random)};
      case 4 -> new double[] {anyScale(random), 1, 1, 1}; // equal features
      case 5 -> new double[] {anyScale(random), 0, 0, 0};
      case 6 -> new double[] {anyScale(random), 0, k % 2 == 0 ? u : 0, 0};
      case 7 -> new double[] {k % 2 == 0 ? 1e-9 : 1e9, 1, u, u * u};
      case 8 -> new double[] {1e-9, 1e9, 1e9, 1e9};
      default -> new double[] {1e9, 1e-9, 1e-9, 1e-9};
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
  void informationIsNeverNegativeAndWeightsAreNumbers(int kind) {
    Random random = new Random(kind);
    LeastSquares l = GUESS;
    for (int k = 0; k < 10_000; k++) {
      double[] o = observation(kind, k, random);
      l = l.after(o[0], o[1], o[2], o[3]);
      if (k % 10 == 0 || k < 100) {
        assertSound(l, "series " + kind + ", observation " + k);
      }
    }
    assertSound(l, "series " + kind + ", at its end");
  }

  @Test
  void seriesOfAllKindsAfterEachOtherLeaveItSound() {
    Random random = new Random(77);
    LeastSquares l = GUESS;
    int kind = 0;
    for (int k = 0; k < 100_000; k++) {
      kind = random.nextInt(300) == 0 ? random.nextInt(10) : kind;
      double[] o = observation(kind, k, random);
      l = l.after(o[0], o[1], o[2], o[3]);
      if (k % 20 == 0) {
        assertSound(l, "observation " + k + " of kind " + kind);
      }
      if (k % 10_000 == 0) {
        LeastSquares again = recalled(l);
        assertSound(again, "read back after " + k);
        assertThat(again.weights()).containsExactly(l.weights());
      }
    }
  }

  @Test
  void whatIsOrdinaryAgainIsLearnedAgainAfterAllOfThem() {
    Random random = new Random(78);
    for (int kind = 0; kind < 10; kind++) {
      LeastSquares l = taught(GUESS, random, 300, 0.3, 1, 1);
      for (int k = 0; k < 100; k++) {
        double[] o = observation(kind, k, random);
        l = l.after(o[0], o[1], o[2], o[3]);
      }
      l = taught(l, random, 3000, 0.3, 1, 1);
      assertThat(off(l, 1, 0.1, 0.3, 1)).as("after series %d", kind).isLessThan(0.35);
    }
  }

  @Test
  void aChangeOfAllCostsIsFollowedWhereItIsSeen() {
    for (long seed = 1; seed <= 20; seed++) {
      Random random = new Random(seed);
      LeastSquares l = taught(GUESS, random, 600, 0.3, 1, 1);
      assertThat(off(l, 1, 0.1, 0.3, 1)).isLessThan(0.1);
      for (double factor : new double[] {3, 1 / 3.0}) {
        LeastSquares then = taught(l, random, 300, 0.3, 1, factor);
        assertThat(off(then, factor, 0.1, 0.3, 1)).as("%s times", factor).isLessThan(0.45);
        then = taught(then, random, 500, 0.3, 1, factor);
        assertThat(off(then, factor, 0.1, 0.3, 1)).as("%s times", factor).isLessThan(0.25);
      }
    }
  }

  @Test
  void whatWasLearnedOfLongPromptsIsKeptWhileShortOnesAloneAreSeen() {
    for (long seed = 1; seed <= 20; seed++) {
      Random random = new Random(seed);
      LeastSquares l = taught(GUESS, random, 600, 0.3, 1, 1);
      double before = off(l, 1, 2, 4, 8);
      LeastSquares then = taught(l, random, 5000, 0.1, 0.05, 1);
      assertThat(off(then, 1, 2, 4, 8)).isLessThan(before + 0.1);
      // the first guess is three times too low for them
      assertThat(off(GUESS, 1, 2, 4, 8)).isGreaterThan(0.7);
    }
  }

  @Test
  void forgettingMovesNoWeight() {
    LeastSquares l = taught(GUESS, new Random(5), 400, 0.3, 1, 1);
    double[] before = l.weights();
    double u = 0.7;
    for (int k = 0; k < 2000; k++) {
      l = l.after(l.at(1, u, u * u), 1, u, u * u);
    }
    for (int k = 0; k < before.length; k++) {
      assertThat(l.weights()[k]).isCloseTo(before[k], within(1e-9));
    }
  }

  @Test
  void fewThatCameFarTooSoonDoNotDecide() {
    Random random = new Random(6);
    LeastSquares l = taught(GUESS, random, 200, 0.3, 1, 1);
    double sum = 0;
    int n = 0;
    for (int k = 0; k < 600; k++) {
      double u = Math.min(16, 0.3 * Math.exp(random.nextGaussian()));
      l = l.after((k % 50 == 0 ? 0.02 : 1) * cost(u), 1, u, u * u);
      sum += off(l, 1, 0.1, 0.5, 2, 8);
      n++;
    }
    assertThat(sum / n).isLessThan(0.05);
  }

  @Test
  void aWeightThatWouldBeNegativeIsNoneAndTheOthersFitWithoutIt() {
    LeastSquares l = GUESS;
    Random random = new Random(7);
    for (int k = 0; k < 400; k++) {
      double u = 0.2 + 4 * random.nextDouble();
      l = l.after(0.05 + 0.4 * u - 0.02 * u * u, 1, u, u * u);
    }
    assertThat(l.weights()[2]).isZero();
    for (double u : new double[] {0.5, 1, 2, 4}) {
      double is = 0.05 + 0.4 * u - 0.02 * u * u;
      assertThat(l.at(1, u, u * u)).isCloseTo(is, within(0.12 * is));
    }
  }

  private static Map<String, Object> file(LeastSquares l) {
    Map<String, Object> out = new HashMap<>();
    l.remembered().forEach((k, v) -> out.put(k, v instanceof double[] numbers ? list(numbers) : v));
    return out;
  }

  private static List<Object> list(double... numbers) {
    List<Object> out = new ArrayList<>();
    for (double d : numbers) {
      out.add(d);
    }
    return out;
  }

  private static LeastSquares recalled(LeastSquares l) {
    return LeastSquares.recall(Recalled.of(file(l)), l.weights().length);
  }

  @Test
  void aFileThatKeptACovarianceIsReadAndWhatItIsNotSoundOfBeginsAnew() {
    LeastSquares l = taught(GUESS, new Random(8), 400, 0.3, 1, 1);
    Map<String, Object> before = file(l);
    before.put("covariance0", list(-1e4, 1e4, 1e4));
    before.put("covariance1", list(1e4, -1e4, 1e4));
    before.put("covariance2", list(1e4, 1e4, -1e4));
    LeastSquares same = LeastSquares.recall(Recalled.of(before), 3);
    assertThat(same.weights()).containsExactly(l.weights());
    assertThat(same.seen()).isEqualTo(400);
    assertThat(same.sums().trace()).isCloseTo(l.sums().trace(), within(1e-4 * l.sums().trace()));

    Map<String, Object> foreign = new HashMap<>(before);
    foreign.put("products0", list(l.sums().products()[0][0], 1e9, 0));
    LeastSquares anew = LeastSquares.recall(Recalled.of(foreign), 3);
    assertThat(anew.weights()).containsExactly(l.weights());
    assertThat(anew.sums().trace()).isCloseTo(0.03, within(1e-9));

    Map<String, Object> old = file(l);
    old.keySet().removeIf(k -> k.startsWith("products") || k.equals("pull"));
    LeastSquares weightsAlone = LeastSquares.recall(Recalled.of(old), 3);
    assertThat(off(weightsAlone, 1, 0.1, 0.5, 2)).isLessThan(0.1);
    assertThat(off(taught(weightsAlone, new Random(9), 40, 0.3, 1, 3), 3, 0.1, 0.3, 1))
        .isLessThan(0.2);

    Map<String, Object> none = file(l);
    none.remove("weights");
    assertThatThrownBy(() -> LeastSquares.recall(Recalled.of(none), 3))
        .hasMessage("weights: null (expected: 3 numbers)");
  }

  /// Whoever wrote it: sums that come to something else than the weights beside them are nobody's.
  @Test
  void oneOddNumberIsRefusedOrSoonOverruled() {
    LeastSquares l = taught(GUESS, new Random(8), 400, 0.3, 1, 1);
    int refused = 0;
    for (String key : List.of("weights", "products0", "products1", "products2", "pull")) {
      for (int k = 0; k < 3; k++) {
        for (double odd : new double[] {0, 1, 1e4, 1e6, 1e9, 1e14, -1e6, -1e14}) {
          Map<String, Object> file = file(l);
          List<Object> numbers = new ArrayList<>((List<?>) file.get(key));
          numbers.set(k, odd);
          file.put(key, numbers);
          LeastSquares read;
          try {
            read = LeastSquares.recall(Recalled.of(file), 3);
          } catch (IllegalArgumentException e) {
            assertThat(e).hasMessageContaining("expected");
            refused++;
            continue;
          }
          assertThat(off(taught(read, new Random(9), 60, 0.3, 1, 1), 1, 0.1, 0.5, 2))
              .as("%s[%d] = %s", key, k, odd)
              .isLessThan(Math.log(2));
        }
      }
    }
    assertThat(refused).isGreaterThan(40);
  }

  /// Sums of products are those of vectors with each other: they read the same from both sides, no
  /// two are more alike than each is to itself, and no three are all against each other.
  @Test
  void productsThatNoObservationsLeaveAreRefused() {
    LeastSquares l = taught(GUESS, new Random(8), 400, 0.3, 1, 1);
    double[][] p = l.sums().products();
    Map<String, Object> crooked = file(l);
    crooked.put("products0", list(p[0][0], 1.1 * p[0][1], p[0][2]));
    Map<String, Object> alike = file(l);
    double most = 1.1 * Math.sqrt(p[0][0] * p[1][1]);
    alike.put("products0", list(p[0][0], most, p[0][2]));
    alike.put("products1", list(most, p[1][1], p[1][2]));
    Map<String, Object> against = file(l);
    for (int k = 0; k < 3; k++) {
      double[] row = {-90, -90, -90};
      row[k] = 100;
      against.put("products" + k, list(row));
    }
    for (Map<String, Object> file : List.of(crooked, alike, against)) {
      assertThatThrownBy(() -> LeastSquares.recall(Recalled.of(file), 3))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("products")
          .hasMessageContaining("expected");
    }
  }

  @Test
  void whatIsReadBackGoesOnAsIfNothingHadBeen() {
    Random random = new Random(10);
    LeastSquares l = taught(GUESS, random, 50, 0.3, 1, 1);
    LeastSquares again = recalled(l);
    for (int k = 0; k < 100; k++) {
      double u = Math.min(16, 0.3 * Math.exp(random.nextGaussian()));
      double y = cost(u) * Math.exp(0.1 * random.nextGaussian());
      l = l.after(y, 1, u, u * u);
      again = again.after(y, 1, u, u * u);
      assertThat(again.at(1, u, u * u))
          .isCloseTo(l.at(1, u, u * u), within(1e-3 * l.at(1, u, u * u)));
    }
  }

  /// Short prompts alone told what long ones cost, wrongly, and leave little scatter: each long one
  /// after that would be an outlier, for fifty of them.
  @Test
  void whatSurprisesTwiceIsNoOutlier() {
    LeastSquares l = LeastSquares.guess(0.01, 0.1, 0.02);
    Random random = new Random(1);
    for (int k = 0; k < 300; k++) {
      l = shortOne(l, random);
    }
    assertThat(l.at(1, 4, 16)).isGreaterThan(5);
    for (int k = 0; k < 8; k++) {
      l = l.after(0.8, 1, 4, 16);
      for (int n = 0; n < 20; n++) {
        l = shortOne(l, random);
      }
    }
    assertThat(l.at(1, 4, 16)).isBetween(0.7, 1.2);
    double once = l.after(0.01, 1, 4, 16).at(1, 4, 16);
    assertThat(once).as("a single odd one").isGreaterThan(0.4);
  }

  private static LeastSquares shortOne(LeastSquares l, Random random) {
    double u = 0.05 + 0.04 * random.nextDouble();
    return l.after((0.02 + u * u) * (1 + 0.02 * random.nextGaussian()), 1, u, u * u);
  }
}
