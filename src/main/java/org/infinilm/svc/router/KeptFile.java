package org.infinilm.svc.router;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The file of `added_instances`: one router's, by a lock on a file beside it. What it holds that
/// is not this router's own is never written over. Not thread-safe: [Added] has its calls one at a
/// time.
final class KeptFile implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KeptFile.class);

  /// What reads the document.
  @FunctionalInterface
  interface Reader<T> {
    /// @param wrong takes what is wrong with parts that are left out
    /// @throws ConfigException when nothing can be read
    List<T> read(byte[] document, Wrongs wrong) throws ConfigException;
  }

  private final Path file;
  private @Nullable FileChannel lock;

  /// Why nothing can be kept, or null.
  private @Nullable String unusable = "it was not read yet";

  private boolean isOthers;
  private boolean wasSetAside;

  KeptFile(Path file) {
    this.file = OwnFiles.behindLinks(file);
  }

  /// Reads it, and takes it for this router. One that is damaged is set aside; one that cannot be
  /// read, or is another router's, stays as it is, and nothing will be kept; the log says each.
  ///
  /// @return what can be used of it, also when it is another router's
  <T> List<T> load(Reader<T> reader) {
    unusable = null;
    take();
    List<T> out = List.of();
    try {
      if (Files.exists(file, LinkOption.NOFOLLOW_LINKS) && !Files.isRegularFile(file)) {
        unusable = "not a regular file (expected: a file, or none yet)";
      } else {
        Wrongs wrong = new Wrongs();
        out = reader.read(Files.readAllBytes(file), wrong);
        wrong.end();
      }
    } catch (NoSuchFileException none) {
      // nothing was kept yet
    } catch (ConfigException e) {
      damaged(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      unusable = unusable == null ? "cannot be read: " + ConfigException.reason(e) : unusable;
    }
    if (unusable != null) {
      LOG.error("added_instances: {}: {}; nothing will be kept in it", file, unusable);
    }
    return out;
  }

  /// Whether what was loaded stands in no file now: one that was damaged in part was set aside.
  boolean wasSetAside() {
    return wasSetAside;
  }

  private void take() {
    try {
      Path folder = file.toAbsolutePath().getParent();
      if (folder != null) {
        OwnFiles.makeFolder(folder);
      }
      lock = OwnFiles.lock(file.resolveSibling(file.getFileName() + ".lock"));
      isOthers = lock == null;
      if (isOthers) {
        unusable = "another router writes it (expected: a file for each router)";
      }
    } catch (IOException e) {
      unusable = "cannot be written: " + ConfigException.reason(e);
    }
  }

  private void damaged(String why) {
    if (isOthers) {
      unusable += "; " + why;
      return;
    }
    try {
      Path aside = OwnFiles.setAside(file, ".damaged");
      wasSetAside = true;
      LOG.error(
          "added_instances: {}: {}; it is set aside as {}",
          file,
          why.replace("\n", "; "),
          aside.getFileName());
    } catch (IOException e) {
      unusable = why + "; it cannot be set aside: " + ConfigException.reason(e);
    }
  }

  /// Replaces what is in it.
  ///
  /// @throws IllegalStateException when it is another router's
  /// @throws IOException says the file and why it cannot be written
  void save(byte[] document) throws IOException {
    if (unusable != null) {
      String said = file + ": " + unusable;
      if (isOthers) {
        throw new IllegalStateException(said);
      }
      throw new IOException(said);
    }
    Path next = file.resolveSibling(file.getFileName() + ".new");
    try {
      OwnFiles.write(next, document);
      Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new IOException(file + ": " + ConfigException.reason(e), e);
    }
  }

  @Override
  public void close() {
    try {
      if (lock != null) {
        lock.close();
      }
    } catch (IOException e) {
      LOG.warn("added_instances: {}: {}", file, ConfigException.reason(e));
    }
    lock = null;
    unusable = "the router ends";
  }
}
