package org.infinilm.svc.evaluation;

import java.util.List;
import org.infinilm.svc.policy.Ahead;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Flight;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.simulator.LeapCore;
import org.jspecify.annotations.Nullable;

/// A request in flight: what the router knows of it.
final class Sent implements Flight {
  final int id;
  final Ask ask;
  final Choice.Send send;
  private final LeapCore core;
  private final Clock clock;
  private final long dispatchNanos;
  private long firstNanos;

  /// What was foretold for all prompts here when its first token came.
  double stalledBefore;

  /// When others here last got their first token and ended, before its first token came.
  long otherFirstNanos;

  long otherLastNanos;
  private @Nullable Ahead ahead;

  /// The virtual time.
  interface Clock {
    double nanos();
  }

  Sent(int id, Ask ask, Choice.Send send, LeapCore core, Clock clock) {
    this.id = id;
    this.ask = ask;
    this.send = send;
    this.core = core;
    this.clock = clock;
    this.dispatchNanos = Math.max(1, (long) clock.nanos());
  }

  /// These were there when it was sent.
  void behind(List<Sent> others) {
    ahead = Flight.ahead(others, true, dispatchNanos);
  }

  @Override
  public @Nullable Ahead ahead() {
    return ahead;
  }

  void first(double atNanos) {
    firstNanos = Math.max(1, (long) atNanos);
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
    return firstNanos;
  }

  /// Counted as a router would that reads the stream: what has come by now.
  @Override
  public long tokens() {
    return firstNanos == 0 ? 0 : core.tokens(id, clock.nanos());
  }

  @Override
  public Forecast forecast() {
    return send.forecast();
  }
}
