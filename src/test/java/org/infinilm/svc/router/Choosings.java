package org.infinilm.svc.router;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.telemetry.Ticker;

/// What chooses for a picker, in surroundings of a test's own.
public final class Choosings {
  private Choosings() {}

  /// @param instances as `--instance` takes them
  /// @param names addresses of hosts; others are unknown
  /// @param env where `api_key_env` looks
  public static Choosing open(
      Config config,
      List<String> instances,
      Map<String, List<String>> names,
      Map<String, String> env)
      throws ConfigException, IOException {
    Resolver.Lookup lookup =
        host -> {
          List<String> at = names.get(host);
          if (at == null) {
            throw new UnknownHostException(host);
          }
          return at.stream().map(InetAddress::ofLiteral).toArray(InetAddress[]::new);
        };
    return Choosing.open(new Sources(config, List.of(), instances, env), lookup, Ticker.SYSTEM);
  }
}
