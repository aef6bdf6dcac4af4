package org.infinilm.svc.evaluation;

import java.util.Arrays;

/// What became of each request of a run; times in nanoseconds. Written once per request.
final class Outcome {
  final double[] arrival;
  final double[] first;
  final double[] last;
  final int[] tokens;
  final boolean[] cut;
  final int[] node;
  int refused;

  /// Answers that broke off.
  int broken;

  int answered;

  Outcome(int requests) {
    arrival = new double[requests];
    first = new double[requests];
    last = new double[requests];
    tokens = new int[requests];
    cut = new boolean[requests];
    node = new int[requests];
    Arrays.fill(node, -1);
  }

  /// Whether it was answered whole and within the limits.
  boolean good(int k, FleetPlan plan) {
    return last[k] > 0 && !cut[k] && ttft(k) <= plan.ttftNanos() && tpot(k) <= plan.tpotNanos();
  }

  double ttft(int k) {
    return first[k] - arrival[k];
  }

  /// 0 for an answer of one token.
  double tpot(int k) {
    return tokens[k] < 2 ? 0 : (last[k] - first[k]) / (tokens[k] - 1);
  }

  double whole(int k) {
    return last[k] - arrival[k];
  }
}
