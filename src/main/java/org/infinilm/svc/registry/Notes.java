package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Json;

/// The notes that routers leave for one another, in memory. Thread-safe; nothing waits.
final class Notes {
  static final int MOST_RUNS = 64;
  static final int MOST_BYTES = 512 << 10;
  private static final int MOST_KINDS = 8;

  /// All notes together.
  static final long MOST_BYTES_IN_ALL = 16L << 20;

  private static final Pattern RUN = Pattern.compile("[A-Za-z0-9-]{1,64}");
  private static final Pattern KIND = Pattern.compile("[a-z]{1,16}");

  private record Kept(Map<String, Object> value, long version, int bytes) {}

  private static final class Run {
    final Map<String, Kept> notes = new TreeMap<>();
    long heardNanos;
  }

  private final String boot;
  private final Map<String, Run> runs = new TreeMap<>();
  private long version = 1;

  /// @param boot tells this board from others in versions
  Notes(String boot) {
    this.boot = boot;
  }

  /// The run lives now.
  synchronized void heard(String run, long nowNanos) throws Refused {
    require(run, RUN, "a run");
    if (!runs.containsKey(run) && runs.size() >= MOST_RUNS) {
      throw new Refused(507, "routers: " + MOST_RUNS + " are known already");
    }
    runs.computeIfAbsent(run, r -> new Run()).heardNanos = nowNanos;
  }

  /// Whether a board takes all notes of a run, for who keeps them elsewhere.
  ///
  /// @param others bytes of the notes of others
  /// @return their bytes
  static long requireRoom(Map<String, byte[]> all, long others) throws Refused {
    long sum = 0;
    for (Map.Entry<String, byte[]> n : all.entrySet()) {
      require(n.getKey(), KIND, "a kind of note");
      requireKinds(n.getKey(), all.size());
      requireBytes(n.getKey(), n.getValue().length);
      sum += n.getValue().length;
    }
    requireBytesInAll(others + sum);
    return sum;
  }

  private static void requireKinds(String kind, int kinds) throws Refused {
    if (kinds > MOST_KINDS) {
      throw new Refused(413, kind + ": more than " + MOST_KINDS + " kinds of notes");
    }
  }

  private static void requireBytes(String kind, int bytes) throws Refused {
    if (bytes > MOST_BYTES) {
      throw new Refused(
          413, "notes." + kind + ": " + bytes + " bytes (expected: at most " + MOST_BYTES + ")");
    }
  }

  private static void requireBytesInAll(long bytes) throws Refused {
    if (bytes > MOST_BYTES_IN_ALL) {
      throw new Refused(507, "routers: " + MOST_BYTES_IN_ALL + " bytes of notes are kept already");
    }
  }

  /// A note of a run that lives.
  synchronized void put(String run, String kind, Map<String, Object> value) throws Refused {
    require(kind, KIND, "a kind of note");
    Run r = runs.get(run);
    if (r != null) {
      requireKinds(kind, r.notes.size() + (r.notes.containsKey(kind) ? 0 : 1));
      int bytes = Json.bytes(value).length;
      Kept before = r.notes.get(kind);
      requireBytes(kind, bytes);
      requireBytesInAll(bytes() - (before == null ? 0 : before.bytes()) + bytes);
      r.notes.put(kind, new Kept(value, ++version, bytes));
    }
  }

  private long bytes() {
    long sum = 0;
    for (Run r : runs.values()) {
      for (Kept k : r.notes.values()) {
        sum += k.bytes();
      }
    }
    return sum;
  }

  /// @return the kinds of notes that it had
  synchronized Set<String> remove(String run) {
    Run r = runs.remove(run);
    return r == null ? Set.of() : Set.copyOf(r.notes.keySet());
  }

  synchronized void remove(String run, String kind) {
    Run r = runs.get(run);
    if (r != null) {
      r.notes.remove(kind);
      if (r.notes.isEmpty()) {
        runs.remove(run);
      }
    }
  }

  synchronized void retain(Set<String> live) {
    runs.keySet().retainAll(live);
  }

  /// Forgets who was not heard of since.
  synchronized void forget(long beforeNanos) {
    runs.values().removeIf(r -> r.heardNanos - beforeNanos < 0);
  }

  /// The same of those that have no note here.
  synchronized void forgetBare(long beforeNanos) {
    runs.values().removeIf(r -> r.notes.isEmpty() && r.heardNanos - beforeNanos < 0);
  }

  synchronized PeerBoard.Answer since(String known) {
    long from = 0;
    if (known.startsWith(boot + "-")) {
      try {
        from = Long.parseLong(known.substring(boot.length() + 1));
      } catch (NumberFormatException noVersion) {
        // all
      }
    }
    List<PeerBoard.Note> out = new ArrayList<>();
    for (Map.Entry<String, Run> r : runs.entrySet()) {
      for (Map.Entry<String, Kept> n : r.getValue().notes.entrySet()) {
        if (n.getValue().version() > from) {
          out.add(new PeerBoard.Note(r.getKey(), n.getKey(), n.getValue().value()));
        }
      }
    }
    return new PeerBoard.Answer(boot + "-" + version, new TreeSet<>(runs.keySet()), out);
  }

  private static void require(String given, Pattern form, String what) throws Refused {
    if (!form.matcher(given).matches()) {
      throw new Refused(400, Json.text(given) + " (expected: " + what + ", " + form + ")");
    }
  }

  /// What a router asks with: `{"notes":{"KIND":{...}},"since":"VERSION"}`.
  record Asked(Map<String, Map<String, Object>> notes, String since) {
    static Asked read(byte[] body) throws Refused {
      if (body.length > 2 * MOST_BYTES) {
        throw new Refused(413, "body: " + body.length + " bytes of notes");
      }
      try {
        JsonNode n = Json.tree(body);
        JsonNode all = n.path("notes");
        if (!all.isMissingNode() && !all.isObject()) {
          throw new Refused(422, "notes: no object (expected: an object, notes by kind)");
        }
        Map<String, Map<String, Object>> notes = new HashMap<>();
        for (Map.Entry<String, JsonNode> e : all.properties()) {
          require(e.getKey(), KIND, "a kind of note");
          notes.put(e.getKey(), value(e.getKey(), e.getValue()));
        }
        if (!n.isObject() || notes.size() > MOST_KINDS) {
          throw new Refused(422, "body: (expected: notes by kind, at most " + MOST_KINDS + ")");
        }
        return new Asked(notes, n.path("since").asText(""));
      } catch (JsonProcessingException e) {
        throw new Refused(400, "body: no JSON: " + Json.wrong(e));
      }
    }

    private static Map<String, Object> value(String kind, JsonNode v) throws Refused {
      if (!v.isObject()) {
        throw new Refused(422, "notes." + kind + ": no object (expected: an object)");
      }
      return Json.plain(v);
    }
  }

  static byte[] json(PeerBoard.Answer a) {
    List<Object> notes = new ArrayList<>();
    for (PeerBoard.Note n : a.notes()) {
      notes.add(Map.of("run", n.run(), "kind", n.kind(), "value", n.value()));
    }
    return Json.bytes(
        Map.of("version", a.version(), "live", new TreeSet<>(a.live()), "notes", notes));
  }

  static PeerBoard.Answer answer(JsonNode n) {
    Set<String> live = new TreeSet<>();
    n.path("live").forEach(r -> live.add(r.asText()));
    List<PeerBoard.Note> notes = new ArrayList<>();
    for (JsonNode each : n.path("notes")) {
      if (each.path("value").isObject()) {
        notes.add(
            new PeerBoard.Note(
                each.path("run").asText(),
                each.path("kind").asText(),
                Json.plain(each.path("value"))));
      }
    }
    return new PeerBoard.Answer(n.path("version").asText(), live, notes);
  }
}
