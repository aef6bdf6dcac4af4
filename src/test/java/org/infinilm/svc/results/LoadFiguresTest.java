package org.infinilm.svc.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.load.LoadSample.Outcome;
import org.infinilm.svc.load.Samples;
import org.infinilm.svc.statistics.Summary;
import org.junit.jupiter.api.Test;

class LoadFiguresTest {
  private static final long MS = 1_000_000;

  private static LoadSample sample(
      int index, long intendedMs, long sentMs, int outputTokens, long... chunksMs) {
    return Samples.answered(
        index,
        intendedMs * MS,
        sentMs * MS,
        7,
        outputTokens,
        LongStream.of(chunksMs).map(c -> c * MS).toArray());
  }

  @Test
  void definitionsAreThoseOfVllmsBench() {
    LoadSample a = sample(0, 0, 0, 5, 100, 110, 130, 140);
    LoadSample b = sample(1, 0, 50, 1, 250);
    LoadSample failed = Samples.ended(sample(2, 0, 0, 9, 10), Outcome.REJECTED);
    LoadFigures f = LoadFigures.of(List.of(a, b, failed), 2, Map.of());
    assertThat(f.completed()).isEqualTo(2);
    assertThat(f.failed()).isEqualTo(1);
    assertThat(f.inputTokens()).isEqualTo(14);
    assertThat(f.outputTokens()).isEqualTo(6);
    assertThat(f.requestThroughput()).isEqualTo(1.0);
    assertThat(f.outputThroughput()).isEqualTo(3.0);
    assertThat(f.totalThroughput()).isEqualTo(10.0);
    assertThat(f.ttft().mean()).isEqualTo(0.15, within(1e-9));
    assertThat(f.tpot().mean()).isEqualTo(0.040 / 4, within(1e-9));
    assertThat(f.tpot().count()).isEqualTo(1);
    assertThat(f.itl().mean()).isEqualTo(0.040 / 3, within(1e-6));
    assertThat(f.e2el().mean()).isEqualTo((0.140 + 0.200) / 2, within(1e-9));
    assertThat(f.queue().most()).isEqualTo(0.050, within(1e-9));
    assertThat(f.mostTokensPerSecond()).isEqualTo(5);
    assertThat(f.mostConcurrent()).isEqualTo(2);
  }

  @Test
  void percentilesInterpolateLinearly() {
    Summary s = Summary.of(new double[] {4, 1, 3, 2});
    assertThat(s.median()).isEqualTo(2.5);
    assertThat(s.p99()).isEqualTo(3.97, within(1e-12));
    assertThat(s.std()).isEqualTo(Math.sqrt(1.25), within(1e-12));
    assertThat(Summary.of(new double[] {5}).p99()).isEqualTo(5);
    assertThat(Summary.of(new double[0]).mean()).isZero();
  }

  @Test
  void goodputCountsWhatMeetsEveryObjective() {
    List<LoadSample> all =
        List.of(sample(0, 0, 0, 2, 100, 200), sample(1, 0, 0, 2, 400, 450), sample(2, 0, 0, 1, 90));
    assertThat(LoadFigures.of(all, 1, Map.of("ttft", 100.0)).goodput()).isEqualTo(2);
    assertThat(LoadFigures.of(all, 1, Map.of("ttft", 100.0, "tpot", 60.0)).goodput()).isEqualTo(1);
    assertThat(LoadFigures.of(all, 1, Map.of("e2el", 449.0)).goodput()).isEqualTo(2);
    assertThat(LoadFigures.of(all, 1, Map.of()).goodput()).isNaN();
    assertThat(LoadFigures.of(all, 1, Map.of()).goodShare()).isNaN();
    LoadSample refused = Samples.ended(sample(3, 0, 0, 0), Outcome.REJECTED);
    LoadSample cut = Samples.ended(sample(4, 0, 0, 0), Outcome.TRUNCATED);
    List<LoadSample> five = new ArrayList<>(all);
    five.addAll(List.of(refused, cut));
    assertThat(LoadFigures.of(five, 1, Map.of("ttft", 100.0)).goodShare())
        .as("of all requests, failed and cut off ones too")
        .isEqualTo(0.4);
  }

  @Test
  void histogramsFromTheIntendedTimeAgreeWithTheRawValues() {
    SplittableRandom random = new SplittableRandom(3);
    List<LoadSample> all = new ArrayList<>();
    double[] late = new double[500];
    double[] ttft = new double[500];
    for (int k = 0; k < 500; k++) {
      long sent = k + random.nextLong(400);
      long first = sent + 1 + random.nextLong(3000);
      all.add(sample(k, k, sent, 3, first, first + 5, first + 9));
      late[k] = (sent - k) / 1e3;
      ttft[k] = (first - k) / 1e3;
    }
    Intended i = Intended.of(all);
    Summary lateRaw = Summary.of(late);
    Summary ttftRaw = Summary.of(ttft);
    assertThat(i.late().mean()).isEqualTo(lateRaw.mean(), within(lateRaw.mean() * 0.002));
    assertThat(i.late().most()).isEqualTo(lateRaw.most(), within(lateRaw.most() * 0.002));
    assertThat(i.ttft().mean()).isEqualTo(ttftRaw.mean(), within(ttftRaw.mean() * 0.002));
    assertThat(i.ttft().p99()).isEqualTo(ttftRaw.p99(), within(ttftRaw.p99() * 0.01));
    assertThat(i.lag().most()).isEqualTo(i.late().most());
  }

  @Test
  void randomRunsAgreeWithANaiveTwin() {
    SplittableRandom random = new SplittableRandom(9);
    for (int round = 0; round < 200; round++) {
      List<LoadSample> all = new ArrayList<>();
      List<Double> tpots = new ArrayList<>();
      double itls = 0;
      int gaps = 0;
      for (int k = random.nextInt(1, 30); k > 0; k--) {
        int n = random.nextInt(1, 20);
        long[] at = new long[n];
        long sent = random.nextLong(1000);
        long now = sent;
        for (int c = 0; c < n; c++) {
          now += 1 + random.nextLong(200);
          at[c] = now;
        }
        all.add(sample(k, 0, sent, n, at));
        if (n > 1) {
          tpots.add((at[n - 1] - at[0]) / 1e3 / (n - 1));
          itls += (at[n - 1] - at[0]) / 1e3;
          gaps += n - 1;
        }
      }
      LoadFigures f = LoadFigures.of(all, 3, Map.of());
      double[] sorted = tpots.stream().mapToDouble(Double::doubleValue).sorted().toArray();
      double mean = Arrays.stream(sorted).average().orElse(0);
      assertThat(f.tpot().mean()).isEqualTo(mean, within(1e-9));
      assertThat(f.itl().mean()).isEqualTo(gaps == 0 ? 0 : itls / gaps, within(1e-5));
    }
  }
}
