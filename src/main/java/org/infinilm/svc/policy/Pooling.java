package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What several routers have learned of one cost, as if one had seen all of it: sums of what
/// observations said are added, and solved as one (the normal equations of least squares, weighed
/// by forgetting; Ljung, System Identification, section 11.2). Pure.
///
/// Each router's own part is weighed by its observations, which forgetting bounds. One that is far
/// off from what is known better counts for nothing, one that claims to be surer than so many
/// observations make anybody is cut to that.
final class Pooling {
  /// What one router says.
  ///
  /// @param weight above 0 and up to 1
  record Part(LeastSquares of, double weight) {}

  private static final int ENOUGH = 30;
  private static final double MEMORY = 120;
  private static final double MOST_OFF = 4;
  private static final double MOST_SURER = 2;
  private static final double LEAST = 1e-6;
  private static final double MOST = 1e4;
  private static final double[][] PROBES = {{1, 0.25, 0.1, 0.1}, {1, 1, 1, 1}};

  private Pooling() {}

  /// @param others who may have begun with the same first guess: it counts as often, and little
  static LeastSquares of(LeastSquares own, List<Part> others) {
    List<Part> good = new ArrayList<>();
    double[] usual = usual(own, others);
    for (Part p : others) {
      if (p.of().seen() > 0 && p.weight() > 0 && isLikely(p.of(), usual)) {
        good.add(p);
      }
    }
    if (good.isEmpty()) {
      return own;
    }
    int n = own.weights().length;
    double[][] sum = new double[n][n];
    double[] pull = new double[n];
    add(own.sums(), 1, sum, pull);
    double surest = surest(own, good);
    double seen = own.seen();
    double count = Math.min(own.seen(), MEMORY);
    double deviation = own.deviation() * count;
    for (Part p : good) {
      double of = Math.min(p.of().seen(), MEMORY);
      double trace = p.of().sums().trace();
      double most = surest * of;
      add(p.of().sums(), p.weight() * (trace > most ? most / trace : 1), sum, pull);
      seen += p.weight() * p.of().seen();
      count += p.weight() * of;
      deviation += p.weight() * of * p.of().deviation();
    }
    int all = (int) Math.min(Math.round(seen), 1 << 30);
    Information i = Information.of(sum, pull);
    double[] weights = i == null ? null : i.weights();
    return weights == null
        ? own
        : LeastSquares.of(
            weights,
            new LeastSquares.Sums(sum, pull),
            count > 0 ? deviation / count : own.deviation(),
            all);
  }

  private static void add(LeastSquares.Sums s, double scale, double[][] sum, double[] pull) {
    for (int i = 0; i < pull.length; i++) {
      pull[i] += scale * s.pull()[i];
      for (int j = 0; j < pull.length; j++) {
        sum[i][j] += scale * s.products()[i][j];
      }
    }
  }

  /// What it costs usually, as far as that is known: by our own observations, else by most of three
  /// and more others.
  private static double @Nullable [] usual(LeastSquares own, List<Part> others) {
    if (own.seen() >= ENOUGH) {
      return costs(own);
    }
    if (others.size() < 3) {
      return null;
    }
    double[] out = new double[PROBES.length];
    for (int k = 0; k < out.length; k++) {
      int at = k;
      double[] all = others.stream().mapToDouble(p -> costs(p.of())[at]).sorted().toArray();
      out[k] = all[all.length / 2];
    }
    return out;
  }

  private static double[] costs(LeastSquares l) {
    double[] out = new double[PROBES.length];
    for (int k = 0; k < out.length; k++) {
      out[k] = l.at(PROBES[k]);
    }
    return out;
  }

  private static boolean isLikely(LeastSquares l, double @Nullable [] usual) {
    double[] is = costs(l);
    for (int k = 0; k < is.length; k++) {
      boolean possible = is[k] >= LEAST && is[k] <= MOST;
      boolean near =
          usual == null || (is[k] <= MOST_OFF * usual[k] && is[k] >= usual[k] / MOST_OFF);
      if (!possible || !near) {
        return false;
      }
    }
    return true;
  }

  /// How sure one observation makes anybody: some times our own, else the middle of others; of two
  /// the smaller, since either may claim anything.
  private static double surest(LeastSquares own, List<Part> others) {
    if (own.seen() >= ENOUGH) {
      return MOST_SURER * own.sums().trace() / Math.min(own.seen(), MEMORY);
    }
    double[] all = new double[others.size()];
    for (int k = 0; k < all.length; k++) {
      LeastSquares l = others.get(k).of();
      all[k] = l.sums().trace() / Math.min(l.seen(), MEMORY);
    }
    Arrays.sort(all);
    return MOST_SURER * all[(all.length - 1) / 2];
  }
}
