package org.infinilm.svc.bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/// One side of a comparison: repeated runs of one workload, the newest last.
///
/// @param key its flag and its name in JSON, `paged`
/// @param title its name in the report, `Paged Cache`
/// @param column its name above a column, `Paged`
record Side(String key, String title, String column, List<ResultFile> runs) {

  ResultFile newest() {
    return runs.getLast();
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
