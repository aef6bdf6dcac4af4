package org.infinilm.svc.etcd;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.infinilm.svc.http.Json;

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

  private static final int MOST_SAID = 300;

  /// What the gateway says, in text/plain, to a client whose certificate has a common name.
  private static final String NAMED_CLIENT = "CommonName of client";

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

  /// Whether authentication is off: nobody can log in, and nobody has to.
  static boolean saysNoUsers(EtcdFailure e) {
    return String.valueOf(e.getMessage()).contains("authentication is not enabled");
  }

  /// What a member answered with another status than 200, by its JSON or in text/plain.
  static EtcdFailure refused(String member, int status, byte[] body) {
    try {
      JsonNode n = Json.tree(body);
      String said =
          n.path("error").isTextual() ? n.path("error").asText() : n.path("message").asText();
      if (n.path("code").isInt()) {
        return new EtcdFailure(
            kind(n.path("code").asInt(), said), "etcd " + member + ": " + shortened(said));
      }
    } catch (JsonProcessingException noJson) {
      // falls through
    }
    String said = plain(body);
    if (said.contains(NAMED_CLIENT)) {
      return new EtcdFailure(
          Kind.OTHER,
          "etcd "
              + member
              + ": "
              + said
              + " (expected: a client certificate without a common name, while authentication is on)");
    }
    return new EtcdFailure(
        Kind.ANOTHER,
        "etcd "
            + member
            + ": status "
            + status
            + (said.isEmpty() ? "" : ", '" + said + "'")
            + " (expected: an etcd with its JSON gateway)");
  }

  static String shortened(String said) {
    return said.length() <= MOST_SAID ? said : said.substring(0, MOST_SAID) + "...";
  }

  /// What is no JSON, as one short line.
  private static String plain(byte[] body) {
    int most = Math.min(body.length, 4 * MOST_SAID);
    String text = new String(body, 0, most, StandardCharsets.UTF_8);
    return shortened(text.replaceAll("[\\p{Cntrl}\\s]+", " ").strip());
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
      // 1 says a member that ends, of its own connections; of what is exhausted, all but room comes
      // back by itself
      case 1, 4, 8, 14 -> Kind.AWAY;
      case 7 -> Kind.DENIED;
      case 16 -> Kind.CREDENTIALS;
      case 11 -> Kind.COMPACTED;
      default -> Kind.OTHER;
    };
  }
}
