package org.infinilm.svc.http;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/// Where requests of one instance go: a resolved address, and the authority for the Host field.
/// Connections are kept per origin.
///
/// @param address resolved; name look-ups never happen on an event loop
/// @param authority `host:port` as configured
/// @param prefix path before every target, empty or `/x`
/// @param tls null for plain TCP
public record Origin(
    InetSocketAddress address, String authority, String prefix, @Nullable Tls tls) {
  /// One over plain TCP.
  public Origin(InetSocketAddress address, String authority, String prefix) {
    this(address, authority, prefix, null);
  }

  /// The server of `url` at `address`.
  ///
  /// @param tls how, when the URL says https; null for [Tls#DEFAULT]
  public static Origin of(BaseUrl url, InetAddress address, @Nullable Tls tls) {
    Tls how = tls == null ? Tls.DEFAULT : tls;
    return new Origin(
        new InetSocketAddress(address, url.port()),
        url.authority(),
        url.root(),
        url.secure() ? how : null);
  }

  /// The host of the authority.
  String host() {
    return authority.substring(0, authority.lastIndexOf(':'));
  }

  /// The target to send for a client's.
  String target(String asked) {
    return prefix.isEmpty() ? asked : prefix + asked;
  }
}
