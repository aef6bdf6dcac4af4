package org.infinilm.svc.policy;

import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What became of one forwarded request; times from a monotonic clock, in nanoseconds.
///
/// @param instance who answered
/// @param model as asked for, or empty
/// @param requestBytes size of its body
/// @param firstByteNanos of the body, 0 when none came
/// @param sseEvents events of a streamed answer
/// @param responseBytes of the body
/// @param usage token counts that the answer gave, or null
/// @param complete whether the answer came to its end
/// @param streamed whether a stream was asked for
/// @param ask what the decision was about, or null
/// @param forecast what the policy foretold
/// @param stalledNanos between its first and its last byte, what the prompts of others whose first
///   byte came then were foretold to cost
/// @param otherFirstNanos when another request on the instance last got its first byte before this
///   one did; 0 for none
/// @param otherLastNanos when another one last ended there before this one's first byte; 0 for none
/// @param ahead the prompts that were sent there before it; null where nobody looked
/// @param cutAtOnce whether it ended for its length with its first token, or before, though more
///   was asked for
public record Facts(
    Instance instance,
    String model,
    long requestBytes,
    long dispatchNanos,
    long firstByteNanos,
    long lastByteNanos,
    int sseEvents,
    long responseBytes,
    @Nullable Usage usage,
    boolean complete,
    boolean streamed,
    @Nullable Ask ask,
    Forecast forecast,
    double stalledNanos,
    long otherFirstNanos,
    long otherLastNanos,
    @Nullable Ahead ahead,
    boolean cutAtOnce) {
  /// Those of a request that nothing was foretold of.
  public Facts(
      Instance instance,
      String model,
      long requestBytes,
      long dispatchNanos,
      long firstByteNanos,
      long lastByteNanos,
      int sseEvents,
      long responseBytes,
      @Nullable Usage usage,
      boolean complete,
      boolean cutAtOnce) {
    this(
        instance,
        model,
        requestBytes,
        dispatchNanos,
        firstByteNanos,
        lastByteNanos,
        sseEvents,
        responseBytes,
        usage,
        complete,
        sseEvents > 0,
        null,
        Forecast.NONE,
        0,
        0,
        0,
        null,
        cutAtOnce);
  }

  /// The same with what the decision was about.
  public Facts about(Ask decided) {
    return foretold(
        decided,
        streamed,
        forecast,
        firstByteNanos,
        stalledNanos,
        otherFirstNanos,
        otherLastNanos,
        ahead);
  }

  /// The same with what was foretold of it.
  ///
  /// @param asStream whether a stream was asked for
  /// @param firstNanos when the first token came, 0 while none has
  public Facts foretold(
      Ask about,
      boolean asStream,
      Forecast foretold,
      long firstNanos,
      double stalled,
      long otherFirst,
      long otherLast,
      @Nullable Ahead before) {
    return new Facts(
        instance,
        model,
        requestBytes,
        dispatchNanos,
        firstNanos,
        lastByteNanos,
        sseEvents,
        responseBytes,
        usage,
        complete,
        asStream,
        about,
        foretold,
        stalled,
        otherFirst,
        otherLast,
        before,
        cutAtOnce);
  }

  /// Token counts of an answer's `usage`.
  ///
  /// @param promptTokens 0 when it tells of the answer alone
  public record Usage(long promptTokens, long completionTokens, long cachedTokens) {}
}
