package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;

/// Who succeeds far less often than its peers, the other instances of the same models. Pure.
///
/// What clients send fails everywhere and lowers everyone's rate; a broken instance stands out.
/// Compared is the success rate in one window with the mean of the peers' rates.
final class Outliers {
  /// Requests in a window below which an instance, or all its peers together, say nothing.
  static final int LEAST = 20;

  /// How far below the mean of its peers an instance must be.
  static final double MARGIN = 0.3;

  private Outliers() {}

  /// One instance in one window.
  ///
  /// @param good answers below 500
  /// @param bad failures and answers of 500 and above
  record Sample(String name, List<String> models, long good, long bad) {
    long all() {
      return good + bad;
    }

    double rate() {
      return (double) good / all();
    }

    private boolean peerOf(Sample o) {
      if (models.isEmpty() || o.models.isEmpty()) {
        return models.isEmpty() && o.models.isEmpty();
      }
      for (String m : models) {
        if (o.models.contains(m)) {
          return true;
        }
      }
      return false;
    }
  }

  /// Names of those that stand out, worst first.
  static List<String> of(List<Sample> window) {
    List<Sample> out = new ArrayList<>();
    for (Sample s : window) {
      if (s.bad() > 0 && s.all() >= LEAST && s.rate() < peersRate(s, window) - MARGIN) {
        out.add(s);
      }
    }
    out.sort((a, b) -> Double.compare(a.rate(), b.rate()));
    return out.stream().map(Sample::name).toList();
  }

  /// The mean of its peers' rates; negative when there are too few of their requests.
  private static double peersRate(Sample s, List<Sample> window) {
    long requests = 0;
    double sum = 0;
    int peers = 0;
    for (Sample p : window) {
      if (!p.name().equals(s.name()) && p.all() > 0 && p.peerOf(s)) {
        requests += p.all();
        sum += p.rate();
        peers++;
      }
    }
    return requests >= LEAST ? sum / peers : -1;
  }
}
