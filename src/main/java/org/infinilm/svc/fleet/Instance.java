package org.infinilm.svc.fleet;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// One inference server as a router sees it at one moment.
///
/// @param name the registry entry's name, `...-server`; unique in a fleet
/// @param host as registered
/// @param port of the OpenAI routes
/// @param url base URL without a trailing slash
/// @param models names it serves; requests that name another never come here
/// @param cacheType its KV-cache design, or null when it did not say
/// @param capacityTokens prompt and output tokens that fit one request; [#UNKNOWN] fits all
/// @param weight share of the traffic, at least 0
/// @param state whether it may get requests
/// @param slot index of its counters, the same for one incarnation in every snapshot
/// @param metadata what it registered; plain JSON values
public record Instance(
    String name,
    String host,
    int port,
    String url,
    List<String> models,
    @Nullable CacheType cacheType,
    long capacityTokens,
    int weight,
    State state,
    int slot,
    Map<String, Object> metadata) {
  public static final long UNKNOWN = -1;

  /// Whether an instance may get requests.
  public enum State {
    ROUTABLE,
    /// Failed its health checks or its lease ran out; tried again only when a model has no other.
    EJECTED,
    /// Taken out of service on purpose: gets nothing new.
    DRAINING
  }

  public Instance {
    models = List.copyOf(models);
    if (weight < 0) {
      throw new IllegalArgumentException("weight: " + weight + " (expected: 0 or more)");
    }
  }

  public boolean fits(long tokens) {
    return capacityTokens == UNKNOWN || tokens <= capacityTokens;
  }

  public boolean serves(String model) {
    return models.contains(model);
  }
}
