package org.infinilm.svc.registry;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Where routers beside each other leave notes for one another: a registry's memory, or etcd. Notes
/// go with the run that wrote them, [#LEASE] after its last word. Thread-safe; calls block.
public interface PeerBoard {
  /// How long a run that says nothing counts as one that lives.
  Duration LEASE = Duration.ofSeconds(10);

  /// Who leaves notes: the name is made of the key, so that whoever has it can be told from those
  /// who were told the name, by every board, without one having to remember anything.
  ///
  /// @param name letters, digits and `-`; others hear it
  /// @param key nobody else's
  record Run(String name, String key) {
    /// The header field that shows the key.
    static final String FIELD = "infini-run-key";

    private static final String OWNED = "k-";
    private static final int BYTES = 16;

    public static Run fresh() {
      byte[] b = new byte[BYTES];
      new SecureRandom().nextBytes(b);
      String key = HexFormat.of().formatHex(b);
      return new Run(name(key), key);
    }

    private static String name(String key) {
      try {
        byte[] digest =
            MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
        return OWNED + HexFormat.of().formatHex(digest, 0, BYTES);
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e);
      }
    }

    /// Whether who shows this key may speak as that run. Names that are made of no key are
    /// anybody's.
    static boolean mayBe(String run, @Nullable String key) {
      return !run.startsWith(OWNED)
          || (key != null
              && MessageDigest.isEqual(
                  name(key).getBytes(StandardCharsets.UTF_8),
                  run.getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /// A note of one run.
  ///
  /// @param kind what it is about; a later note of a run and kind replaces the one before
  /// @param value a JSON object
  record Note(String run, String kind, Map<String, Object> value) {}

  /// What the board says.
  ///
  /// @param version to hand back with the next call
  /// @param live the runs that live, the asking one among them
  /// @param notes those that changed since the version that was handed in; all when that is another
  ///   board's
  record Answer(String version, Set<String> live, List<Note> notes) {
    public Answer {
      live = Set.copyOf(live);
      notes = List.copyOf(notes);
    }

    /// Whether there is no board there at all: an earlier registry.
    public boolean isNone() {
      return version.isEmpty();
    }
  }

  /// Where nobody keeps notes.
  Answer NONE = new Answer("", Set.of(), List.of());

  /// Leaves notes as `run`'s, and says what others left.
  ///
  /// @param run letters, digits and `-`, 64 at most
  /// @param notes by kind (lower-case letters); those of other kinds stay
  /// @param since the version of the last answer; empty for all
  /// @throws IOException when the board cannot be reached or refuses
  Answer exchange(String run, Map<String, Map<String, Object>> notes, String since)
      throws IOException, InterruptedException;

  /// Whether what others left is known here already, so that asking costs no round trip.
  default boolean isNear() {
    return false;
  }

  /// Takes the run and its notes away at once.
  void leave(String run) throws IOException, InterruptedException;
}
