package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpResponse;
import org.jspecify.annotations.Nullable;

/// An answer's head as Netty's codec gives it.
record NettyResponseHead(HttpResponse response) implements ResponseHead {
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
