package org.infinilm.svc.load;

import java.util.Arrays;
import org.infinilm.svc.workload.LoadItem;
import org.jspecify.annotations.Nullable;

/// One request of a run and what was measured of it. Written by the event loop of the run; readable
/// elsewhere once the run has ended. Times are nanoseconds after the start of the run, -1 for
/// never.
public final class LoadSample {
  private static final float[] NONE = new float[0];

  /// How a request ended; the words of the router's outcomes, seen from the client.
  public enum Outcome {
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

    public String label() {
      return label;
    }
  }

  public final int index;
  public final LoadItem item;
  public int bodyBytes;

  /// When it was planned to be sent; in a closed loop, when it could be.
  public long intended = -1;

  /// When nothing but the generator itself kept it from being sent.
  public long eligible = -1;

  public long sent = -1;
  public long first = -1;
  public long last = -1;
  public long end = -1;

  /// Whether it was due while the load still grew: it is in no figure.
  public boolean rampUp;

  public int status;
  public @Nullable Outcome outcome;

  /// The kind of failure, for counting; null when there was none.
  public @Nullable String failure;

  /// The failure in full.
  public @Nullable String detail;

  /// Answer tokens asked for; 0 when not said.
  public int askedTokens;

  public @Nullable String finishReason;

  /// The answer's own word on who answered.
  public @Nullable String fingerprint;

  public int promptTokens = -1;
  public int outputTokens = -1;
  public int cachedTokens = -1;

  /// Whether the tokens were counted here, because the server did not.
  public boolean counted;

  public int chunks;

  /// Seconds between chunks.
  public float[] gaps = NONE;

  public int gapCount;

  public @Nullable String requestId;
  public @Nullable String pool;
  public @Nullable String instance;
  public @Nullable String reason;
  public int attempts = -1;
  public long routerSize = -1;
  public long threshold = -1;

  public @Nullable StringBuilder text;

  public LoadSample(int index, LoadItem item) {
    this.index = index;
    this.item = item;
  }

  public boolean ok() {
    return outcome == Outcome.OK;
  }

  public boolean truncated() {
    return outcome == Outcome.TRUNCATED;
  }

  /// Ended by itself, well or not.
  public boolean finished() {
    return outcome != null && outcome != Outcome.CLIENT_GONE;
  }

  public void chunk(long now) {
    chunk(now, true);
  }

  /// @param keepGap whether the time since the chunk before is kept
  public void chunk(long now, boolean keepGap) {
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
  public int answerTokens() {
    return outputTokens >= 0 ? outputTokens : chunks;
  }

  /// From the real send to the last chunk, as vLLM measures it.
  public double latencySeconds() {
    return ((last >= 0 ? last : end) - sent) / 1e9;
  }

  public double ttftSeconds() {
    return (first - sent) / 1e9;
  }

  /// How long a slot was waited for, under a bound on concurrency.
  public double queueSeconds() {
    return Math.max(0, sent - intended) / 1e9;
  }
}
