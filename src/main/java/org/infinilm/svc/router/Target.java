package org.infinilm.svc.router;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;

/// How to reach the instance of a slot: each address of its host in turn, those that failed last.
/// One for a single request ([#of]) keeps its order, and notes what fails where others see it.
/// Thread-safe.
final class Target {
  private static final long FAILED_NANOS = 30_000_000_000L;

  private final Instance instance;
  private final List<Origin> origins;
  private final @Nullable Header authorization;
  private final Header name;
  private final AtomicInteger turn = new AtomicInteger();

  /// That of all requests, of which this is the part for one; null for that one itself.
  private final @Nullable Target whole;

  /// Until when an address of the whole is not asked while there are others; 0 for never failed.
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
    this.whole = null;
    this.failedUntilNanos = new AtomicLongArray(origins.size());
  }

  private Target(Target whole, List<Origin> some) {
    this.instance = whole.instance;
    this.origins = some;
    this.authorization = whole.authorization;
    this.name = whole.name;
    this.whole = whole;
    this.failedUntilNanos = whole.failedUntilNanos;
  }

  Instance instance() {
    return instance;
  }

  /// Where the next call goes.
  Origin origin(long now) {
    int n = origins.size();
    if (n == 1 || whole != null) {
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
    for (Origin o : origins) {
      int at = at(o);
      if (o.equals(origin)) {
        failedUntilNanos.set(at, now + FAILED_NANOS == 0 ? 1 : now + FAILED_NANOS);
      } else {
        long until = failedUntilNanos.get(at);
        another |= until == 0 || now - until >= 0;
      }
    }
    return another;
  }

  /// Its place among those of the whole.
  private int at(Origin o) {
    return (whole == null ? origins : whole.origins).indexOf(o);
  }

  /// The same for one request, with those addresses alone that `may` takes: first those that have
  /// never failed, then by how long ago they did. Null when there are none.
  @Nullable Target of(Predicate<Origin> may) {
    List<Origin> some = origins.stream().filter(may).toList();
    if (some.size() > 1) {
      // read once: others write them meanwhile
      Map<Origin, Long> until =
          some.stream()
              .collect(Collectors.toMap(o -> o, o -> failedUntilNanos.get(at(o)), Long::max));
      some =
          some.stream()
              .sorted((a, b) -> earlier(until.getOrDefault(a, 0L), until.getOrDefault(b, 0L)))
              .toList();
    }
    return some.isEmpty() ? null : new Target(whole == null ? this : whole, some);
  }

  private static int earlier(long a, long b) {
    return a == 0 || b == 0 ? Boolean.compare(a != 0, b != 0) : Long.signum(a - b);
  }

  /// Whether a request reads the same for this one as for another: the key that it is sent with,
  /// and the path.
  boolean toldLike(Target other) {
    return Objects.equals(authorization(), other.authorization())
        && origins.getFirst().prefix().equals(other.origins.getFirst().prefix());
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
