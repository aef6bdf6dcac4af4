package org.infinilm.svc.registry;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

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

  /// Whether nothing but the time of the last heartbeat differs.
  public boolean saysTheSameAs(Service o) {
    return isHealthy == o.isHealthy
        && port == o.port
        && weight == o.weight
        && name.equals(o.name)
        && host.equals(o.host)
        && hostname.equals(o.hostname)
        && url.equals(o.url)
        && status.equals(o.status)
        && healthStatus.equals(o.healthStatus)
        && timestamp.equals(o.timestamp)
        && metadata.equals(o.metadata);
  }

  /// An entry of a registry's answer; null without a name, host or port.
  static @Nullable Service read(JsonNode n) {
    JsonNode name = n.path("name");
    JsonNode host = n.path("host");
    JsonNode port = n.path("port");
    if (!name.isTextual() || !host.isTextual() || !port.canConvertToInt()) {
      return null;
    }
    JsonNode metadata = n.path("metadata");
    return new Service(
        name.asText(),
        host.asText(),
        port.asInt(),
        n.path("hostname").asText(),
        n.path("url").asText(),
        n.path("status").asText(),
        metadata.isObject() ? Json.plain(metadata) : Map.of(),
        Math.max(0, n.path("weight").asInt(1)),
        n.path("health_status").asText("unknown"),
        n.path("is_healthy").asBoolean(false),
        n.path("last_heartbeat").asDouble(),
        n.path("timestamp").asText());
  }
}
