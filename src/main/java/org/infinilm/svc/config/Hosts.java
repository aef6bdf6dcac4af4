package org.infinilm.svc.config;

import java.net.InetAddress;
import java.util.regex.Pattern;

/// What may stand for a host in a setting. Asks no name server. Stateless.
final class Hosts {
  private static final Pattern IPV4 = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");

  /// RFC 1123 section 2.1, and the underscores of container names.
  private static final Pattern NAME =
      Pattern.compile(
          "(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*(?![0-9]+\\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.?");

  private static final String EXPECTED =
      "(expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)";

  private Hosts() {}

  /// Whether it is an IP address, brackets around IPv6 or not, or can be a host's name. A last part
  /// of digits alone makes no name: `5` and `10.1` are what is left of an address.
  private static boolean isHost(String s) {
    return isAddress(s) || NAME.matcher(s).matches();
  }

  /// The same text; throws for what is none, as a key's parser does.
  static String address(String s) {
    String host = s.strip();
    if (!isHost(host)) {
      throw new IllegalArgumentException(EXPECTED);
    }
    return host;
  }

  private static boolean isAddress(String s) {
    if (!IPV4.matcher(s).matches() && s.indexOf(':') < 0) {
      return false;
    }
    try {
      InetAddress.ofLiteral(s);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }
}
