package org.infinilm.svc.http;

/// Memory for what is made of a request's body, counted in the budget of all connections.
/// Thread-safe.
public interface Room {
  /// Takes so many bytes more; false when there are none to be had, and nothing was taken.
  boolean take(long bytes);

  void giveBack(long bytes);
}
