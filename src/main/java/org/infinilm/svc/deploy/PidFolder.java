package org.infinilm.svc.deploy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.infinilm.svc.process.Proc;

/// The folder in which `launch_all_rust.sh` notes what it started: `NAME.pid`, and `NAME.pid.start`
/// with what tells the process from a later one of the same number.
record PidFolder(Path path) {
  private static final String PID = ".pid";
  private static final String START = ".start";

  /// What it was started with, for the script.
  private static final String ARGUMENTS = ".args";

  /// What of it lives, as a deployment.
  ///
  /// @param wanted the names to look at
  State read(Predicate<String> wanted) throws IOException {
    TreeMap<String, State.Part> parts = new TreeMap<>();
    for (Path file : files()) {
      String name = name(file);
      if (wanted.test(name)) {
        process(file).ifPresent(p -> parts.put(name, part(name, p)));
      }
    }
    Proc nobody = new Proc(0, "unknown");
    return new State(
        id(),
        Instant.EPOCH,
        nobody,
        "",
        0,
        0,
        new Asked(Map.of()),
        true,
        List.copyOf(parts.values()));
  }

  /// Removes the notes.
  void forget(Predicate<String> wanted) throws IOException {
    for (Path file : files()) {
      if (wanted.test(name(file))) {
        Files.deleteIfExists(file);
        Files.deleteIfExists(start(file));
        Files.deleteIfExists(file.resolveSibling(file.getFileName() + ARGUMENTS));
      }
    }
  }

  /// What the processes carry in [Ending#MARK]; the script says the same.
  private String id() throws IOException {
    return "launched:" + Proc.mountNamespace() + ":" + path.toRealPath();
  }

  private List<Path> files() throws IOException {
    List<Path> out = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(path, "*" + PID)) {
      for (Path p : all) {
        if (role(name(p)).isPresent()) {
          out.add(p);
        }
      }
    }
    return out;
  }

  private static String name(Path file) {
    String s = String.valueOf(file.getFileName());
    return s.substring(0, s.length() - PID.length());
  }

  private static Path start(Path file) {
    return file.resolveSibling(file.getFileName() + START);
  }

  private static Optional<State.Role> role(String name) {
    return switch (name) {
      case "router" -> Optional.of(State.Role.ROUTER);
      case "registry" -> Optional.of(State.Role.REGISTRY);
      default ->
          name.startsWith("babysitter_") ? Optional.of(State.Role.BABYSITTER) : Optional.empty();
    };
  }

  private static State.Part part(String name, Proc process) {
    return new State.Part(
        name,
        role(name).orElseThrow(),
        process,
        0,
        URI.create("http://127.0.0.1/health"),
        Path.of(name + ".log"),
        Instant.EPOCH);
  }

  /// The process that a file names, if it still is the one that was noted.
  private static Optional<Proc> process(Path file) throws IOException {
    try {
      String pid = Files.readString(file).strip();
      String noted = Files.readString(start(file)).strip();
      return pid.matches("[1-9][0-9]{0,9}")
          ? Proc.of(Long.parseLong(pid)).filter(p -> noted.equals(begun(p)))
          : Optional.empty();
    } catch (NoSuchFileException noNote) {
      return Optional.empty();
    }
  }

  /// As the script notes it: the clock tick of the start, or what ps says where there is no /proc.
  private static String begun(Proc p) {
    if (Files.isReadable(Path.of("/proc/self/stat"))) {
      return p.tick();
    }
    try {
      Process ps = new ProcessBuilder("ps", "-o", "lstart=", "-p", "" + p.pid()).start();
      return new String(ps.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
          .strip();
    } catch (IOException noPs) {
      return "";
    }
  }
}
