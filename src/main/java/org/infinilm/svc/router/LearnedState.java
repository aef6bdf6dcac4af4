package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The file that keeps what was learned over a restart: JSON with a version. What cannot be read is
/// set aside and named, and the router begins anew. For one thread.
final class LearnedState implements AutoCloseable {
  static final int VERSION = 1;

  /// A model is some KB of it; read, it is some ten times as large in memory.
  private static final long MOST_BYTES = 8L << 20;

  private static final Logger LOG = LoggerFactory.getLogger(LearnedState.class);

  private final Path file;
  private @Nullable FileChannel lock;
  private boolean isOthers;
  private boolean failed;
  private final AtomicLong lost = new AtomicLong();

  LearnedState(Path file) {
    this.file = OwnFiles.behindLinks(file);
  }

  /// Takes it for this router, by a lock on a file beside it. Another's is read and not written.
  private void take() {
    try {
      lock = OwnFiles.lock(file.resolveSibling(file.getFileName() + ".lock"));
      isOthers = lock == null;
      if (isOthers) {
        LOG.warn(
            "learned_state: {}: another router writes it (expected: a file for each router); it is read and nothing is kept in it",
            file);
      }
    } catch (IOException e) {
      LOG.warn("learned_state: {} cannot be locked: {}", file, ConfigException.reason(e));
    }
  }

  /// Takes over parts of the file.
  interface Reader {
    /// @throws IllegalArgumentException when they are not what was written
    void read(Map<String, Object> policy, Map<String, Object> rates);
  }

  /// Reads it, if there is one.
  void load(Reader to) {
    take();
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new IllegalArgumentException(
            Files.size(file) + " bytes (expected: at most " + MOST_BYTES + ")");
      }
      JsonNode root = Json.tree(Files.readAllBytes(file));
      int version = root.path("version").asInt(-1);
      if (version != VERSION) {
        throw new IllegalArgumentException("version: " + version + " (expected: " + VERSION + ")");
      }
      to.read(map(root.path("policy")), map(root.path("rates")));
      LOG.info("learned state taken over from {}", file);
    } catch (NoSuchFileException none) {
      LOG.info("no learned state at {} yet", file);
    } catch (IOException | IllegalArgumentException e) {
      setAside(
          e instanceof JsonProcessingException j
              ? "no JSON: " + Json.wrong(j)
              : String.valueOf(e.getMessage()));
    }
  }

  private static Map<String, Object> map(JsonNode n) {
    if (!n.isObject()) {
      throw new IllegalArgumentException("no object (expected: policy and rates)");
    }
    return Json.plain(n);
  }

  private void setAside(String why) {
    if (isOthers) {
      LOG.warn("learned_state: {}: {}", file, why);
      return;
    }
    try {
      Path aside = OwnFiles.setAside(file, ".corrupt");
      LOG.warn("learned_state: {}: {}; set aside as {}", file, why, aside);
    } catch (IOException e) {
      LOG.warn("learned_state: {}: {}; it cannot be set aside: {}", file, why, e.getMessage());
    }
  }

  /// What is to be written; nothing is yet. On any thread.
  static byte[] worded(Map<String, Object> policy, Map<String, Object> rates) {
    return Json.bytes(Map.of("version", VERSION, "policy", policy, "rates", rates));
  }

  /// The file, behind links.
  Path file() {
    return file;
  }

  /// Replaces it.
  void save(byte[] state) {
    if (isOthers) {
      return;
    }
    Path next = file.resolveSibling(file.getFileName() + ".next");
    try {
      if (state.length > MOST_BYTES) {
        throw new IOException(
            state.length + " bytes (expected: at most " + MOST_BYTES + "); that of before stays");
      }
      Files.write(next, state);
      try {
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
      }
      failed = false;
    } catch (IOException e) {
      if (!failed) {
        LOG.warn("learned_state: {} cannot be written: {}", file, e.getMessage());
      }
      failed = true;
      lost.incrementAndGet();
    }
  }

  /// States that could not be written. On any thread.
  long lost() {
    return lost.get();
  }

  /// Leaves it to the next router.
  @Override
  public void close() {
    try {
      if (lock != null) {
        lock.close();
      }
    } catch (IOException e) {
      LOG.warn("learned_state: {}: {}", file, ConfigException.reason(e));
    }
    lock = null;
  }
}
