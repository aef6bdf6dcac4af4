package org.infinilm.svc.deploy;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.infinilm.svc.config.ConfigException;

/// Finds the deployment that a command means.
final class Deployments {
  private Deployments() {}

  /// The one whose router has the port, or the only one; empty when there is none.
  ///
  /// @throws ConfigException when there are several and no port was given
  static Optional<RunFolder> choose(Map<String, String> env, Optional<Integer> routerPort)
      throws ConfigException, IOException {
    List<RunFolder> found = RunFolder.present(env, routerPort.orElse(null));
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
    return found.stream().findFirst();
  }
}
