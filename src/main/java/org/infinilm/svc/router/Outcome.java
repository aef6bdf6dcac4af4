package org.infinilm.svc.router;

import java.util.Locale;

/// How a request ended; each ends with one. The same words in metrics, access log and `/decisions`.
enum Outcome {
  OK,
  /// The request was wrong: answered 4xx by us or by the instance.
  CLIENT_ERROR,
  /// The client closed before its answer was complete; a stream is complete with its `[DONE]`.
  CLIENT_GONE,
  /// The instance answered 5xx.
  UPSTREAM_ERROR,
  /// The instance could not be reached, or its answer broke off.
  UPSTREAM_GONE,
  TIMEOUT,
  /// Nobody to send it to.
  REJECTED,
  INTERNAL;

  private final String label = name().toLowerCase(Locale.ROOT);

  /// Of an instance's answer that was relayed whole.
  static Outcome ofStatus(int status) {
    return status >= 500 ? UPSTREAM_ERROR : status >= 400 ? CLIENT_ERROR : OK;
  }

  String label() {
    return label;
  }
}
