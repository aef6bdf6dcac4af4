package org.infinilm.svc.comparison;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.infinilm.svc.comparison.ComparisonRow.Method;
import org.infinilm.svc.comparison.ComparisonRow.Verdict;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.statistics.CompareStatistics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// One and the same server compared with itself (A/A): requests behind a queue are not independent,
/// and a comparison that takes them so calls noise a difference.
class CompareNoiseTest {
  private static final int PAIRS = 100;

  private static Comparison compared(int pair, int runs, int requests, double load, double speed)
      throws ResultFile.Unusable {
    ResultFile[] a = new ResultFile[runs];
    ResultFile[] b = new ResultFile[runs];
    for (int k = 0; k < runs; k++) {
      a[k] = QueueRuns.run(pair, 1000L * pair + 2L * k, requests, load, 1);
      b[k] = QueueRuns.run(pair, 1000L * pair + 2L * k + 1, requests, load, speed);
    }
    return Comparison.of(List.of(List.of(QueueRuns.side("a", a), QueueRuns.side("b", b))))
        .getFirst();
  }

  private static boolean claims(Comparison c) {
    return !c.with(Verdict.BASE).isEmpty()
        || !c.with(Verdict.OTHER).isEmpty()
        || c.bySize().stream().anyMatch(s -> s.text().contains(" wins "));
  }

  @ParameterizedTest
  @CsvSource({"1, 0.8", "2, 0.8", "3, 0.8", "5, 0.8", "5, 0.9"})
  void ofAHundredPairsOfOneServerAtMostFiveAreCalledDifferent(int runs, double load)
      throws Exception {
    int rows = 0;
    int sizes = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
      Comparison c = compared(pair, runs, 200, load, 1);
      rows += c.with(Verdict.BASE).size() + c.with(Verdict.OTHER).size() > 0 ? 1 : 0;
      sizes += c.bySize().stream().anyMatch(s -> s.text().contains(" wins ")) ? 1 : 0;
    }
    assertThat(rows).as("tables with a winner").isLessThanOrEqualTo(PAIRS / 20);
    assertThat(sizes).as("verdicts by size").isLessThanOrEqualTo(PAIRS / 20);
  }

  @Test
  void aServerThatIsAFifthFasterIsFoundWithFiveRunsASide() throws Exception {
    int found = 0;
    for (int pair = 0; pair < 20; pair++) {
      Comparison c = compared(pair, 5, 200, 0.8, 1.25);
      found += c.with(Verdict.OTHER).isEmpty() ? 0 : 1;
      assertThat(c.with(Verdict.BASE)).isEmpty();
    }
    assertThat(found).isGreaterThanOrEqualTo(18);
  }

  /// Weak: in queues they miss zero more often than one time in twenty, so nothing follows from
  /// them; independent requests they hold.
  @Test
  void intervalsWithinOneRunAreMarkedAndClaimNothing() throws Exception {
    int missed = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
      Comparison c = compared(pair, 1, 200, 0.8, 1);
      assertThat(claims(c)).isFalse();
      ComparisonRow ttft = c.rows().getFirst();
      assertThat(ttft.method()).isEqualTo(Method.BATCHES);
      missed += ttft.interval().orElseThrow().excludesZero() ? 1 : 0;
    }
    assertThat(missed).isLessThanOrEqualTo(PAIRS / 4);
  }

  @Test
  void aP99OfTooFewRequestsHasNoInterval() throws Exception {
    for (int requests : List.of(200, CompareStatistics.LEAST_P99)) {
      Comparison c = compared(1, 3, requests, 0.5, 1);
      ComparisonRow p99 =
          c.rows().stream().filter(r -> r.metric() == Metric.P99_TTFT_MS).findFirst().orElseThrow();
      assertThat(p99.interval().isPresent()).isEqualTo(requests == CompareStatistics.LEAST_P99);
      assertThat(p99.verdict() == Verdict.UNTESTED)
          .isEqualTo(requests < CompareStatistics.LEAST_P99);
    }
  }
}
