package org.infinilm.svc.config;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What is not for everybody: keys and tokens that go into an Authorization field (messages name
/// the place, never the value), and files that are their owner's alone.
public final class Secrets {
  private Secrets() {}

  /// A key as it can be sent: without the line break that files and mounted secrets end with.
  ///
  /// @param place where it was given, for errors
  /// @throws ConfigException when it is empty or has a character that no field may have
  public static String key(String value, String place) throws ConfigException {
    int end = value.length();
    while (end > 0 && (value.charAt(end - 1) == '\n' || value.charAt(end - 1) == '\r')) {
      end--;
    }
    if (end == 0) {
      throw new ConfigException(place + ": empty (expected: a key)");
    }
    for (int k = 0; k < end; k++) {
      char c = value.charAt(k);
      if (c <= ' ' || c > '~') {
        throw new ConfigException(
            place
                + ": "
                + (c == ' '
                    ? "a blank"
                    : c < ' ' || c == 127 ? "a control character" : "a character beyond ASCII")
                + " at position "
                + (k + 1)
                + " (expected: a key of visible ASCII characters)");
      }
    }
    return value.substring(0, end);
  }

  /// Folders (0700) and files (0600) that are their owner's alone, whatever the umask: narrower
  /// from the first moment, and never so narrow that the owner is shut out. File systems that have
  /// no such permissions are used as they are. Stateless.
  public static final class OwnFiles {
    private static final Set<PosixFilePermission> FOLDER =
        PosixFilePermissions.fromString("rwx------");
    private static final Set<PosixFilePermission> FILE =
        PosixFilePermissions.fromString("rw-------");

    private static final int MOST_KEPT = 1000;

    /// As the kernel follows.
    private static final int MOST_LINKS = 40;

    private OwnFiles() {}

    /// Which file or folder is behind a name: who holds one open sees that it was moved, removed or
    /// replaced by what this is then. Null where the file system does not tell one from another,
    /// the name itself where there is none.
    public static @Nullable Object key(Path path) {
      try {
        return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
      } catch (IOException gone) {
        return path;
      }
    }

    /// Makes a folder and those above it that are missing; existing ones stay as they are.
    public static void makeFolder(Path dir) throws IOException {
      Deque<Path> missing = new ArrayDeque<>();
      for (Path at = dir.toAbsolutePath(); at != null && !Files.isDirectory(at); ) {
        missing.push(at);
        at = at.getParent();
      }
      for (Path p : missing) {
        try {
          Files.createDirectory(p, only(p, FOLDER));
          widen(p, FOLDER);
        } catch (FileAlreadyExistsException e) {
          if (!Files.isDirectory(p)) {
            throw e;
          }
        }
      }
    }

    /// Opens a file for writing; one that exists keeps its permissions.
    ///
    /// @param how as for [FileChannel#open], `WRITE` is added
    public static FileChannel open(Path file, OpenOption... how) throws IOException {
      Set<OpenOption> options = new HashSet<>(List.of(how));
      options.add(StandardOpenOption.WRITE);
      boolean fresh = !Files.exists(file);
      FileChannel opened = FileChannel.open(file, options, only(file, FILE));
      try {
        if (fresh) {
          widen(file, FILE);
        }
        return opened;
      } catch (IOException | RuntimeException e) {
        opened.close();
        throw e;
      }
    }

    /// Writes a whole file, in place of what it held.
    public static void write(Path file, byte[] bytes) throws IOException {
      try (FileChannel out =
          open(file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING)) {
        ByteBuffer b = ByteBuffer.wrap(bytes);
        while (b.hasRemaining()) {
          out.write(b);
        }
      }
    }

    /// Opens a file and locks it until it is closed; null when another process, or this one, has.
    public static @Nullable FileChannel lock(Path file) throws IOException {
      FileChannel channel = open(file, StandardOpenOption.CREATE);
      boolean ours = false;
      try {
        ours = channel.tryLock() != null;
      } catch (OverlappingFileLockException thisProcess) {
        // as by another
      } finally {
        if (!ours) {
          channel.close();
        }
      }
      return ours ? channel : null;
    }

    /// The file that a path means when links are followed, whether it is there or not: what is to
    /// be replaced by another, so that a link stays one.
    public static Path behindLinks(Path file) {
      Path at = file;
      try {
        for (int k = 0; k < MOST_LINKS && Files.isSymbolicLink(at); k++) {
          at = at.resolveSibling(Files.readSymbolicLink(at));
        }
      } catch (IOException e) {
        return file;
      }
      return Files.isSymbolicLink(at) ? file : at;
    }

    /// Renames a file that cannot be used, to its name with this behind it, and a number where one
    /// was kept before: nothing is lost.
    ///
    /// @return what it is called now
    public static Path setAside(Path file, String behind) throws IOException {
      for (int k = 1; ; k++) {
        String name = file.getFileName() + behind + (k == 1 ? "" : "-" + k);
        try {
          return Files.move(file, file.resolveSibling(name));
        } catch (FileAlreadyExistsException kept) {
          if (k == MOST_KEPT) {
            throw kept;
          }
        }
      }
    }

    /// Takes from a folder what others may do there.
    public static void narrowFolder(Path dir) throws IOException {
      narrow(dir, FOLDER);
    }

    /// Takes from a file what others may do with it.
    public static void narrowFile(Path file) throws IOException {
      narrow(file, FILE);
    }

    private static void narrow(Path p, Set<PosixFilePermission> to) throws IOException {
      if (isPosix(p) && !Files.getPosixFilePermissions(p).equals(to)) {
        Files.setPosixFilePermissions(p, to);
      }
    }

    /// Gives the owner back what the umask has taken.
    private static void widen(Path p, Set<PosixFilePermission> least) throws IOException {
      if (isPosix(p)) {
        Set<PosixFilePermission> has = Files.getPosixFilePermissions(p);
        if (!has.containsAll(least)) {
          has.addAll(least);
          Files.setPosixFilePermissions(p, has);
        }
      }
    }

    private static FileAttribute<?>[] only(Path p, Set<PosixFilePermission> permissions) {
      return isPosix(p)
          ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(permissions)}
          : new FileAttribute<?>[0];
    }

    private static boolean isPosix(Path p) {
      return p.getFileSystem().supportedFileAttributeViews().contains("posix");
    }
  }
}
