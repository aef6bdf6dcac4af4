package org.infinilm.svc.registry;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/// One entry of the registry as its readers see it.
///
/// @param metadata plain JSON values; may hold nulls
/// @param weight 1 when none was registered
/// @param healthStatus last probe: `unknown`, `healthy` or `unhealthy`
/// @param isHealthy status is `running`, the heartbeat is younger than 120 s and the last probe did
///   not fail
/// @param lastHeartbeat epoch seconds
/// @param timestamp time of registration, RFC 3339
public record Service(
    String name,
    String host,
    int port,
    String hostname,
    String url,
    String status,
    Map<String, Object> metadata,
    int weight,
    String healthStatus,
    boolean isHealthy,
    double lastHeartbeat,
    String timestamp) {
  public Service {
    metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
  }
}
