package org.infinilm.svc.babysitter;

import java.net.URI;
import java.util.function.Function;
import org.infinilm.svc.http.IpText;
import org.jspecify.annotations.Nullable;

/// The addresses of one instance.
///
/// @param bind what the server (where the babysitter tells it) and the babysitter listen on
/// @param advertise what is registered; never a wildcard
/// @param probe where the babysitter reaches the server
record Addresses(String bind, String advertise, String probe) {
  private static final String LOOPBACK = "127.0.0.1";
  private static final String ANY = "0.0.0.0";
  private static final String LOOPBACK6 = "::1";
  private static final String ANY6 = "::";

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
    String told = bare(host);
    String toldBind = bare(bindHost);
    String advertise;
    if (advertiseHost != null) {
      advertise = String.valueOf(bare(advertiseHost));
    } else if (told == null && toldBind == null) {
      advertise = "localhost";
    } else if (told != null && !isAny(told)) {
      advertise = told;
    } else if (toldBind != null && !isAny(toldBind)) {
      advertise = toldBind;
    } else {
      advertise =
          registry == null || isLoopback(String.valueOf(registry.getHost()))
              ? LOOPBACK
              : toward.apply(registry);
    }
    String bind;
    if (toldBind != null) {
      bind = toldBind.equals("localhost") ? LOOPBACK : toldBind;
    } else if (told != null && isAny(told)) {
      bind = told.equals(ANY6) ? ANY6 : ANY;
    } else if (isLoopback(advertise)) {
      bind = isV6(advertise) ? LOOPBACK6 : LOOPBACK;
    } else {
      bind = isV6(advertise) ? ANY6 : ANY;
    }
    return new Addresses(bind, advertise, probe(bind));
  }

  /// Servers that listen on all IPv6 addresses need not listen on IPv4.
  private static String probe(String bind) {
    if (isAny(bind)) {
      return isV6(bind) ? LOOPBACK6 : LOOPBACK;
    }
    return isLoopback(bind) && !isV6(bind) ? LOOPBACK : bind;
  }

  private static boolean isV6(String address) {
    return address.indexOf(':') >= 0;
  }

  /// Without the brackets that an IPv6 address has in a URL, in its one text.
  private static @Nullable String bare(@Nullable String host) {
    return host == null
        ? null
        : IpText.host(
            host.startsWith("[") && host.endsWith("]")
                ? host.substring(1, host.length() - 1)
                : host);
  }

  static boolean isAny(String host) {
    String h = String.valueOf(bare(host));
    return h.equals(ANY) || h.equals(ANY6) || h.equals("*");
  }

  static boolean isLoopback(String host) {
    String h = String.valueOf(bare(host));
    return h.equalsIgnoreCase("localhost") || h.startsWith("127.") || h.equals(LOOPBACK6);
  }
}
