package org.infinilm.svc.process;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Every process that came from one supervised process, found and ended. Thread-safe.
public final class ProcessTree {
  /* How it works
   *
   * Descendants alone are not enough: the child of a process that died belongs to init. Three nets:
   * the descendants by parent, the session of the process (it was started by setsid, so its pid is
   * the session's), and a variable in the environment that is unique to this start and that
   * children inherit, which finds those that made a session of their own. The last two read Linux's
   * /proc; elsewhere descendants and the process group alone are ended. A fourth net finds what has
   * a session of its own, an emptied environment and no parent left: it fell to this process, where
   * that is a subreaper ([Subreaper]).
   *
   * The started process alone is asked first: servers with workers finish their requests and end the
   * workers themselves, and break when a worker is asked beside them.
   */
  private static final Path PROC = Path.of("/proc");
  private static final Duration POLL = Duration.ofMillis(20);
  private static final int LOOKS = 25;
  private static final Duration REST = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofSeconds(2);

  private final @Nullable ProcessHandle root;
  private final byte[] mark;
  private final boolean ownSession;
  private final Map<Long, ProcessHandle> seen = new LinkedHashMap<>();
  private final Set<Long> killed = new TreeSet<>();
  private volatile boolean hurried;

  /// @param mark `NAME=value` that is in the environment of the root and its children only
  /// @param ownSession whether the root leads its own session
  public ProcessTree(ProcessHandle root, String mark, boolean ownSession) {
    this(mark, root, ownSession);
  }

  private ProcessTree(String mark, @Nullable ProcessHandle root, boolean ownSession) {
    this.root = root;
    this.mark = mark.getBytes(StandardCharsets.UTF_8);
    this.ownSession = ownSession && root != null;
  }

  /// The tree of a process that another one started; when that has ended, what still carries the
  /// mark.
  public static ProcessTree of(Proc root, String mark) {
    ProcessHandle handle = root.alive() ? ProcessHandle.of(root.pid()).orElse(null) : null;
    return new ProcessTree(mark, handle, Proc.session(root.pid()) == root.pid());
  }

  /// All that carries the mark.
  public static ProcessTree marked(String mark) {
    return new ProcessTree(mark, null, false);
  }

  /// SIGTERM to the root; to the others once it has ended or `grace` is over; then SIGKILL to what
  /// is left, after `grace` but not before the others had a second. Blocks until nothing is left,
  /// at most three seconds longer than `grace`.
  ///
  /// @return whether nothing is left
  public synchronized boolean end(Duration grace, Ticker ticker) throws InterruptedException {
    long start = ticker.nanos();
    Set<Long> asked = new HashSet<>();
    boolean rest = false;
    long killAfter = grace.toNanos();
    int empty = 0;
    for (int look = 0; ; look++) {
      // While the root is waited for, the rest of the tree is looked at now and then alone.
      boolean waiting = !rest && !hurried && root != null && root.isAlive();
      if (waiting && look % LOOKS != 0 && ticker.nanos() - start < grace.toNanos()) {
        Thread.sleep(POLL);
        continue;
      }
      Map<Long, ProcessHandle> living = living();
      // A process may be between two names in /proc while it is looked for: one look is none.
      empty = living.isEmpty() ? empty + 1 : 0;
      if (empty == 2) {
        return true;
      }
      long spent = ticker.nanos() - start;
      if (!rest && (spent >= grace.toNanos() || hurried || !living.containsKey(rootPid()))) {
        rest = true;
        killAfter = Math.max(killAfter, spent + REST.toNanos());
      }
      if (spent >= killAfter + PATIENCE.toNanos()) {
        return false;
      }
      if (hurried || spent >= killAfter) {
        if (ownSession) {
          signalGroup("KILL");
        }
        killed.addAll(living.keySet());
        living.values().forEach(ProcessHandle::destroyForcibly);
      } else {
        for (Map.Entry<Long, ProcessHandle> e : living.entrySet()) {
          if ((rest || e.getKey() == rootPid()) && asked.add(e.getKey())) {
            e.getValue().destroy();
          }
        }
        if (spent >= grace.toNanos() && root != null && root.isAlive()) {
          killed.add(root.pid());
          root.destroyForcibly();
        }
      }
      Thread.sleep(POLL);
    }
  }

  /// What of it lives now.
  public synchronized Set<Long> pids() {
    return living().keySet();
  }

  /// The processes that [#end] had to kill.
  public synchronized List<Long> killed() {
    return List.copyOf(killed);
  }

  private long rootPid() {
    return root == null ? -1 : root.pid();
  }

  /// Makes an [#end] under way, and every later one, kill at once.
  public void hurry() {
    hurried = true;
  }

  /// Whether this process belongs to the tree.
  public boolean contains(long pid) {
    return pid == rootPid()
        || isOurs(PROC.resolve(Long.toString(pid)))
        || (root != null && root.descendants().anyMatch(p -> p.pid() == pid))
        || Subreaper.adopted().stream()
            .flatMap(p -> Stream.concat(Stream.of(p), p.descendants()))
            .anyMatch(p -> p.pid() == pid);
  }

  /// To the whole process group at once: nothing can be forked past it.
  private void signalGroup(String signal) throws InterruptedException {
    try {
      Subreaper.start(
              new ProcessBuilder(
                      "sh", "-c", "kill -s \"$1\" -- \"-$2\"", "sh", signal, "" + rootPid())
                  .redirectErrorStream(true)
                  .redirectOutput(ProcessBuilder.Redirect.DISCARD))
          .waitFor();
    } catch (IOException noShell) {
      // each process is signalled by its handle as well
    }
  }

  private Map<Long, ProcessHandle> living() {
    if (root != null) {
      if (root.isAlive()) {
        seen.put(root.pid(), root);
      }
      root.descendants().forEach(p -> seen.put(p.pid(), p));
    }
    for (ProcessHandle orphan : Subreaper.adopted()) {
      seen.put(orphan.pid(), orphan);
      orphan.descendants().forEach(p -> seen.put(p.pid(), p));
    }
    scanProc();
    seen.values().removeIf(p -> !p.isAlive() || isZombie(p.pid()));
    return Map.copyOf(seen);
  }

  private void scanProc() {
    try (DirectoryStream<Path> pids = Files.newDirectoryStream(PROC, "[0-9]*")) {
      for (Path p : pids) {
        long pid = Long.parseLong(p.getFileName().toString());
        if (!seen.containsKey(pid) && isOurs(p)) {
          ProcessHandle.of(pid).ifPresent(h -> seen.put(pid, h));
        }
      }
    } catch (IOException | NumberFormatException notLinux) {
      // the other nets remain
    }
  }

  private boolean isOurs(Path proc) {
    return (ownSession && session(proc) == rootPid()) || hasMark(proc);
  }

  private boolean hasMark(Path proc) {
    byte[] env;
    try {
      env = Files.readAllBytes(proc.resolve("environ"));
    } catch (IOException goneOrNotOurs) {
      return false;
    }
    for (int i = 0; i + mark.length <= env.length; i++) {
      if ((i == 0 || env[i - 1] == 0)
          && (i + mark.length == env.length || env[i + mark.length] == 0)
          && java.util.Arrays.equals(env, i, i + mark.length, mark, 0, mark.length)) {
        return true;
      }
    }
    return false;
  }

  private static long session(Path proc) {
    String[] f = statFields(proc);
    return f.length > 3 ? Long.parseLong(f[3]) : -1;
  }

  private static boolean isZombie(long pid) {
    String[] f = statFields(PROC.resolve(Long.toString(pid)));
    return f.length > 0 && f[0].equals("Z");
  }

  /// Fields of `/proc/PID/stat` after the name: state, parent, group, session, ...
  private static String[] statFields(Path proc) {
    try {
      String stat = Files.readString(proc.resolve("stat"), StandardCharsets.ISO_8859_1);
      return stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", 5);
    } catch (IOException gone) {
      return new String[0];
    }
  }
}
