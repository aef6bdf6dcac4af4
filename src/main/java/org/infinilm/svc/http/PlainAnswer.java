package org.infinilm.svc.http;

import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import org.jspecify.annotations.Nullable;

/// The head of an answer that [HeadScan] found in order, as its bytes. Event-loop confined.
final class PlainAnswer implements AnswerHead {
  /// Where the reason begins in a status line.
  private static final int REASON_AT = 13;

  private final PlainFields fields;
  private final int status;
  private final boolean chunked;
  private final long length;
  private final boolean keepAlive;
  private HttpHeaders trailers = EmptyHttpHeaders.INSTANCE;

  /// @param length of its body, -1 when it is chunked
  PlainAnswer(PlainFields fields, int status, boolean chunked, long length, boolean keepAlive) {
    this.fields = fields;
    this.status = status;
    this.chunked = chunked;
    this.length = length;
    this.keepAlive = keepAlive;
  }

  PlainFields fields() {
    return fields;
  }

  boolean chunked() {
    return chunked;
  }

  long length() {
    return length;
  }

  boolean keepAlive() {
    return keepAlive;
  }

  @Override
  public int status() {
    return status;
  }

  @Override
  public @Nullable String header(String name) {
    return fields.header(name);
  }

  @Override
  public @Nullable String joined(String name) {
    return fields.joined(name);
  }

  @Override
  public HttpHeaders trailers() {
    return trailers;
  }

  @Override
  public void trailers(HttpHeaders t) {
    trailers = t;
  }

  @Override
  public HttpResponse response() {
    HttpResponse r =
        new DefaultHttpResponse(
            HttpVersion.HTTP_1_1, new HttpResponseStatus(status, fields.startWord(REASON_AT)));
    fields.addTo(r.headers());
    return r;
  }
}
