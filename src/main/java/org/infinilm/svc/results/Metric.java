package org.infinilm.svc.results;

import java.util.Optional;
import org.infinilm.svc.statistics.CompareStatistics.Estimate;
import org.jspecify.annotations.Nullable;

/// The nine figures that are compared, by their names in a result file.
public enum Metric {
  MEAN_TTFT_MS("mean_ttft_ms", "Mean TTFT (ms)", TimeKind.TTFT, Estimate.MEAN),
  MEDIAN_TTFT_MS("median_ttft_ms", "Median TTFT (ms)", TimeKind.TTFT, Estimate.MEDIAN),
  P99_TTFT_MS("p99_ttft_ms", "P99 TTFT (ms)", TimeKind.TTFT, Estimate.P99),
  MEAN_TPOT_MS("mean_tpot_ms", "Mean TPOT (ms)", TimeKind.TPOT, Estimate.MEAN),
  MEDIAN_TPOT_MS("median_tpot_ms", "Median TPOT (ms)", TimeKind.TPOT, Estimate.MEDIAN),
  P99_TPOT_MS("p99_tpot_ms", "P99 TPOT (ms)", TimeKind.TPOT, Estimate.P99),
  OUTPUT_THROUGHPUT("output_throughput", "Output (tokens/s)"),
  TOTAL_TOKEN_THROUGHPUT("total_token_throughput", "Total (tokens/s)"),
  REQUEST_THROUGHPUT("request_throughput", "Requests (1/s)");

  /// How a latency figure follows from the requests.
  public record Time(TimeKind kind, Estimate estimate) {}

  private final String key;
  private final String label;
  private final @Nullable TimeKind kind;
  private final @Nullable Estimate estimate;

  Metric(String key, String label, TimeKind kind, Estimate estimate) {
    this.key = key;
    this.label = label;
    this.kind = kind;
    this.estimate = estimate;
  }

  /// A throughput: of the run as a whole.
  Metric(String key, String label) {
    this.key = key;
    this.label = label;
    this.kind = null;
    this.estimate = null;
  }

  static Optional<Metric> byKey(String key) {
    for (Metric m : values()) {
      if (m.key.equals(key)) {
        return Optional.of(m);
      }
    }
    return Optional.empty();
  }

  public String key() {
    return key;
  }

  public String label() {
    return label;
  }

  public Optional<Time> time() {
    return kind == null || estimate == null
        ? Optional.empty()
        : Optional.of(new Time(kind, estimate));
  }

  public boolean isP99() {
    return estimate == Estimate.P99;
  }

  public boolean higherIsBetter() {
    return kind == null;
  }
}
