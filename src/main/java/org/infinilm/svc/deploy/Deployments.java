package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.process.Proc;

/// Finds the deployment that a command means.
final class Deployments {
  static final Key<Integer> ROUTER_PORT =
      Key.port(
              "router_port",
              null,
              "Router port of the deployment (default: the only one there is).")
          .orFlag("--port");

  private Deployments() {}

  /// The one whose router has the port, or the only one; empty when there is none. One that was
  /// started under another home or state folder is found by its processes, when its port is given.
  ///
  /// @throws ConfigException when there are several and no port was given
  static Optional<RunFolder> choose(Map<String, String> env, Optional<Integer> routerPort)
      throws ConfigException, IOException {
    List<RunFolder> found = List.of();
    try {
      found = RunFolder.present(env, routerPort.orElse(null));
    } catch (ConfigException noHome) {
      if (routerPort.isEmpty()) {
        throw noHome;
      }
    }
    if (found.isEmpty() && routerPort.isEmpty()) {
      // What runs from here although its state is gone.
      Path base = RunFolder.base(env);
      found = elsewhere().stream().filter(f -> base.equals(f.path().getParent())).toList();
    }
    if (found.size() > 1) {
      throw new ConfigException(
          "--router-port: missing (expected: one of "
              + found.stream()
                  .map(f -> f.path().getFileName().toString())
                  .collect(Collectors.joining(", "))
              + ", the deployments in "
              + RunFolder.base(env)
              + ")");
    }
    if (found.isEmpty() && routerPort.isPresent()) {
      return elsewhere().stream()
          .filter(f -> f.path().endsWith(routerPort.get().toString()))
          .findFirst();
    }
    return found.stream().findFirst();
  }

  /// Says that nothing runs here, and what runs from other run folders.
  ///
  /// @return whether nothing at all was found
  static boolean nothing(Map<String, String> env, Terminal terminal) {
    String where;
    try {
      where = "no deployment in " + RunFolder.base(env);
    } catch (ConfigException e) {
      where = String.valueOf(e.getMessage());
    }
    terminal.line("nothing runs (" + where + ")");
    List<RunFolder> others = elsewhere();
    for (RunFolder f : others) {
      Path port = f.path().getFileName();
      terminal.line(
          "a deployment of " + f.path() + " runs; it is meant with --router-port " + port);
    }
    return others.isEmpty();
  }

  /// The run folders that living processes name.
  private static List<RunFolder> elsewhere() {
    return Proc.valuesOf(Ending.FOLDER).stream().map(p -> new RunFolder(Path.of(p))).toList();
  }
}
