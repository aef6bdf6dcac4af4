package org.infinilm.svc.router;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Predicate;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;

/// How to reach the instance of a slot: each address of its host in turn, those that failed last.
/// Thread-safe.
final class Target {
  private static final long FAILED_NANOS = 30_000_000_000L;

  private final Instance instance;
  private final List<Origin> origins;
  private final @Nullable Header authorization;
  private final Header name;
  private final AtomicInteger turn = new AtomicInteger();

  /// Until when an address is not asked while there are others; 0 for now.
  private final AtomicLongArray failedUntilNanos;

  /// @param instance the instance when the table was made: slots are used again
  /// @param origins one for each address of its host, at least one
  /// @param authorization value of the Authorization field to send instead of the client's, or null
  Target(Instance instance, List<Origin> origins, @Nullable String authorization) {
    this.instance = instance;
    this.origins = List.copyOf(origins);
    this.authorization =
        authorization == null ? null : Header.prepared("authorization", authorization);
    this.name = Header.prepared("x-infini-instance", Header.encode(instance.name()));
    this.failedUntilNanos = new AtomicLongArray(origins.size());
  }

  Instance instance() {
    return instance;
  }

  /// Where the next call goes.
  Origin origin(long now) {
    int n = origins.size();
    if (n == 1) {
      return origins.getFirst();
    }
    int first = Math.floorMod(turn.getAndIncrement(), n);
    for (int k = 0; k < n; k++) {
      int at = (first + k) % n;
      long until = failedUntilNanos.get(at);
      if (until == 0 || now - until >= 0) {
        return origins.get(at);
      }
    }
    return origins.get(first);
  }

  /// Notes that an address failed: no connection, no answer or 5xx; true while there is another to
  /// try.
  boolean failed(Origin origin, long now) {
    boolean another = false;
    for (int k = 0; k < origins.size(); k++) {
      if (origins.get(k).equals(origin)) {
        failedUntilNanos.set(k, now + FAILED_NANOS == 0 ? 1 : now + FAILED_NANOS);
      } else {
        long until = failedUntilNanos.get(k);
        another |= until == 0 || now - until >= 0;
      }
    }
    return another;
  }

  /// The same with those addresses alone that `may` takes, or null when there are none.
  @Nullable Target of(Predicate<Origin> may) {
    List<Origin> some = origins.stream().filter(may).toList();
    return some.isEmpty() ? null : new Target(instance, some, authorization());
  }

  List<Origin> origins() {
    return origins;
  }

  @Nullable String authorization() {
    return authorization == null ? null : authorization.value();
  }

  /// The field to send instead of the client's, or null.
  @Nullable Header authorizationField() {
    return authorization;
  }

  /// The field that tells a client who answered.
  Header nameField() {
    return name;
  }
}
