package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.util.AsciiString;
import java.util.ArrayList;
import java.util.List;

/// Fields that belong to one connection (RFC 9110 section 7.6.1), those that `Connection` names
/// included.
final class HopByHop {
  private static final AsciiString HTTP2_SETTINGS = AsciiString.cached("http2-settings");
  private static final AsciiString KEEP_ALIVE = AsciiString.cached("keep-alive");
  private static final AsciiString PROXY_CONNECTION = AsciiString.cached("proxy-connection");

  private HopByHop() {}

  /// Removes them in place; `Transfer-Encoding` stays (framing is the caller's).
  static void strip(HttpHeaders h) {
    if (h.contains(HttpHeaderNames.CONNECTION)) {
      named(h).forEach(h::remove);
      h.remove(HttpHeaderNames.CONNECTION);
    }
    h.remove(KEEP_ALIVE);
    h.remove(PROXY_CONNECTION);
    h.remove(HttpHeaderNames.TE);
    h.remove(HttpHeaderNames.TRAILER);
    h.remove(HttpHeaderNames.UPGRADE);
    h.remove(HttpHeaderNames.PROXY_AUTHENTICATE);
    h.remove(HttpHeaderNames.PROXY_AUTHORIZATION);
    h.remove(HTTP2_SETTINGS);
  }

  /// The fields that `Connection` names and that may be removed.
  static List<String> named(HttpHeaders h) {
    List<String> out = new ArrayList<>();
    for (String value : h.getAll(HttpHeaderNames.CONNECTION)) {
      for (String name : value.split(",")) {
        String n = name.strip();
        if (!n.isEmpty() && !protectedField(n)) {
          out.add(n);
        }
      }
    }
    return out;
  }

  /// Fields whose loss would change framing, address, credentials or how a body is read, whatever
  /// `Connection` says.
  private static boolean protectedField(String name) {
    return name.equalsIgnoreCase("content-length")
        || name.equalsIgnoreCase("transfer-encoding")
        || name.equalsIgnoreCase("host")
        || name.equalsIgnoreCase("content-type")
        || name.equalsIgnoreCase("content-encoding")
        || name.equalsIgnoreCase("authorization")
        || name.equalsIgnoreCase("x-api-key")
        || name.equalsIgnoreCase("api-key")
        || name.equalsIgnoreCase("cookie");
  }
}
