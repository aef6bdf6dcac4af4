package org.infinilm.svc.http;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import org.jspecify.annotations.Nullable;

/// Where requests of one instance go: a resolved address, and the authority for the Host field.
/// Connections are kept per origin.
///
/// @param address resolved, since name look-ups never happen on an event loop; or a unix socket's
/// @param authority `host:port` as configured, with its zone where it has one, or `localhost`
/// @param prefix path before every target, empty or `/x`
/// @param tls null for plain TCP
public record Origin(SocketAddress address, String authority, String prefix, @Nullable Tls tls) {
  private static final String UNIX_AUTHORITY = "localhost";

  /// One over plain TCP, or a unix socket.
  public Origin(SocketAddress address, String authority, String prefix) {
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

  /// A server that listens on a unix socket.
  public static Origin unix(String path) {
    return new Origin(UnixDomainSocketAddress.of(path), UNIX_AUTHORITY, "");
  }

  /// Of every call to an instance: the strings keep theirs, and an address has one at once.
  @Override
  public int hashCode() {
    return address.hashCode() * 31 + authority.hashCode();
  }

  /// Where that is, for people and for telling whether two are one: `10.0.0.1:80/base`,
  /// `[2001:db8::1]:80`.
  public String server() {
    return address instanceof InetSocketAddress a ? IpText.of(a) + prefix : "unix:" + address;
  }

  /// What its Host field says.
  String hostField() {
    return IpText.withoutZone(authority);
  }

  /// Whether it is reached over a unix socket.
  boolean unix() {
    return !(address instanceof InetSocketAddress);
  }

  int port() {
    return address instanceof InetSocketAddress a ? a.getPort() : 0;
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
