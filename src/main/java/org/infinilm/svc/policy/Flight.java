package org.infinilm.svc.policy;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// One request that was sent to an instance and has not ended, as the router itself knows it. Read
/// from event loops while others write; times from a monotonic clock, in nanoseconds.
public interface Flight {
  /// Estimate of its prompt.
  long promptTokens();

  /// The most tokens that its client allows for the answer; 0 when it did not say.
  long maxTokens();

  long dispatchNanos();

  /// When the first of its answer came; 0 before.
  long firstNanos();

  /// Tokens of its answer that came so far.
  long tokens();

  /// When the last of them came; 0 where nobody looks.
  default long lastNanos() {
    return 0;
  }

  /// The key of its prompt's beginning, as [Ask#prefix]; 0 for none.
  default long prefix() {
    return 0;
  }

  /// What was sent there before it; null where nobody looks.
  default @Nullable Ahead ahead() {
    return null;
  }

  /// What the policy foretold when it sent it; [Forecast#NONE] when it foretold nothing.
  default Forecast forecast() {
    return Forecast.NONE;
  }

  /// Tells those that wait of one whose first token came, or that ended without one; to be told of
  /// it before its own [#firstNanos] does.
  ///
  /// @param all in the order in which they were sent
  static void passed(List<? extends Flight> all, Flight by, long nowNanos, boolean first) {
    int place = all.indexOf(by);
    int waiting = 0;
    int running = 0;
    int streams = 0;
    for (int k = 0; k < all.size(); k++) {
      Flight f = all.get(k);
      Ahead a = f.ahead();
      if (k == place) {
        continue;
      }
      if (f.firstNanos() != 0) {
        running++;
        streams += a != null && a.isStream() ? 1 : 0;
        continue;
      }
      if (place < 0 || a == null || !a.isStream() || waiting == Ahead.MOST) {
        continue;
      }
      if (k > place) {
        a.fell(waiting, nowNanos);
      } else if (first) {
        a.overtake();
      }
      waiting++;
    }
    Ahead own = by.ahead();
    if (first && own != null) {
      own.first(running, streams);
    }
  }

  /// Tells those that were sent after one that it has ended.
  ///
  /// @param left without it, in the order in which they were sent
  /// @param from the first of them that was sent after it
  static void ended(List<? extends Flight> left, int from, long nowNanos) {
    for (int k = from; k < left.size() && k < Ahead.MOST; k++) {
      Ahead a = left.get(k).ahead();
      if (a != null) {
        a.left(k, nowNanos);
      }
    }
  }

  /// What one more is behind: of those whose first token is seen that wait for it, at most
  /// [Ahead#MOST], and of all.
  ///
  /// @param stream whether its own will be seen
  static Ahead ahead(List<? extends Flight> all, boolean stream, long nowNanos) {
    int waiting = 0;
    int running = 0;
    boolean others = false;
    for (int k = 0; k < all.size(); k++) {
      Flight f = all.get(k);
      Ahead a = f.ahead();
      boolean seen = a != null && a.isStream();
      others |= !seen;
      if (f.firstNanos() != 0) {
        running++;
      } else if (seen && waiting < Ahead.MOST) {
        waiting++;
      }
    }
    return new Ahead(stream, waiting, running, all.size(), others, nowNanos);
  }
}
