package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The functions of llama.cpp's shared library (`include/llama.h` of build b4916), bound by name,
/// and where its log goes. Thread-safe.
final class NativeCalls {
  private static final Logger LOG = LoggerFactory.getLogger(NativeCalls.class);
  private static final int LEVEL_ERROR = 4;
  private static final int LEVEL_CONTINUED = 5;

  /// Errors of the call in progress on this thread, when its caller reports them itself.
  private static final ThreadLocal<StringBuilder> HELD = new ThreadLocal<>();

  private static volatile int lastLevel;

  private final Linker linker = Linker.nativeLinker();
  private final SymbolLookup symbols;

  /// Loads the library and starts its backend.
  ///
  /// @param library the shared library of this platform
  /// @param arena how long it stays loaded
  NativeCalls(Path library, Arena arena) throws EngineException {
    symbols = lookup(library, arena);
    try {
      silence();
      function("llama_backend_init", null).invoke();
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  private static SymbolLookup lookup(Path library, Arena arena) throws EngineException {
    boolean linux = System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux");
    if (linux) {
      requires("libgomp.so.1", "libgomp1", "libgomp", arena);
      requires("libstdc++.so.6", "libstdc++6", "libstdc++", arena);
    }
    try {
      return SymbolLookup.libraryLookup(library, arena);
    } catch (IllegalArgumentException e) {
      throw new EngineException(library + ": cannot be loaded on this system: " + e.getMessage());
    }
  }

  private static void requires(String file, String debian, String others, Arena arena)
      throws EngineException {
    try {
      SymbolLookup.libraryLookup(file, arena);
    } catch (IllegalArgumentException e) {
      throw new EngineException(
          file
              + " is missing, which the engine's llama.cpp needs (expected: package "
              + debian
              + " on Debian and Ubuntu, "
              + others
              + " on Fedora, RHEL and Alpine)");
    }
  }

  /// A function of the library.
  ///
  /// @param result what it returns, or null for nothing
  MethodHandle function(String name, @Nullable MemoryLayout result, MemoryLayout... arguments) {
    MemorySegment address =
        symbols
            .find(name)
            .orElseThrow(() -> new IllegalStateException("llama.cpp lacks function " + name));
    return linker.downcallHandle(
        address,
        result == null
            ? FunctionDescriptor.ofVoid(arguments)
            : FunctionDescriptor.of(result, arguments));
  }

  /// Keeps llama.cpp's log off stderr, except errors.
  private void silence() throws Throwable {
    MethodHandle sink =
        MethodHandles.lookup()
            .findStatic(
                NativeCalls.class,
                "log",
                MethodType.methodType(
                    void.class, int.class, MemorySegment.class, MemorySegment.class));
    MemorySegment callback =
        linker.upcallStub(
            sink, FunctionDescriptor.ofVoid(JAVA_INT, ADDRESS, ADDRESS), Arena.global());
    function("llama_log_set", null, ADDRESS, ADDRESS).invoke(callback, MemorySegment.NULL);
  }

  @SuppressWarnings("UnusedMethod") // llama.cpp calls it
  private static void log(int level, MemorySegment text, MemorySegment ignored) {
    int effective = level == LEVEL_CONTINUED ? lastLevel : level;
    lastLevel = effective;
    if (effective == LEVEL_ERROR) {
      String line = text.reinterpret(Long.MAX_VALUE).getString(0).strip();
      StringBuilder held = HELD.get();
      if (held != null) {
        held.append(line).append("; ");
      } else if (!line.isEmpty()) {
        LOG.error("llama.cpp: {}", line);
      }
    }
  }

  /// From here to [#release] this thread's errors are held back instead of logged.
  static StringBuilder hold() {
    StringBuilder errors = new StringBuilder();
    HELD.set(errors);
    return errors;
  }

  static void release() {
    HELD.remove();
  }

  /// What a call threw, as something to throw on.
  static RuntimeException failed(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return e instanceof RuntimeException r ? r : new IllegalStateException(e);
  }
}
