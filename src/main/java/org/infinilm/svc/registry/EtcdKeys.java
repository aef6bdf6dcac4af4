package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// What stands where in etcd, below the prefix of a deployment:
///
/// - `settings`: what all registries of the deployment have to agree on;
/// - `entries/NAME`: an entry, bound to a lease that the heartbeats of its instance keep alive;
/// - `gone/NAME`: that NAME was removed by DELETE, bound to a lease of ten minutes;
/// - `registries/RUN`: whom one registry heard in the last second, bound to its own lease;
/// - `heard/RUN/N`: whom it heard in a longer while, for those that start later; bound to a lease a
///   little longer than `--lease`;
/// - `routers/RUN/KIND`: a note that one router leaves for the others ([PeerBoard]), bound to its
///   lease.
///
/// All values are JSON.
record EtcdKeys(String prefix) {
  /// Which of them a key is.
  enum Kind {
    ENTRY("entries/"),
    GONE("gone/"),
    REGISTRY("registries/"),
    HEARD("heard/"),
    ROUTER("routers/"),
    OTHER("");

    private final String folder;

    Kind(String folder) {
      this.folder = folder;
    }
  }

  /// A key taken apart.
  record Named(Kind kind, String name) {}

  /// An entry as it is stored.
  ///
  /// @param registration differs with every registration; an update keeps it
  record Stored(Entry entry, Instant registeredAt, String registration) {
    byte[] json() {
      Map<String, Object> m = new HashMap<>();
      m.put("name", entry.name());
      m.put("host", entry.host());
      m.put("port", entry.port());
      m.put("hostname", entry.hostname());
      m.put("url", entry.url());
      m.put("status", entry.status());
      m.put("metadata", entry.metadata());
      if (entry.weight() != null) {
        m.put("weight", entry.weight());
      }
      if (entry.incarnation() != null) {
        m.put("incarnation", entry.incarnation());
      }
      m.put("registered_at", registeredAt.getEpochSecond());
      m.put("registration", registration);
      return Json.bytes(m);
    }
  }

  /// Why a value is not what its key says.
  static final class NoSuchThing extends Exception {
    private static final long serialVersionUID = 1;

    NoSuchThing(String message) {
      super(message);
    }
  }

  String settings() {
    return prefix + "settings";
  }

  /// Prefixes of deployments among whose keys ours would be.
  List<String> around() {
    List<String> out = new ArrayList<>();
    for (Kind kind : Kind.values()) {
      for (int at = prefix.indexOf("/" + kind.folder); at >= 0 && kind != Kind.OTHER; ) {
        if (at > 0) {
          out.add(prefix.substring(0, at + 1));
        }
        at = prefix.indexOf("/" + kind.folder, at + 1);
      }
    }
    return out;
  }

  /// Below which the keys of a kind stand.
  String folder(Kind kind) {
    return prefix + kind.folder;
  }

  String entry(String name) {
    return prefix + Kind.ENTRY.folder + name;
  }

  String gone(String name) {
    return prefix + Kind.GONE.folder + name;
  }

  String registry(String run) {
    return prefix + Kind.REGISTRY.folder + run;
  }

  String heard(String run, long n) {
    return prefix + Kind.HEARD.folder + run + "/" + n;
  }

  String note(String run, String kind) {
    return prefix + Kind.ROUTER.folder + run + "/" + kind;
  }

  /// The run in the name of a note.
  static String run(String name) {
    return name.substring(0, Math.max(0, name.indexOf('/')));
  }

  static String noteKind(String name) {
    return name.substring(name.indexOf('/') + 1);
  }

  Named named(String key) {
    String rest = key.substring(Math.min(key.length(), prefix.length()));
    for (Kind kind : Kind.values()) {
      if (rest.startsWith(kind.folder)) {
        return new Named(kind, rest.substring(kind.folder.length()));
      }
    }
    return new Named(Kind.OTHER, rest);
  }

  /// Judges a stored entry as it would a registration: others may write there too.
  static Stored stored(String name, byte[] json) throws NoSuchThing {
    try {
      JsonNode n = Bodies.object(json);
      Entry e = Bodies.registration(n);
      if (!e.name().equals(name)) {
        throw new NoSuchThing("name: " + Json.text(e.name()) + " (expected: that of its key)");
      }
      boolean altered = n.path("incarnation").asText("none").isEmpty();
      JsonNode registered = n.path("registered_at");
      Instant at = JournalRecord.instant(registered);
      if (at == null || !n.path("registration").isTextual()) {
        throw new NoSuchThing(
            "registered_at, registration: missing (expected: a registry's entry)");
      }
      return new Stored(
          altered ? e.withIncarnation(Entry.ALTERED) : e, at, n.path("registration").asText());
    } catch (Refused e) {
      throw new NoSuchThing(String.valueOf(e.getMessage()));
    }
  }

  static byte[] grave(Instant at) {
    return Json.bytes(Map.of("at", at.getEpochSecond()));
  }

  static Instant grave(byte[] json) throws NoSuchThing {
    Instant at = JournalRecord.instant(tree(json).path("at"));
    if (at == null) {
      throw new NoSuchThing("at: missing (expected: epoch seconds)");
    }
    return at;
  }

  static byte[] heard(Collection<String> names) {
    return Json.bytes(Map.of("heard", names));
  }

  static Set<String> heard(byte[] json) throws NoSuchThing {
    Set<String> out = new LinkedHashSet<>();
    tree(json).path("heard").forEach(n -> out.add(n.asText()));
    return out;
  }

  static byte[] agreed(Duration lease) {
    return Json.bytes(Map.of("lease_ms", lease.toMillis(), "of", "infini registry"));
  }

  /// The length of leases that registries agreed on.
  static Duration agreed(byte[] json) throws NoSuchThing {
    long ms = -1;
    try {
      JsonNode n = tree(json);
      ms = n.path("of").asText().equals("infini registry") ? n.path("lease_ms").asLong(-1) : -1;
    } catch (NoSuchThing noJson) {
      // somebody else's
    }
    if (ms <= 0) {
      throw new NoSuchThing("is somebody else's (expected: a registry's)");
    }
    return Duration.ofMillis(ms);
  }

  /// Whether a value is what registries agreed on.
  static boolean isAgreed(byte[] json) {
    try {
      return agreed(json).isPositive();
    } catch (NoSuchThing e) {
      return false;
    }
  }

  /// What is wrong with the settings that stand there; null when they are ours.
  static @Nullable String difference(byte[] json, Duration lease) {
    try {
      JsonNode n = tree(json);
      long theirs = n.path("lease_ms").asLong(-1);
      if (!n.path("of").asText().equals("infini registry") || theirs < 0) {
        return "is somebody else's (expected: nothing there, or a registry's)";
      }
      return theirs == lease.toMillis()
          ? null
          : "is that of registries with --lease "
              + theirs / 1000.0
              + " (expected: --lease "
              + lease.toMillis() / 1000.0
              + ", or another prefix)";
    } catch (NoSuchThing e) {
      return "is somebody else's (expected: nothing there, or a registry's)";
    }
  }

  private static JsonNode tree(byte[] json) throws NoSuchThing {
    try {
      return Json.tree(json);
    } catch (JsonProcessingException e) {
      throw new NoSuchThing("no JSON");
    }
  }
}
