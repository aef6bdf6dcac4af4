package org.infinilm.svc.http;

import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponse;
import org.jspecify.annotations.Nullable;

/// An answer's head as Netty's codec gives it, and its trailers once the answer has ended.
/// Event-loop confined.
final class NettyResponseHead implements AnswerHead {
  private final HttpResponse response;
  private HttpHeaders trailers = EmptyHttpHeaders.INSTANCE;

  NettyResponseHead(HttpResponse response) {
    this.response = response;
  }

  @Override
  public HttpResponse response() {
    return response;
  }

  @Override
  public HttpHeaders trailers() {
    return trailers;
  }

  @Override
  public void trailers(HttpHeaders fields) {
    trailers = fields;
  }

  @Override
  public int status() {
    return response.status().code();
  }

  @Override
  public @Nullable String header(String name) {
    return response.headers().get(name);
  }

  @Override
  public @Nullable String joined(String name) {
    return NettyFields.joined(response.headers(), name);
  }
}
