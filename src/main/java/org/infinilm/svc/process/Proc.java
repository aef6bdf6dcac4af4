package org.infinilm.svc.process;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// One process of this machine that cannot be mistaken for a later one with the same number.
///
/// @param start boot of the machine and clock tick at which the process began
public record Proc(long pid, String start) {
  private static final Path PROC = Path.of("/proc");

  /// The process that has this number now; empty when there is none, or only its remains.
  public static Optional<Proc> of(long pid) {
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
  public static List<Proc> withEnvironment(String entry) {
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

  /// The words that a process was called with; empty where they cannot be seen.
  public static List<String> commandLine(long pid) {
    return words(PROC.resolve(pid + "/cmdline"));
  }

  /// The values of a variable in the environments of living processes of this user to which paths
  /// mean what they mean to this one.
  public static Set<String> valuesOf(String variable) {
    Set<String> out = new TreeSet<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : all) {
        for (String e : environment(p)) {
          if (e.startsWith(variable + "=")
              && sharesFiles(Long.parseLong(p.getFileName().toString()))) {
            out.add(e.substring(variable.length() + 1));
          }
        }
      }
    } catch (IOException noProc) {
      return out;
    }
    return out;
  }

  /// The environment that a process of this user was started with; empty where it cannot be seen.
  public static Map<String, String> environment(long pid) {
    Map<String, String> out = new HashMap<>();
    for (String e : environment(PROC.resolve(Long.toString(pid)))) {
      int eq = e.indexOf('=');
      if (eq > 0) {
        out.put(e.substring(0, eq), e.substring(eq + 1));
      }
    }
    return out;
  }

  /// The namespace of process numbers that this process is in; empty where there are none.
  public static String pidNamespace() {
    return namespace("self", "pid");
  }

  /// The namespace of mounts that this process is in; empty where there are none.
  public static String mountNamespace() {
    return namespace("self", "mnt");
  }

  /// Whether process numbers mean the same to that process as to this one: false for one of a
  /// container.
  public static boolean sharesPids(long pid) {
    return shares(pid, "pid");
  }

  /// Whether paths mean the same to that process as to this one: false for one of a container.
  public static boolean sharesFiles(long pid) {
    return shares(pid, "mnt");
  }

  private static boolean shares(long pid, String kind) {
    String ours = namespace("self", kind);
    return ours.isEmpty() || ours.equals(namespace(Long.toString(pid), kind));
  }

  private static String namespace(String process, String kind) {
    try {
      return Files.readSymbolicLink(PROC.resolve(process + "/ns/" + kind)).toString();
    } catch (IOException | UnsupportedOperationException unseen) {
      return "";
    }
  }

  /// The session that a process is in, -1 where it cannot be seen.
  static long session(long pid) {
    try {
      String stat = Files.readString(PROC.resolve(pid + "/stat"), StandardCharsets.ISO_8859_1);
      String[] f = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", 5);
      return f.length > 3 ? Long.parseLong(f[3]) : -1;
    } catch (IOException | NumberFormatException gone) {
      return -1;
    }
  }

  /// The clock tick of the start, without the boot.
  public String tick() {
    return start.substring(start.lastIndexOf('/') + 1);
  }

  /// `PID/START`.
  @Override
  public String toString() {
    return pid + "/" + start;
  }

  /// What [#toString] wrote; empty for anything else.
  public static Optional<Proc> parse(String text) {
    int slash = text.indexOf('/');
    try {
      return slash < 1
          ? Optional.empty()
          : Optional.of(new Proc(Long.parseLong(text, 0, slash, 10), text.substring(slash + 1)));
    } catch (NumberFormatException noNumber) {
      return Optional.empty();
    }
  }

  private static List<String> environment(Path process) {
    return words(process.resolve("environ"));
  }

  private static List<String> words(Path file) {
    try {
      byte[] all = Files.readAllBytes(file);
      return List.of(new String(all, StandardCharsets.UTF_8).split("\0"));
    } catch (IOException notOurs) {
      return List.of();
    }
  }

  public boolean alive() {
    return of(pid).filter(this::equals).isPresent();
  }

  /// Sends SIGTERM, or SIGKILL, if this very process still lives.
  public void signal(boolean kill) {
    if (alive()) {
      ProcessHandle.of(pid)
          .ifPresent(h -> {
            boolean sent = kill ? h.destroyForcibly() : h.destroy();
            assert sent || !alive();
          });
    }
  }
}
