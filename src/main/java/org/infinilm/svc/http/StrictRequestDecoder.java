package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Netty's request decoder, refusing what two readers could frame differently (RFC 9112 sections
/// 2.2, 3.2, 5.2, 6.1, 6.3): bare LF, Content-Length beside Transfer-Encoding, a transfer coding
/// other than one `chunked`, differing lengths. What the decoder itself lets pass (obs-fold, Host)
/// is refused by [#ambiguity].
final class StrictRequestDecoder extends HttpRequestDecoder {
  static final int MAX_HEAD_BYTES = 64 << 10;
  static final int MAX_FIELDS = 200;

  StrictRequestDecoder() {
    super(
        new HttpDecoderConfig()
            .setMaxInitialLineLength(16 << 10)
            .setMaxHeaderSize(MAX_HEAD_BYTES)
            .setMaxChunkSize(64 << 10)
            .setStrictLineParsing(true)
            .setUseRfc9112TransferEncoding(true)
            .setAllowDuplicateContentLengths(false));
  }

  @Override
  protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {
    throw new IllegalArgumentException("both Content-Length and Transfer-Encoding");
  }

  /// Why a decoded head must not be served or forwarded, or null when it reads one way only.
  static @Nullable String ambiguity(HttpRequest r) {
    if (r.headers().size() > MAX_FIELDS) {
      return "more than " + MAX_FIELDS + " header fields";
    }
    int hosts = r.headers().getAll(HttpHeaderNames.HOST).size();
    if (hosts > 1 || (hosts == 0 && r.protocolVersion().equals(HttpVersion.HTTP_1_1))) {
      return hosts == 0 ? "no Host header" : "several Host headers";
    }
    if (hosts == 1 && !isAuthority(r.headers().get(HttpHeaderNames.HOST, ""))) {
      return "Host header (expected: host or host:port)";
    }
    List<String> codings = r.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
    if (!codings.isEmpty()
        && (codings.size() > 1
            || !codings.getFirst().strip().equalsIgnoreCase("chunked")
            || !r.protocolVersion().equals(HttpVersion.HTTP_1_1))) {
      return "Transfer-Encoding: " + String.join(", ", codings) + " (expected: chunked, once)";
    }
    if (r.protocolVersion().majorVersion() != 1) {
      return "version " + r.protocolVersion() + " (expected: HTTP/1.1)";
    }
    return null;
  }

  /// Whether a request target is a path with an optional query (RFC 9112 section 3.2.1) in visible
  /// ASCII. Characters that browsers leave as they are (`|`, `^`, braces, brackets) pass.
  static boolean isOriginForm(String target) {
    if (!target.startsWith("/")) {
      return false;
    }
    for (int k = 0; k < target.length(); k++) {
      char c = target.charAt(k);
      if (c <= ' ' || c > '~' || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\') {
        return false;
      }
      if (c == '%' && !(isHex(target, k + 1) && isHex(target, k + 2))) {
        return false;
      }
    }
    return true;
  }

  private static boolean isHex(String s, int at) {
    return at < s.length() && Character.digit(s.charAt(at), 16) >= 0;
  }

  /// Whether a Host value can name a host: no path, query, user or blank in it.
  private static boolean isAuthority(String host) {
    for (int k = 0; k < host.length(); k++) {
      char c = host.charAt(k);
      if (c <= ' ' || c > '~' || "/?#@\\,\"<>{}|^`".indexOf(c) >= 0) {
        return false;
      }
    }
    return true;
  }
}
