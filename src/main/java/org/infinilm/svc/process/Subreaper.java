package org.infinilm.svc.process;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Makes this process the one that orphans among its descendants fall to (Linux, prctl(2),
/// PR_SET_CHILD_SUBREAPER), so that what a supervised process leaves behind stays a child of its
/// supervisor, whatever session and environment it gave itself. Thread-safe.
public final class Subreaper {
  /* How it works
   *
   * An orphan falls to the nearest living ancestor that is a subreaper, else to init. So every child
   * of this process that it did not start itself came from what it supervises. An orphan that ends is
   * ours to wait for, or its remains stay: it is waited for by its number, never as "any child",
   * which would take the exit status of a Process away from the JDK.
   */
  private static final int PR_SET_CHILD_SUBREAPER = 36;
  private static final int WNOHANG = 1;

  private static final Set<Long> STARTED = ConcurrentHashMap.newKeySet();
  private static volatile @Nullable MethodHandle waitpid;

  private Subreaper() {}

  /// From here on orphans fall to this process; false where the system has no such call.
  public static synchronized boolean become() {
    if (waitpid != null) {
      return true;
    }
    try {
      Linker linker = Linker.nativeLinker();
      SymbolLookup libc = linker.defaultLookup();
      Optional<MemorySegment> prctl = libc.find("prctl");
      Optional<MemorySegment> wait = libc.find("waitpid");
      if (prctl.isEmpty() || wait.isEmpty()) {
        return false;
      }
      MethodHandle set =
          linker.downcallHandle(
              prctl.get(),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG),
              Linker.Option.firstVariadicArg(1));
      MethodHandle waits =
          linker.downcallHandle(
              wait.get(),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_INT));
      if ((int) set.invokeExact(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0) {
        return false;
      }
      waitpid = waits;
      return true;
    } catch (Throwable noSuchCall) {
      return false;
    }
  }

  /// Starts a process; all other children of this one are orphans that fell to it.
  public static synchronized Process start(ProcessBuilder b) throws IOException {
    Process p = b.start();
    STARTED.add(p.pid());
    p.onExit().thenRun(() -> STARTED.remove(p.pid()));
    return p;
  }

  /// The orphans that live; the remains of those that ended are cleared away.
  public static synchronized List<ProcessHandle> adopted() {
    if (waitpid == null) {
      return List.of();
    }
    return children().stream()
        .filter(pid -> !STARTED.contains(pid) && !isRemains(pid))
        .flatMap(pid -> ProcessHandle.of(pid).stream())
        .toList();
  }

  /// The kernel lists them by thread; looking at every process of the machine costs a hundred times
  /// as much.
  private static List<Long> children() {
    List<Long> out = new ArrayList<>();
    try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path t : threads) {
        String pids = Files.exists(t) ? Files.readString(t.resolve("children")).strip() : "";
        for (String pid : pids.isEmpty() ? new String[0] : pids.split(" ")) {
          out.add(Long.parseLong(pid));
        }
      }
      return out;
    } catch (IOException | NumberFormatException notListed) {
      return ProcessHandle.current().children().map(ProcessHandle::pid).toList();
    }
  }

  /// Waits for a child that has ended.
  ///
  /// @return whether it had
  private static boolean isRemains(long pid) {
    MethodHandle waits = waitpid;
    if (waits == null) {
      return false;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(ValueLayout.JAVA_INT);
      return (int) waits.invokeExact((int) pid, status, WNOHANG) != 0;
    } catch (Throwable cannotTell) {
      return false;
    }
  }
}
