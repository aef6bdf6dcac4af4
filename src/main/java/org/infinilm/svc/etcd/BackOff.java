package org.infinilm.svc.etcd;

import java.time.Duration;
import org.infinilm.svc.telemetry.Ticker;

/// How long to leave alone what refuses: each refusal doubles the pause, up to a limit, and what is
/// taken ends it. Thread-safe.
public final class BackOff {
  /// Who is refused by etcd asks so seldom at last: a login costs it a tenth of a second of CPU.
  public static final Duration MOST_BETWEEN_REFUSALS = Duration.ofSeconds(5);

  private final Duration first;
  private final Duration most;
  private final Ticker ticker;
  private Duration pause = Duration.ZERO;
  private long endsNanos;

  /// @param first pause
  /// @param most that a pause lasts
  public BackOff(Duration first, Duration most, Ticker ticker) {
    this.first = first;
    this.most = most;
    this.ticker = ticker;
  }

  /// It was refused.
  ///
  /// @return the pause that begins now
  public synchronized Duration refused() {
    Duration twice = pause.isZero() ? first : pause.multipliedBy(2);
    pause = twice.compareTo(most) < 0 ? twice : most;
    endsNanos = ticker.nanos() + pause.toNanos();
    return pause;
  }

  /// It was taken.
  public synchronized void taken() {
    pause = Duration.ZERO;
  }

  /// Whether a pause lasts.
  public synchronized boolean isPause() {
    return !pause.isZero() && endsNanos - ticker.nanos() > 0;
  }
}
