package org.infinilm.svc.babysitter;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The models that a server on demand listed when it ran last, in a file of a few lines: by it the
/// instance is registered while nothing runs. A file of another command or name says nothing.
final class SeenModels {
  private static final Logger log = LoggerFactory.getLogger("babysitter");
  private static final int MOST_BYTES = 4 << 20;
  private static final int VERSION = 1;

  private final @Nullable Path file;
  private final String of;
  private List<Map<String, Object>> written = List.of();

  /// @param file null: nothing is kept
  /// @param argv what runs; models of another command are none of this one
  SeenModels(@Nullable Path file, String instance, List<String> argv) {
    this.file = file;
    this.of = fingerprint(instance, argv);
  }

  /// The usual place, or null where the environment names none.
  static @Nullable Path usual(Map<String, String> env, int port) {
    String state = env.getOrDefault("XDG_STATE_HOME", "");
    String home = env.getOrDefault("HOME", "");
    String name = "babysitter-" + port + ".json";
    try {
      if (!state.isEmpty() && Path.of(state).isAbsolute()) {
        return Path.of(state, "infini", name);
      }
      return !home.isEmpty() && Path.of(home).isAbsolute()
          ? Path.of(home, ".local", "state", "infini", name)
          : null;
    } catch (InvalidPathException e) {
      return null;
    }
  }

  /// Arguments may be secrets: they are kept as a digest.
  private static String fingerprint(String instance, List<String> argv) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update((instance + "\0" + String.join("\0", argv)).getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /// What it holds of this command; empty when that is nothing.
  List<Map<String, Object>> read() {
    if (file == null) {
      return List.of();
    }
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new IOException(Files.size(file) + " bytes (expected: at most " + MOST_BYTES + ")");
      }
      JsonNode all = Json.tree(Files.readAllBytes(file));
      if (all.path("version").asInt() != VERSION || !of.equals(all.path("of").asText())) {
        return List.of();
      }
      written = ModelList.parse(Json.bytes(all.path("models")));
      return written;
    } catch (NoSuchFileException none) {
      return List.of();
    } catch (IOException e) {
      log.warn(
          "{}: the models seen last cannot be read: {}; the server says them",
          file,
          BackendClient.why(e));
      return List.of();
    }
  }

  /// Keeps what the server lists now; a disk that does not take it is named, and costs one start.
  void write(List<Map<String, Object>> models) {
    if (file == null || models.equals(written)) {
      return;
    }
    Path next = file.resolveSibling(file.getFileName() + ".next");
    try {
      Path folder = file.toAbsolutePath().getParent();
      if (folder != null) {
        OwnFiles.makeFolder(folder);
      }
      OwnFiles.write(next, Json.bytes(Map.of("version", VERSION, "of", of, "models", models)));
      Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
      written = models;
    } catch (IOException e) {
      log.warn("{}: the models seen cannot be kept: {}", file, BackendClient.why(e));
    }
  }
}
