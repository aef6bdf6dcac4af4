package org.infinilm.svc.http;

/// One request under way at an instance; event-loop confined.
public interface UpstreamCall {
  /// Stops (false) or resumes (true) reading the answer, for clients that read slowly.
  void reading(boolean on);

  /// Gives up: closes the connection, so that the instance stops working on it. No event follows.
  void cancel();
}
