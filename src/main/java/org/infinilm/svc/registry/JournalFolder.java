package org.infinilm.svc.registry;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/// The journal's folder: held by one process, readable by its owner alone (0700, files 0600).
///
/// @param lock open and locked as long as the folder is held
record JournalFolder(Path path, FileChannel lock) {
  private static final String DAMAGED = "journal.damaged-";
  private static final int DAMAGED_KEPT = 5;
  private static final int STICKY = 01000;
  private static final Set<PosixFilePermission> FOLDER =
      PosixFilePermissions.fromString("rwx------");
  private static final Set<PosixFilePermission> FILE = PosixFilePermissions.fromString("rw-------");
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  /// Makes the folder where it is missing, and narrows one that holds nothing but a journal.
  ///
  /// @throws IOException when it cannot be used, or another process holds it
  static JournalFolder take(Path dir) throws IOException {
    make(dir);
    FileChannel lock = open(dir.resolve("lock"), Set.of(StandardOpenOption.CREATE));
    try {
      if (!locked(lock)) {
        throw new IOException(dir + ": held by another registry (expected: a folder of its own)");
      }
      narrow(dir);
      return new JournalFolder(dir, lock);
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /// Makes a folder and those above it that are missing.
  static void make(Path dir) throws IOException {
    if (!Files.isDirectory(dir)) {
      Files.createDirectories(dir, isPosix(dir) ? only(FOLDER) : new FileAttribute<?>[0]);
    }
  }

  /// A new file to write.
  static FileChannel create(Path file) throws IOException {
    return open(file, Set.of(StandardOpenOption.CREATE_NEW));
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

  private static void narrow(Path dir) throws IOException {
    if (!isPosix(dir)) {
      return;
    }
    try (Stream<Path> all = Files.list(dir)) {
      List<Path> files = all.toList();
      for (Path f : files) {
        if (!isOurs(f)) {
          return;
        }
      }
      for (Path f : files) {
        Files.setPosixFilePermissions(f, FILE);
      }
    }
    boolean shared = ((int) Files.getAttribute(dir, "unix:mode") & STICKY) != 0;
    if (!shared) {
      Files.setPosixFilePermissions(dir, FOLDER);
    }
  }

  private static boolean isOurs(Path file) {
    String name = file.getFileName().toString();
    return Files.isRegularFile(file) && (name.equals("lock") || name.startsWith("journal."));
  }

  private static FileChannel open(Path file, Set<? extends OpenOption> how) throws IOException {
    Set<OpenOption> options = new java.util.HashSet<>(how);
    options.add(StandardOpenOption.WRITE);
    return FileChannel.open(file, options, isPosix(file) ? only(FILE) : new FileAttribute<?>[0]);
  }

  private static FileAttribute<?>[] only(Set<PosixFilePermission> permissions) {
    return new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(permissions)};
  }

  private static boolean isPosix(Path p) {
    return p.getFileSystem().supportedFileAttributeViews().contains("posix");
  }

  private static boolean locked(FileChannel lockFile) throws IOException {
    try {
      FileLock lock = lockFile.tryLock();
      return lock != null;
    } catch (OverlappingFileLockException sameProcess) {
      return false;
    }
  }
}
