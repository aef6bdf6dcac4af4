package org.infinilm.svc.router;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;

/// How to reach the instance of a slot. Thread-safe.
final class Target {
  private final Instance instance;
  private final List<Origin> origins;
  private final @Nullable String authorization;
  private final AtomicInteger turn = new AtomicInteger();

  /// @param instance the instance when the table was made: slots are used again
  /// @param origins one for each address of its host, at least one
  /// @param authorization value of the Authorization field to send instead of the client's, or null
  Target(Instance instance, List<Origin> origins, @Nullable String authorization) {
    this.instance = instance;
    this.origins = List.copyOf(origins);
    this.authorization = authorization;
  }

  Instance instance() {
    return instance;
  }

  /// Where the next call goes: each address in turn.
  Origin origin() {
    return origins.size() == 1
        ? origins.getFirst()
        : origins.get(Math.floorMod(turn.getAndIncrement(), origins.size()));
  }

  List<Origin> origins() {
    return origins;
  }

  @Nullable String authorization() {
    return authorization;
  }
}
