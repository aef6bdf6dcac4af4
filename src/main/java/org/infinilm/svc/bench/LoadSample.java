package org.infinilm.svc.bench;

import java.util.Arrays;
import org.infinilm.svc.workload.LoadItem;
import org.jspecify.annotations.Nullable;

/// One request of a run and what was measured of it. Written by the event loop of the run; readable
/// elsewhere once the run has ended. Times are nanoseconds after the start of the run, -1 for
/// never.
final class LoadSample {
  private static final float[] NONE = new float[0];

  /// How a request ended; the words of the router's outcomes, seen from the client.
  enum Outcome {
    OK("ok"),
    /// Answered, but cut off before the length that was asked for.
    TRUNCATED("truncated"),
    /// Answered 4xx.
    CLIENT_ERROR("client_error"),
    /// Ended by us: the run was interrupted.
    CLIENT_GONE("client_gone"),
    /// Answered 5xx, with an error event, or with nonsense.
    UPSTREAM_ERROR("upstream_error"),
    /// Not reached, or broken off.
    UPSTREAM_GONE("upstream_gone"),
    TIMEOUT("timeout"),
    /// Answered 429 or 503.
    REJECTED("rejected");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }
  }

  final int index;
  final LoadItem item;
  int bodyBytes;

  /// When it was planned to be sent; in a closed loop, when it could be.
  long intended = -1;

  /// When nothing but the generator itself kept it from being sent.
  long eligible = -1;

  long sent = -1;
  long first = -1;
  long last = -1;
  long end = -1;

  /// Whether it was due while the load still grew: it is in no figure.
  boolean rampUp;

  int status;
  @Nullable Outcome outcome;

  /// The kind of failure, for counting; null when there was none.
  @Nullable String failure;

  /// The failure in full.
  @Nullable String detail;

  /// Answer tokens asked for; 0 when not said.
  int askedTokens;

  @Nullable String finishReason;

  /// The answer's own word on who answered.
  @Nullable String fingerprint;

  int promptTokens = -1;
  int outputTokens = -1;
  int cachedTokens = -1;

  /// Whether the tokens were counted here, because the server did not.
  boolean counted;

  int chunks;

  /// Seconds between chunks.
  float[] gaps = NONE;

  int gapCount;

  @Nullable String requestId;
  @Nullable String pool;
  @Nullable String instance;
  @Nullable String reason;
  int attempts = -1;
  long routerSize = -1;
  long threshold = -1;

  @Nullable StringBuilder text;

  LoadSample(int index, LoadItem item) {
    this.index = index;
    this.item = item;
  }

  boolean ok() {
    return outcome == Outcome.OK;
  }

  boolean truncated() {
    return outcome == Outcome.TRUNCATED;
  }

  /// Ended by itself, well or not.
  boolean finished() {
    return outcome != null && outcome != Outcome.CLIENT_GONE;
  }

  void chunk(long now) {
    chunk(now, true);
  }

  /// @param keepGap whether the time since the chunk before is kept
  void chunk(long now, boolean keepGap) {
    chunks++;
    if (first < 0) {
      first = now;
    } else if (keepGap) {
      if (gapCount == gaps.length) {
        gaps = Arrays.copyOf(gaps, Math.max(16, gaps.length * 2));
      }
      gaps[gapCount++] = (now - last) / 1e9f;
    }
    last = now;
  }

  /// Tokens of the answer: by usage, else one a chunk.
  int answerTokens() {
    return outputTokens >= 0 ? outputTokens : chunks;
  }

  /// From the real send to the last chunk, as vLLM measures it.
  double latencySeconds() {
    return ((last >= 0 ? last : end) - sent) / 1e9;
  }

  double ttftSeconds() {
    return (first - sent) / 1e9;
  }

  /// How long a slot was waited for, under a bound on concurrency.
  double queueSeconds() {
    return Math.max(0, sent - intended) / 1e9;
  }
}
