package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;

/// Who serves far worse than its peers, the other instances of the same models: it succeeds far
/// less often, or its first bytes come far later. Pure.
///
/// What clients send fails, or takes long, everywhere and changes everyone's rate; a broken
/// instance stands out. Compared is one window with the mean of the peers'.
final class Outliers {
  /// Requests in a window below which an instance, or all its peers together, say nothing.
  static final int LEAST = 20;

  /// How far below the mean of its peers a success rate must be.
  static final double MARGIN = 0.3;

  /// How many times its peers' mean a time to first byte must be: other requests alone can make it
  /// several times longer.
  static final double SLOWER = 10;

  /// A time to first byte below this is never too long.
  static final long LEAST_SLOW_NANOS = 1_000_000_000L;

  private Outliers() {}

  /// One instance in one window.
  ///
  /// @param good answers below 500
  /// @param bad failures and answers of 500 and above
  /// @param firstByteNanos times to first byte of all answers together
  /// @param wasLate whether its first bytes were late in the window before too: a pause of this
  ///   process makes all that are under way late, once
  record Sample(
      String name, List<String> models, long good, long bad, long firstByteNanos, boolean wasLate) {
    long all() {
      return good + bad;
    }

    double rate() {
      return (double) good / all();
    }

    /// Whether its first bytes took so long that peers may show them to be late.
    boolean late() {
      return firstByte() >= LEAST_SLOW_NANOS;
    }

    /// Mean time to first byte; 0 when there was no answer.
    double firstByte() {
      return good == 0 ? 0 : (double) firstByteNanos / good;
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

  /// Names of those that stand out, the least successful first.
  static List<String> of(List<Sample> window) {
    List<Sample> out = new ArrayList<>();
    for (Sample s : window) {
      boolean slow = s.late() && s.wasLate();
      if (s.all() >= LEAST && (s.bad() > 0 || slow) && standsOut(s, window)) {
        out.add(s);
      }
    }
    out.sort((a, b) -> Double.compare(a.rate(), b.rate()));
    return out.stream().map(Sample::name).toList();
  }

  private static boolean standsOut(Sample s, List<Sample> window) {
    long requests = 0;
    double rates = 0;
    double firstBytes = 0;
    int peers = 0;
    for (Sample p : window) {
      if (!p.name().equals(s.name()) && p.all() > 0 && p.peerOf(s)) {
        requests += p.all();
        rates += p.rate();
        firstBytes += p.firstByte();
        peers++;
      }
    }
    if (requests < LEAST) {
      return false;
    }
    boolean slow = s.late() && s.wasLate() && s.firstByte() > SLOWER * (firstBytes / peers);
    return s.rate() < rates / peers - MARGIN || (slow && rates > 0);
  }
}
