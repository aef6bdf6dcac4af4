package org.infinilm.svc.http;

import io.netty.handler.codec.http.DefaultHttpHeadersFactory;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// Trailer fields of chunked messages (RFC 9110 section 6.5), which may go on as trailers only: a
/// request's to instances, an answer's to a client that said that it takes them.
final class Trailers {
  /// Fields that a recipient could take for framing, routing, conditions, credentials or how to
  /// read the body.
  private static final Set<String> NEVER =
      Set.of(
          "age",
          "api-key",
          "authorization",
          "cache-control",
          "content-encoding",
          "content-length",
          "content-range",
          "content-type",
          "cookie",
          "date",
          "expect",
          "expires",
          "forwarded",
          "host",
          "location",
          "max-forwards",
          "pragma",
          "range",
          "retry-after",
          "set-cookie",
          "trailer",
          "transfer-encoding",
          "vary",
          "via",
          "www-authenticate",
          "x-api-key",
          "x-real-ip");

  private static final List<String> NEVER_BEGINS = List.of("if-", "x-forwarded-");

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

  /// Those that may go on, in a copy. What the head's patch drops or sets passes as a trailer
  /// neither.
  ///
  /// @param ofConnection names that the `Connection` of the same message lists
  static HttpHeaders passing(HttpHeaders from, List<String> ofConnection, HeadPatch patch) {
    if (from.isEmpty()) {
      return EmptyHttpHeaders.INSTANCE;
    }
    HttpHeaders to = DefaultHttpHeadersFactory.trailersFactory().newHeaders();
    for (Map.Entry<String, String> f : from) {
      String name = f.getKey().toLowerCase(Locale.ROOT);
      if (!NEVER.contains(name) && NEVER_BEGINS.stream().noneMatch(name::startsWith)) {
        to.add(f.getKey(), f.getValue());
      }
    }
    HopByHop.strip(to);
    ofConnection.forEach(to::remove);
    patch.dropped().forEach(to::remove);
    for (Header set : patch.set()) {
      to.remove(set.name());
    }
    return to;
  }
}
