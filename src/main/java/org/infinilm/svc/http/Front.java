package org.infinilm.svc.http;

import org.jspecify.annotations.Nullable;

/// Receives complete requests from a [ProxyServer], on event loops; must not block.
public interface Front {
  /// Takes over one request; it must end in exactly one answer.
  void receive(Inbound request);

  /// The answer to a request that cannot be read (`status` 400, 408, 413, 414, 417, 431, 501, 503,
  /// 505), or that met a fault of ours (500): what is wrong with it.
  ///
  /// @param requestId the client's `x-request-id` as sent, or null
  Response refusal(int status, String why, @Nullable String requestId);

  /// Whether a target is served even when no more connections are: health checks.
  default boolean vital(String target) {
    return false;
  }
}
