package org.infinilm.svc.http;

import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A request's head as Netty's codec gives it.
record NettyRequestHead(HttpRequest request) implements ClientHead {
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

  @Override
  public boolean keepAlive() {
    return HttpUtil.isKeepAlive(request);
  }

  @Override
  public boolean framed() {
    return request.headers().contains(HttpHeaderNames.CONTENT_LENGTH)
        || request.headers().contains(HttpHeaderNames.TRANSFER_ENCODING);
  }

  @Override
  public long length() {
    return HttpUtil.getContentLength(request, 0L);
  }

  @Override
  public boolean takesTrailers() {
    return Trailers.wanted(request);
  }

  @Override
  public List<Header> fields() {
    List<Header> out = new ArrayList<>();
    for (Map.Entry<String, String> f : request.headers()) {
      out.add(new Header(f.getKey(), f.getValue()));
    }
    return out;
  }

  @Override
  public HttpRequest copy() {
    return new DefaultHttpRequest(
        HttpVersion.HTTP_1_1, request.method(), request.uri(), request.headers().copy());
  }
}
