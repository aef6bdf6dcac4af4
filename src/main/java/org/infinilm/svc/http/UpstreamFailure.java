package org.infinilm.svc.http;

/// How an exchange with an instance failed, by what had happened before.
public enum UpstreamFailure {
  /// The connection was refused or unreachable: nothing was sent.
  CONNECT_REFUSED,
  /// No connection within the limit: nothing was sent.
  CONNECT_TIMEOUT,
  /// A kept connection closed without a byte of an answer: most likely the instance had closed it
  /// while it was idle.
  CLOSED_STALE,
  /// Sent (wholly or in part), then reset or closed without a byte of an answer.
  CLOSED_BEFORE_ANSWER,
  /// What came is no HTTP answer.
  BAD_ANSWER,
  /// Nothing came within the limit, before the first byte of the body.
  TIMEOUT_FIRST_BYTE,
  /// The answer stopped for longer than the limit.
  TIMEOUT_STALLED,
  /// The connection closed before the answer's framing ended.
  CLOSED_MID_ANSWER;

  /// Whether nothing of the request can have reached the instance.
  public boolean nothingSent() {
    return this == CONNECT_REFUSED || this == CONNECT_TIMEOUT;
  }
}
