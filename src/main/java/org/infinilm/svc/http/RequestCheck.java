package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a decoded head must be to be served or forwarded, so that it reads one way only (RFC 9112
/// sections 3.2, 6.1, 6.3; RFC 9110 sections 7.2, 10.1.1). Stateless.
final class RequestCheck {
  private static final int LONGEST_METHOD = 32;
  private static final int LAST_PORT = 65_535;

  /// @param why names the wrong value and the expected one
  record Refusal(int status, String why) {}

  private RequestCheck() {}

  /// Why a head is refused, or null. An absolute-form target is rewritten in place: origin-form,
  /// and its authority becomes the Host.
  static @Nullable Refusal refusal(HttpRequest r) {
    return refusal(r, true);
  }

  /// The same for a server that forwards nothing: there a `%` that begins no escape is a character
  /// as any other (the contract of the earlier registry), which nobody behind it can read
  /// otherwise.
  static @Nullable Refusal refusalAtTheEnd(HttpRequest r) {
    return refusal(r, false);
  }

  private static @Nullable Refusal refusal(HttpRequest r, boolean escapes) {
    Refusal why = framing(r);
    if (why == null) {
      why = host(r.headers(), r.protocolVersion());
    }
    if (why == null) {
      why = target(r, escapes);
    }
    if (why == null) {
      why = expectation(r);
    }
    return why;
  }

  private static @Nullable Refusal framing(HttpRequest r) {
    HttpVersion version = r.protocolVersion();
    if (!version.equals(HttpVersion.HTTP_1_1) && !version.equals(HttpVersion.HTTP_1_0)) {
      return new Refusal(505, "version " + version + " (expected: HTTP/1.1)");
    }
    if (r.headers().size() > StrictRequestDecoder.MAX_FIELDS) {
      return new Refusal(431, "more than " + StrictRequestDecoder.MAX_FIELDS + " header fields");
    }
    if (r.method().equals(HttpMethod.CONNECT)) {
      return new Refusal(501, "CONNECT is not supported");
    }
    if (r.method().equals(HttpMethod.TRACE)) {
      return new Refusal(501, "TRACE is not supported");
    }
    if (r.method().name().length() > LONGEST_METHOD) {
      return new Refusal(501, "method (expected: at most " + LONGEST_METHOD + " characters)");
    }
    List<String> codings = r.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
    if (!codings.isEmpty()
        && (codings.size() > 1
            || !codings.getFirst().strip().equalsIgnoreCase("chunked")
            || !version.equals(HttpVersion.HTTP_1_1))) {
      return bad("Transfer-Encoding: " + String.join(", ", codings) + " (expected: chunked, once)");
    }
    return null;
  }

  private static @Nullable Refusal host(HttpHeaders h, HttpVersion version) {
    List<String> hosts = h.getAll(HttpHeaderNames.HOST);
    if (hosts.isEmpty()) {
      return version.equals(HttpVersion.HTTP_1_1) ? bad("no Host header") : null;
    }
    if (hosts.size() > 1) {
      return bad("several Host headers");
    }
    return isAuthority(hosts.getFirst()) ? null : bad("Host header (expected: host or host:port)");
  }

  private static @Nullable Refusal target(HttpRequest r, boolean escapes) {
    String target = r.uri();
    if (target.startsWith("/")) {
      return isOriginForm(target, escapes) ? null : badTarget();
    }
    boolean options = r.method().equals(HttpMethod.OPTIONS);
    if (target.equals("*")) {
      return options ? null : badTarget();
    }
    int start =
        target.regionMatches(true, 0, "http://", 0, 7)
            ? 7
            : target.regionMatches(true, 0, "https://", 0, 8) ? 8 : -1;
    if (start < 0) {
      return badTarget();
    }
    int end = start;
    while (end < target.length() && target.charAt(end) != '/' && target.charAt(end) != '?') {
      end++;
    }
    String authority = target.substring(start, end);
    String rest = target.substring(end);
    String origin = rest.startsWith("/") ? rest : options && rest.isEmpty() ? "*" : "/" + rest;
    if (!isAuthority(authority) || !(origin.equals("*") || isOriginForm(origin, escapes))) {
      return badTarget();
    }
    r.setUri(origin);
    r.headers().set(HttpHeaderNames.HOST, authority);
    return null;
  }

  private static @Nullable Refusal expectation(HttpRequest r) {
    if (!r.headers().contains(HttpHeaderNames.EXPECT)
        || !r.protocolVersion().equals(HttpVersion.HTTP_1_1)) {
      return null;
    }
    for (String value : r.headers().getAll(HttpHeaderNames.EXPECT)) {
      for (String one : value.split(",", -1)) {
        if (!one.strip().equalsIgnoreCase("100-continue")) {
          return new Refusal(417, "Expect: " + one.strip() + " (expected: 100-continue)");
        }
      }
    }
    return null;
  }

  /// Whether a client waits for a 100 before it sends its body.
  static boolean awaitsContinue(HttpRequest r) {
    return r.headers().contains(HttpHeaderNames.EXPECT)
        && r.protocolVersion().equals(HttpVersion.HTTP_1_1)
        && (HttpUtil.isTransferEncodingChunked(r) || HttpUtil.getContentLength(r, 0L) > 0);
  }

  /// Whether the connection is to become a WebSocket: an `Upgrade` counts only where `Connection`
  /// names it (RFC 9110 section 7.8).
  static boolean wantsWebSocket(HttpRequest r) {
    HttpHeaders h = r.headers();
    return h.contains(HttpHeaderNames.UPGRADE)
        && h.containsValue(HttpHeaderNames.CONNECTION, HttpHeaderValues.UPGRADE, true)
        && h.containsValue(HttpHeaderNames.UPGRADE, HttpHeaderValues.WEBSOCKET, true);
  }

  private static Refusal bad(String why) {
    return new Refusal(400, why);
  }

  private static Refusal badTarget() {
    return bad("request target (expected: a path and a query, percent-encoded)");
  }

  /// Whether a request target is a path with an optional query (RFC 9112 section 3.2.1) in visible
  /// ASCII. Characters that browsers leave as they are (`|`, `^`, braces, brackets) pass.
  ///
  /// @param escapes whether every `%` must begin one
  static boolean isOriginForm(String target, boolean escapes) {
    if (!target.startsWith("/")) {
      return false;
    }
    for (int k = 0; k < target.length(); k++) {
      char c = target.charAt(k);
      if (c <= ' ' || c > '~' || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\') {
        return false;
      }
      if (escapes && c == '%' && !(isHex(target, k + 1) && isHex(target, k + 2))) {
        return false;
      }
    }
    return true;
  }

  private static boolean isHex(String s, int at) {
    return at < s.length() && Character.digit(s.charAt(at), 16) >= 0;
  }

  /// Whether a value is a host, an IPv4 address or a bracketed IPv6 address, with an optional port.
  static boolean isAuthority(String value) {
    int end;
    if (value.startsWith("[")) {
      end = value.indexOf(']') + 1;
      if (end < 4 || !consists(value.substring(1, end - 1), "0123456789abcdefABCDEF:.")) {
        return false;
      }
    } else {
      end = value.indexOf(':') < 0 ? value.length() : value.indexOf(':');
      if (end == 0 || !isName(value, end)) {
        return false;
      }
    }
    return end == value.length() || (value.charAt(end) == ':' && isPort(value, end + 1));
  }

  private static boolean isPort(String value, int from) {
    int port = 0;
    for (int k = from; k < value.length(); k++) {
      char c = value.charAt(k);
      if (c < '0' || c > '9') {
        return false;
      }
      port = port * 10 + (c - '0');
      if (port > LAST_PORT) {
        return false;
      }
    }
    return true;
  }

  /// A reg-name without percent-encoding and without the comma that would join two of them.
  private static boolean isName(String value, int end) {
    for (int k = 0; k < end; k++) {
      char c = value.charAt(k);
      boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
      if (!plain && "-._~!$&'()*+;=".indexOf(c) < 0) {
        return false;
      }
    }
    return true;
  }

  private static boolean consists(String value, String of) {
    return value.chars().allMatch(c -> of.indexOf(c) >= 0);
  }
}
