package org.infinilm.svc.load;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.ToIntFunction;
import org.infinilm.svc.workload.LoadItem;
import org.jspecify.annotations.Nullable;

/// One request of a run and what was measured of it. Written by the event loop of the run;
/// elsewhere it is read, once the run has ended. Times are nanoseconds after the start of the run,
/// -1 for never.
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

  final int index;
  final LoadItem item;
  int bodyBytes;
  long textBytes = -1;
  long intended = -1;
  long eligible = -1;
  long sent = -1;
  long first = -1;
  long last = -1;
  long end = -1;
  boolean rampUp;
  int status;
  @Nullable Outcome outcome;
  @Nullable String failure;
  @Nullable String detail;
  int askedTokens;

  /// Of all choices together, see [AnswerEnd#together].
  @Nullable String finishReason;

  /// Choices that said why they ended.
  @Nullable BitSet endedChoices;

  /// What is wrong with its usage; null when nothing is.
  @Nullable String badUsage;

  @Nullable String fingerprint;
  int promptTokens = -1;
  int outputTokens = -1;
  int cachedTokens = -1;
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

  /// @param choice its number, from 0
  void choiceEnded(String reason, int choice) {
    BitSet those = endedChoices == null ? new BitSet() : endedChoices;
    those.set(choice);
    endedChoices = those;
    finishReason = AnswerEnd.together(finishReason, reason);
  }

  int choicesEnded() {
    return endedChoices == null ? 0 : endedChoices.cardinality();
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

  /// Counts the tokens that a server without `usage` does not say; needs the answer's text. An
  /// answer of less than half of what had to come was cut off; a text has about as many tokens as
  /// were made, seldom exactly, so that more is not known.
  ///
  /// @param tokens of a text
  /// @param ignoreEnd whether the model could not end by itself
  public void count(ToIntFunction<String> tokens, boolean ignoreEnd) {
    if (outputTokens < 0 && text != null && (ok() || truncated())) {
      outputTokens = tokens.applyAsInt(text.toString());
      promptTokens = item.prompt() == null ? -1 : tokens.applyAsInt(item.prompt());
      counted = true;
      int atLeast = Math.max(outputTokens, chunks);
      if (ok() && 2 * atLeast < askedTokens && AnswerEnd.mustBeFull(finishReason, ignoreEnd)) {
        outcome = Outcome.TRUNCATED;
        failure = "cut off";
        detail =
            atLeast
                + " of "
                + askedTokens
                + " tokens, counted (finish_reason "
                + finishReason
                + ")";
      }
    }
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

  public int index() {
    return index;
  }

  public LoadItem item() {
    return item;
  }

  public int bodyBytes() {
    return bodyBytes;
  }

  /// UTF-8 bytes of the text of a turn of a conversation, whose text depends on the answers before;
  /// -1 for other requests.
  public long textBytes() {
    return textBytes;
  }

  /// When it was planned to be sent; in a closed loop, when it could be.
  public long intended() {
    return intended;
  }

  /// When nothing but the generator itself kept it from being sent.
  public long eligible() {
    return eligible;
  }

  public long sent() {
    return sent;
  }

  public long first() {
    return first;
  }

  public long last() {
    return last;
  }

  public long end() {
    return end;
  }

  /// Whether it was due while the load still grew: it is in no figure.
  public boolean rampUp() {
    return rampUp;
  }

  public int status() {
    return status;
  }

  public @Nullable Outcome outcome() {
    return outcome;
  }

  /// The kind of failure, for counting; null when there was none.
  public @Nullable String failure() {
    return failure;
  }

  /// The failure in full.
  public @Nullable String detail() {
    return detail;
  }

  /// Answer tokens asked for; 0 when not said.
  public int askedTokens() {
    return askedTokens;
  }

  public @Nullable String finishReason() {
    return finishReason;
  }

  /// The answer's own word on who answered.
  public @Nullable String fingerprint() {
    return fingerprint;
  }

  public int promptTokens() {
    return promptTokens;
  }

  public int outputTokens() {
    return outputTokens;
  }

  public int cachedTokens() {
    return cachedTokens;
  }

  /// Whether the tokens were counted here, because the server did not.
  public boolean counted() {
    return counted;
  }

  public int chunks() {
    return chunks;
  }

  public int gapCount() {
    return gapCount;
  }

  public @Nullable String requestId() {
    return requestId;
  }

  public @Nullable String pool() {
    return pool;
  }

  public @Nullable String instance() {
    return instance;
  }

  public @Nullable String reason() {
    return reason;
  }

  public int attempts() {
    return attempts;
  }

  public long routerSize() {
    return routerSize;
  }

  public long threshold() {
    return threshold;
  }

  public @Nullable String text() {
    return text == null ? null : text.toString();
  }

  /// Seconds between chunk k + 1 and the one before it.
  ///
  /// @param k from 0, below [#gapCount]
  public float gap(int k) {
    return gaps[k];
  }
}
