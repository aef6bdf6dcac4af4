package org.infinilm.svc.http;

/// How a call to an instance failed: what happened, whose fault it is, what can have reached the
/// instance, and whether it may be sent again.
///
/// @param detail the cause in a few words, for logs and messages; no request text
public record Failure(Kind kind, String detail) {
  /// Whose fault.
  public enum Side {
    CLIENT,
    /// This process or its host: out of descriptors, memory, local ports, no route. Or the proxy
    /// that carries its requests.
    PLANE,
    INSTANCE
  }

  /// Whether another attempt may follow, as long as the client has nothing of an answer.
  public enum Repeat {
    NEVER,
    /// Only a request that may be processed twice (RFC 9110 section 9.2.2).
    IF_REPEATABLE,
    /// Nothing can have reached the instance.
    ALWAYS
  }

  /// What happened, by what had happened before.
  public enum Kind {
    /// The connection was refused or reset while it was made.
    CONNECT_REFUSED(Side.INSTANCE, Repeat.ALWAYS),
    /// No connection within the limit.
    CONNECT_TIMEOUT(Side.INSTANCE, Repeat.ALWAYS),
    /// The connection was made, the TLS handshake failed: the detail names what is wrong.
    TLS_FAILED(Side.INSTANCE, Repeat.ALWAYS),
    /// No connection could be tried: nothing that the instance did.
    LOCAL(Side.PLANE, Repeat.NEVER),
    /// The proxy that carries the request has reached limits of its own: no instance was asked.
    PROXY_FULL(Side.PLANE, Repeat.NEVER),
    /// The proxy that carries the request answers itself, by its own settings.
    PROXY_ANSWERED(Side.PLANE, Repeat.NEVER),
    /// A kept connection closed without a byte of an answer: most likely the instance had closed it
    /// while it was idle.
    CLOSED_STALE(Side.INSTANCE, Repeat.IF_REPEATABLE),
    /// Sent (wholly or in part), then reset or closed without a byte of an answer.
    CLOSED_BEFORE_ANSWER(Side.INSTANCE, Repeat.IF_REPEATABLE),
    /// What came is no HTTP answer.
    BAD_ANSWER(Side.INSTANCE, Repeat.IF_REPEATABLE),
    /// Nothing came within the limit, before the first byte of the body.
    TIMEOUT_FIRST_BYTE(Side.INSTANCE, Repeat.NEVER),
    /// The answer stopped for longer than the limit.
    TIMEOUT_STALLED(Side.INSTANCE, Repeat.NEVER),
    /// The connection closed or was reset before the answer's framing ended.
    CLOSED_MID_ANSWER(Side.INSTANCE, Repeat.IF_REPEATABLE);

    private final Side side;
    private final Repeat repeat;

    Kind(Side side, Repeat repeat) {
      this.side = side;
      this.repeat = repeat;
    }

    public Side side() {
      return side;
    }

    public Repeat repeat() {
      return repeat;
    }

    /// Whether nothing of the request can have reached the instance.
    public boolean nothingSent() {
      return repeat == Repeat.ALWAYS || this == LOCAL || this == PROXY_FULL;
    }
  }
}
