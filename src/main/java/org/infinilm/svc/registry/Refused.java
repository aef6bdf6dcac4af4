package org.infinilm.svc.registry;

import org.infinilm.svc.etcd.EtcdFailure;

/// A request that gets an error status; the message is its `error` text.
final class Refused extends Exception {
  private final int status;

  Refused(int status, String message) {
    super(message);
    this.status = status;
  }

  /// What a client is told where etcd did not do it.
  static Refused of(EtcdFailure e) {
    return switch (e.kind()) {
      case TOO_LARGE ->
          new Refused(413, "body: more than etcd takes in one value (1.5 MiB by default)");
      case FULL -> new Refused(507, "services: etcd has no room left");
      case CREDENTIALS, DENIED ->
          new Refused(503, "etcd refuses our user, or what it wants to write; the log says why");
      default -> new Refused(503, "etcd does not take it now; ask again");
    };
  }

  int status() {
    return status;
  }
}
