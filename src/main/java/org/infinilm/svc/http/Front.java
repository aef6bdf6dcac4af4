package org.infinilm.svc.http;

import org.jspecify.annotations.Nullable;

/// Receives complete requests from a [ProxyServer], on event loops; must not block.
public interface Front {
  /// What is known of a request that is answered without its [#receive]: null as far as its head
  /// could not be read.
  ///
  /// @param target in origin form, as sent
  /// @param requestId the client's `x-request-id` as sent
  record Asked(@Nullable String method, @Nullable String target, @Nullable String requestId) {}

  /// Takes over one request; it must end in exactly one answer.
  void receive(Inbound request);

  /// The answer to a request that cannot be read (`status` 400, 408, 413, 414, 417, 431, 501, 503,
  /// 505), or that met a fault of ours (500): what is wrong with it.
  Response refusal(int status, String why, Asked asked);

  /// The answer to a request that was still arriving when the server ended.
  default Response ending(Asked asked) {
    return refusal(503, "the server ends; ask again", asked);
  }

  /// The answer to a request whose body is large or of unknown length and need not come, or null to
  /// have it read; the connection closes after it.
  default @Nullable Response unwelcome(RequestHead head) {
    return null;
  }

  /// Bytes that the body of a request for `target` may have, where that is less than the server's
  /// own limit.
  default long mostBodyBytes(String target) {
    return Long.MAX_VALUE;
  }

  /// Whether a target is served even when no more connections are: health checks.
  default boolean vital(String target) {
    return false;
  }
}
