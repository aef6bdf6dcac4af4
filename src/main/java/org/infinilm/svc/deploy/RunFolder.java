package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;

/// The folder of one deployment: its state, generated files and logs; only this user may enter.
record RunFolder(Path path) {
  private static final String STATE = "state.json";

  /// The per-user folder that holds one folder a deployment: `$XDG_RUNTIME_DIR/infini`, else
  /// `$XDG_STATE_HOME/infini/run`, else `$HOME/.local/state/infini/run`.
  static Path base(Map<String, String> env) throws ConfigException {
    String runtime = env.getOrDefault("XDG_RUNTIME_DIR", "");
    if (!runtime.isEmpty() && Files.isDirectory(Path.of(runtime))) {
      return Path.of(runtime, "infini");
    }
    String state = env.getOrDefault("XDG_STATE_HOME", "");
    if (!state.isEmpty()) {
      return Path.of(state, "infini", "run");
    }
    String home = env.getOrDefault("HOME", "");
    if (home.isEmpty()) {
      throw new ConfigException(
          "HOME: not set (expected: it, XDG_STATE_HOME or XDG_RUNTIME_DIR, for the run folder)");
    }
    return Path.of(home, ".local", "state", "infini", "run");
  }

  /// The folder of the deployment whose router has this port.
  static RunFolder of(Map<String, String> env, int routerPort) throws ConfigException {
    return new RunFolder(base(env).resolve(String.valueOf(routerPort)));
  }

  /// The folders that hold a state, or the one of `routerPort`.
  static List<RunFolder> present(Map<String, String> env, @Nullable Integer routerPort)
      throws ConfigException, IOException {
    List<RunFolder> out = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(base(env))) {
      for (Path p : all) {
        boolean asked =
            routerPort == null || p.getFileName().toString().equals(routerPort.toString());
        if (asked && Files.isRegularFile(p.resolve(STATE))) {
          out.add(new RunFolder(p));
        }
      }
    } catch (NoSuchFileException none) {
      return List.of();
    }
    out.sort((a, b) -> a.path().compareTo(b.path()));
    return out;
  }

  void create() throws IOException {
    if (Files.getFileStore(existing(path)).supportsFileAttributeView("posix")) {
      Files.createDirectories(
          path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } else {
      Files.createDirectories(path);
    }
  }

  private static Path existing(Path p) {
    Path at = p.toAbsolutePath();
    while (!Files.exists(at)) {
      Path up = at.getParent();
      if (up == null) {
        return at;
      }
      at = up;
    }
    return at;
  }

  /// Held by one `infini up` for its life; null when another holds it.
  @Nullable FileLock lock() throws IOException {
    FileChannel file =
        FileChannel.open(path.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock = file.tryLock();
    if (lock == null) {
      file.close();
    }
    return lock;
  }

  Optional<State> read() throws IOException {
    try {
      return Optional.of(State.parse(Files.readAllBytes(path.resolve(STATE))));
    } catch (NoSuchFileException none) {
      return Optional.empty();
    } catch (IOException broken) {
      throw new IOException(path.resolve(STATE) + ": " + broken.getMessage(), broken);
    }
  }

  /// Replaces the state in one step: a reader sees the old or the new one.
  void write(State state) throws IOException {
    Path next = path.resolve(STATE + ".next");
    Files.write(next, state.json());
    Files.move(
        next,
        path.resolve(STATE),
        StandardCopyOption.ATOMIC_MOVE,
        StandardCopyOption.REPLACE_EXISTING);
  }

  void forget() throws IOException {
    Files.deleteIfExists(path.resolve(STATE));
  }

  /// A fresh log file for a part; the one before stays as `.log.1`.
  Path log(String part) throws IOException {
    Path log = path.resolve(part + ".log");
    if (Files.exists(log)) {
      Files.move(log, path.resolve(part + ".log.1"), StandardCopyOption.REPLACE_EXISTING);
    }
    Files.createFile(log);
    return log;
  }

  /// The last lines of a log.
  static List<String> tail(Path log, int lines) {
    try (FileChannel file = FileChannel.open(log)) {
      long from = Math.max(0, file.size() - 16_384);
      java.nio.ByteBuffer piece = java.nio.ByteBuffer.allocate((int) (file.size() - from));
      while (piece.hasRemaining() && file.read(piece, from + piece.position()) >= 0) {
        // reads on until the end of the file
      }
      String text =
          new String(piece.array(), 0, piece.position(), java.nio.charset.StandardCharsets.UTF_8);
      List<String> all = text.lines().toList();
      return all.subList(Math.max(0, all.size() - lines), all.size());
    } catch (IOException unreadable) {
      return List.of("(" + log + " cannot be read: " + unreadable.getMessage() + ")");
    }
  }
}
