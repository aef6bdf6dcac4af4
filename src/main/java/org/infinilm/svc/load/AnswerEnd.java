package org.infinilm.svc.load;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Whether an answer that came without an error is a whole one. Pure.
///
/// A server whose cache is full may end an answer early and call it complete; counted as a success,
/// it would make times and throughput look better than they are.
final class AnswerEnd {
  static final String LENGTH = "length";

  /// Reasons that no whole answer has, by the words of the engines.
  private static final Set<String> BROKEN =
      Set.of(
          "abort",
          "aborted",
          "error",
          "failed",
          "cancelled",
          "canceled",
          "timeout",
          "interrupted",
          "not_finished",
          "content_filter",
          "network_error",
          "insufficient_system_resource");

  private AnswerEnd() {}

  /// The reason that counts of two choices of one answer: one that no whole answer has, else one of
  /// a choice that ended before its length.
  static String together(@Nullable String before, String reason) {
    return before == null || isBroken(reason) || LENGTH.equals(before) ? reason : before;
  }

  private static boolean isBroken(String reason) {
    return BROKEN.contains(reason.toLowerCase(Locale.ROOT));
  }

  /// What is missing; null for a whole answer.
  ///
  /// @param reason finish_reason of all choices [#together]; null when none came
  /// @param closed whether the end was marked: `[DONE]`, or the end of a JSON document
  /// @param tokens of the answer by its usage; -1 when not said
  /// @param asked for, of all choices together; 0 when not said
  /// @param ended choices that gave a reason
  /// @param choices that were asked for
  /// @param ignoreEnd whether the model could not end by itself
  static @Nullable String missing(
      @Nullable String reason,
      boolean closed,
      int tokens,
      int asked,
      int ended,
      int choices,
      boolean ignoreEnd) {
    if (reason == null && !closed) {
      return "the stream ended without finish_reason and [DONE]";
    }
    if (reason != null && isBroken(reason)) {
      return "finish_reason " + reason;
    }
    if (reason != null && ended < choices) {
      return ended + " of " + choices + " choices with a finish_reason";
    }
    return tokens >= 0 && tokens < asked && mustBeFull(reason, ignoreEnd)
        ? tokens + " of " + asked + " tokens (finish_reason " + reason + ")"
        : null;
  }

  /// Whether an answer that ended so has all tokens that were asked for, when it is whole.
  static boolean mustBeFull(@Nullable String reason, boolean ignoreEnd) {
    return ignoreEnd || LENGTH.equals(reason);
  }
}
