package org.infinilm.svc.http;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The parts of a server's base URL. Host names may hold underscores, as container names do and
/// [java.net.URI] refuses.
///
/// @param host a name, an IPv4 address or an IPv6 address in brackets
/// @param prefix path before every target, without a trailing slash
public record BaseUrl(String host, int port, String prefix) {
  private static final Pattern HTTP =
      Pattern.compile(
          "(?i)http://(\\[[0-9a-f:.]+(?:%[\\w.-]+)?]|[\\w.-]+)(?::([0-9]{1,5}))?((?:/[\\w.~!$&'()*+,;=:@%-]*)*)");

  /// Null when `url` is no `http://host[:port][/path]`.
  public static @Nullable BaseUrl parse(String url) {
    Matcher m = HTTP.matcher(url.strip());
    if (!m.matches()) {
      return null;
    }
    int port = m.group(2) == null ? 80 : Integer.parseInt(m.group(2));
    if (port < 1 || port > 65535) {
      return null;
    }
    String path = m.group(3);
    return new BaseUrl(
        m.group(1), port, path.endsWith("/") ? path.substring(0, path.length() - 1) : path);
  }

  /// `host` as it stands in a URL.
  public static String bracketed(String host) {
    return host.indexOf(':') >= 0 && !host.startsWith("[") ? "[" + host + "]" : host;
  }

  @Override
  public String toString() {
    return "http://" + host + ":" + port + prefix;
  }
}
