package org.infinilm.svc.config;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/// Signals of this process. The JDK's signal class is not part of the Java platform and is looked
/// up by name; where it is not there, signals end the process as usual.
final class Signals {
  private Signals() {}

  /// Runs `action` at each signal, on a thread of its own, unless the process was started with the
  /// signal ignored.
  static void on(String name, Runnable action) {
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
                    action.run();
                    yield null;
                  }
                  case "hashCode" -> System.identityHashCode(proxy);
                  case "equals" -> false;
                  default -> name;
                };
              });
      Object one = signal.getConstructor(String.class).newInstance(name);
      Method handle = signal.getMethod("handle", signal, handler);
      Object before = handle.invoke(null, one, mine);
      if (before != null && before.equals(handler.getField("SIG_IGN").get(null))) {
        handle.invoke(null, one, before);
      }
    } catch (InvocationTargetException taken) {
      // the virtual machine was told to leave signals alone (-Xrs)
    } catch (ReflectiveOperationException notHere) {
      // the platform's own handling stays
    }
  }
}
