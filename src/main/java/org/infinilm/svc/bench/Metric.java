package org.infinilm.svc.bench;

/// The nine figures that are compared, by their names in a result file.
enum Metric {
  MEAN_TTFT_MS("mean_ttft_ms", "Mean TTFT (ms)", false),
  MEDIAN_TTFT_MS("median_ttft_ms", "Median TTFT (ms)", false),
  P99_TTFT_MS("p99_ttft_ms", "P99 TTFT (ms)", false),
  MEAN_TPOT_MS("mean_tpot_ms", "Mean TPOT (ms)", false),
  MEDIAN_TPOT_MS("median_tpot_ms", "Median TPOT (ms)", false),
  P99_TPOT_MS("p99_tpot_ms", "P99 TPOT (ms)", false),
  OUTPUT_THROUGHPUT("output_throughput", "Output (tokens/s)", true),
  TOTAL_TOKEN_THROUGHPUT("total_token_throughput", "Total (tokens/s)", true),
  REQUEST_THROUGHPUT("request_throughput", "Requests (1/s)", true);

  private final String key;
  private final String label;
  private final boolean higherIsBetter;

  Metric(String key, String label, boolean higherIsBetter) {
    this.key = key;
    this.label = label;
    this.higherIsBetter = higherIsBetter;
  }

  String key() {
    return key;
  }

  String label() {
    return label;
  }

  boolean higherIsBetter() {
    return higherIsBetter;
  }
}
