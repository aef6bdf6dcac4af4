package org.infinilm.svc.router;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.TimeLimits;

/// Time limits of calls to instances.
///
/// @param proxy until an answer's first byte and between its bytes, where the others do not say
/// @param connect for all connections that one request tries, together
/// @param firstByte when set: after it another instance may be asked
/// @param firstBytePerMb added to `firstByte` for each MiB of the request's body
/// @param idle between bytes of an answer
record Timeouts(
    Duration proxy,
    Duration connect,
    Optional<Duration> firstByte,
    Duration firstBytePerMb,
    Duration idle) {
  private static final Duration FIRST_CONNECT = Duration.ofSeconds(2);
  private static final Duration NEXT_CONNECT = Duration.ofSeconds(1);
  private static final Duration LEAST_CONNECT = Duration.ofMillis(500);
  private static final double MIB = 1 << 20;

  static final Key<Duration> PROXY =
      Key.seconds(
              "proxy_timeout",
              1800.0,
              0.25,
              "limit until an answer's first byte, and between its bytes")
          .orEnv("PROXY_TIMEOUT_SECONDS")
          .orDefault();
  static final Key<Duration> CONNECT =
      Key.seconds(
          "connect_timeout",
          5.0,
          0.25,
          "limit of all connections that one request tries; the first may take 2 s of it");
  static final Key<Duration> FIRST_BYTE =
      Key.seconds(
          "first_byte_timeout",
          null,
          0.25,
          "limit until an answer's first byte after which another instance is asked; proxy_timeout, without another attempt, when absent");
  static final Key<Duration> FIRST_BYTE_PER_MB =
      Key.seconds(
          "first_byte_timeout_per_mb", 0.0, 0, "added to first_byte_timeout for each MiB of body");
  static final Key<Duration> IDLE =
      Key.seconds(
          "idle_timeout",
          null,
          0.25,
          "limit between bytes of an answer; proxy_timeout when absent");

  static final List<Key<?>> KEYS = List.of(PROXY, CONNECT, FIRST_BYTE, FIRST_BYTE_PER_MB, IDLE);

  static Timeouts of(Config c) throws ConfigException {
    Duration proxy = c.get(PROXY);
    Optional<Duration> first = c.find(FIRST_BYTE);
    Duration perMb = c.get(FIRST_BYTE_PER_MB);
    if (first.isEmpty() && perMb.isPositive()) {
      throw new ConfigException(
          said(c, FIRST_BYTE_PER_MB, perMb)
              + " adds to first_byte_timeout, which is not set (expected: both)");
    }
    return new Timeouts(proxy, c.get(CONNECT), first, perMb, c.find(IDLE).orElse(proxy));
  }

  /// What is in order and may yet be meant otherwise, a line each.
  static List<String> warnings(Config c) throws ConfigException {
    Duration proxy = c.get(PROXY);
    Optional<Duration> first = c.find(FIRST_BYTE);
    if (first.isEmpty() || first.get().compareTo(proxy) <= 0) {
      return List.of();
    }
    return List.of(
        said(c, FIRST_BYTE, first.get())
            + " is longer than "
            + said(c, PROXY, proxy)
            + ", which then limits the pauses of an answer alone");
  }

  /// A value with the place that it comes from.
  private static String said(Config c, Key<Duration> key, Duration value) {
    String from = c.origin(key);
    String name = from.equals(key.flagName()) ? "" : key.name() + ": ";
    return from + ": " + name + value.toMillis() / 1000.0 + " s";
  }

  /// The limits of one call.
  ///
  /// @param bodyBytes of the request
  /// @param connects connections that this request has tried in vain
  /// @param connecting time they took
  TimeLimits limits(long bodyBytes, int connects, Duration connecting) {
    Duration first =
        firstByte
            .map(f -> f.plusNanos((long) (firstBytePerMb.toNanos() * (bodyBytes / MIB))))
            .orElse(proxy);
    return new TimeLimits(connect(connects, connecting), first, idle);
  }

  private Duration connect(int connects, Duration connecting) {
    Duration left = connect.minus(connecting);
    Duration most = connects == 0 ? FIRST_CONNECT : NEXT_CONNECT;
    Duration share = left.compareTo(most) < 0 ? left : most;
    Duration least = connect.compareTo(LEAST_CONNECT) < 0 ? connect : LEAST_CONNECT;
    return share.compareTo(least) < 0 ? least : share;
  }
}
