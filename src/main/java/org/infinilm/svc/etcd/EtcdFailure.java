package org.infinilm.svc.etcd;

import java.io.IOException;

/// Why etcd did not do something; the message names the member and what it said.
public final class EtcdFailure extends IOException {
  private static final long serialVersionUID = 1;

  /// What follows from a failure.
  public enum Kind {
    /// No member answered in time, or there is no leader: ask again later. A change may have been
    /// made all the same.
    AWAY,
    /// User, password or token: another login may help.
    CREDENTIALS,
    /// The user has no right to the key: no login helps.
    DENIED,
    /// The lease ran out or was revoked.
    NO_SUCH_LEASE,
    /// There is a lease of that number.
    LEASE_EXISTS,
    /// The value is larger than etcd takes.
    TOO_LARGE,
    /// Its quota is used up.
    FULL,
    /// The revision to read from is forgotten: read the whole again.
    COMPACTED,
    /// A member belongs to another cluster than the others, or is no etcd.
    ANOTHER,
    OTHER
  }

  private final Kind kind;

  public EtcdFailure(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  EtcdFailure(Kind kind, String message, IOException cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }

  /// Whether etcd would say the same at once again: to who we are, or to what we may.
  public boolean isRefusal() {
    return kind == Kind.CREDENTIALS || kind == Kind.DENIED;
  }

  /// The same once more, for another who asks.
  public EtcdFailure again() {
    return new EtcdFailure(kind, String.valueOf(getMessage()), this);
  }

  /// @param code of gRPC, as the gateway repeats it
  static Kind kind(int code, String message) {
    if (message.contains("too large") || message.contains("larger than max")) {
      return Kind.TOO_LARGE;
    }
    if (message.contains("lease not found")) {
      return Kind.NO_SUCH_LEASE;
    }
    if (message.contains("authentication failed")
        || message.contains("user name is empty")
        || message.contains("revision of auth store is old")) {
      return Kind.CREDENTIALS;
    }
    if (message.contains("lease already exists")) {
      return Kind.LEASE_EXISTS;
    }
    if (message.contains("space exceeded")) {
      return Kind.FULL;
    }
    return switch (code) {
      // of what is exhausted, all but room comes back by itself
      case 4, 8, 14 -> Kind.AWAY;
      case 7 -> Kind.DENIED;
      case 16 -> Kind.CREDENTIALS;
      case 11 -> Kind.COMPACTED;
      default -> Kind.OTHER;
    };
  }
}
