package org.infinilm.svc.registry;

/// A request that gets an error status; the message is its `error` text.
final class Refused extends Exception {
  private final int status;

  Refused(int status, String message) {
    super(message);
    this.status = status;
  }

  int status() {
    return status;
  }
}
