package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultRequest;

/// One side of a comparison: repeated runs of one workload, by seed, then by date.
///
/// @param key its flag and its name in JSON, `paged`
/// @param title its name in the report, `Paged Cache`
/// @param column its name above a column, `Paged`
public record Side(String key, String title, String column, List<ResultFile> runs) {

  /// Share of cut answers above which a side is not compared: what is left over are the requests
  /// that happened to fit.
  private static final double MOST_CUT_SHARE = 0.01;

  /// Share of failed requests above which a side is not compared: what is left over are those that
  /// were served in time.
  private static final double MOST_FAILED_SHARE = 0.01;

  /// Its newest run.
  ResultFile newest() {
    return runs.stream().reduce((a, b) -> b.date().compareTo(a.date()) >= 0 ? b : a).orElseThrow();
  }

  /// Whether the runs of both sides belong together one by one: known to be the same workload, as
  /// many on each side, drawn with the same seeds. The runs are in order of seed, then of date.
  static boolean paired(Side base, Side other) {
    if (base.runs.size() != other.runs.size()) {
      return false;
    }
    for (int i = 0; i < base.runs.size(); i++) {
      ResultFile a = base.runs.get(i);
      ResultFile b = other.runs.get(i);
      if (!CompareWorkload.known(a, b) || !CompareWorkload.same(a, b)) {
        return false;
      }
    }
    return true;
  }

  /// Whether every run sent the same requests.
  boolean oneWorkload() {
    return runs.stream().allMatch(r -> CompareWorkload.same(r, newest()));
  }

  long leastCompleted() {
    return runs.stream().mapToLong(ResultFile::completed).min().orElse(0);
  }

  /// Why nothing may be claimed of these two sides together: their answers differ in length, so
  /// that they did not do the same work, whose times and rates are all that is measured.
  static Optional<String> otherWork(Side base, Side other) {
    double a = base.answerTokens();
    double b = other.answerTokens();
    return CompareWorkload.near(a, b)
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "%s and %s: answers of %.4g and %.4g tokens on average (expected: at most a tenth"
                    + " apart; --ignore-eos makes them alike): not the same work, so nothing is"
                    + " claimed of the two",
                base.key,
                other.key,
                a,
                b));
  }

  /// Mean over the runs; NaN where one does not say.
  private double answerTokens() {
    return runs.stream().mapToDouble(ResultFile::answerTokens).average().orElse(Double.NaN);
  }

  /// Why nothing may be claimed of this side; empty when there is no reason.
  List<String> doubts() {
    List<String> out = new ArrayList<>();
    for (ResultFile r : runs) {
      if (r.late()) {
        out.add(r.path() + ": its load generator was late, so nothing is claimed of its side");
      }
      if (r.cutShare() > MOST_CUT_SHARE) {
        out.add(
            String.format(
                Locale.ROOT,
                "%s: %.1f %% of its answers were cut off, so nothing is claimed of its side",
                r.path(),
                100 * r.cutShare()));
      }
      if (r.failedShare() > MOST_FAILED_SHARE) {
        out.add(
            String.format(
                Locale.ROOT,
                "%s: %.1f %% of its requests failed, so nothing is claimed of its side",
                r.path(),
                100 * r.failedShare()));
      }
      if (r.untoldShare() > MOST_FAILED_SHARE) {
        out.add(
            String.format(
                Locale.ROOT,
                "%s: %.1f %% of its requests are told neither as answered nor as failed, so nothing"
                    + " is claimed of its side",
                r.path(),
                100 * r.untoldShare()));
      }
      if (!r.complete()) {
        out.add(r.path() + ": it was interrupted, so nothing is claimed of its side");
      }
    }
    return out;
  }

  /// A figure of each run.
  double[] figures(Metric m) {
    return runs.stream().mapToDouble(r -> r.figure(m)).toArray();
  }

  double mean(Metric m) {
    double sum = 0;
    for (ResultFile r : runs) {
      sum += r.figure(m);
    }
    return sum / runs.size();
  }

  /// A time of each request by its index, the mean over the runs; only requests that every run
  /// answered and timed.
  Map<Integer, Double> byIndex(ToDoubleFunction<ResultRequest> time) {
    Map<Integer, Double> sums = new HashMap<>();
    Set<Integer> broken = new HashSet<>();
    for (ResultFile run : runs) {
      Set<Integer> seen = new HashSet<>();
      for (ResultRequest r : run.requests()) {
        double v = time.applyAsDouble(r);
        if (r.ok() && v > 0 && seen.add(r.index())) {
          sums.merge(r.index(), v / runs.size(), Double::sum);
        }
      }
      sums.keySet()
          .forEach(i -> {
            if (!seen.contains(i)) {
              broken.add(i);
            }
          });
    }
    broken.forEach(sums::remove);
    return sums;
  }

  /// The same over all runs, one value a request and run, without their places.
  double[] all(ToDoubleFunction<ResultRequest> time) {
    List<Double> out = new ArrayList<>();
    for (ResultFile run : runs) {
      for (ResultRequest r : run.requests()) {
        double v = time.applyAsDouble(r);
        if (r.ok() && v > 0) {
          out.add(v);
        }
      }
    }
    return out.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /// Size of each request by index, in bytes when every run has them, else in prompt tokens; empty
  /// when there is neither.
  Map<Integer, Long> sizes(boolean bytes) {
    Map<Integer, Long> out = new HashMap<>();
    for (ResultRequest r : newest().requests()) {
      long size = bytes ? r.sizeBytes() : r.inputTokens();
      if (size >= 0) {
        out.put(r.index(), size);
      }
    }
    return out;
  }
}
