package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import org.jspecify.annotations.Nullable;

/// A request's head as Netty's codec gives it.
record NettyRequestHead(HttpRequest request) implements RequestHead {
  @Override
  public String method() {
    return request.method().name();
  }

  @Override
  public boolean isHttp10() {
    return request.protocolVersion().equals(HttpVersion.HTTP_1_0);
  }

  @Override
  public String target() {
    return request.uri();
  }

  @Override
  public @Nullable String header(String name) {
    return request.headers().get(name);
  }

  @Override
  public @Nullable String joined(String name) {
    return NettyFields.joined(request.headers(), name);
  }
}
