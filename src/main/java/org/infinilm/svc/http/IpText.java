package org.infinilm.svc.http;

import io.netty.util.NetUtil;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/// IP addresses as texts: one address has one, however it was written. For IPv6 it is that of RFC
/// 5952, `2001:db8::1`; an IPv4 address in IPv6 has that of IPv4. Stateless.
public final class IpText {
  private IpText() {}

  /// `10.0.0.1`, `2001:db8::1`; with its zone where it has one, `fe80::1%eth0`.
  public static String of(InetAddress a) {
    String java = a.getHostAddress();
    if (a instanceof Inet4Address) {
      return java;
    }
    int zone = java.indexOf('%');
    return NetUtil.toAddressString(a) + (zone < 0 ? "" : java.substring(zone));
  }

  /// `10.0.0.1:80`, `[2001:db8::1]:80`.
  ///
  /// @param a resolved
  public static String of(InetSocketAddress a) {
    return BaseUrl.bracketed(of(a.getAddress())) + ":" + a.getPort();
  }

  /// The one text of a host: of an IPv6 address, in brackets if it was; what is none is as it was.
  public static String host(String host) {
    if (host.indexOf(':') < 0) {
      return host;
    }
    boolean brackets = host.startsWith("[") && host.endsWith("]");
    String bare = brackets ? host.substring(1, host.length() - 1) : host;
    int zone = bare.indexOf('%');
    try {
      String text = of(InetAddress.ofLiteral(zone < 0 ? bare : bare.substring(0, zone)));
      if (text.indexOf(':') < 0) {
        return text;
      }
      String whole = zone < 0 ? text : text + bare.substring(zone);
      return brackets ? "[" + whole + "]" : whole;
    } catch (IllegalArgumentException noAddress) {
      return host;
    }
  }

  /// An authority as others are told it: without the zone of an address, which is a name of this
  /// machine alone (RFC 6874 section 4).
  public static String withoutZone(String authority) {
    int zone = authority.indexOf('%');
    int end = zone < 0 ? -1 : authority.indexOf(']', zone);
    return end < 0 ? authority : authority.substring(0, zone) + authority.substring(end);
  }

  /// The one text of `host:port`, an IPv6 address in brackets; what is none is as it was.
  public static String hostAndPort(String at) {
    int end = at.indexOf("]:");
    return at.startsWith("[") && end > 0
        ? host(at.substring(0, end + 1)) + at.substring(end + 1)
        : at;
  }
}
