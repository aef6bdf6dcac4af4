package org.infinilm.svc.http;

/// What a client's connection tells the exchange in flight on it, on its event loop.
public interface InboundEvents {
  /// The client reads again (true) or has stopped reading (false).
  void writable(boolean on);

  /// The client closed before its answer was complete.
  void gone();

  /// The server ends now: what is not answered yet must be, at once.
  void shutdown();

  /// Code of ours failed on the way of this request, after which nothing more would come: what is
  /// not answered yet must be, at once.
  void fault();
}
