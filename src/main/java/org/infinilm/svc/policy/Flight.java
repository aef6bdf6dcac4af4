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

  /// The prompts that were sent there before it; null where nobody looks.
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
    for (int k = 0; k < all.size(); k++) {
      Flight f = all.get(k);
      Ahead a = f.ahead();
      if (k == place) {
        continue;
      }
      if (f.firstNanos() != 0) {
        running++;
        continue;
      }
      if (place < 0 || a == null || waiting == Ahead.MOST) {
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
      own.first(running);
    }
  }

  /// How many of them wait for their first token and are looked at, at most [Ahead#MOST].
  static int waiting(List<? extends Flight> all) {
    int waiting = 0;
    for (int k = 0; k < all.size() && waiting < Ahead.MOST; k++) {
      Flight f = all.get(k);
      waiting += f.ahead() != null && f.firstNanos() == 0 ? 1 : 0;
    }
    return waiting;
  }
}
