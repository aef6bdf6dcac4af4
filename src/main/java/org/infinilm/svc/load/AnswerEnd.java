package org.infinilm.svc.load;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Whether an answer that came without an error is a whole one. Pure.
///
/// A server whose cache is full may end an answer early and call it complete; counted as a success,
/// it would make times and throughput look better than they are.
final class AnswerEnd {
  /// Reasons that no whole answer has.
  private static final Set<String> BROKEN = Set.of("abort", "error", "cancelled");

  private AnswerEnd() {}

  /// What is missing; null for a whole answer.
  ///
  /// @param reason finish_reason; null when none came
  /// @param closed whether the end was marked: `[DONE]`, or the end of a JSON document
  /// @param tokens of the answer by its usage; -1 when not said
  /// @param asked for, of all choices together; 0 when not said
  /// @param choices that were asked for: of several, one that ran to its length says nothing of the
  ///   others
  /// @param ignoreEnd whether the model could not end by itself
  static @Nullable String missing(
      @Nullable String reason,
      boolean closed,
      int tokens,
      int asked,
      int choices,
      boolean ignoreEnd) {
    if (reason == null && !closed) {
      return "the stream ended without finish_reason and [DONE]";
    }
    if (reason != null && BROKEN.contains(reason)) {
      return "finish_reason " + reason;
    }
    return tokens >= 0 && tokens < asked && mustBeFull(reason, choices, ignoreEnd)
        ? tokens + " of " + asked + " tokens (finish_reason " + reason + ")"
        : null;
  }

  /// Whether an answer that ended so has all tokens that were asked for, when it is whole.
  static boolean mustBeFull(@Nullable String reason, int choices, boolean ignoreEnd) {
    return ignoreEnd || (choices == 1 && "length".equals(reason));
  }
}
