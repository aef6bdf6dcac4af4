package org.infinilm.svc.registry;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The journal's folder: held by one process, readable by its owner alone (0700, files 0600).
///
/// @param lock open and locked as long as the folder is held
record JournalFolder(Path path, FileChannel lock) {
  private static final Logger log = LoggerFactory.getLogger(JournalFolder.class);
  private static final String LOCK = "lock";
  private static final String DAMAGED = "journal.damaged-";
  private static final int DAMAGED_KEPT = 5;
  private static final int STICKY = 01000;
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  /// A folder that a start must not use: named by a slip, or another registry's. Anything else that
  /// goes wrong is the disk's fault and may pass.
  static final class Misused extends IOException {
    private static final long serialVersionUID = 1;
    private final boolean held;

    private Misused(String message, boolean held, @Nullable Throwable cause) {
      super(message, cause);
      this.held = held;
    }

    /// Whether another process has it.
    boolean held() {
      return held;
    }
  }

  /// Makes the folder where it is missing, and narrows one that holds nothing but a journal.
  ///
  /// @throws Misused when it is no folder, may not be written by this user, or another process
  ///   holds it
  /// @throws IOException when the disk does not take it now: full, without inodes, read-only
  static JournalFolder take(Path dir) throws IOException {
    try {
      OwnFiles.makeFolder(dir);
      FileChannel lock = OwnFiles.open(dir.resolve(LOCK), StandardOpenOption.CREATE);
      try {
        if (!isLocked(lock, false)) {
          throw held(dir);
        }
        narrow(dir);
        return new JournalFolder(dir, lock);
      } catch (IOException | RuntimeException e) {
        lock.close();
        throw e;
      }
    } catch (AccessDeniedException | FileAlreadyExistsException | NoSuchFileException slip) {
      String why =
          slip instanceof AccessDeniedException
              ? "may not be written by this user"
              : slip instanceof FileAlreadyExistsException ? "is no folder" : "cannot be made";
      throw new Misused(
          dir + ": " + slip.getFile() + " " + why + " (expected: a folder to write to)",
          false,
          slip);
    }
  }

  /// For a folder that cannot be taken, as on a disk that is read-only: whether another process has
  /// it all the same.
  ///
  /// @throws Misused when it does
  static void requireFree(Path dir) throws Misused {
    try (FileChannel lock = FileChannel.open(dir.resolve(LOCK), StandardOpenOption.READ)) {
      if (!isLocked(lock, true)) {
        throw held(dir);
      }
    } catch (Misused e) {
      throw e;
    } catch (IOException unknown) {
      // no lock, nobody who holds it
    }
  }

  /// Who reads a pipe waits for ever, and a folder is no disk that may have room later.
  ///
  /// @throws Misused when something else than a file is there
  static void requireFile(Path journal) throws Misused {
    if (Files.exists(journal) && !Files.isRegularFile(journal)) {
      throw new Misused(journal + ": is no regular file (expected: a file, or none)", false, null);
    }
  }

  private static Misused held(Path dir) {
    return new Misused(
        dir + ": held by another registry (expected: a folder of its own)", true, null);
  }

  /// A new file to write.
  static FileChannel create(Path file) throws IOException {
    return OwnFiles.open(file, StandardOpenOption.CREATE_NEW);
  }

  /// Keeps a damaged journal under another name, without a copy where the file system has links;
  /// only the last few are kept.
  Path setAside(Path file, Instant now) throws IOException {
    List<Path> kept = damaged();
    for (Path k : kept) {
      if (Files.isSameFile(k, file)) {
        return k;
      }
    }
    Path aside = keep(file, now);
    for (int n = 0; n <= kept.size() - DAMAGED_KEPT; n++) {
      Files.deleteIfExists(kept.get(n));
    }
    return aside;
  }

  private static Path keep(Path file, Instant now) throws IOException {
    for (int n = 0; ; n++) {
      Path aside =
          file.resolveSibling(DAMAGED + STAMP.format(now) + (n == 0 ? "" : "-" + n) + ".jsonl");
      try {
        return link(file, aside);
      } catch (FileAlreadyExistsException taken) {
        if (n == 1000) {
          throw taken;
        }
      }
    }
  }

  private static Path link(Path file, Path aside) throws IOException {
    try {
      return Files.createLink(aside, file);
    } catch (FileAlreadyExistsException taken) {
      throw taken;
    } catch (IOException | UnsupportedOperationException noLinks) {
      return Files.copy(file, aside);
    }
  }

  /// Oldest first.
  private List<Path> damaged() throws IOException {
    try (Stream<Path> all = Files.list(path)) {
      return all.filter(p -> p.getFileName().toString().startsWith(DAMAGED)).sorted().toList();
    }
  }

  /// What somebody else made may stay as wide as it is where this user cannot change that.
  private static void narrow(Path dir) {
    try (Stream<Path> all = Files.list(dir)) {
      List<Path> files = all.toList();
      if (!files.stream().allMatch(JournalFolder::isOurs)) {
        return;
      }
      for (Path f : files) {
        OwnFiles.narrowFile(f);
      }
      if (((int) Files.getAttribute(dir, "unix:mode") & STICKY) == 0) {
        OwnFiles.narrowFolder(dir);
      }
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException notOurs) {
      log.warn("journal {}: others may be able to read it: {}", dir, notOurs.toString());
    }
  }

  private static boolean isOurs(Path file) {
    String name = file.getFileName().toString();
    return Files.isRegularFile(file) && (name.equals(LOCK) || name.startsWith("journal."));
  }

  private static boolean isLocked(FileChannel file, boolean shared) throws IOException {
    try {
      return file.tryLock(0, Long.MAX_VALUE, shared) != null;
    } catch (OverlappingFileLockException sameProcess) {
      return false;
    }
  }
}
