package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.util.Locale;
import java.util.Optional;

/// The priority of a thread at the operating system.
final class NativePriority {
  private static final int OF_THIS_THREAD = 0;

  private NativePriority() {}

  /// Lets others go before the calling thread from now on; on Linux, where a thread has a niceness
  /// of its own. Elsewhere, and when the system refuses, nothing changes.
  ///
  /// @param nice 1..19
  static void yieldToOthers(int nice) {
    boolean linux = System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux");
    Linker linker = Linker.nativeLinker();
    Optional<MemorySegment> function = linker.defaultLookup().find("setpriority");
    if (!linux || function.isEmpty()) {
      return;
    }
    try {
      int ignored =
          (int)
              linker
                  .downcallHandle(
                      function.get(), FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT))
                  .invokeExact(OF_THIS_THREAD, 0, nice);
    } catch (Throwable e) {
      throw NativeCalls.failed(e);
    }
  }
}
