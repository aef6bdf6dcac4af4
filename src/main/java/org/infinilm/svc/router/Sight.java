package org.infinilm.svc.router;

import org.infinilm.svc.http.Failure;
import org.jspecify.annotations.Nullable;

/// What an exchange saw of an instance, as its health hears it. Clients that went away are not
/// among it, nor is a late first byte by itself: nothing that a client does changes an instance's
/// health.
enum Sight {
  /// An answer below 400.
  ANSWERED,
  /// A 4xx answer, and not a "too busy", or 501: it is there, and nothing was computed.
  DECLINED,
  /// The connection was refused, or reset while it was made.
  REFUSED,
  /// No connection within the limit.
  UNREACHABLE,
  /// Closed or reset without an answer, or in the middle of one; the request may be to blame.
  CLOSED,
  /// Closed, silent for too long or no HTTP any more, in the middle of an answer's body.
  BROKE,
  /// No HTTP answer; the request may be to blame.
  BAD_ANSWER,
  /// A 5xx answer; the request may be to blame.
  SERVER_ERROR,
  /// It failed, in one of these ways, a request on which another had failed before: more likely the
  /// request's fault, and told to whoever is asked last more than to others.
  FAILED_AGAIN,
  /// A request on which it failed has failed elsewhere too: what was counted is taken back.
  SHARED,
  /// A peer answered a request on which this instance had failed: the fault is its own.
  DISPROVED,
  /// A peer answered a request of which this instance had let the time for the first byte pass.
  HUNG,
  /// 429, or 503 with Retry-After: not now.
  BUSY;

  /// The same of a request on which another instance has failed.
  Sight ofSuspicious() {
    return switch (this) {
      case CLOSED, BROKE, BAD_ANSWER, SERVER_ERROR -> FAILED_AGAIN;
      case ANSWERED, DECLINED, REFUSED, UNREACHABLE, FAILED_AGAIN, SHARED, DISPROVED, HUNG, BUSY ->
          this;
    };
  }

  /// What a failed call says of its instance, or null when it says nothing.
  static @Nullable Sight of(Failure.Kind kind) {
    return switch (kind) {
      case CONNECT_REFUSED, TLS_FAILED -> REFUSED;
      case CONNECT_TIMEOUT -> UNREACHABLE;
      case CLOSED_BEFORE_ANSWER, CLOSED_MID_ANSWER, TIMEOUT_STALLED -> CLOSED;
      case BAD_ANSWER -> BAD_ANSWER;
      case CLOSED_STALE, LOCAL, PROXY_FULL, PROXY_ANSWERED, TIMEOUT_FIRST_BYTE -> null;
    };
  }

  /// What an answer's head says of its instance. A request that timed out there, or a key of ours
  /// that it refuses, is not the client's doing.
  ///
  /// @param ourKey whether the request carried the instance's key, not the client's
  static Sight of(int status, boolean retryAfter, boolean ourKey) {
    if (status == 429 || (status == 503 && retryAfter)) {
      return BUSY;
    }
    if (status == 501) {
      return DECLINED;
    }
    boolean refused = ourKey && (status == 401 || status == 403);
    if (status >= 500 || status == 408 || refused) {
      return SERVER_ERROR;
    }
    return status >= 400 ? DECLINED : ANSWERED;
  }

  /// The pause that a Retry-After in seconds asks for; 0 for one that is no number.
  static long pauseNanos(String retryAfter) {
    String s = retryAfter.strip();
    return s.length() < 7 && !s.isEmpty() && s.chars().allMatch(c -> c >= '0' && c <= '9')
        ? Long.parseLong(s) * 1_000_000_000L
        : 0;
  }
}
