package org.infinilm.svc.babysitter;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.process.Orphans;
import org.infinilm.svc.process.ProcessTree;
import org.infinilm.svc.process.Subreaper;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// One started process with everything it starts in turn. Thread-safe.
final class Child {
  private static final String GUARD =
      """
      signal() {
        kill -s "$1" -- "-$group" 2>/dev/null
        for f in $(grep -lsF -- "$mark" /proc/[0-9]*/environ 2>/dev/null); do
          f=${f#/proc/}
          kill -s "$1" "${f%/environ}" 2>/dev/null
        done
        for s in $strays; do
          read -r stat 2>/dev/null <"/proc/${s%/*}/stat" || continue
          begun ${stat##*) }
          [ "$begun" = "${s#*/}" ] && kill -s "$1" "${s%/*}" 2>/dev/null
        done
      }
      begun() { shift 19; begun=$1; }
      living() { kill -s 0 -- "$1" 2>/dev/null; }
      group=$1 grace=$2 mark=$3 n=0 strays=
      while read -r line; do strays=$line; done
      kill -s TERM "$group" 2>/dev/null
      while [ "$n" -lt "$grace" ] && living "$group"; do sleep 1; n=$((n + 1)); done
      signal TERM
      n=0
      while [ "$n" -lt 2 ] && living "-$group"; do sleep 1; n=$((n + 1)); done
      signal KILL
      """;

  private static final Duration PAUSE = Duration.ofMillis(500);
  private static final Predicate<String> SECRET =
      Pattern.compile("INFINI_.*(TOKEN|SECRET|PASSWORD)S?").asMatchPredicate();

  private final Process process;
  private final ProcessTree tree;
  private final @Nullable Process guard;
  private final List<Thread> drains;

  private Child(Process process, ProcessTree tree, @Nullable Process guard, List<Thread> drains) {
    this.process = process;
    this.tree = tree;
    this.guard = guard;
    this.drains = drains;
  }

  /// Starts `argv` in its own session.
  ///
  /// @param env added to this process's environment; never logged
  /// @param marks what this start and everything that comes from it carry in their environment, see
  ///   [Orphans#marks]
  /// @param grace between SIGTERM and SIGKILL when this process itself is killed
  /// @throws IOException when it cannot be started; the message names the command
  static Child start(
      List<String> argv,
      @Nullable Path workDir,
      Map<String, String> env,
      Map<String, String> marks,
      Duration grace,
      Consumer<String> stdout,
      Consumer<String> stderr)
      throws IOException {
    List<String> command = new ArrayList<>(argv);
    boolean ownSession = findOnPath("setsid", System.getenv("PATH")) != null;
    String path = env.getOrDefault("PATH", System.getenv().getOrDefault("PATH", ""));
    if (!exists(argv.getFirst(), workDir, path)) {
      throw new IOException(notFound(argv.getFirst(), workDir));
    }
    if (ownSession) {
      command.add(0, "setsid");
    }
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectInput(ProcessBuilder.Redirect.from(devNull()));
    // Our own credentials are nothing to the server.
    builder.environment().keySet().removeIf(SECRET);
    // Nor is the service manager's ear: that the server has started is not that we are ready.
    builder.environment().remove("NOTIFY_SOCKET");
    builder.environment().putAll(env);
    builder.environment().put("INFINI_SUPERVISOR_PID", "" + ProcessHandle.current().pid());
    builder.environment().putAll(marks);
    String mark = Orphans.START + "=" + marks.get(Orphans.START);
    if (workDir != null) {
      builder.directory(workDir.toFile());
    }
    Process process;
    try {
      process = Subreaper.start(builder);
    } catch (IllegalArgumentException e) {
      throw new IOException("command, arguments or environment hold a NUL character");
    } catch (IOException e) {
      throw new IOException(
          "command \"" + Secrets.program(argv.getFirst()) + "\" cannot be started: " + e, e);
    }
    ProcessTree tree = new ProcessTree(process.toHandle(), mark, ownSession);
    List<Thread> drains =
        List.of(
            drain("stdout", process.getInputStream(), stdout),
            drain("stderr", process.getErrorStream(), stderr));
    return new Child(process, tree, ownSession ? guard(process.pid(), grace, mark) : null, drains);
  }

  long pid() {
    return process.pid();
  }

  /// Completes with the exit status, 128 + signal when one ended it.
  CompletableFuture<Integer> exit() {
    return process.onExit().thenApply(Process::exitValue);
  }

  /// Waits until its output is read to the end, at most so long: what came from it may hold it
  /// open.
  void awaitOutput(Duration most) throws InterruptedException {
    for (Thread t : drains) {
      t.join(most.dividedBy(drains.size()));
    }
  }

  /// Whether the descriptors of all that came from this process can be looked at.
  boolean isSeenWhole() {
    return tree.pids().stream().allMatch(PortOwner::isSeen);
  }

  /// Whether a process came from this one.
  boolean contains(long pid) {
    return tree.contains(pid);
  }

  /// Tells the guard which processes nothing but their parent, this process, connects with the
  /// child: `PID/START-TICK`.
  void tellStrays(List<String> strays) {
    if (guard == null) {
      return;
    }
    try {
      Writer to = guard.outputWriter();
      to.write(String.join(" ", strays) + "\n");
      to.flush();
    } catch (IOException gone) {
      // then nobody is left to tell
    }
  }

  /// Makes every [#end] kill at once.
  void hurry() {
    tree.hurry();
  }

  /// Ends the process and all that came from it, see [ProcessTree#end]. Blocks.
  ///
  /// @return whether nothing is left
  boolean end(Duration grace, Ticker ticker) throws InterruptedException {
    boolean clean = tree.end(grace, ticker);
    for (Thread t : drains) {
      t.join(Duration.ofMillis(500));
    }
    if (guard != null && clean) {
      guard.destroyForcibly();
      guard.waitFor(1, TimeUnit.SECONDS);
    }
    return clean;
  }

  /// A shell that waits for the end of its standard input, which only this process holds open: when
  /// this process is gone for whatever reason, it ends the group and what carries the mark.
  private static @Nullable Process guard(long group, Duration grace, String mark) {
    try {
      return Subreaper.start(
          new ProcessBuilder(
                  "setsid",
                  "sh",
                  "-c",
                  GUARD,
                  "infini-guard",
                  "" + group,
                  "" + grace.toSeconds(),
                  mark)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.DISCARD));
    } catch (IOException noShell) {
      return null;
    }
  }

  /// Platform threads: reading a pipe would hold a virtual thread's carrier.
  private static Thread drain(String what, InputStream in, Consumer<String> sink) {
    LineReader reader = new LineReader(sink);
    Thread drain =
        Thread.ofPlatform()
            .daemon()
            .name("child-" + what)
            .start(() -> {
              try {
                reader.drain(in);
              } catch (IOException closed) {
                // the process is gone
              }
            });
    Thread.ofVirtual()
        .name("child-" + what + "-pauses")
        .start(() -> {
          try {
            while (!drain.join(PAUSE)) {
              reader.pause();
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    return drain;
  }

  private static boolean exists(String command, @Nullable Path workDir, String path) {
    if (command.indexOf('/') < 0) {
      return findOnPath(command, path) != null;
    }
    Path p = workDir == null ? Path.of(command) : workDir.resolve(command);
    return Files.isRegularFile(p) && Files.isExecutable(p);
  }

  private static String notFound(String command, @Nullable Path workDir) {
    return "command \""
        + Secrets.program(command)
        + "\" not found (expected: "
        + (command.indexOf('/') < 0
            ? "an executable on PATH"
            : "an executable file"
                + (workDir == null || command.startsWith("/") ? "" : " in " + workDir))
        + ")";
  }

  static @Nullable Path findOnPath(String name, @Nullable String path) {
    if (path == null) {
      return null;
    }
    for (String dir : path.split(File.pathSeparator)) {
      Path p = Path.of(dir.isEmpty() ? "." : dir, name);
      if (Files.isRegularFile(p) && Files.isExecutable(p)) {
        return p;
      }
    }
    return null;
  }

  private static File devNull() {
    return new File("/dev/null");
  }
}
