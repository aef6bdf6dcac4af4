package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.jspecify.annotations.Nullable;

/// The folder of one deployment: its state, generated files and logs; only this user may enter.
record RunFolder(Path path) {
  private static final String STATE = "state.json";
  private static final String HISTORY = "history.db";

  /// The per-user folder that holds one folder a deployment: `$XDG_STATE_HOME/infini/run` (a
  /// relative one is ignored, as the XDG base directory specification wants), else
  /// `$HOME/.local/state/infini/run`. Not below `$XDG_RUNTIME_DIR`, which belongs to one login: a
  /// deployment outlives it.
  static Path base(Map<String, String> env) throws ConfigException {
    String state = env.getOrDefault("XDG_STATE_HOME", "");
    if (!state.isEmpty() && Path.of(state).isAbsolute()) {
      return Path.of(state, "infini", "run");
    }
    String home = env.getOrDefault("HOME", "");
    if (home.isEmpty() || !Path.of(home).isAbsolute()) {
      throw new ConfigException(
          "HOME: "
              + (home.isEmpty() ? "not set" : home)
              + " (expected: an absolute path, in it or in XDG_STATE_HOME, for the run folder)");
    }
    return Path.of(home, ".local", "state", "infini", "run");
  }

  /// The folder of the deployment whose router has this port.
  static RunFolder of(Map<String, String> env, int routerPort) throws ConfigException {
    return new RunFolder(base(env).resolve(String.valueOf(routerPort)));
  }

  /// Where its router keeps its history.
  Path history() {
    return path.resolve(HISTORY);
  }

  /// The history of the deployment whose router has this port, or of the only one; of several the
  /// one that runs.
  ///
  /// @throws ConfigException when there is none, or no telling which
  static Path history(Map<String, String> env, @Nullable Integer routerPort)
      throws ConfigException, IOException {
    List<RunFolder> kept = present(env, routerPort, HISTORY);
    List<RunFolder> running =
        kept.stream().filter(f -> Files.isRegularFile(f.path().resolve(STATE))).toList();
    List<RunFolder> meant = kept.size() > 1 && running.size() == 1 ? running : kept;
    if (meant.size() == 1) {
      return meant.getFirst().history();
    }
    throw new ConfigException(
        meant.isEmpty()
            ? "no history of a deployment in "
                + base(env)
                + " (expected: infini up without --history off, or --file, or --url of a router)"
            : "--router-port: missing (expected: one of "
                + String.join(
                    ", ", meant.stream().map(f -> String.valueOf(f.path().getFileName())).toList())
                + ")");
  }

  /// The folders that hold a state, or the one of `routerPort`.
  static List<RunFolder> present(Map<String, String> env, @Nullable Integer routerPort)
      throws ConfigException, IOException {
    return present(env, routerPort, STATE);
  }

  private static List<RunFolder> present(
      Map<String, String> env, @Nullable Integer routerPort, String holding)
      throws ConfigException, IOException {
    List<RunFolder> out = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(base(env))) {
      for (Path p : all) {
        boolean asked =
            routerPort == null || p.getFileName().toString().equals(routerPort.toString());
        if (asked && Files.isRegularFile(p.resolve(holding))) {
          out.add(new RunFolder(p));
        }
      }
    } catch (NoSuchFileException none) {
      return List.of();
    } catch (FileSystemException e) {
      throw cannot("be read", base(env), e);
    }
    out.sort((a, b) -> a.path().compareTo(b.path()));
    return out;
  }

  void create() throws IOException {
    try {
      OwnFiles.makeFolder(path);
    } catch (FileSystemException e) {
      throw cannot("be made", path, e);
    }
  }

  /// A folder may be another user's: root's, after a `sudo` that kept HOME.
  private static IOException cannot(String what, Path folder, FileSystemException e) {
    String why = e.getReason() == null ? e.getClass().getSimpleName() : e.getReason();
    return new IOException(
        folder
            + ": cannot "
            + what
            + ": "
            + why
            + " at "
            + e.getFile()
            + " (expected: a folder of this user's; XDG_STATE_HOME names another)",
        e);
  }

  /// Held by one `infini up` for its life; null when another holds it.
  @Nullable FileChannel lock() throws IOException {
    try {
      return OwnFiles.lock(path.resolve("lock"));
    } catch (FileSystemException e) {
      throw cannot("be locked", path, e);
    }
  }

  /// What the deployment wrote down. A damaged file is set aside with a word on standard error;
  /// then, and where there is none, what still lives is found by what its processes carry.
  Optional<State> read() throws IOException {
    Path file = path.resolve(STATE);
    byte[] json;
    try {
      json = Files.readAllBytes(file);
    } catch (NoSuchFileException none) {
      return Survivors.of(this);
    } catch (IOException unreadable) {
      throw new IOException(file + ": cannot be read: " + unreadable, unreadable);
    }
    try {
      return Optional.of(State.parse(json));
    } catch (IOException damaged) {
      Path aside = OwnFiles.setAside(file, ".damaged");
      System.err.println("infini: " + file + " is damaged; it is kept as " + aside);
      Optional<State> living = Survivors.of(this);
      if (living.isPresent()) {
        write(living.get());
      }
      return living;
    }
  }

  /// Replaces the state in one step: a reader sees the old or the new one.
  void write(State state) throws IOException {
    Path next = path.resolve(STATE + ".next");
    OwnFiles.write(next, state.json());
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
    OwnFiles.open(log, StandardOpenOption.CREATE_NEW).close();
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
