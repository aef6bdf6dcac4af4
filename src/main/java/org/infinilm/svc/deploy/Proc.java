package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// One process of this machine that cannot be mistaken for a later one with the same number.
///
/// @param start boot of the machine and clock tick at which the process began
record Proc(long pid, String start) {
  private static final Path PROC = Path.of("/proc");

  /// The process that has this number now; empty when there is none, or only its remains.
  static Optional<Proc> of(long pid) {
    Path stat = PROC.resolve(pid + "/stat");
    if (!Files.isDirectory(PROC.resolve("self"))) {
      return ProcessHandle.of(pid)
          .filter(ProcessHandle::isAlive)
          .flatMap(h -> h.info().startInstant())
          .map(i -> new Proc(pid, i.toString()));
    }
    try {
      String boot = Files.readString(PROC.resolve("sys/kernel/random/boot_id")).strip();
      return ticks(Files.readString(stat, StandardCharsets.ISO_8859_1))
          .map(t -> new Proc(pid, boot + "/" + t));
    } catch (IOException gone) {
      return Optional.empty();
    }
  }

  /// Start tick of a `/proc/PID/stat` line; empty for a process that has ended.
  static Optional<String> ticks(String stat) {
    String[] f = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ");
    boolean ended = f.length < 20 || f[0].equals("Z") || f[0].equals("X");
    return ended ? Optional.empty() : Optional.of(f[19]);
  }

  /// The living processes of this user that were started with `NAME=value` in their environment,
  /// this one left out.
  static List<Proc> withEnvironment(String entry) {
    List<Proc> out = new ArrayList<>();
    long self = ProcessHandle.current().pid();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : all) {
        long pid = Long.parseLong(p.getFileName().toString());
        if (pid != self && environment(p).contains(entry)) {
          of(pid).ifPresent(out::add);
        }
      }
    } catch (IOException noProc) {
      return List.of();
    }
    return out;
  }

  private static List<String> environment(Path process) {
    try {
      byte[] all = Files.readAllBytes(process.resolve("environ"));
      return List.of(new String(all, StandardCharsets.ISO_8859_1).split("\0"));
    } catch (IOException notOurs) {
      return List.of();
    }
  }

  boolean alive() {
    return of(pid).filter(this::equals).isPresent();
  }

  /// Sends SIGTERM, or SIGKILL, if this very process still lives.
  void signal(boolean kill) {
    if (alive()) {
      ProcessHandle.of(pid)
          .ifPresent(h -> {
            boolean sent = kill ? h.destroyForcibly() : h.destroy();
            assert sent || !alive();
          });
    }
  }
}
