package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.policy.Ahead;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// A request that was sent to an instance, as a learned policy sees it. Written by its event loop,
/// read by all.
/*
 * Of an answer that comes whole nothing is seen on its way: where it stands is what was foretold.
 */
final class Sent implements Flight {
  private final Ask ask;
  private final Forecast forecast;
  private final boolean streamed;
  private final Ticker ticker;
  private final long dispatchNanos;

  /// Known before others see it.
  private @Nullable Ahead ahead;

  private volatile long firstNanos;
  private volatile long tokens;
  private volatile long lastNanos;

  /// What prompts here were foretold to cost, of all whose first token has come; when its own came.
  private long stalledBefore;

  private long otherFirstNanos;
  private long otherLastNanos;

  Sent(Ask ask, Forecast forecast, boolean streamed, Ticker ticker, long nowNanos) {
    this.ask = ask;
    this.forecast = forecast;
    this.streamed = streamed;
    this.ticker = ticker;
    this.dispatchNanos = nowNanos;
  }

  boolean streamed() {
    return streamed;
  }

  /// These were there when it was sent.
  void behind(List<Sent> others) {
    ahead = Flight.ahead(others, streamed, dispatchNanos);
  }

  @Override
  public @Nullable Ahead ahead() {
    return ahead;
  }

  /// Its first token came.
  void first(long nowNanos, long stalled, long otherFirst, long otherLast) {
    stalledBefore = stalled;
    otherFirstNanos = otherFirst;
    otherLastNanos = otherLast;
    firstNanos = nowNanos;
  }

  /// So many events of its answer have come; a piece that ends none is no sign of a token.
  void came(long events, long nowNanos) {
    if (events > tokens) {
      lastNanos = nowNanos;
      tokens = events;
    }
  }

  Ask ask() {
    return ask;
  }

  /// When the first token of a stream came; 0 before, and of others.
  long seenFirstNanos() {
    return firstNanos;
  }

  /// What others' prompts were foretold to cost since its first token.
  ///
  /// @param stalled the same sum now
  long stalledNanos(long stalled) {
    return firstNanos == 0 ? 0 : stalled - stalledBefore;
  }

  long otherFirstNanos() {
    return otherFirstNanos;
  }

  long otherLastNanos() {
    return otherLastNanos;
  }

  @Override
  public long prefix() {
    return ask.prefix();
  }

  @Override
  public long promptTokens() {
    return ask.promptTokens();
  }

  @Override
  public long maxTokens() {
    return ask.maxTokens();
  }

  @Override
  public long dispatchNanos() {
    return dispatchNanos;
  }

  @Override
  public long firstNanos() {
    return streamed ? firstNanos : foretoldFirstNanos();
  }

  private long foretoldFirstNanos() {
    long at = dispatchNanos + (long) forecast.firstNanos();
    return forecast.isNone() || ticker.nanos() - at < 0 ? 0 : at;
  }

  @Override
  public long tokens() {
    if (streamed) {
      return tokens;
    }
    long first = foretoldFirstNanos();
    return first == 0
        ? 0
        : 1 + (long) ((ticker.nanos() - first) / Math.max(1e3, forecast.tokenNanos()));
  }

  @Override
  public long lastNanos() {
    return lastNanos;
  }

  @Override
  public Forecast forecast() {
    return forecast;
  }
}
