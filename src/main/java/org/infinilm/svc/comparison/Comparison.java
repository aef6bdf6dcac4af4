package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.results.TimeKind;
import org.infinilm.svc.statistics.CompareStatistics;

/// Two sides, metric by metric and by size of request. Pure.
public record Comparison(
    Side base, Side other, List<ComparisonRow> rows, List<ComparisonBySize> bySize) {

  /// These pairs of sides, with verdicts: all rows together shall be wrong in at most 5 % of the
  /// cases, and so shall all verdicts by size.
  static List<Comparison> of(List<List<Side>> pairs) {
    List<Comparison> raw = pairs.stream().map(p -> of(p.getFirst(), p.getLast())).toList();
    boolean[] rows =
        CompareStatistics.holm(
            raw.stream().flatMap(c -> c.rows.stream()).map(ComparisonRow::p).toList());
    boolean[] sizes =
        CompareStatistics.holm(
            raw.stream().flatMap(c -> c.bySize.stream()).flatMap(s -> s.tests().stream()).toList());
    List<Comparison> out = new ArrayList<>();
    int row = 0;
    int size = 0;
    for (Comparison c : raw) {
      List<ComparisonRow> judged = new ArrayList<>();
      for (ComparisonRow r : c.rows) {
        judged.add(r.judged(rows[row++]));
      }
      List<ComparisonBySize> judgedBySize = new ArrayList<>();
      for (ComparisonBySize s : c.bySize) {
        boolean[] findings = new boolean[s.tests().size()];
        System.arraycopy(sizes, size, findings, 0, findings.length);
        size += findings.length;
        judgedBySize.add(s.judged(findings));
      }
      out.add(new Comparison(c.base, c.other, judged, judgedBySize));
    }
    return out;
  }

  private static Comparison of(Side base, Side other) {
    return new Comparison(
        base,
        other,
        Stream.of(Metric.values())
            .map(m -> ComparisonRow.of(m, base, other))
            .map(r -> base.doubts().isEmpty() && other.doubts().isEmpty() ? r : r.withoutTest())
            .map(r -> Side.otherWork(base, other).isEmpty() ? r : r.withoutVerdict())
            .toList(),
        Stream.of(TimeKind.values()).map(t -> ComparisonBySize.of(t, base, other)).toList());
  }

  List<ComparisonRow> with(ComparisonRow.Verdict verdict) {
    return rows.stream().filter(r -> r.verdict() == verdict).toList();
  }

  /// Whether some test over runs could be made.
  boolean tested() {
    return rows.stream().anyMatch(r -> !Double.isNaN(r.p()));
  }
}
