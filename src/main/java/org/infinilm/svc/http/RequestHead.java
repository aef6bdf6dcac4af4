package org.infinilm.svc.http;

/// The head of a client's request.
public interface RequestHead extends HeadView {
  /// Methods that pass to instances, as `Allow` says of `OPTIONS *`.
  String METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

  String method();

  /// Whether it came in HTTP/1.0.
  boolean isHttp10();

  /// The request target as received: path and query.
  String target();

  /// The path alone, as received.
  default String path() {
    String t = target();
    int q = t.indexOf('?');
    return q < 0 ? t : t.substring(0, q);
  }
}
