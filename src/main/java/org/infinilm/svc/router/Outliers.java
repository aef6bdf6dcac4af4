package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.List;

/// Who serves far worse than its peers, the other instances of the same models: it succeeds far
/// less often, or its first bytes come far later. Pure.
///
/// What clients send fails, or takes long, everywhere and changes everyone's rate; a broken
/// instance stands out. Compared is one window with the mean of the peers', and rates by as much as
/// chance alone hardly ever parts them (a test of two proportions).
final class Outliers {
  /// Requests in a window below which an instance, or all its peers together, say nothing.
  static final int LEAST = 20;

  /// Failures without one answer, which are enough.
  static final int LEAST_OF_NOTHING = 5;

  /// How far below the mean of its peers a success rate must be.
  static final double MARGIN = 0.3;

  /// How far below in standard deviations of what chance makes of the difference: a window is
  /// looked at many times, by many instances.
  static final double SIGMAS = 4.5;

  /// How many times its peers' mean a time to first byte must be, for the same work: other requests
  /// alone can make it several times longer.
  static final double SLOWER = 10;

  /// A mean time to first byte below this is never too long.
  static final long LEAST_SLOW_NANOS = 1_000_000_000L;

  /// Bytes of a request that count as much as one that has none.
  private static final long WORK_BYTES = 4096;

  private Outliers() {}

  /// What a request of so many bytes is to an instance, beside others.
  static long work(long bytes) {
    return 1 + bytes / WORK_BYTES;
  }

  /// Times to first byte of streams: an answer that is no stream has its first byte at its end.
  ///
  /// @param nanos of all streams together
  /// @param work of all streams together, by [#work]
  record Pace(long streams, long nanos, long work) {
    static final Pace NONE = new Pace(0, 0, 0);

    Pace since(Pace before) {
      return new Pace(streams - before.streams, nanos - before.nanos, work - before.work);
    }

    /// Whether first bytes took so long that peers may show them to be late.
    boolean late() {
      return streams > 0 && nanos / streams >= LEAST_SLOW_NANOS;
    }

    double perWork() {
      return work == 0 ? 0 : (double) nanos / work;
    }
  }

  /// One instance in one window.
  ///
  /// @param kind instances of the same kind get the same requests: their cache type and tier
  /// @param good answers below 400 that came whole
  /// @param bad failures and answers of 500 and above
  /// @param wasLate whether its first bytes were late in the window before too: a pause of this
  ///   process makes all that are under way late, once
  record Sample(
      String name,
      String kind,
      List<String> models,
      long good,
      long bad,
      Pace pace,
      boolean wasLate) {
    long all() {
      return good + bad;
    }

    double rate() {
      return (double) good / all();
    }

    private boolean slow() {
      return pace.late() && wasLate && pace.streams() >= LEAST;
    }

    private boolean saysEnough() {
      return all() >= LEAST || (good == 0 && bad >= LEAST_OF_NOTHING);
    }

    private boolean isLike(Sample o) {
      return kind.equals(o.kind);
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
      if ((s.bad() > 0 && s.saysEnough() && fails(s, window)) || (s.slow() && crawls(s, window))) {
        out.add(s);
      }
    }
    out.sort((a, b) -> Double.compare(a.rate(), b.rate()));
    return out.stream().map(Sample::name).toList();
  }

  /// Whether nothing of a window is left open: everyone of whom it makes one doubt has said enough.
  static boolean decided(List<Sample> window) {
    for (Sample s : window) {
      if ((s.bad() > 0 && !s.saysEnough()) || (s.pace().late() && s.pace().streams() < LEAST)) {
        return false;
      }
    }
    return true;
  }

  /// Instances of another kind get other requests, of which all may be a client's fault: they show
  /// no more than that one answers nothing at all.
  private static boolean fails(Sample s, List<Sample> window) {
    boolean alike = false;
    for (Sample p : window) {
      alike |= !p.name().equals(s.name()) && p.all() > 0 && p.isLike(s) && p.peerOf(s);
    }
    long requests = 0;
    long good = 0;
    double rates = 0;
    double spread = 0;
    int peers = 0;
    for (Sample p : window) {
      if (!p.name().equals(s.name()) && p.all() > 0 && p.peerOf(s) && (!alike || p.isLike(s))) {
        requests += p.all();
        good += p.good();
        rates += p.rate();
        spread += 1.0 / p.all();
        peers++;
      }
    }
    double together = (double) (s.good() + good) / (s.all() + requests);
    double chance = Math.sqrt(together * (1 - together) * (1.0 / s.all() + spread / peers / peers));
    return requests >= LEAST
        && s.rate() < rates / peers - Math.max(MARGIN, SIGMAS * chance)
        && (alike || (s.good() == 0 && s.all() >= LEAST));
  }

  private static boolean crawls(Sample s, List<Sample> window) {
    long streams = 0;
    double paces = 0;
    int peers = 0;
    for (Sample p : window) {
      if (!p.name().equals(s.name()) && p.isLike(s) && p.pace().streams() > 0 && p.peerOf(s)) {
        streams += p.pace().streams();
        paces += p.pace().perWork();
        peers++;
      }
    }
    return streams >= LEAST && s.pace().perWork() > SLOWER * (paces / peers);
  }
}
