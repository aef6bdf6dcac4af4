package org.infinilm.svc.bench;

import java.util.List;
import java.util.stream.Stream;

/// Two sides, metric by metric and by size of request. Pure.
record Comparison(Side base, Side other, List<ComparisonRow> rows, List<ComparisonBySize> bySize) {

  static Comparison of(Side base, Side other, long seed) {
    List<ComparisonRow> rows =
        Stream.of(Metric.values()).map(m -> ComparisonRow.of(m, base, other, seed)).toList();
    List<ComparisonBySize> bySize =
        Stream.of(TimeKind.values()).map(t -> ComparisonBySize.of(t, base, other)).toList();
    return new Comparison(base, other, rows, bySize);
  }

  List<ComparisonRow> with(ComparisonRow.Verdict verdict) {
    return rows.stream().filter(r -> r.verdict() == verdict).toList();
  }

  /// Whether some interval could be given.
  boolean tested() {
    return rows.stream().anyMatch(r -> r.interval().isPresent());
  }
}
