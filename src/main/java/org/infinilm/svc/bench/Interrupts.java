package org.infinilm.svc.bench;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/// What SIGINT and SIGTERM do: the first runs what [#then] was given, the second ends the process
/// at once; so does the first while there is nothing to save yet. Thread-safe.
final class Interrupts {
  private static final int SIGNAL_EXIT = 128;
  private final AtomicInteger first = new AtomicInteger();
  private Runnable action = () -> {};

  /// Takes over the signals of this process. Where the platform does not let it, they end the
  /// process as usual.
  static Interrupts ofProcess() {
    Interrupts i = new Interrupts();
    i.action = () -> Runtime.getRuntime().halt(i.code());
    i.take("INT", 2);
    i.take("TERM", 15);
    return i;
  }

  /// The JDK's signal class is not part of the Java platform; it is looked up by name.
  private void take(String name, int number) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object mine =
          Proxy.newProxyInstance(
              handler.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, args) -> {
                return switch (method.getName()) {
                  case "handle" -> {
                    signalled(number);
                    yield null;
                  }
                  case "hashCode" -> number;
                  case "equals" -> false;
                  default -> name;
                };
              });
      Method handle = signal.getMethod("handle", signal, handler);
      handle.invoke(null, signal.getConstructor(String.class).newInstance(name), mine);
    } catch (ReflectiveOperationException | IllegalArgumentException notHere) {
      // the platform's own handling stays
    }
  }

  /// Called by a signal.
  void signalled(int number) {
    if (!first.compareAndSet(0, number)) {
      Runtime.getRuntime().halt(SIGNAL_EXIT + number);
    }
    Runnable run;
    synchronized (this) {
      run = action;
    }
    run.run();
  }

  /// What the first signal does; if it has come already, at once.
  void then(Runnable todo) {
    synchronized (this) {
      action = todo;
    }
    if (first.get() != 0) {
      todo.run();
    }
  }

  /// The number of the first signal; 0 before it.
  int signal() {
    return first.get();
  }

  /// The exit code of an interrupted process: 128 and the signal's number.
  int code() {
    int signal = first.get();
    return SIGNAL_EXIT + (signal == 0 ? 2 : signal);
  }
}
