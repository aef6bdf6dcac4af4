package org.infinilm.svc.babysitter;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.babysitter.Supervision.Limits;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// Everything one babysitter was told, resolved.
///
/// @param port the server's; the babysitter's own is `port + 1`
/// @param registry null: registers nowhere
/// @param metadata of the `-server` entry, over what the babysitter says itself
/// @param models for a server that lists none; may be empty
/// @param drainTimeout how long requests in flight may take at the end
/// @param probeCompletion whether a probe of a server that serves asks for a token as well
/// @param logFile where the server's lines go; null: with the babysitter's own
/// @param ownListener whether what listens on `port` must come from the process that was started
/// @param demand how it runs on demand; null: it runs always
/// @param tls of the babysitter's own port and of its connections to the registry
/// @param warnings for the log, one line each
record Settings(
    String name,
    int port,
    Addresses addresses,
    RegistryClient.@Nullable Urls registry,
    @Nullable String registryToken,
    @Nullable String adminToken,
    Backend backend,
    Map<String, Object> metadata,
    List<String> models,
    int weight,
    Limits limits,
    Duration heartbeatInterval,
    Duration healthTimeout,
    Duration stopGrace,
    Duration drainTimeout,
    boolean probeCompletion,
    @Nullable Path logFile,
    boolean ownListener,
    @Nullable Demand demand,
    TlsSettings tls,
    List<String> warnings) {
  static final int MAX_WEIGHT = 1_000_000;
  static final int MAX_PORT = 65534;

  /// @param idleStop the server is stopped when nobody has used it for so long; zero: never
  /// @param stateFile keeps the models that it listed last; null: nowhere
  record Demand(Duration idleStop, @Nullable Path stateFile) {}

  int ownPort() {
    return port + 1;
  }

  /// Tells this instance from all others of this machine.
  String instance() {
    return name + ":" + port;
  }

  String serverName() {
    return name + "-server";
  }

  /// Tokens are left out.
  @Override
  public String toString() {
    return "Settings[" + name + ", " + addresses + ", port " + port + ", " + backend + "]";
  }
}
