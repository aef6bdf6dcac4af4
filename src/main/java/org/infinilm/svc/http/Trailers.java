package org.infinilm.svc.http;

import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.DefaultLastHttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;
import java.util.Map;

/// Trailer fields of chunked answers: passed on to a client that said that it takes them (RFC 9110
/// section 6.5.1), dropped otherwise.
final class Trailers {
  /// Fields that a recipient could take for framing, routing, credentials or how to read the body.
  private static final List<String> NEVER =
      List.of(
          "authorization",
          "cache-control",
          "content-encoding",
          "content-length",
          "content-range",
          "content-type",
          "host",
          "set-cookie",
          "trailer",
          "transfer-encoding",
          "www-authenticate");

  private Trailers() {}

  /// Whether the sender of `r` takes trailers.
  static boolean wanted(HttpRequest r) {
    List<String> te = r.headers().getAll(HttpHeaderNames.TE);
    for (String value : te) {
      for (String coding : value.split(",")) {
        if (coding.strip().equalsIgnoreCase("trailers")) {
          return true;
        }
      }
    }
    return false;
  }

  /// The last chunk of a copy of `answer`.
  static LastHttpContent last(AnswerHead answer) {
    HttpHeaders from = answer.trailers();
    if (from.isEmpty()) {
      return LastHttpContent.EMPTY_LAST_CONTENT;
    }
    LastHttpContent last = new DefaultLastHttpContent(Unpooled.EMPTY_BUFFER);
    HttpHeaders to = last.trailingHeaders();
    for (Map.Entry<String, String> f : from) {
      if (NEVER.stream().noneMatch(n -> n.equalsIgnoreCase(f.getKey()))) {
        to.add(f.getKey(), f.getValue());
      }
    }
    HopByHop.strip(to);
    return last;
  }
}
