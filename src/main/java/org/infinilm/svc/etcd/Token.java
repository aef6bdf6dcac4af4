package org.infinilm.svc.etcd;

import java.time.Duration;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The token of a login. One that etcd refuses has ended; one of an etcd that was made anew may
/// also be waited over until each call is cut: its number is that of a step of the log, which the
/// new one has yet to come to. So it is doubted when calls that show it wait in vain for a while
/// and none is answered, and renewed beside them; until then it goes on being shown, for it may be
/// etcd that is slow. Thread-safe.
final class Token {
  /// For so long calls wait in vain.
  static final Duration DOUBTED = Duration.ofSeconds(5);

  /// A renewal is a login, which a slow etcd has no time for.
  static final Duration MOST_BETWEEN_RENEWALS = Duration.ofSeconds(30);

  private static final Logger log = LoggerFactory.getLogger(Token.class);

  /// Fetches another.
  interface Renewal {
    String logIn() throws EtcdFailure, InterruptedException;
  }

  private final Ticker ticker;
  private final BackOff renewals;
  private @Nullable String value;

  /// When a call that shows it was answered last, or it came.
  private long takenNanos;

  private boolean waiting;

  /// When the first of the calls began that were not answered since, and when the last was cut.
  private long sinceNanos;

  private long untilNanos;

  Token(Ticker ticker) {
    this.ticker = ticker;
    this.renewals = new BackOff(DOUBTED, MOST_BETWEEN_RENEWALS, ticker);
  }

  /// How one is shown; an empty one, of an etcd without users, is not.
  static Headers headers(@Nullable String shown) {
    return shown == null || shown.isEmpty() ? Headers.NONE : Headers.of("authorization", shown);
  }

  /// Null where there is none.
  synchronized @Nullable String get() {
    return value;
  }

  synchronized void set(String fresh) {
    value = fresh;
    took();
  }

  /// etcd refuses it.
  synchronized void ended(String shown) {
    if (shown.equals(value)) {
      value = null;
    }
  }

  /// etcd answered a call that it takes from nobody whose token it does not know.
  synchronized void answered(@Nullable String shown) {
    if (shown != null && shown.equals(value)) {
      took();
      renewals.taken();
    }
  }

  private void took() {
    takenNanos = ticker.nanos();
    waiting = false;
  }

  /// Such a call was sent and not answered.
  ///
  /// @param beganNanos when it was
  synchronized void unanswered(@Nullable String shown, long beganNanos) {
    if (shown == null || shown.isEmpty() || !shown.equals(value)) {
      return;
    }
    // time without calls is no waiting
    if (!waiting || beganNanos - untilNanos > DOUBTED.toNanos()) {
      waiting = true;
      sinceNanos = Math.max(beganNanos - takenNanos, 0) + takenNanos;
    }
    untilNanos = ticker.nanos();
  }

  /// Logs in on a thread of its own if that is due, and shows the old one until that is done.
  void renewIfDoubted(Renewal by) {
    String doubted = doubted();
    if (doubted != null) {
      Thread.ofVirtual().name("etcd-login").start(() -> renew(doubted, by));
    }
  }

  /// Whether it is to be renewed now.
  synchronized boolean isDoubted() {
    return waiting && untilNanos - sinceNanos >= DOUBTED.toNanos() && !renewals.isPause();
  }

  /// What is to be renewed, of which nobody else is told until that may have failed; else null.
  private synchronized @Nullable String doubted() {
    if (!isDoubted()) {
      return null;
    }
    renewals.refused();
    return value;
  }

  private void renew(String doubted, Renewal by) {
    try {
      String fresh = by.logIn();
      synchronized (this) {
        if (doubted.equals(value)) {
          set(fresh);
        }
      }
      log.info("etcd: logged in anew, calls were not answered with the token of before");
    } catch (EtcdFailure e) {
      if (e.isRefusal()) {
        log.warn("{}; with the token of before calls are not answered", e.getMessage());
      } else {
        log.debug("a token is kept that calls are not answered with: {}", e.getMessage());
      }
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }
}
