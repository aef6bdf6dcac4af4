package org.infinilm.svc.babysitter;

import java.net.URI;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The addresses of one instance.
///
/// @param bind what the server (where the babysitter tells it) and the babysitter listen on
/// @param advertise what is registered; never a wildcard
/// @param probe where the babysitter reaches the server
record Addresses(String bind, String advertise, String probe) {
  private static final String LOOPBACK = "127.0.0.1";
  private static final String ANY = "0.0.0.0";

  /// @param host the one address of the old layout, or null; a wildcard says only what to listen on
  /// @param bindHost overrides what to listen on, or null
  /// @param advertiseHost overrides what to register, or null
  /// @param toward the address of this machine that a connection to the registry comes from
  static Addresses of(
      @Nullable String host,
      @Nullable String bindHost,
      @Nullable String advertiseHost,
      @Nullable URI registry,
      Function<URI, String> toward) {
    String advertise;
    if (advertiseHost != null) {
      advertise = advertiseHost;
    } else if (host == null && bindHost == null) {
      advertise = "localhost";
    } else if (host != null && !isAny(host)) {
      advertise = host;
    } else if (bindHost != null && !isAny(bindHost)) {
      advertise = bindHost;
    } else {
      advertise =
          registry == null || isLoopback(String.valueOf(registry.getHost()))
              ? LOOPBACK
              : toward.apply(registry);
    }
    String bind;
    if (bindHost != null) {
      bind = bindHost.equals("localhost") ? LOOPBACK : bindHost;
    } else if (host != null && isAny(host)) {
      bind = ANY;
    } else {
      bind = isLoopback(advertise) ? LOOPBACK : ANY;
    }
    return new Addresses(bind, advertise, isAny(bind) || isLoopback(bind) ? LOOPBACK : bind);
  }

  static boolean isAny(String host) {
    return host.equals(ANY) || host.equals("::") || host.equals("[::]") || host.equals("*");
  }

  static boolean isLoopback(String host) {
    return host.equalsIgnoreCase("localhost")
        || host.startsWith("127.")
        || host.equals("::1")
        || host.equals("[::1]");
  }
}
